// What the kernels of one instruction set share; included after its `V` (`avx512.h`, `avx2.h`, `neon.h`).
#pragma once
#include <omp.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

#define ANNEAL_UNROLL _Pragma("GCC unroll 32")
#define ANNEAL_INLINE inline __attribute__((always_inline))

namespace anneal::kernels {
inline namespace ANNEAL_ISA {
namespace {

// What a processor is told beside its work; names of our own, since each kind of processor has others.
#ifdef __SSE2__
ANNEAL_INLINE void fetchNear(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0); }
ANNEAL_INLINE void fetchFar(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T1); }
ANNEAL_INLINE void settle() { _mm_sfence(); }  // what went around the caches is seen by other threads
ANNEAL_INLINE void pauseShortly() { _mm_pause(); }
#elif defined(__aarch64__)
ANNEAL_INLINE void fetchNear(const void* p) { __builtin_prefetch(p, 0, 3); }
ANNEAL_INLINE void fetchFar(const void* p) { __builtin_prefetch(p, 0, 2); }
ANNEAL_INLINE void settle() {}
ANNEAL_INLINE void pauseShortly() { asm volatile("yield"); }
#endif

inline int up(int x, int k) { return (x + k - 1) / k * k; }

// A tensor larger than a cache is evicted before it is read again, so it is written past the caches. Whole vectors only.
inline bool beyondCache(size_t bytes, int c) { return bytes >= (size_t(16) << 20) && c % 16 == 0; }
template <class T>
ANNEAL_INLINE V put(T* p, M m, V v, bool around) {
  if (!around) return store(p, m, v);
  stream(p, v);
  return rounded(p, v);
}
inline void putRow(void* to, const void* from, size_t bytes, bool around) {
  if (around)
    streamRow(static_cast<char*>(to), static_cast<const char*>(from), bytes);
  else
    memcpy(to, from, bytes);
}

// Prefetches the rows of the next block while this one is computed, a few cache lines at each step.
struct Ahead {
  static constexpr int kMost = 12;
  const char *at[kMost], *end[kMost];
  int n = 0, each = 0;
  void clear() { n = 0; }
  void add(const void* from, size_t bytes) {
    if (!bytes || n == kMost) return;
    at[n] = static_cast<const char*>(from);
    end[n] = at[n] + bytes;
    n++;
  }
  void over(int steps) {
    size_t bytes = 0;
    for (int i = 0; i < n; i++) bytes += end[i] - at[i];
    each = static_cast<int>(bytes / 64 / std::max(1, steps)) + 1;
  }
  ANNEAL_INLINE void step() {
    for (int left = each; n && left > 0;) {
      const char*& p = at[n - 1];
      for (; left > 0 && p < end[n - 1]; p += 64, left--) fetchFar(p);
      if (p >= end[n - 1]) n--;
    }
  }
};
static thread_local Ahead ahead;

// --- memory. No exception may leave a parallel region, so a kernel allocates everything before one starts.

// An array of one call, zeros at first. std::vector would not do: all instruction sets would instantiate the same functions, and
// the linker keeps one of them.
template <class P>
class Array {
 public:
  explicit Array(size_t count) : p_(static_cast<P*>(calloc(std::max<size_t>(count, 1), sizeof(P)))), count_(count) {
    if (!p_) noMemory(count * sizeof(P));
  }
  ~Array() { free(p_); }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;
  P* data() { return p_; }
  const P* data() const { return p_; }
  P& operator[](size_t i) { return p_[i]; }
  const P& operator[](size_t i) const { return p_[i]; }
  size_t size() const { return count_; }

 private:
  P* p_;
  size_t count_;
};

// The names of the scratch buffers that a thread keeps from call to call. Two buffers in use at once have different names.
enum class Slot {
  packed,      // weights as products take them
  packedBack,  // others, or those for the gradient
  weights,     // before they are packed
  shared,      // what the whole team makes and reads
  sharedToo,
  sharedSums,
  inputs,  // from here on a part for each member of the team: rows made ready
  gradients,
  stem,  // rows of a picture before they are made ready
  inputPairs,
  gradientPairs,
  products,
  line,
  lineIn,
  ring,
  places,
  actPlaces,
  planes,
  rowSums,
  sums,
  sumsLast,
  sumsDeep,
  count
};

struct Room {
  char* p = nullptr;
  size_t bytes = 0;
  bool taken = false;
  ~Room() { free(p); }
};
inline Room& roomOf(Slot slot) {
  static thread_local Room rooms[static_cast<int>(Slot::count)];
  return rooms[static_cast<int>(slot)];
}
// Scratch memory of the calling thread for `members` threads of a team, `count` P for each, uninitialised. Throws if there is no
// memory. Its slot is taken while the object lives.
template <class P>
class Scratch {
 public:
  Scratch(Slot slot, size_t count, int members = 1)
      : room_(roomOf(slot)), count_(count), apart_((count * sizeof(P) + kPage - 1) / kPage * kPage) {
    if (room_.taken) slotTaken(static_cast<int>(slot));
    const size_t bytes = apart_ * static_cast<size_t>(members);
    if (room_.bytes < bytes) {
      free(room_.p);
      room_.bytes = 0;
      room_.p = static_cast<char*>(aligned_alloc(kPage, bytes));
      if (!room_.p) noMemory(bytes);
      room_.bytes = bytes;
    }
    room_.taken = true;
    p_ = room_.p;
#ifdef __SANITIZE_ADDRESS__
    const size_t own = count * sizeof(P);
    for (int m = 0; m < members; m++) __asan_poison_memory_region(p_ + apart_ * m + own, apart_ - own);
#endif
  }
  ~Scratch() {
    room_.taken = false;
#ifdef __SANITIZE_ADDRESS__
    __asan_unpoison_memory_region(room_.p, room_.bytes);
#endif
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  P* at(int member) const { return reinterpret_cast<P*>(p_ + apart_ * static_cast<size_t>(member)); }
  P* zeroed(int member) const {
    P* const p = at(member);
    if (count_) memset(static_cast<void*>(p), 0, count_ * sizeof(P));
    return p;
  }
  P* get() const { return at(0); }

 private:
  static constexpr size_t kPage = 4096;
  Room& room_;
  size_t count_, apart_;
  char* p_;
};

// --- teams

// One thread of the team of a parallel region. A team has as many as OpenMP gave, which may be fewer than threads().
struct Team {
  int rank, size;
  // The rows of this thread, in multiples of `unit`
  void share(long m, long* from, long* to, long unit = 32) const {
    const long units = (m + unit - 1) / unit;
    *from = std::min(m, units * rank / size * unit);
    *to = std::min(m, units * (rank + 1) / size * unit);
  }
};
inline Team team() { return {omp_get_thread_num(), omp_get_num_threads()}; }

// Sums of every thread, added at the end in the order of the threads: the same number of threads gives the same bits. A thread that
// does not exist adds nothing.
class ThreadSums {
 public:
  explicit ThreadSums(int c)
      : c_(c), width_(up(c, 32)), members_(threads()), values_(static_cast<size_t>(members_) * 2 * width_) {}
  double* first(int t) { return &values_[static_cast<size_t>(t) * 2 * width_]; }
  double* second(int t) { return first(t) + width_; }
  int members() const { return members_; }
  void into(Sums out) {
    if (!out.first) return;
    for (int i = 0; i < c_; i++) {
      out.first[i] = out.second[i] = 0;
      for (int t = 0; t < members_; t++) out.first[i] += first(t)[i], out.second[i] += second(t)[i];
    }
  }

 private:
  int c_, width_, members_;
  Array<double> values_;
};

}  // namespace
}  // namespace ANNEAL_ISA
}  // namespace anneal::kernels

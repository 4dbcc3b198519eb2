// What the kernels of one instruction set share; included after its `V` (`avx512.h`, `avx2.h`).
#pragma once
#include <omp.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

#define ANNEAL_UNROLL _Pragma("GCC unroll 32")
#define ANNEAL_INLINE inline __attribute__((always_inline))

namespace anneal::kernels {
namespace {

inline int up(int x, int k) { return (x + k - 1) / k * k; }

// Past a cache's size a tensor is not found there again: it is written around the caches. Whole vectors only.
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

// Rows that the next block reads are fetched while this one computes, a few lines at each step of it.
struct Ahead {
  const char *at[12], *end[12];
  int n = 0, each = 0;
  void clear() { n = 0; }
  void add(const void* from, size_t bytes) {
    if (!bytes) return;
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
      for (; left > 0 && p < end[n - 1]; p += 64, left--) _mm_prefetch(p, _MM_HINT_T1);
      if (p >= end[n - 1]) n--;
    }
  }
};
static thread_local Ahead ahead;

// Memory of a thread, kept from call to call.
template <class P>
P* scratch(int slot, size_t count, bool zeroed = false) {
  struct Buffer {
    char* p = nullptr;
    size_t bytes = 0;
    ~Buffer() { free(p); }
  };
  static thread_local Buffer buffers[16];
  const size_t bytes = count * sizeof(P);
  Buffer& b = buffers[slot];
  if (b.bytes < bytes) {
    free(b.p);
    b.bytes = (bytes + 4095) / 4096 * 4096;
    b.p = static_cast<char*>(aligned_alloc(4096, b.bytes));
    if (!b.p) abort();
  }
  if (zeroed) memset(b.p, 0, bytes);
  return reinterpret_cast<P*>(b.p);
}

// The sums of every thread, added at the end in their order: the same number of threads gives the same bits.
class ThreadSums {
 public:
  explicit ThreadSums(int c) : c_(c), width_(up(c, 32)), values_(static_cast<size_t>(threads) * 2 * width_) {}
  double* first(int t) { return &values_[static_cast<size_t>(t) * 2 * width_]; }
  double* second(int t) { return first(t) + width_; }
  void into(Sums out) {
    if (!out.first) return;
    for (int i = 0; i < c_; i++) {
      out.first[i] = out.second[i] = 0;
      for (int t = 0; t < threads; t++) out.first[i] += first(t)[i], out.second[i] += second(t)[i];
    }
  }

 private:
  int c_, width_;
  std::vector<double> values_;
};

// The rows of thread t, in multiples of `unit`
inline void share(long m, int t, long* from, long* to, long unit = 32) {
  const long units = (m + unit - 1) / unit;
  *from = std::min(m, units * t / threads * unit);
  *to = std::min(m, units * (t + 1) / threads * unit);
}

}  // namespace
}  // namespace anneal::kernels

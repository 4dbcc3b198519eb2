// A vector of sixteen floats in plain C++: every function is a loop over the lanes. All kernels compiled over it are what those
// of an instruction set are compared with where there is no libtorch (tools/qemu.mjs small).
#include <cmath>
#include <cstring>
#if defined(__SSE2__)
#include <immintrin.h>  // which kernels/common.h and kernels/views.h need, whatever V is
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "../../native/kernels/kernels.h"
#define ANNEAL_ISA plain
#define ANNEAL_BFLOAT16

namespace anneal::kernels {
inline namespace ANNEAL_ISA {
namespace {

struct V {
  float r[16];
};
struct M {
  int n;  // the first n of the 16
};
constexpr int kRows = 2, kColumns = 1, kLanes = 1;  // kernels take rows of bfloat16 two by two

template <class F>
[[gnu::noinline]] V each(F f) {  // a call for each: inlined, all kernels take minutes to compile
  V v;
  for (int i = 0; i < 16; i++) v.r[i] = f(i);
  return v;
}
inline M tail(int left) { return {left < 0 ? 0 : left > 16 ? 16 : left}; }
inline V all(float x) { return each([=](int) { return x; }); }
inline V zero() { return all(0); }
inline V L(const float* p) { return each([=](int i) { return p[i]; }); }
inline void S(float* p, V v) { memcpy(p, v.r, sizeof v); }
inline V add(V a, V b) { return each([&](int i) { return a.r[i] + b.r[i]; }); }
inline V sub(V a, V b) { return each([&](int i) { return a.r[i] - b.r[i]; }); }
inline V mul(V a, V b) { return each([&](int i) { return a.r[i] * b.r[i]; }); }
inline V fma(V a, V b, V c) { return each([&](int i) { return std::fma(a.r[i], b.r[i], c.r[i]); }); }
inline V larger(V a, V b) { return each([&](int i) { return std::isnan(a.r[i]) || a.r[i] > b.r[i] ? a.r[i] : b.r[i]; }); }
inline V rootOf(V a) { return each([&](int i) { return std::sqrt(a.r[i]); }); }
inline V quotient(V a, V b) { return each([&](int i) { return a.r[i] / b.r[i]; }); }
inline V whereEqual(V a, V b, V v) { return each([&](int i) { return a.r[i] == b.r[i] ? v.r[i] : 0; }); }
inline float sumOf(V v) {
  double sum = 0;
  for (const float x : v.r) sum += x;
  return static_cast<float>(sum);
}
inline V relu(V y) { return each([&](int i) { return y.r[i] < 0 ? 0 : y.r[i]; }); }
inline V relu6(V y) { return each([&](int i) { return y.r[i] < 0 ? 0 : y.r[i] > 6 ? 6 : y.r[i]; }); }
inline V positive(V y, V v) { return each([&](int i) { return y.r[i] > 0 ? v.r[i] : 0; }); }
inline V through(V y, V v) { return each([&](int i) { return y.r[i] > 0 && y.r[i] < 6 ? v.r[i] : 0; }); }
inline void addTo(double* p, V v) {
  for (int i = 0; i < 16; i++) p[i] += v.r[i];
}
inline V twoTo(V shifted) {
  return each([&](int i) {
    uint32_t bits;
    memcpy(&bits, shifted.r + i, 4);
    bits = (bits << 23) + (127u << 23);
    float power;
    memcpy(&power, &bits, 4);
    return power;
  });
}
template <int N>
inline V picked(const float* p, const int32_t* at) {
  return each([=](int i) { return p[at[i]]; });
}
inline V load(const float* p, M m) { return each([=](int i) { return i < m.n ? p[i] : 0; }); }
inline V store(float* p, M m, V v) {
  for (int i = 0; i < m.n; i++) p[i] = v.r[i];
  return v;
}
inline void stream(float* p, V v) { S(p, v); }
inline void streamRow(char* to, const char* from, size_t bytes) { memcpy(to, from, bytes); }
inline V rounded(const float*, V v) { return v; }

// --- bfloat16: the upper half of a float, rounded to even

inline float wide(Half16 h) {
  const uint32_t bits = uint32_t(h.bits) << 16;
  float x;
  memcpy(&x, &bits, 4);
  return x;
}
inline Half16 narrow(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  if (std::isnan(x)) return {static_cast<uint16_t>(bits >> 16 | 0x40)};
  return {static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}
inline V L(const Half16* p) { return each([=](int i) { return wide(p[i]); }); }
inline V load(const Half16* p, M m) { return each([=](int i) { return i < m.n ? wide(p[i]) : 0; }); }
inline V store(Half16* p, M m, V v) {  // the value as rounded
  for (int i = 0; i < m.n; i++) p[i] = narrow(v.r[i]);
  return each([&](int i) { return wide(narrow(v.r[i])); });
}
inline void S(Half16* p, V v) { store(p, {16}, v); }
inline void stream(Half16* p, V v) { S(p, v); }
inline V rounded(const Half16*, V v) { return each([&](int i) { return wide(narrow(v.r[i])); }); }
// A word holds a pair of values, the even one below.
inline Half16 half(float word, int which) {
  Half16 both[2];
  memcpy(both, &word, 4);
  return both[which];
}
inline float word(Half16 even, Half16 odd) {
  const Half16 both[] = {even, odd};
  float x;
  memcpy(&x, both, 4);
  return x;
}
inline V dot(V a, V b, V c) {
  return each([&](int i) {
    float sum = c.r[i];
    for (int j = 0; j < 2; j++) sum += wide(half(a.r[i], j)) * wide(half(b.r[i], j));
    return sum;
  });
}
inline V pairs(V even, V odd) { return each([&](int i) { return word(narrow(even.r[i]), narrow(odd.r[i])); }); }
inline V pairs(const Half16* even, const Half16* odd) { return each([=](int i) { return word(even[i], odd[i]); }); }
inline void apart(const Half16* p, V* out) {
  for (int j = 0; j < 2; j++) out[j] = each([=](int i) { return wide(p[2 * i + j]); });
}
inline void putWords(Half16* p, const V* v, bool) { S(reinterpret_cast<float*>(p), pairs(v[0], v[1])); }
inline void putRows(Half16* row, int width, const V* v) { S(row, v[0]), S(row + width, v[1]); }
inline void putBoth(Half16* p, Half16* row, int width, const V* v, bool around) { putWords(p, v, around), putRows(row, width, v); }

}  // namespace
}  // namespace ANNEAL_ISA
}  // namespace anneal::kernels

#include "../../native/kernels/dispatch.h"

namespace anneal::kernels::tables {

extern const Kernels<float>* const plain = &table<float>;
extern const Kernels<Half16>* const plainBf16 = &table<Half16>;

}  // namespace anneal::kernels::tables

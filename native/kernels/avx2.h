// A vector of 16 floats in two AVX2 registers.
#pragma once
#include <immintrin.h>

#include "kernels.h"
#ifndef ANNEAL_ISA
#define ANNEAL_ISA avx2  // whose names these are: no two instruction sets share one
#endif

namespace anneal::kernels {
inline namespace ANNEAL_ISA {
namespace {

struct V {
  __m256 lo, hi;
};
struct M {
  __m256i lo, hi;
};
constexpr int kRows = 4, kColumns = 1;  // registers that a product accumulates in
constexpr int kLanes = 1;  // registers of a row that BatchNorm works on at a time

inline M tail(int left) {
  const __m256i i = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return {_mm256_cmpgt_epi32(_mm256_set1_epi32(left), i), _mm256_cmpgt_epi32(_mm256_set1_epi32(left - 8), i)};
}
inline V zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
inline V all(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline V L(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline void S(float* p, V v) { _mm256_storeu_ps(p, v.lo), _mm256_storeu_ps(p + 8, v.hi); }
inline V add(V a, V b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
inline V sub(V a, V b) { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
inline V mul(V a, V b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
inline V fma(V a, V b, V c) { return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)}; }
// The larger one; NaN if either is NaN
inline __m256 larger(__m256 a, __m256 v) { return _mm256_blendv_ps(_mm256_max_ps(a, v), a, _mm256_cmp_ps(a, a, _CMP_UNORD_Q)); }
inline V larger(V a, V v) { return {larger(a.lo, v.lo), larger(a.hi, v.hi)}; }
inline V rootOf(V a) { return {_mm256_sqrt_ps(a.lo), _mm256_sqrt_ps(a.hi)}; }
inline V quotient(V a, V b) { return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
// v where a and b are equal, else 0
inline V whereEqual(V a, V b, V v) {
  return {_mm256_and_ps(_mm256_cmp_ps(a.lo, b.lo, _CMP_EQ_OQ), v.lo), _mm256_and_ps(_mm256_cmp_ps(a.hi, b.hi, _CMP_EQ_OQ), v.hi)};
}
inline float sumOf(V v) {
  alignas(32) float lanes[8];
  _mm256_store_ps(lanes, _mm256_add_ps(v.lo, v.hi));
  return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}
// With the operands in this order a NaN stays NaN.
inline V relu(V y) { return {_mm256_max_ps(_mm256_setzero_ps(), y.lo), _mm256_max_ps(_mm256_setzero_ps(), y.hi)}; }
inline V relu6(V y) {
  const __m256 six = _mm256_set1_ps(6.f);
  const V v = relu(y);
  return {_mm256_min_ps(six, v.lo), _mm256_min_ps(six, v.hi)};
}
// The gradient v of relu at y: v where y is above 0, else 0
inline V positive(V y, V v) {
  return {_mm256_and_ps(_mm256_cmp_ps(y.lo, _mm256_setzero_ps(), _CMP_GT_OQ), v.lo),
          _mm256_and_ps(_mm256_cmp_ps(y.hi, _mm256_setzero_ps(), _CMP_GT_OQ), v.hi)};
}
inline __m256 through(__m256 y, __m256 v) {
  const __m256 in = _mm256_and_ps(_mm256_cmp_ps(y, _mm256_setzero_ps(), _CMP_GT_OQ),
                                  _mm256_cmp_ps(y, _mm256_set1_ps(6.f), _CMP_LT_OQ));
  return _mm256_and_ps(in, v);
}
// The gradient v of relu6 at y: v where y lies between 0 and 6, else 0
inline V through(V y, V v) { return {through(y.lo, v.lo), through(y.hi, v.hi)}; }
inline void addTo(double* p, __m256 v) {
  _mm256_storeu_pd(p, _mm256_add_pd(_mm256_loadu_pd(p), _mm256_cvtps_pd(_mm256_castps256_ps128(v))));
  _mm256_storeu_pd(p + 4, _mm256_add_pd(_mm256_loadu_pd(p + 4), _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1))));
}
inline void addTo(double* p, V v) { addTo(p, v.lo), addTo(p + 8, v.hi); }

// 2^n, where the last bits of `shifted` are n, and the others those of 1.5 * 2^23
inline __m256 twoTo(__m256 shifted) {
  const __m256i exponent = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(exponent, _mm256_set1_epi32(127 << 23)));
}
inline V twoTo(V shifted) { return {twoTo(shifted.lo), twoTo(shifted.hi)}; }

// Look-up: lane l gets p[at[l]], from the N words at p
template <int N>
inline V picked(const float* p, const int32_t* at) {
  const auto* from = reinterpret_cast<const __m256i*>(at);
  return {_mm256_i32gather_ps(p, _mm256_loadu_si256(from), 4), _mm256_i32gather_ps(p, _mm256_loadu_si256(from + 1), 4)};
}

inline V load(const float* p, M m) { return {_mm256_maskload_ps(p, m.lo), _mm256_maskload_ps(p + 8, m.hi)}; }
inline V store(float* p, M m, V v) {
  _mm256_maskstore_ps(p, m.lo, v.lo);
  _mm256_maskstore_ps(p + 8, m.hi, v.hi);
  return v;
}
inline void stream(float* p, V v) { _mm256_stream_ps(p, v.lo), _mm256_stream_ps(p + 8, v.hi); }
inline void streamRow(char* to, const char* from, size_t bytes) {  // a multiple of 32 bytes
  for (size_t i = 0; i < bytes; i += 32)
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to + i),
                        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i)));
}
inline V rounded(const float*, V v) { return v; }

}  // namespace
}  // namespace ANNEAL_ISA
}  // namespace anneal::kernels

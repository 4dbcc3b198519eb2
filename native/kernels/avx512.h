// A vector of 16 floats in one AVX-512 register.
#pragma once
#include <immintrin.h>

#include "kernels.h"
#ifndef ANNEAL_ISA
#define ANNEAL_ISA avx512  // whose names these are: no two instruction sets share one
#endif

namespace anneal::kernels {
inline namespace ANNEAL_ISA {
namespace {

using V = __m512;
using M = __mmask16;  // which of the sixteen
constexpr int kRows = 8, kColumns = 3;  // registers that a product accumulates in
constexpr int kLanes = 4;  // registers of a row that BatchNorm works on at a time

inline M tail(int left) { return left >= 16 ? M(0xffff) : left <= 0 ? M(0) : M((1u << left) - 1); }
inline V zero() { return _mm512_setzero_ps(); }
inline V all(float x) { return _mm512_set1_ps(x); }
inline V L(const float* p) { return _mm512_loadu_ps(p); }
inline void S(float* p, V v) { _mm512_storeu_ps(p, v); }
inline V add(V a, V b) { return _mm512_add_ps(a, b); }
inline V sub(V a, V b) { return _mm512_sub_ps(a, b); }
inline V mul(V a, V b) { return _mm512_mul_ps(a, b); }
inline V fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
// The larger one; NaN if either is NaN
inline V larger(V a, V v) { return _mm512_mask_mov_ps(_mm512_max_ps(a, v), _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), a); }
inline V rootOf(V a) { return _mm512_sqrt_ps(a); }
inline V quotient(V a, V b) { return _mm512_div_ps(a, b); }
// v where a and b are equal, else 0
inline V whereEqual(V a, V b, V v) { return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ), v); }
inline float sumOf(V v) { return _mm512_reduce_add_ps(v); }
// With the operands in this order a NaN stays NaN.
inline V relu(V y) { return _mm512_max_ps(zero(), y); }
inline V relu6(V y) { return _mm512_min_ps(all(6.f), relu(y)); }
// The gradient v of relu at y: v where y is above 0, else 0
inline V positive(V y, V v) { return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(y, zero(), _CMP_GT_OQ), v); }
// The gradient v of relu6 at y: v where y lies between 0 and 6, else 0
inline V through(V y, V v) {
  const M in = _mm512_cmp_ps_mask(y, zero(), _CMP_GT_OQ) & _mm512_cmp_ps_mask(y, all(6.f), _CMP_LT_OQ);
  return _mm512_maskz_mov_ps(in, v);
}
inline void addTo(double* p, V v) {
  _mm512_storeu_pd(p, _mm512_add_pd(_mm512_loadu_pd(p), _mm512_cvtps_pd(_mm512_castps512_ps256(v))));
  _mm512_storeu_pd(p + 8, _mm512_add_pd(_mm512_loadu_pd(p + 8), _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1))));
}

// 2^n, where the last bits of `shifted` are n, and the others those of 1.5 * 2^23
inline V twoTo(V shifted) {
  const __m512i exponent = _mm512_slli_epi32(_mm512_castps_si512(shifted), 23);
  return _mm512_castsi512_ps(_mm512_add_epi32(exponent, _mm512_set1_epi32(127 << 23)));
}

// Look-up: lane l gets p[at[l]], from the N words at p
template <int N>
inline V picked(const float* p, const int32_t* at) {
  return _mm512_permutexvar_ps(_mm512_loadu_si512(at), _mm512_maskz_loadu_ps(tail(N), p));
}

inline V load(const float* p, M m) { return _mm512_maskz_loadu_ps(m, p); }
inline V store(float* p, M m, V v) { return _mm512_mask_storeu_ps(p, m, v), v; }
inline void stream(float* p, V v) { _mm512_stream_ps(p, v); }
inline void streamRow(char* to, const char* from, size_t bytes) {  // a multiple of 32 bytes
  size_t i = 0;
  if (reinterpret_cast<uintptr_t>(to) & 32) {
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to), _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
    i = 32;
  }
  for (; i + 64 <= bytes; i += 64)
    _mm512_stream_si512(reinterpret_cast<__m512i*>(to + i), _mm512_loadu_si512(from + i));
  if (i < bytes)
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to + i),
                        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i)));
}

#ifdef __AVX512BF16__
#define ANNEAL_BFLOAT16
inline V widen(__m256i h) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16)); }
inline __m256i narrow(V v) { return (__m256i)_mm512_cvtneps_pbh(v); }
inline V L(const Half16* p) { return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
inline void S(Half16* p, V v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow(v)); }
inline V load(const Half16* p, M m) { return widen(_mm256_maskz_loadu_epi16(m, p)); }
inline V store(Half16* p, M m, V v) {  // the value as rounded
  const __m256i h = narrow(v);
  _mm256_mask_storeu_epi16(p, m, h);
  return widen(h);
}
inline void stream(Half16* p, V v) { _mm256_stream_si256(reinterpret_cast<__m256i*>(p), narrow(v)); }
inline V rounded(const Half16*, V v) { return widen(narrow(v)); }
// c + a b for pairs of bfloat16: the two products of a pair are both added
inline V dot(V a, V b, V c) { return _mm512_dpbf16_ps(c, (__m512bh)a, (__m512bh)b); }
// Two vectors of 16 values as 16 pairs
inline V pairs(const Half16* even, const Half16* odd) {
  const __m512i lo = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(even)));
  const __m512i hi = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(odd)));
  return _mm512_castsi512_ps(_mm512_or_si512(lo, _mm512_slli_epi32(hi, 16)));
}
alignas(64) static constexpr uint16_t kInTurn[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                     8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
inline V pairs(V even, V odd) {
  const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(odd, even);
  return _mm512_castsi512_ps(_mm512_permutexvar_epi16(_mm512_load_si512(kInTurn), both));
}
// Two values of each of 16 channels as 16 pairs
inline void apart(const Half16* p, V* out) {
  const __m512i both = _mm512_loadu_si512(p);
  out[0] = _mm512_castsi512_ps(_mm512_slli_epi32(both, 16));
  out[1] = _mm512_castsi512_ps(_mm512_and_si512(both, _mm512_set1_epi32(static_cast<int>(0xffff0000))));
}
inline void putWords(Half16* p, const V* v, bool around) {
  const V both = pairs(v[0], v[1]);
  around ? _mm512_stream_ps(reinterpret_cast<float*>(p), both) : S(reinterpret_cast<float*>(p), both);
}
inline void putRows(Half16* row, int width, const V* v) {
  const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(v[1], v[0]);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(row), _mm512_castsi512_si256(both));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(row + width), _mm512_extracti64x4_epi64(both, 1));
}
// Both: as pairs, and as two rows
inline void putBoth(Half16* p, Half16* row, int width, const V* v, bool around) {
  const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(v[1], v[0]);
  const V inTurn = _mm512_castsi512_ps(_mm512_permutexvar_epi16(_mm512_load_si512(kInTurn), both));
  around ? _mm512_stream_ps(reinterpret_cast<float*>(p), inTurn) : S(reinterpret_cast<float*>(p), inTurn);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(row), _mm512_castsi512_si256(both));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(row + width), _mm512_extracti64x4_epi64(both, 1));
}
#endif
inline V rounded(const float*, V v) { return v; }

}  // namespace
}  // namespace ANNEAL_ISA
}  // namespace anneal::kernels

// A vector of 16 floats in four NEON registers.
#pragma once
#include <arm_neon.h>

#include <cstring>

#include "kernels.h"
#ifndef ANNEAL_ISA
#define ANNEAL_ISA neon  // whose names these are: no two instruction sets share one
#endif

namespace anneal::kernels {
inline namespace ANNEAL_ISA {
namespace {

struct V {
  float32x4_t r[4];
};
struct M {
  int n;  // the first n of the 16
};
constexpr int kRows = 4, kColumns = 1;  // registers that a product accumulates in: 16 of the 32
constexpr int kLanes = 1;  // registers of a row that BatchNorm works on at a time

template <class F>
inline __attribute__((always_inline)) V each4(F f) {
  return {{f(0), f(1), f(2), f(3)}};
}
inline M tail(int left) { return {left < 0 ? 0 : left > 16 ? 16 : left}; }
inline V all(float x) { return each4([=](int) { return vdupq_n_f32(x); }); }
inline V zero() { return all(0); }
inline V L(const float* p) { return each4([=](int i) { return vld1q_f32(p + 4 * i); }); }
inline void S(float* p, V v) {
  vst1q_f32(p, v.r[0]), vst1q_f32(p + 4, v.r[1]), vst1q_f32(p + 8, v.r[2]), vst1q_f32(p + 12, v.r[3]);
}
inline V add(V a, V b) { return each4([&](int i) { return vaddq_f32(a.r[i], b.r[i]); }); }
inline V sub(V a, V b) { return each4([&](int i) { return vsubq_f32(a.r[i], b.r[i]); }); }
inline V mul(V a, V b) { return each4([&](int i) { return vmulq_f32(a.r[i], b.r[i]); }); }
inline V fma(V a, V b, V c) { return each4([&](int i) { return vfmaq_f32(c.r[i], a.r[i], b.r[i]); }); }
inline float32x4_t kept(uint32x4_t m, float32x4_t v) {  // v where m is set, else 0
  return vreinterpretq_f32_u32(vandq_u32(m, vreinterpretq_u32_f32(v)));
}
// The larger one; NaN if either is NaN
inline V larger(V a, V v) { return each4([&](int i) { return vmaxq_f32(a.r[i], v.r[i]); }); }
inline V rootOf(V a) { return each4([&](int i) { return vsqrtq_f32(a.r[i]); }); }
inline V quotient(V a, V b) { return each4([&](int i) { return vdivq_f32(a.r[i], b.r[i]); }); }
// v where a and b are equal, else 0
inline V whereEqual(V a, V b, V v) { return each4([&](int i) { return kept(vceqq_f32(a.r[i], b.r[i]), v.r[i]); }); }
inline float sumOf(V v) { return vaddvq_f32(vaddq_f32(vaddq_f32(v.r[0], v.r[1]), vaddq_f32(v.r[2], v.r[3]))); }
// A NaN stays NaN.
inline V relu(V y) { return each4([&](int i) { return vmaxq_f32(y.r[i], vdupq_n_f32(0)); }); }
inline V relu6(V y) {
  return each4([&](int i) { return vminq_f32(vmaxq_f32(y.r[i], vdupq_n_f32(0)), vdupq_n_f32(6)); });
}
// The gradient v of relu at y: v where y is above 0, else 0
inline V positive(V y, V v) { return each4([&](int i) { return kept(vcgtzq_f32(y.r[i]), v.r[i]); }); }
// The gradient v of relu6 at y: v where y lies between 0 and 6, else 0
inline V through(V y, V v) {
  return each4([&](int i) { return kept(vandq_u32(vcgtzq_f32(y.r[i]), vcltq_f32(y.r[i], vdupq_n_f32(6))), v.r[i]); });
}
inline void addTo(double* p, V v) {
  for (int i = 0; i < 4; i++, p += 4) {
    vst1q_f64(p, vaddq_f64(vld1q_f64(p), vcvt_f64_f32(vget_low_f32(v.r[i]))));
    vst1q_f64(p + 2, vaddq_f64(vld1q_f64(p + 2), vcvt_high_f64_f32(v.r[i])));
  }
}

// 2^n, where the last bits of `shifted` are n, and the others those of 1.5 * 2^23
inline V twoTo(V shifted) {
  return each4([&](int i) {
    const uint32x4_t exponent = vshlq_n_u32(vreinterpretq_u32_f32(shifted.r[i]), 23);
    return vreinterpretq_f32_u32(vaddq_u32(exponent, vdupq_n_u32(127u << 23)));
  });
}

// Look-up: lane l gets p[at[l]], from the N words at p
template <int N>
inline V picked(const float* p, const int32_t* at) {
  float lanes[16];
  for (int i = 0; i < 16; i++) lanes[i] = p[at[i]];
  return L(lanes);
}

inline V load(const float* p, M m) {
  if (m.n == 16) return L(p);
  float lanes[16] = {};
  memcpy(lanes, p, m.n * sizeof(float));
  return L(lanes);
}
inline V store(float* p, M m, V v) {
  if (m.n == 16) return S(p, v), v;
  float lanes[16];
  S(lanes, v);
  memcpy(p, lanes, m.n * sizeof(float));
  return v;
}
// NEON has no stores around the caches.
inline void stream(float* p, V v) { S(p, v); }
inline void streamRow(char* to, const char* from, size_t bytes) { memcpy(to, from, bytes); }

#ifdef __ARM_FEATURE_BF16_VECTOR_ARITHMETIC
#define ANNEAL_BFLOAT16
struct H {  // 16 values of bfloat16, by their bits
  uint16x8_t r[2];
};
inline V words(uint16x8_t a, uint16x8_t b, uint16x8_t c, uint16x8_t d) {
  return {{vreinterpretq_f32_u16(a), vreinterpretq_f32_u16(b), vreinterpretq_f32_u16(c), vreinterpretq_f32_u16(d)}};
}
inline H bits(const Half16* p) {
  const auto* from = reinterpret_cast<const uint16_t*>(p);
  return {{vld1q_u16(from), vld1q_u16(from + 8)}};
}
inline void put(Half16* p, H h) {
  auto* to = reinterpret_cast<uint16_t*>(p);
  vst1q_u16(to, h.r[0]), vst1q_u16(to + 8, h.r[1]);
}
inline V widen(H h) {
  const auto wide = [](uint16x4_t v) { return vreinterpretq_f32_u32(vshll_n_u16(v, 16)); };
  return {{wide(vget_low_u16(h.r[0])), wide(vget_high_u16(h.r[0])), wide(vget_low_u16(h.r[1])), wide(vget_high_u16(h.r[1]))}};
}
inline H narrow(V v) {
  const auto both = [](float32x4_t a, float32x4_t b) {
    return vreinterpretq_u16_bf16(vcvtq_high_bf16_f32(vcvtq_low_bf16_f32(a), b));
  };
  return {{both(v.r[0], v.r[1]), both(v.r[2], v.r[3])}};
}
inline V L(const Half16* p) { return widen(bits(p)); }
inline void S(Half16* p, V v) { put(p, narrow(v)); }
inline V load(const Half16* p, M m) {
  if (m.n == 16) return L(p);
  Half16 lanes[16] = {};
  memcpy(lanes, p, m.n * sizeof(Half16));
  return L(lanes);
}
inline V store(Half16* p, M m, V v) {  // the value as rounded
  const H h = narrow(v);
  Half16 lanes[16];
  put(lanes, h);
  memcpy(p, lanes, m.n * sizeof(Half16));
  return widen(h);
}
inline void stream(Half16* p, V v) { S(p, v); }
inline V rounded(const Half16*, V v) { return widen(narrow(v)); }
// c + a b for pairs of bfloat16: the two products of a pair are both added
inline V dot(V a, V b, V c) {
  return each4([&](int i) {
    return vbfdotq_f32(c.r[i], vreinterpretq_bf16_f32(a.r[i]), vreinterpretq_bf16_f32(b.r[i]));
  });
}
// BFMMLA: the products of two rows with two columns, four values along the sum at a time
#define ANNEAL_BLOCKS
struct Block {  // of two rows and 16 columns: register i has columns 2 i and 2 i + 1 of the first row, then of the second
  float32x4_t r[8];
};
// Two words of each of two rows
inline float32x4_t rowsOf(const float* a, long ar, long ak) {
  if (ak == 1) return vcombine_f32(vld1_f32(a), vld1_f32(a + ar));
  const float lanes[] = {a[0], a[ak], a[ar], a[ar + ak]};
  return vld1q_f32(lanes);
}
// Two words of each of 16 columns
inline Block columnsOf(V first, V second) {
  Block b;
  for (int i = 0; i < 4; i++)
    b.r[2 * i] = vzip1q_f32(first.r[i], second.r[i]), b.r[2 * i + 1] = vzip2q_f32(first.r[i], second.r[i]);
  return b;
}
inline void addBlocks(float32x4_t rows, const Block& columns, Block* sum) {
  for (int i = 0; i < 8; i++)
    sum->r[i] = vbfmmlaq_f32(sum->r[i], vreinterpretq_bf16_f32(rows), vreinterpretq_bf16_f32(columns.r[i]));
}
inline V firstRow(const Block& b) {
  return each4([&](int i) { return vcombine_f32(vget_low_f32(b.r[2 * i]), vget_low_f32(b.r[2 * i + 1])); });
}
inline V secondRow(const Block& b) {
  return each4([&](int i) { return vcombine_f32(vget_high_f32(b.r[2 * i]), vget_high_f32(b.r[2 * i + 1])); });
}
// Two vectors of 16 values as 16 pairs
inline V pairs(H even, H odd) {
  return words(vzip1q_u16(even.r[0], odd.r[0]), vzip2q_u16(even.r[0], odd.r[0]), vzip1q_u16(even.r[1], odd.r[1]),
               vzip2q_u16(even.r[1], odd.r[1]));
}
inline V pairs(const Half16* even, const Half16* odd) { return pairs(bits(even), bits(odd)); }
inline V pairs(V even, V odd) { return pairs(narrow(even), narrow(odd)); }
// Two values of each of 16 channels as 16 pairs
inline void apart(const Half16* p, V* out) {
  const V both = L(reinterpret_cast<const float*>(p));
  out[0] = each4([&](int i) { return vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_f32(both.r[i]), 16)); });
  out[1] = each4([&](int i) { return kept(vdupq_n_u32(0xffff0000), both.r[i]); });
}
inline void putWords(Half16* p, const V* v, bool) { S(reinterpret_cast<float*>(p), pairs(v[0], v[1])); }
inline void putRows(Half16* row, int width, const V* v) { S(row, v[0]), S(row + width, v[1]); }
// Both: as pairs, and as two rows
inline void putBoth(Half16* p, Half16* row, int width, const V* v, bool around) { putWords(p, v, around), putRows(row, width, v); }
#endif
inline V rounded(const float*, V v) { return v; }

}  // namespace
}  // namespace ANNEAL_ISA
}  // namespace anneal::kernels

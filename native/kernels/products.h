// Products of small panels with a packed matrix, in float or in pairs of bfloat16 that are summed as float.
#pragma once
#include "common.h"

namespace anneal::kernels {
namespace {

// Of T the products work on "words" of 32 bits: a float, or two values of bfloat16 that lie beside each other in the
// dimension that is summed over.
template <class T>
constexpr int kPerWord = 4 / sizeof(T);
ANNEAL_INLINE V multiplyAdd(const float*, V a, V b, V c) { return fma(a, b, c); }
#ifdef __AVX512BF16__
ANNEAL_INLINE V multiplyAdd(const Half16*, V a, V b, V c) { return dot(a, b, c); }
#endif
ANNEAL_INLINE const float* words(const void* p) { return static_cast<const float*>(p); }

// c [R][W * 16] (+)= sum over k of a[r * ar + k * ak] b[k * 16 + v * bv], in words
template <class T, int R, int W>
ANNEAL_INLINE void tile(const float* a, long ar, long ak, const float* b, long bk, long bv, int K, float* c, long ldc,
                        bool add) {
  V sum[R][W];
  ANNEAL_UNROLL for (int r = 0; r < R; r++) ANNEAL_UNROLL for (int v = 0; v < W; v++) sum[r][v] = zero();
  for (int k = 0; k < K; k++) {
    V column[W];
    ANNEAL_UNROLL for (int v = 0; v < W; v++) column[v] = L(b + k * bk + v * bv);
    ANNEAL_UNROLL for (int r = 0; r < R; r++) {
      const V x = all(a[r * ar + k * ak]);
      ANNEAL_UNROLL for (int v = 0; v < W; v++)
          sum[r][v] = multiplyAdd(static_cast<const T*>(nullptr), x, column[v], sum[r][v]);
    }
  }
  ANNEAL_UNROLL for (int r = 0; r < R; r++) ANNEAL_UNROLL for (int v = 0; v < W; v++) {
    float* out = c + r * ldc + v * 16;
    S(out, add ? kernels::add(L(out), sum[r][v]) : sum[r][v]);
  }
}

// `rows` a multiple of 8, `columns` counted in sixteens
template <class T>
void product(const float* a, long ar, long ak, int rows, const float* b, long bk, long bv, int K, int columns, float* c,
             long ldc, bool add) {
  for (int n = 0; n < columns;) {
    const int left = columns - n;
    const int wide = left >= kColumns && !(kColumns == 3 && left == 4) ? kColumns : std::min(kColumns == 3 ? 2 : 1, left);
    for (int r = 0; r < rows; r += kRows) {
      ahead.step();
      const float *ap = a + r * ar, *bp = b + n * bv;
      float* cp = c + r * ldc + n * 16;
      if (wide == kColumns)
        tile<T, kRows, kColumns>(ap, ar, ak, bp, bk, bv, K, cp, ldc, add);
      else if (wide == 2)
        tile<T, kRows, 2>(ap, ar, ak, bp, bk, bv, K, cp, ldc, add);
      else
        tile<T, kRows, 1>(ap, ar, ak, bp, bk, bv, K, cp, ldc, add);
    }
    n += wide;
  }
}

template <class T>
constexpr size_t packedSize(int K, int N) {
  return static_cast<size_t>((K + 31) / 32 * 32) * ((N + 31) / 32 * 32);
}

// B(k, n) = w[k * sk + n * sn], K x N, as [n / 16][k / kPerWord][16][kPerWord], padded with zeros to multiples of 32
template <class T>
void pack(const float* w, long sk, long sn, int K, int N, T* out) {
  constexpr int P = kPerWord<T>;
  const int Kp = up(K, 32), tiles = up(N, 32) / 16;
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int t = 0; t < tiles; t++)
    for (int k = 0; k < Kp; k += P) {
      float group[P * 16];
      const float* from = w + k * sk + t * 16L * sn;
      if (k + P <= K && t * 16 + 16 <= N)
        for (int n = 0; n < 16; n++)
          for (int i = 0; i < P; i++) group[n * P + i] = from[i * sk + n * sn];
      else
        for (int n = 0; n < 16; n++)
          for (int i = 0; i < P; i++) group[n * P + i] = k + i < K && t * 16 + n < N ? from[i * sk + n * sn] : 0.f;
      for (int i = 0; i < P; i++) store(out + (static_cast<size_t>(t) * Kp + k) * 16 + i * 16, tail(16), L(group + i * 16));
    }
}

// c [rows][ldc] = a [rows][lda] B; rows a multiple of 8
template <class T>
void times(const T* a, int lda, int rows, const T* B, int K, int N, float* c, int ldc) {
  constexpr int P = kPerWord<T>;
  product<T>(words(a), lda / P, 1, rows, words(B), 16, 16L * up(K, 32) / P, (K + P - 1) / P, up(N, 16) / 16, c, ldc,
             false);
}

// sum [pw][qw] += p^T q over rows; p [rows][pw], q [rows][qw]; widths multiples of 16, rows of 32
inline void timesTransposed(const float* p, int pw, const float* q, int qw, int rows, float* sum) {
  product<float>(p, 1, pw, pw, q, qw, 16, rows, qw / 16, sum, qw, true);
}
#ifdef __AVX512BF16__
// [rows][width] as [width / 16][rows / 2][16 pairs]
inline const float* paired(const Half16* p, int width, int rows, int slot) {
  float* out = scratch<float>(slot, static_cast<size_t>(rows / 2) * width);
  for (int t = 0; t < width; t += 16) {
    float* o = out + static_cast<size_t>(rows / 2) * t;
    for (int r = 0; r < rows; r += 2, o += 16) {
      const Half16* s = p + static_cast<size_t>(r) * width + t;
      S(o, pairs(s, s + width));
    }
  }
  return out;
}
inline void timesTransposed(const Half16* p, int pw, const Half16* q, int qw, int rows, float* sum) {
  const float *a = paired(p, pw, rows, 8), *b = paired(q, qw, rows, 9);
  const long block = 16L * (rows / 2);
  for (int t = 0; t < pw; t += 16)
    product<Half16>(a + block / 16 * t, 1, 16, 16, b, 16, block, rows / 2, qw / 16, sum + static_cast<size_t>(t) * qw,
                    qw, true);
}
#endif
// How often the two products above call `ahead.step` for a block
inline int stepsOf(int rows, int pw, int qw, int n) {
  constexpr int wide = 16 * kColumns;
  return (qw + wide - 1) / wide * (pw / kRows) + (n + wide - 1) / wide * (rows / kRows);
}

}  // namespace
}  // namespace anneal::kernels

// Matrix products (GEMM) of small panels with a packed matrix, in float or in pairs of bfloat16 that are summed in float.
#pragma once
#include "common.h"

namespace anneal::kernels {
inline namespace ANNEAL_ISA {
namespace {

// Products work on "words" of 32 bits: one float, or two values of bfloat16 that are neighbours along the dimension that is summed
// over.
template <class T>
constexpr int kPerWord = 4 / sizeof(T);
ANNEAL_INLINE V multiplyAdd(const float*, V a, V b, V c) { return fma(a, b, c); }
#ifdef ANNEAL_BFLOAT16
ANNEAL_INLINE V multiplyAdd(const Half16*, V a, V b, V c) { return dot(a, b, c); }
#endif
// Packs 16 words. Half16: word i holds element i of `even` and of `odd`. float: word i is element i of `even`.
ANNEAL_INLINE void packPairs(float* out, V even, V) { S(out, even); }
ANNEAL_INLINE void packPairs(float* out, const float* even, const float*) { S(out, L(even)); }
#ifdef ANNEAL_BFLOAT16
ANNEAL_INLINE void packPairs(Half16* out, V even, V odd) { S(reinterpret_cast<float*>(out), pairs(even, odd)); }
ANNEAL_INLINE void packPairs(Half16* out, const Half16* even, const Half16* odd) {
  S(reinterpret_cast<float*>(out), pairs(even, odd));
}
#endif
ANNEAL_INLINE const float* words(const void* p) { return static_cast<const float*>(p); }

// Transposes the 16 x 16 words at p in place
#ifdef __AVX512F__
inline void transpose(float* p) {
  const __m512i at = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  V v[16];
  ANNEAL_UNROLL for (int i = 0; i < 16; i++) v[i] = L(p + i * 16);
  ANNEAL_UNROLL for (int s = 1; s < 16; s *= 2) {  // what lies s to the right changes places with what lies s below
    const M right = _mm512_test_epi32_mask(at, _mm512_set1_epi32(s));
    const __m512i upper = _mm512_mask_add_epi32(at, right, at, _mm512_set1_epi32(16 - s));
    const __m512i lower = _mm512_add_epi32(upper, _mm512_set1_epi32(s));
    ANNEAL_UNROLL for (int i = 0; i < 16; i++) {
      if (i & s) continue;
      const V u = v[i], l = v[i + s];
      v[i] = _mm512_permutex2var_ps(u, upper, l), v[i + s] = _mm512_permutex2var_ps(u, lower, l);
    }
  }
  ANNEAL_UNROLL for (int i = 0; i < 16; i++) S(p + i * 16, v[i]);
}
#else
inline void transpose(float* p) {
  for (int i = 0; i < 16; i++)
    for (int j = 0; j < i; j++) std::swap(p[i * 16 + j], p[j * 16 + i]);
}
#endif

// Whether products use AMX's tiles
#ifdef ANNEAL_TILES
constexpr bool kTiled = true;
#else
constexpr bool kTiled = false;
#endif
constexpr int kWidth = kTiled ? 32 : 16;  // of what a panel's rows are multiples

#ifdef ANNEAL_BLOCKS
// The first K / 2 * 2 words of the sum below, by products of two rows with two columns
template <int R, int W>
ANNEAL_INLINE void sumBlocks(const float* a, long ar, long ak, const float* b, long bk, long bv, int K, V (&sum)[R][W]) {
  Block block[R / 2][W] = {};
  for (int k = 0; k + 2 <= K; k += 2)
    ANNEAL_UNROLL for (int v = 0; v < W; v++) {
      const float* const p = b + k * bk + v * bv;
      const Block columns = columnsOf(L(p), L(p + bk));
      ANNEAL_UNROLL for (int r = 0; r < R; r += 2)
          addBlocks(rowsOf(a + r * ar + k * ak, ar, ak), columns, &block[r / 2][v]);
    }
  ANNEAL_UNROLL for (int r = 0; r < R; r += 2) ANNEAL_UNROLL for (int v = 0; v < W; v++)
      sum[r][v] = firstRow(block[r / 2][v]), sum[r + 1][v] = secondRow(block[r / 2][v]);
}
#endif
// For R rows and W vectors of columns: the sum over k of a[r * ar + k * ak] b[k * bk + v * bv], in words
template <class T, int R, int W>
ANNEAL_INLINE void sumTile(const float* a, long ar, long ak, const float* b, long bk, long bv, int K, V (&sum)[R][W]) {
  ANNEAL_UNROLL for (int r = 0; r < R; r++) ANNEAL_UNROLL for (int v = 0; v < W; v++) sum[r][v] = zero();
  int k = 0;
#ifdef ANNEAL_BLOCKS
  if constexpr (sizeof(T) == 2 && R % 2 == 0) sumBlocks<R, W>(a, ar, ak, b, bk, bv, K, sum), k = K / 2 * 2;
#endif
  for (; k < K; k++) {
    V column[W];
    ANNEAL_UNROLL for (int v = 0; v < W; v++) column[v] = L(b + k * bk + v * bv);
    ANNEAL_UNROLL for (int r = 0; r < R; r++) {
      const V x = all(a[r * ar + k * ak]);
      ANNEAL_UNROLL for (int v = 0; v < W; v++)
          sum[r][v] = multiplyAdd(static_cast<const T*>(nullptr), x, column[v], sum[r][v]);
    }
  }
}
// The same, and put(r, v, sum) for each
template <class T, int R, int W, class Put>
ANNEAL_INLINE void sums(const float* a, long ar, long ak, const float* b, long bk, long bv, int K, Put put) {
  V sum[R][W];
  sumTile<T, R, W>(a, ar, ak, b, bk, bv, K, sum);
  ANNEAL_UNROLL for (int r = 0; r < R; r++) ANNEAL_UNROLL for (int v = 0; v < W; v++) put(r, v, sum[r][v]);
}
// The same, and c [R][W * 16] (+)= the sums
template <class T, int R, int W>
ANNEAL_INLINE void tile(const float* a, long ar, long ak, const float* b, long bk, long bv, int K, float* c, long ldc,
                        bool add) {
  sums<T, R, W>(a, ar, ak, b, bk, bv, K, [&](int r, int v, V sum) __attribute__((always_inline)) {
    float* out = c + r * ldc + v * 16;
    S(out, add ? kernels::add(L(out), sum) : sum);
  });
}

// How many vectors of columns to keep in registers when `left` are left: four are taken as two and two, not as three and one
inline int atOnce(int left) { return left == 4 && kColumns == 3 ? 2 : std::min(left, kColumns); }
// Calls f(n, integral_constant<how many>) for the vectors of columns [first, end)
template <class F>
ANNEAL_INLINE void byVectors(int first, int end, F f) {
  for (int n = first, wide; n < end; n += wide) {
    wide = atOnce(end - n);
    if (wide == kColumns)
      f(n, std::integral_constant<int, kColumns>{});
    else if (wide == 1)
      f(n, std::integral_constant<int, 1>{});
    else
      f(n, std::integral_constant<int, std::min(2, kColumns)>{});
  }
}

// `rows` is a multiple of 8; `columns` counts vectors
template <class T>
void gemm(const float* a, long ar, long ak, int rows, const float* b, long bk, long bv, int K, int columns, float* c,
             long ldc, bool add, Ahead& next = ahead) {
  byVectors(0, columns, [&](int n, auto wide) __attribute__((always_inline)) {
    for (int r = 0; r < rows; r += kRows) {
      next.step();
      tile<T, kRows, decltype(wide)::value>(a + r * ar, ar, ak, b + n * bv, bk, bv, K, c + r * ldc + n * 16, ldc, add);
    }
  });
}

#ifdef ANNEAL_TILES
// c [rows * 16][columns * 16] (+)= a b, summed over `steps` tiles, four products at a time. All distances are in words: `row`
// between rows of a, `along` and `below` between its tiles; tiles of b follow each other, its columns of tiles are `beside`
// apart.
inline void gemm(const float* a, long row, long along, long below, int rows, const float* b, long beside,
                    int columns, int steps, float* c, long ldc, bool add) {
  for (int n = 0; n < columns; n += 2)
    for (int r = 0; r < rows; r += 2) {
      ahead.step();
      const bool wide = n + 1 < columns, tall = r + 1 < rows;
      const float *ap = a + r * below, *bp = b + n * beside;
      float *c0 = c + (r * ldc + n) * 16, *c1 = c0 + 16 * ldc;
      tileZero<0>(), tileZero<1>(), tileZero<2>(), tileZero<3>();
      if (add) {
        tileLoad<0>(c0, ldc);
        if (wide) tileLoad<1>(c0 + 16, ldc);
        if (tall) tileLoad<2>(c1, ldc);
        if (wide && tall) tileLoad<3>(c1 + 16, ldc);
      }
      for (int s = 0; s < steps; s++, ap += along, bp += 256) {
        tileLoad<4>(ap, row), tileLoad<6>(bp, 16), tileDot<0, 4, 6>();
        if (wide) tileLoad<7>(bp + beside, 16), tileDot<1, 4, 7>();
        if (tall) tileLoad<5>(ap + below, row), tileDot<2, 5, 6>();
        if (wide && tall) tileDot<3, 5, 7>();
      }
      tileStore<0>(c0, ldc);
      if (wide) tileStore<1>(c0 + 16, ldc);
      if (tall) tileStore<2>(c1, ldc);
      if (wide && tall) tileStore<3>(c1 + 16, ldc);
    }
}
#else
struct Tiles {};
#endif

template <class T>
constexpr size_t packedSize(int K, int N) {
  return static_cast<size_t>((K + 31) / 32 * 32) * ((N + 31) / 32 * 32);
}

// Packs B(k, n) = w[k * sk + n * sn], K x N, as [n / 16][k / kPerWord][16][kPerWord], padded with zeros to multiples of 32
template <class T>
void pack(const float* w, long sk, long sn, int K, int N, T* out) {
  constexpr int P = kPerWord<T>;
  const int Kp = up(K, 32), tiles = up(N, 32) / 16;
#pragma omp parallel for num_threads(threads()) schedule(static)
  for (int t = 0; t < tiles; t++)
    for (int k = 0; k < Kp; k += P) {
      float group[P * 16];
      const float* from = w + k * sk + t * 16L * sn;
      T* const to = out + (static_cast<size_t>(t) * Kp + k) * 16;
      if (sk == 1 && k % (16 * P) == 0 && k + 16 * P <= K && t * 16 + 16 <= N) {  // sixteen words along k of each n
        alignas(64) float block[256];
        for (int n = 0; n < 16; n++)
          for (int i = 0; i < P; i++) S(reinterpret_cast<T*>(block + n * 16) + i * 16, L(from + n * sn + i * 16));
        transpose(block);
        memcpy(to, block, sizeof block);
        k += 15 * P;
        continue;
      }
      if (sn == 1 && k + P <= K && t * 16 + 16 <= N) {
        packPairs(to, L(from), L(from + (P - 1) * sk));
        continue;
      }
      if (k + P <= K && t * 16 + 16 <= N)
        for (int n = 0; n < 16; n++)
          for (int i = 0; i < P; i++) group[n * P + i] = from[i * sk + n * sn];
      else
        for (int n = 0; n < 16; n++)
          for (int i = 0; i < P; i++) group[n * P + i] = k + i < K && t * 16 + n < N ? from[i * sk + n * sn] : 0.f;
      for (int i = 0; i < P; i++) store(to + i * 16, tail(16), L(group + i * 16));
    }
}

// c [rows][ldc] = a [rows][lda] B; rows is a multiple of 8
template <class T>
void times(const T* a, int lda, int rows, const T* B, int K, int N, float* c, int ldc) {
  constexpr int P = kPerWord<T>;
  gemm<T>(words(a), lda / P, 1, rows, words(B), 16, 16L * up(K, 32) / P, (K + P - 1) / P, up(N, 16) / 16, c, ldc,
             false);
}

#ifdef ANNEAL_TILES
// The same by tiles; rows of a are padded with zeros to a multiple of 32. Rows that do not fill a tile take the version above.
inline void times(const Half16* a, int lda, int rows, const Half16* B, int K, int N, float* c, int ldc) {
  const int steps = up(K, 32) / 32;
  const long whole = rows / 16 * 16;
  gemm(words(a), lda / 2, 16, lda * 8L, rows / 16, words(B), steps * 256L, up(N, 16) / 16, steps, c, ldc, false);
  if (whole < rows)
    times<Half16>(a + whole * lda, lda, static_cast<int>(rows - whole), B, K, N, c + whole * ldc, ldc);
}
#endif

// sum [pw][qw] (+)= p^T q over rows, for p [rows][pw] and q [rows][qw]. Widths are multiples of kWidth, rows of 32. bfloat16 needs
// scratch for the pairs: `pairsOf` words.
inline void timesTransposed(const float* p, int pw, const float* q, int qw, int rows, float* sum, bool add, float*, float*) {
  gemm<float>(p, 1, pw, pw, q, qw, 16, rows, qw / 16, sum, qw, add);
}
#ifdef ANNEAL_BFLOAT16
// Repacks [rows][width] as [width / 16][rows / 2][16 pairs]
inline float* paired(const Half16* p, int width, int rows, float* out) {
  for (int t = 0; t < width; t += 16) {
    float* o = out + static_cast<size_t>(rows / 2) * t;
    for (int r = 0; r < rows; r += 2, o += 16) {
      const Half16* s = p + static_cast<size_t>(r) * width + t;
      S(o, pairs(s, s + width));
    }
  }
  return out;
}
inline void timesTransposed(const Half16* p, int pw, const Half16* q, int qw, int rows, float* sum, bool add, float* pPairs,
                            float* qPairs) {
  float *a = paired(p, pw, rows, pPairs), *b = paired(q, qw, rows, qPairs);
  const long block = 16L * (rows / 2);
#ifdef ANNEAL_TILES
  for (float* tile = a; tile < a + block / 16 * pw; tile += 256) ahead.step(), transpose(tile);
  gemm(a, 16, 256, block, pw / 16, b, block, qw / 16, rows / 32, sum, qw, add);
#else
  for (int t = 0; t < pw; t += 16)
    gemm<Half16>(a + block / 16 * t, 1, 16, 16, b, 16, block, rows / 2, qw / 16, sum + static_cast<size_t>(t) * qw,
                    qw, add);
#endif
}
#endif
// How many words the pairs of bfloat16 need
template <class T>
size_t pairsOf(int rows, int width) {
  return kPerWord<T> == 2 ? static_cast<size_t>((kTiled ? up(rows, 32) : rows) / 2) * width : 0;
}
// How often the two products above call `ahead.step` for a block
inline int stepsOf(int rows, int pw, int qw, int n) {
#ifdef ANNEAL_TILES
  return pw / 32 * (qw / 32) + n / 32 * (rows / 32) + pw / 16 * (rows / 32);
#endif
  constexpr int wide = 16 * kColumns;
  return (qw + wide - 1) / wide * (pw / kRows) + (n + wide - 1) / wide * (rows / kRows);
}

}  // namespace
}  // namespace ANNEAL_ISA
}  // namespace anneal::kernels

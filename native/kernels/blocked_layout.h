// How the wide maps of mobile nets lie in memory: planes [channels / 16][picture][pixels / P][16][P]. P neighbouring pixels are one
// word, as products over pixels need them. And what the blocks of mobile nets do with planes, forward and backward.
#pragma once
#include "depthwise.h"
#include "conv1x1.h"

namespace anneal::kernels {
inline namespace ANNEAL_ISA {
namespace {

inline void apart(const float* p, V* out) { out[0] = L(p); }
inline void putWords(float* p, const V* v, bool around) { around ? stream(p, v[0]) : S(p, v[0]); }
inline void putRows(float* row, int, const V* v) { S(row, v[0]); }
inline void putBoth(float* p, float* row, int, const V* v, bool around) { putWords(p, v, around), S(row, v[0]); }

// Calls put(row, sums [R][W]) for `rows` rows of a and W vectors of columns
template <class T, int W, class Put>
ANNEAL_INLINE void rowTiles(const float* a, long ar, int rows, const float* b, long bv, int K, Put put) {
  int r = 0;
  const auto many = [&](auto count) __attribute__((always_inline)) {
    constexpr int R = decltype(count)::value;
    for (; r + R <= rows; r += R) {
      V sum[R][W];
      sumTile<T, R, W>(a + r * ar, ar, 1, b, 16, bv, K, sum);
      put(r, sum);
    }
  };
  if constexpr (W == 1 && kRows == 8) many(std::integral_constant<int, 16>{});  // as many sums as hide their latency
  many(std::integral_constant<int, kRows>{});
  if constexpr (kRows > 4) many(std::integral_constant<int, 4>{});
  many(std::integral_constant<int, 2>{});
  if constexpr (kPerWord<T> == 1) many(std::integral_constant<int, 1>{});
}
// The same for all vectors of columns: put(row, first vector, sums)
template <class T, class Put>
ANNEAL_INLINE void allTiles(const float* a, long ar, int rows, const float* b, long bv, int K, int columns, Put put) {
  byVectors(0, columns, [&](int n, auto wide) __attribute__((always_inline)) {
    rowTiles<T, decltype(wide)::value>(a, ar, rows, b + n * bv, bv, K,
                                       [&](int r, auto& sum) __attribute__((always_inline)) { put(r, n, sum); });
  });
}
#ifdef ANNEAL_TILES
// The same by tiles, two by two. K is padded with zeros to whole tiles, in a and in b. The last tile of rows lies over the one
// before it; if there are fewer than 16 rows, a has room for 16.
template <class T, class Put>
ANNEAL_INLINE void tiledSums(const float* a, long ar, int rows, const float* b, long bv, int K, int columns, Put put) {
  alignas(64) float made[32 * 32];
  const int steps = (K + 15) / 16;
  for (int n = 0; n < columns; n += 2) {
    const bool wide = n + 1 < columns;
    for (int r = 0; r < rows; r += 32) {
      const bool tall = r + 16 < rows;
      const int end = std::min(r + 32, rows), last = std::max(0, rows - 16);
      const int first = std::min(r, last), second = std::min(r + 16, last);
      const float *ap = a + first * ar, *aq = a + second * ar, *bp = b + n * bv;
      tileZero<0>(), tileZero<1>(), tileZero<2>(), tileZero<3>();
      if (wide && tall)
        for (int s = 0; s < steps; s++, ap += 16, aq += 16, bp += 256) {
          tileLoad<6>(bp, 16), tileLoad<4>(ap, ar), tileLoad<7>(bp + bv, 16), tileLoad<5>(aq, ar);
          tileDot<0, 4, 6>(), tileDot<1, 4, 7>(), tileDot<2, 5, 6>(), tileDot<3, 5, 7>();
        }
      else
        for (int s = 0; s < steps; s++, ap += 16, aq += 16, bp += 256) {
          tileLoad<6>(bp, 16), tileLoad<4>(ap, ar), tileDot<0, 4, 6>();
          if (wide) tileLoad<7>(bp + bv, 16), tileDot<1, 4, 7>();
          if (tall) tileLoad<5>(aq, ar), tileDot<2, 5, 6>();
        }
      tileStore<0>(made, 32);
      if (wide) tileStore<1>(made + 16, 32);
      if (tall) tileStore<2>(made + 16 * 32, 32);
      if (wide && tall) tileStore<3>(made + 16 * 32 + 16, 32);
      for (int v = 0; v <= int(wide); v++) {
        // Where row i is: in the first tile, or in the second, which begins at row `second`
        const auto row = [&](int i) { return made + (i < r + 16 ? i - first : i - second + 16) * 32 + v * 16; };
        int i = r;
        const auto many = [&](auto count) __attribute__((always_inline)) {
          constexpr int R = decltype(count)::value;
          for (; i + R <= end; i += R) {
            const float* const p = row(i);
            V sum[R][1];
            ANNEAL_UNROLL for (int k = 0; k < R; k++) sum[k][0] = L(p + k * 32);
            put(i, n + v, sum);
          }
        };
        many(std::integral_constant<int, 8>{});
        many(std::integral_constant<int, 2>{});
      }
    }
  }
}
#else
template <class T, class Put>
ANNEAL_INLINE void tiledSums(const float* a, long ar, int rows, const float* b, long bv, int K, int columns, Put put) {
  allTiles<T>(a, ar, rows, b, bv, K, columns, put);
}
#endif
constexpr int kLeast = kTiled ? 16 : 1;  // rows of what a product reads
// How many lines (vectors of channels) go through a block together
inline int linesAtOnce(int left) { return kTiled ? std::min(left, 2) : atOnce(left); }
// How far apart the lines of a piece lie; with tiles, zeros follow its pixels
inline int lineApart(int pixels) { return kTiled ? up(pixels, 32) : pixels; }
template <class T>
void blankLine(T* line, int pixels) {
  if (const int left = lineApart(pixels) - pixels) memset(static_cast<void*>(line + pixels * 16L), 0, left * 16 * sizeof(T));
}

template <class Sum>
constexpr int kRowsOf = std::extent<std::remove_reference_t<Sum>, 0>::value;
template <class Sum>
constexpr int kColumnsOf = std::extent<std::remove_reference_t<Sum>, 1>::value;

// Where the values of a wide map are
struct BlockedLayout {
  int pictures, pixels;
  size_t at(int picture, int line, int pixel) const {
    return ((static_cast<size_t>(line) * pictures + picture) * pixels + pixel) * 16;
  }
  size_t apart() const { return static_cast<size_t>(pictures) * pixels * 16; }
};

// How many pixels to work on at a time if sums over them are made. Tiles are loaded with the sums before each piece.
constexpr int kPixels = kTiled ? 256 : 64;

// The piece that a thread works on at a time. Either `each` rows of a picture, with rings for all lines (vectors of channels); or
// `several` whole pictures, with rings for a few lines. The one that needs less memory, but no word may end with an odd row.
struct Portion {
  int each, several = 1, rings;
  bool whole;
  template <class Bytes>
  Portion(int h, int w, int stride, int lines, bool oddRows, int pixels, Bytes bytes)
      : each(up(std::max(1, pixels / w), stride)), rings(std::min(lines, kColumns)), whole(true) {
    if (oddRows || each >= h || bytes(h, rings) <= bytes(each, lines)) {
      each = h;
      several = up(std::max(1, pixels / (h * w)), oddRows ? 2 : 1);
    } else {
      rings = lines, whole = false;
    }
  }
};
template <class T>
bool oddRows(const Depthwise& d) {
  return kPerWord<T> == 2 && (d.w % 2 || d.ow % 2);
}

// places[i]: where pixel i of rows [from, to) of `count` pictures lies in the ring of a line
inline void ringPlaces(int count, int from, int to, int h, int w, int slots, int pitch, int left, int* places) {
  for (int j = 0; j < count; j++)
    for (int y = from; y < to; y++)
      for (int i = 0; i < w; i++) *places++ = ((j * h + y) % slots * pitch + left + i) * 16;
}

// Rows of x, or of the stem, as products need them: returns where they are, [pixels][*width]
template <class T>
const T* inputRows(const MobileBlock& s, const T* x, size_t pixel, int pixels, bool filled, T* into, T* lines, int* width) {
  const int wide = up(s.hasStem ? 27 : s.cin, kWidth);
  *width = wide;
  if (s.hasStem) return panel(s.stem, static_cast<long>(pixel), pixels, pixels, into, wide, lines), into;
  x += pixel * s.cin;
  if (s.cin == wide && (!kTiled || pixels >= 16)) return x;
  if (filled || kTiled) return panel(x, s.cin, Norm{}, 0, pixels, pixels, into, wide), into;
  *width = s.cin;
  return x;
}

// How many pictures a thread takes at least: two in bfloat16 if a picture has an odd number of pixels, so that all pixels pair up.
template <class T>
int picturesEach(const Depthwise& d) {
  return kPerWord<T> == 2 && (d.h * d.w % 2 || d.oh * d.ow % 2) ? 2 : 1;
}
// Cuts the pixels of a thread's pictures into portions of at most `most`, an even number in bfloat16, and calls
// f(first picture, its first pixel, number of pixels).
struct Portions {
  int pixels, several, each, most;
  explicit Portions(int pixels)
      : pixels(pixels),
        several(up(std::max(1, kPixels / pixels), pixels % 2 + 1)),
        each(pixels <= 256 || pixels % 2 ? pixels : std::max(128, kPixels)),
        most(several * each) {}
  template <class F>
  void over(Team member, int pictures, int picturesEach, F f) const {
    ahead.clear();
    long first, last;
    member.share(pictures, &first, &last, picturesEach);
    for (int n = static_cast<int>(first); n < last; n += several)
      for (int at = 0; at < pixels; at += each)
        f(n, at, std::min(several, static_cast<int>(last) - n) * std::min(each, pixels - at));
  }
};

// The factor of a sum over pixels: rows [width] as words, [width / 16][rows / P][16]. float needs no change.
inline const float* wordsOf(const float* p, int, int, float*) { return p; }
#ifdef ANNEAL_BFLOAT16
#ifdef ANNEAL_TILES
// Tiles [width / 16][rows / 32][16 pairs of rows][16], zeros beyond; for the left factor turned: [16][16 pairs of rows]
inline const float* pairedTiles(const Half16* p, int width, int rows, float* room, bool turned = false) {
  float* to = room;
  for (int t = 0; t < width; t += 16)
    for (int r = 0; r < rows; r += 32, to += 256) {
      for (int i = 0; i < 16; i++) {
        const Half16* const from = p + static_cast<size_t>(r + i * 2) * width + t;
        S(to + i * 16, r + i * 2 < rows ? pairs(from, from + width) : zero());
      }
      if (turned) transpose(to);
    }
  return room;
}
inline const float* wordsOf(const Half16* p, int width, int rows, float* room) { return pairedTiles(p, width, rows, room, true); }
#else
inline const float* wordsOf(const Half16* p, int width, int rows, float* room) { return paired(p, width, rows, room); }
#endif
#endif
// sum [up to `width`][lines of 16, `of` in a row] (+)= p^T q, for p made by `wordsOf` and planes q that are `beside` words apart
template <class T>
void sumOverPixels(const float* p, int count, int width, int pixels, const T* q, long beside, int group, float* sum, int of,
                   bool add, Ahead& next) {
  constexpr int P = kPerWord<T>;
#ifdef ANNEAL_TILES
  const int steps = up(pixels, 32) / 32;
  gemm(p, 16, 256, steps * 256L, up(count, 16) / 16, words(q), beside, group, steps, sum, of, add);
  return;
#endif
  for (int r = 0; r < count; r += 16) {
    const float* a = P == 1 ? p + r : p + static_cast<size_t>(r) * (pixels / P);
    gemm<T>(a, 1, P == 1 ? width : 16, up(std::min(16, count - r), kRows), words(q), 16, beside, pixels / P, group,
               sum + static_cast<size_t>(r) * of, of, add, next);
  }
}

// Adds up the parts of a team of `members`, [k][of] each, or [n][of] if not `tall`. dw [n][k] is their sum, times scale [n] unless
// null; dots [n], unless null, is the dot product of w and the sum.
inline void scaledParts(const Scratch<float>& parts, int members, bool tall, int of, int n, int k, const float* w,
                        const float* scale, float* dw, double* dots) {
  alignas(64) float so[16][16];
  sumParts(parts, members, tall, of, n, k, [&](int i, int j, V sum) __attribute__((always_inline)) {
    const M mask = tail(k - j);
    const size_t at = static_cast<size_t>(i) * k + j;
    store(dw + at, mask, scale ? mul(all(scale[i]), sum) : sum);
    if (!dots) return;
    float* const lanes = so[i % 16];
    S(lanes, fma(load(w + at, mask), sum, j ? L(lanes) : zero()));
    if (j + 16 < k) return;
    dots[i] = 0;
    for (int l = 0; l < 16; l++) dots[i] += lanes[l];
  });
}
// w [n][k], each row times its own factor; `out` has room for 16 more values
inline const float* scaledRows(const float* w, const float* scale, int n, int k, float* out) {
  for (int i = 0; i < n; i++) {
    const V by = all(scale[i]);
    for (int j = 0; j < k; j += 16) {
      const size_t at = static_cast<size_t>(i) * k + j;
      S(out + at, mul(by, load(w + at, tail(k - j))));
    }
  }
  return out;
}

}  // namespace
}  // namespace ANNEAL_ISA
}  // namespace anneal::kernels

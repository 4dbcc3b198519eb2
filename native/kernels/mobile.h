// Blocks of mobile nets in training, without AMX: 1 x 1 (or the stem), depthwise, 1 x 1, each with BatchNorm, the first two with
// ReLU6. Some rows of a picture go through all of it, and so do their gradients, a few sixteens of channels after another.
//
// Where BatchNorm keeps its statistics nothing waits for anything. Else the first layer's come from the covariance of its few
// inputs, before there is any output: what they add to its gradient is linear in the inputs too, and is added at the end. For the
// second layer's everything has to be read once more, forward and backward.
//
// Wide maps are planes [channels / 16][picture][pixels / P][16][P]: P pixels beside each other are a word, as products over
// pixels take them. Of the first layer what comes out of ReLU6 is stored; of the second too, or, of a batch's statistics, its
// raw output.
#pragma once
#include "depthwise.h"
#include "pointwise.h"

namespace anneal::kernels {
namespace {

inline void apart(const float* p, V* out) { out[0] = L(p); }
inline void putWords(float* p, const V* v, bool around) { around ? stream(p, v[0]) : S(p, v[0]); }
inline void putRows(float* row, int, const V* v) { S(row, v[0]); }
inline void putBoth(float* p, float* row, int, const V* v, bool around) { putWords(p, v, around), S(row, v[0]); }

// put(row, sums [R][W]) for `rows` rows of a, from W sixteens of columns
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
// The same for all sixteens of columns: put(row, first sixteen, sums)
template <class T, class Put>
ANNEAL_INLINE void allTiles(const float* a, long ar, int rows, const float* b, long bv, int K, int columns, Put put) {
  for (int n = 0; n < columns;) {
    const int left = columns - n;
    const auto some = [&](auto count) __attribute__((always_inline)) {
      constexpr int W = decltype(count)::value;
      rowTiles<T, W>(a, ar, rows, b + n * bv, bv, K, [&](int r, auto& sum) __attribute__((always_inline)) { put(r, n, sum); });
      n += W;
    };
    if (left >= kColumns && !(kColumns == 3 && left == 4))
      some(std::integral_constant<int, kColumns>{});
    else if (left >= 2 && kColumns > 2)
      some(std::integral_constant<int, 2>{});
    else
      some(std::integral_constant<int, 1>{});
  }
}
template <class Sum>
constexpr int kRowsOf = std::extent<std::remove_reference_t<Sum>, 0>::value;
template <class Sum>
constexpr int kColumnsOf = std::extent<std::remove_reference_t<Sum>, 1>::value;

// Where a wide map's numbers are
struct Planes {
  int pictures, pixels;
  size_t at(int picture, int line, int pixel) const {
    return ((static_cast<size_t>(line) * pictures + picture) * pixels + pixel) * 16;
  }
  size_t apart() const { return static_cast<size_t>(pictures) * pixels * 16; }
};

// Sixteens of channels that are taken together
inline int together(int left) { return left == 4 && kColumns == 3 ? 2 : std::min(left, kColumns); }

// What is worked on at a time: `each` rows of a picture, for which all lines (sixteens of channels) have rings; or whole
// pictures, `several` of them, and rings of few lines. What takes less memory, except that words don't end with odd rows.
struct Portion {
  int each, several = 1, rings;
  bool whole;
  template <class Bytes>
  Portion(int h, int w, int stride, int lines, bool oddRows, Bytes bytes)
      : each(up(std::max(1, 64 / w), stride)), rings(std::min(lines, kColumns)), whole(true) {
    if (oddRows || each >= h || bytes(h, rings) <= bytes(each, lines)) {
      each = h;
      several = up(std::max(1, 64 / (h * w)), oddRows ? 2 : 1);
    } else {
      rings = lines, whole = false;
    }
  }
};
template <class T>
bool oddRows(const Depthwise& d) {
  return kPerWord<T> == 2 && (d.w % 2 || d.ow % 2);
}

// `places[i]`: where pixel i of `count` pictures' rows [from, to) lies in a line's ring
inline void ringPlaces(int count, int from, int to, int h, int w, int slots, int pitch, int left, int* places) {
  for (int j = 0; j < count; j++)
    for (int y = from; y < to; y++)
      for (int i = 0; i < w; i++) *places++ = ((j * h + y) % slots * pitch + left + i) * 16;
}

// Rows of x, or the stem's, as products take them: where they are, [pixels][*width]
template <class T>
const T* inputRows(const MobileBlock& s, const T* x, size_t pixel, int pixels, bool filled, T* into, int* width) {
  const int wide = up(s.hasStem ? 27 : s.cin, 16);
  *width = wide;
  if (s.hasStem) return panel(s.stem, static_cast<long>(pixel), pixels, pixels, into, wide), into;
  x += pixel * s.cin;
  if (s.cin == wide) return x;
  if (filled) return panel(x, s.cin, Norm{}, 0, pixels, pixels, into, wide), into;
  *width = s.cin;
  return x;
}

// The first two layers; with `y` all three. Without, `deep` is raw, and the sums are its own.
template <class T, int K, int S_>
void mobileBlockOf(const MobileBlock& s, const T* x, T* wide, T* deep, T* y, Sums sumsOf) {
  constexpr int P = kPerWord<T>;
  const auto& d = s.deep;
  const int lines = up(d.c, 16) / 16, cp = lines * 16, kin = s.hasStem ? 27 : s.cin;
  const int pitch = std::max((d.ow - 1) * S_ + K, d.left + d.w) | 1;
  const auto slotsFor = [&](int rows) { return (rows - 1) * S_ + K + 1; };
  const Portion portion(d.oh, d.ow, 1, lines, oddRows<T>(d), [&](int rows, int rings) {
    return static_cast<size_t>(slotsFor(rows)) * pitch * 64 * rings + static_cast<size_t>(rows) * d.ow * cp * sizeof(T);
  });
  const int each = portion.each, several = portion.several;
  const int slots = portion.whole ? several * d.h : slotsFor(each), most = portion.whole ? slots * d.w : (each * S_ + K) * d.w;
  const size_t line = static_cast<size_t>(slots) * pitch * 16;
  const Planes before{d.n, d.h * d.w}, after{d.n, d.oh * d.ow};
  T* B1 = scratch<T>(0, packedSize<T>(kin, d.c));
  T* B3 = scratch<T>(3, packedSize<T>(d.c, s.cout));
  packWeights(s.w1, kin, d.c, B1);
  if (y) packWeights(s.w3, d.c, s.cout, B3);
  const long beside1 = 16L * up(kin, 32) / P, beside3 = 16L * up(d.c, 32) / P;
  const auto taps = byLine(s.w2, d.c, K, false);
  const bool aroundWide = beyondCache(before.apart() * lines * sizeof(T), cp);
  const bool aroundDeep = beyondCache(after.apart() * lines * sizeof(T), cp);
  ThreadSums sums(d.c);
#pragma omp parallel num_threads(threads)
  {
    Ahead& next = ahead;
    next.clear();
    const int t = omp_get_thread_num();
    float* const ring = scratch<float>(5, line * portion.rings + pitch * 16, true);
    const float* const nothing = ring + line * portion.rings;
    float* const made = scratch<float>(6, static_cast<size_t>(several) * each * d.ow * 16);
    T* const rowsOf = scratch<T>(1, static_cast<size_t>(several) * each * d.ow * cp);
    T* const inputs = scratch<T>(7, static_cast<size_t>(most) * up(kin, 16));
    int* const places = scratch<int>(8, most);
    long first, last;
    share(d.n, t, &first, &last, 1);
    for (int n = static_cast<int>(first); n < last; n += several) {
      const int count = std::min(several, static_cast<int>(last) - n);
      int have = 0;  // rows of the picture that went into the ring
      for (int top = 0; top < d.oh; top += each) {
        const int bottom = std::min(d.oh, top + each);
        const int end = bottom == d.oh ? d.h : std::max(have, std::min(d.h, (bottom - 1) * S_ - d.top + K));
        const int pixels = count * (end - have) * d.w, at = have * d.w, outs = count * (bottom - top) * d.ow;
        ringPlaces(count, have, end, d.h, d.w, slots, pitch, d.left, places);
        int width;
        const T* const rows = inputRows(s, x, static_cast<size_t>(n) * d.h * d.w + at, pixels, false, inputs, &width);
        for (int l0 = 0; l0 < lines;) {
          const int group = together(lines - l0), skipped = portion.whole ? l0 : 0;
          allTiles<T>(words(rows), width / P, pixels, words(B1) + l0 * beside1, beside1, (kin + P - 1) / P, group,
                      [&](int r, int v0, auto& sum) __attribute__((always_inline)) {
            ANNEAL_UNROLL for (int v = 0; v < kColumnsOf<decltype(sum)>; v++) {
              const int l = l0 + v0 + v;
              const V a = L(s.n1.a + l * 16), b = L(s.n1.b + l * 16);
              float* const to = ring + (l - skipped) * line;
              T* const out = wide + before.at(n, l, at + r);
              ANNEAL_UNROLL for (int i = 0; i < kRowsOf<decltype(sum)>; i += P) {
                V e[P];
                ANNEAL_UNROLL for (int p = 0; p < P; p++) S(to + places[r + i + p], e[p] = relu6(fma(sum[i + p][v], a, b)));
                putWords(out + i * 16, e, aroundWide);
              }
            }
          });
          for (int l = l0; l < l0 + group; l++) {
            for (int j = 0; j < count; j++)
              for (int oy = top; oy < bottom; oy++) {
                const float* window[K];
                for (int k = 0; k < K; k++) {
                  const int iy = oy * S_ - d.top + k;
                  window[k] = iy < 0 || iy >= d.h
                                  ? nothing
                                  : ring + (l - skipped) * line + static_cast<size_t>((j * d.h + iy) % slots) * pitch * 16;
                }
                correlateRow<K, S_>(window, K, d.ow, &taps[static_cast<size_t>(l) * K * K * 16],
                                    made + static_cast<size_t>(j * (bottom - top) + oy - top) * d.ow * 16, next);
              }
            T* const out = deep + after.at(n, l, top * d.ow);
            T* const to = rowsOf + l * 16;
            if (y) {
              const V a = L(s.n2.a + l * 16), b = L(s.n2.b + l * 16);
              for (int i = 0; i < outs; i += P) {
                V e[P];
                ANNEAL_UNROLL for (int p = 0; p < P; p++) e[p] = relu6(fma(L(made + (i + p) * 16), a, b));
                putBoth(out + i * 16, to + static_cast<size_t>(i) * cp, cp, e, aroundDeep);
              }
            } else {
              V sum = zero(), squares = zero();
              for (int i = 0; i < outs; i += P) {
                V e[P];
                ANNEAL_UNROLL for (int p = 0; p < P; p++) {
                  e[p] = L(made + (i + p) * 16);
                  sum = add(sum, e[p]), squares = fma(e[p], e[p], squares);
                }
                putWords(out + i * 16, e, aroundDeep);
              }
              addTo(sums.first(t) + l * 16, sum);
              addTo(sums.second(t) + l * 16, squares);
            }
          }
          l0 += group;
        }
        have = end;
        if (!y) continue;
        const size_t out = (static_cast<size_t>(n) * d.oh + top) * d.ow;
        allTiles<T>(words(rowsOf), cp / P, outs, words(B3), beside3, cp / P, up(s.cout, 16) / 16,
                    [&](int r, int v0, auto& sum) __attribute__((always_inline)) {
          ANNEAL_UNROLL for (int v = 0; v < kColumnsOf<decltype(sum)>; v++) {
            const int c = (v0 + v) * 16;
            const M mask = tail(s.cout - c);
            const V a = L(s.n3.a + c), b = L(s.n3.b + c);
            ANNEAL_UNROLL for (int i = 0; i < kRowsOf<decltype(sum)>; i++) {
              const size_t to = (out + r + i) * s.cout + c;
              const V z = fma(sum[i][v], a, b);
              store(y + to, mask, s.residual ? add(z, load(x + to, mask)) : z);
            }
          }
        });
      }
    }
    _mm_sfence();
  }
  sums.into(sumsOf);
}

// Pixels of all pictures in portions of at most `most`, each thread's: f(thread, first picture, its first pixel, pixels). Of
// bfloat16 those are even in number, where a thread's pictures allow.
struct Portions {
  int pixels, several, each, most;
  explicit Portions(int pixels)
      : pixels(pixels),
        several(up(std::max(1, 64 / pixels), pixels % 2 + 1)),
        each(pixels <= 256 || pixels % 2 ? pixels : 128),
        most(several * each) {}
  template <class F>
  void over(int pictures, F f) const {
#pragma omp parallel num_threads(threads)
    {
      ahead.clear();
      const int t = omp_get_thread_num();
      long first, last;
      share(pictures, t, &first, &last, 1);
      for (int n = static_cast<int>(first); n < last; n += several)
        for (int at = 0; at < pixels; at += each)
          f(t, n, at, std::min(several, static_cast<int>(last) - n) * std::min(each, pixels - at));
    }
  }
};

// The last layer, for statistics of the batch: z raw, and its sums
template <class T>
void mobileProject(const MobileBlock& s, const T* deep, T* z, Sums sumsOf) {
  constexpr int P = kPerWord<T>;
  const auto& d = s.deep;
  const int lines = up(d.c, 16) / 16, cp = lines * 16, outWidth = up(s.cout, 16);
  const Planes after{d.n, d.oh * d.ow};
  T* B3 = scratch<T>(3, packedSize<T>(d.c, s.cout));
  packWeights(s.w3, d.c, s.cout, B3);
  ThreadSums sums(s.cout);
  const Portions portions(after.pixels);
  portions.over(d.n, [&](int t, int n, int at, int pixels) {
    T* const rows = scratch<T>(1, static_cast<size_t>(portions.most) * cp);
    float* const some = scratch<float>(10, outWidth * 2, true);
    for (int l = 0; l < lines; l++) {
      const T* const from = deep + after.at(n, l, at);
      const V a = L(s.n2.a + l * 16), b = L(s.n2.b + l * 16);
      const char* const soon = reinterpret_cast<const char*>(from + 2 * after.apart());
      for (int i = 0; i < pixels; i += P) {
        V e[P];
        _mm_prefetch(soon + static_cast<size_t>(i) * 16 * sizeof(T), _MM_HINT_T0);
        apart(from + i * 16, e);
        ANNEAL_UNROLL for (int p = 0; p < P; p++) e[p] = relu6(fma(e[p], a, b));
        putRows(rows + static_cast<size_t>(i) * cp + l * 16, cp, e);
      }
    }
    const size_t out = static_cast<size_t>(n) * after.pixels + at;
    allTiles<T>(words(rows), cp / P, pixels, words(B3), 16L * up(d.c, 32) / P, cp / P, outWidth / 16,
                [&](int r, int v0, auto& sum) __attribute__((always_inline)) {
      ANNEAL_UNROLL for (int v = 0; v < kColumnsOf<decltype(sum)>; v++) {
        const int c = (v0 + v) * 16;
        const M mask = tail(s.cout - c);
        V total = L(some + c), squares = L(some + outWidth + c);
        ANNEAL_UNROLL for (int i = 0; i < kRowsOf<decltype(sum)>; i++) {
          const V value = store(z + (out + r + i) * s.cout + c, mask, sum[i][v]);
          total = add(total, value), squares = fma(value, value, squares);
        }
        S(some + c, total), S(some + outWidth + c, squares);
      }
    });
    for (int c = 0; c < outWidth; c += 16) {
      addTo(sums.first(t) + c, L(some + c));
      addTo(sums.second(t) + c, L(some + outWidth + c));
    }
  });
  sums.into(sumsOf);
}

// From parts [k][of], or [n][of] where not `tall`, of every thread: dw [n][k] = their sum, times scale [n] unless null, and
// dots [n], unless null, those of w and the sum
inline void scaledParts(const std::vector<float*>& parts, bool tall, int of, int n, int k, const float* w, const float* scale,
                        float* dw, double* dots) {
  alignas(64) float so[16][16];
  sumParts(parts, tall, of, n, k, [&](int i, int j, V sum) __attribute__((always_inline)) {
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
// w [n][k], each row times its own factor
inline const float* scaledRows(const float* w, const float* scale, int n, int k, int slot) {
  float* const out = scratch<float>(slot, static_cast<size_t>(n) * k + 16);
  for (int i = 0; i < n; i++) {
    const V by = all(scale[i]);
    for (int j = 0; j < k; j += 16) {
      const size_t at = static_cast<size_t>(i) * k + j;
      S(out + at, mul(by, load(w + at, tail(k - j))));
    }
  }
  return out;
}

// Of what a sum over pixels is made of: rows [width] as words, [width / 16][rows / P][16]. Floats are as they should be.
inline const float* wordsOf(const float* p, int, int, int) { return p; }
#ifdef __AVX512BF16__
inline const float* wordsOf(const Half16* p, int width, int rows, int slot) { return paired(p, width, rows, slot); }
#endif
// sum [up to `width`][lines of 16, `of` a row] (+)= p^T q for p as `wordsOf` has made it and planes q, `beside` words apart
template <class T>
void sumOverPixels(const float* p, int count, int width, int pixels, const T* q, long beside, int group, float* sum, int of,
                   bool add, Ahead& next) {
  constexpr int P = kPerWord<T>;
  for (int r = 0; r < count; r += 16) {
    const float* a = P == 1 ? p + r : p + static_cast<size_t>(r) * (pixels / P);
    product<T>(a, 1, P == 1 ? width : 16, up(std::min(16, count - r), kRows), words(q), 16, beside, pixels / P, group,
               sum + static_cast<size_t>(r) * of, of, add, next);
  }
}

// The first layer's weights as products take them, rounded: rows [c up to a multiple of 8][width]
template <class T>
float* roundedWeights(const MobileBlock& s, int k, int width, int slot) {
  const int rows = up(s.deep.c, 8);
  float* const out = scratch<float>(slot, static_cast<size_t>(rows) * width, true);
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int e = 0; e < s.deep.c; e++)
    for (int i = 0; i < k; i += 16) {
      const M mask = tail(k - i);
      store(out + static_cast<size_t>(e) * width + i, mask, rounded(static_cast<T*>(nullptr), load(s.w1 + static_cast<size_t>(e) * k + i, mask)));
    }
  return out;
}

// The first layer's sums before there is any output, from the means of what it takes (k: cin, or 27) and their covariance: the
// variance of an output is w^T covariance w. `mixed` [c][k] becomes the weights times it.
template <class T>
void mobileStatistics(const MobileBlock& s, const T* x, float* means, float* mixed, Sums out) {
  constexpr int P = kPerWord<T>;
  const auto& d = s.deep;
  const int k = s.hasStem ? 27 : s.cin, wide = up(k, 16), pixels = d.h * d.w;
  const double m = static_cast<double>(d.n) * pixels;
  std::vector<std::vector<double>> parts(threads, std::vector<double>(static_cast<size_t>(wide) * (wide + 1)));
  const Portions portions(pixels);
  portions.over(d.n, [&](int t, int n, int at, int count) {
    T* const into = scratch<T>(7, static_cast<size_t>(portions.most) * wide);
    float* const sum = scratch<float>(4, static_cast<size_t>(wide) * wide);
    int width;
    const T* const rows = inputRows(s, x, static_cast<size_t>(n) * pixels + at, count, true, into, &width);
    const float* const w = wordsOf(rows, wide, count, 9);
    for (int r = 0; r < k; r += 16) {
      const float* const a = P == 1 ? w + r : w + static_cast<size_t>(r) * (count / P);
      product<T>(a, 1, P == 1 ? wide : 16, up(std::min(16, k - r), kRows), w, P == 1 ? wide : 16,
                 P == 1 ? 16 : 16L * (count / P), count / P, wide / 16, sum + static_cast<size_t>(r) * wide, wide, false);
    }
    double* const total = parts[t].data();
    for (int i = 0; i < k; i++)
      for (int j = 0; j < wide; j += 16) addTo(total + static_cast<size_t>(i) * wide + j, L(sum + static_cast<size_t>(i) * wide + j));
    for (int c = 0; c < wide; c += 16) {
      V some = zero();
      for (int i = 0; i < count; i++) some = add(some, L(rows + static_cast<size_t>(i) * width + c));
      addTo(total + static_cast<size_t>(wide) * wide + c, some);
    }
  });
  const auto sum = [&](int i, int j) {
    double total = 0;
    for (const auto& part : parts) total += part[static_cast<size_t>(i) * wide + j];
    return total / m;
  };
  std::vector<double> average(k);
  for (int j = 0; j < k; j++) means[j] = static_cast<float>(average[j] = sum(wide, j));
  std::vector<float> covariance(static_cast<size_t>(k) * k);
  for (int i = 0; i < k; i++)
    for (int j = 0; j < k; j++) covariance[static_cast<size_t>(i) * k + j] = static_cast<float>(sum(i, j) - average[i] * average[j]);
  float* const B = scratch<float>(3, packedSize<float>(k, k));
  pack<float>(covariance.data(), 1, k, k, k, B);
  const float* const w = roundedWeights<T>(s, k, k, 0);
#pragma omp parallel num_threads(threads)
  {
    ahead.clear();
    long from, to;
    share(d.c, omp_get_thread_num(), &from, &to, 8);
    float* const made = scratch<float>(4, static_cast<size_t>(8) * wide);
    for (long e0 = from; e0 < to; e0 += 8) {
      product<float>(w + e0 * k, k, 1, 8, B, 16, 16L * up(k, 32), k, wide / 16, made, wide, false);
      for (long e = e0; e < std::min(to, e0 + 8); e++) {
        V variance = zero();
        double mean = 0;
        for (int j = 0; j < k; j += 16) {
          const V v = L(made + (e - e0) * wide + j);
          store(mixed + e * k + j, tail(k - j), v);
          variance = fma(v, load(w + e * k + j, tail(k - j)), variance);
        }
        for (int j = 0; j < k; j++) mean += w[e * k + j] * average[j];
        out.first[e] = mean * m;
        out.second[e] = (std::max(0.f, sumOf(variance)) + mean * mean) * m;
      }
    }
  }
}

// From g, the gradient of what follows the last layer's BatchNorm, for statistics of the batch: `masked`, that of the second's,
// with its sums, and dw3
template <class T>
void mobileProjectGrad(const MobileBlock& s, const T* g, const T* z, NormGrad grad, const T* deep, T* masked, float* dw3,
                       Sums sumsOf) {
  constexpr int P = kPerWord<T>;
  const auto& d = s.deep;
  const int lines = up(d.c, 16) / 16, cp = lines * 16, outWidth = up(s.cout, 16);
  const Planes after{d.n, d.oh * d.ow};
  T* B3 = scratch<T>(3, packedSize<T>(s.cout, d.c));
  pack(s.w3, d.c, 1, s.cout, d.c, B3);
  const long beside3 = 16L * up(s.cout, 32) / P;
  const bool around = beyondCache(after.apart() * lines * sizeof(T), cp);
  std::vector<float*> parts(threads);
  ThreadSums sums(d.c);
  const Portions portions(after.pixels);
  portions.over(d.n, [&](int t, int n, int at, int pixels) {
    T* const rows = scratch<T>(1, static_cast<size_t>(portions.most) * outWidth);
    T* const acts = scratch<T>(11, static_cast<size_t>(portions.most) * kColumns * 16);
    const bool begun = parts[t] != nullptr;
    float* const sum3 = parts[t] = scratch<float>(13, static_cast<size_t>(outWidth) * cp);
    panel(g, z, grad, s.cout, static_cast<long>(n) * after.pixels + at, pixels, pixels, rows, outWidth);
    const float* const w = wordsOf(rows, outWidth, pixels, 8);
    for (int l0 = 0; l0 < lines;) {
      const int group = together(lines - l0);
      Ahead& next = ahead;
      next.clear();
      if (l0 + group < lines) {
        const int after_ = together(lines - l0 - group);
        for (int i = 0; i < after_; i++)
          next.add(deep + after.at(n, l0 + group + i, at), static_cast<size_t>(pixels) * 16 * sizeof(T));
      } else if (at + pixels < after.pixels) {
        for (int i = 0; i < together(lines); i++)
          next.add(deep + after.at(n, i, at + pixels), static_cast<size_t>(std::min(pixels, after.pixels - at - pixels)) * 16 * sizeof(T));
      }
      next.over(pixels / kRows + (outWidth + 15) / 16 * (16 / kRows));
      alignas(64) float some[2][kColumns * 16] = {};
      allTiles<T>(words(rows), outWidth / P, pixels, words(B3) + l0 * beside3, beside3, (s.cout + P - 1) / P, group,
                  [&](int r, int v0, auto& sum) __attribute__((always_inline)) {
        next.step();
        ANNEAL_UNROLL for (int v = 0; v < kColumnsOf<decltype(sum)>; v++) {
          const int c = (l0 + v0 + v) * 16;
          const size_t place = after.at(n, l0 + v0 + v, at + r);
          const V a = L(s.n2.a + c), b = L(s.n2.b + c), mean = L(s.n2.mean + c);
          V total = L(some[0] + (v0 + v) * 16), dots = L(some[1] + (v0 + v) * 16);
          ANNEAL_UNROLL for (int i = 0; i < kRowsOf<decltype(sum)>; i += P) {
            V raw[P], act[P], m[P];
            apart(deep + place + i * 16, raw);
            ANNEAL_UNROLL for (int p = 0; p < P; p++) {
              const V y = fma(raw[p], a, b);
              m[p] = through(y, sum[i + p][v]);
              act[p] = relu6(y);
              total = add(total, m[p]), dots = fma(m[p], sub(raw[p], mean), dots);
            }
            putWords(masked + place + i * 16, m, around);
            putWords(acts + (static_cast<size_t>(v0 + v) * pixels + r + i) * 16, act, false);
          }
          S(some[0] + (v0 + v) * 16, total), S(some[1] + (v0 + v) * 16, dots);
        }
      });
      for (int v = 0; v < group; v++) {
        addTo(sums.first(t) + (l0 + v) * 16, L(some[0] + v * 16));
        addTo(sums.second(t) + (l0 + v) * 16, L(some[1] + v * 16));
      }
      sumOverPixels(w, s.cout, outWidth, pixels, acts, 16L * pixels / P, group, sum3 + l0 * 16, cp, begun, next);
      l0 += group;
    }
    _mm_sfence();
  });
#pragma omp parallel num_threads(threads)
  scaledParts(parts, false, cp, s.cout, d.c, s.w3, nullptr, dw3, nullptr);
  sums.into(sumsOf);
}

// With kept statistics, from g, the gradient of y, all gradients. With the batch's, from `g` as mobileProjectGrad has masked it
// and grad2: dw2, and what of dw1 and gx is linear in g; the sums of the first layer alone.
template <class T, int K, int S_>
void mobileBlockGradOf(const MobileBlock& s, const T* x, const T* wide, const T* deep, const T* g, NormGrad grad2, T* gx,
                       float* dw1, float* dw2, float* dw3, Sums out1, Sums out2, Sums out3) {
  constexpr int P = kPerWord<T>, half = (K + 1) / 2, kept = S_ == 1 ? K : half;
  const auto& d = s.deep;
  const bool batch = grad2.A != nullptr;
  const int lines = up(d.c, 16) / 16, cp = lines * 16, kin = s.hasStem ? 27 : s.cin;
  const int left = S_ == 1 ? K - 1 - d.left : half - 1, shift = S_ == 2 ? d.left : 0;
  const int columns = S_ == 1 ? d.w : (d.w + d.left + 1) / 2;  // at stride 2 in pairs
  const int pitch = std::max(columns + K, left + d.ow) | 1, inPitch = (columns * S_ + d.left + 2) | 1;
  const auto slotsFor = [&](int rows) { return (rows + S_ - 1) / S_ + kept + 1; };
  const Portion portion(d.h, d.w, S_, lines, oddRows<T>(d), [&](int rows, int rings) {
    return static_cast<size_t>(slotsFor(rows)) * pitch * 64 * rings + static_cast<size_t>(rows) * d.w * cp * 2 * sizeof(T);
  });
  const int each = portion.each, several = portion.several, slots = portion.whole ? several * d.oh : slotsFor(each);
  const size_t line = static_cast<size_t>(slots) * pitch * 16;
  const Planes before{d.n, d.h * d.w}, after{d.n, d.oh * d.ow};
  const int inWidth = up(kin, 16), outWidth = up(s.cout, 16), inputs = several * each * d.w, outputs = slots * d.ow;
  const auto bottomOf = [&](int top) { return std::min(d.h, top + each); };
  // BatchNorm's scale goes into the weights.
  T* B3 = scratch<T>(0, packedSize<T>(s.cout, d.c));
  if (!batch) pack(scaledRows(s.w3, s.n3.a, s.cout, d.c, 4), d.c, 1, s.cout, d.c, B3);
  T* B1 = scratch<T>(3, packedSize<T>(d.c, kin));
  if (gx) pack(scaledRows(s.w1, s.n1.a, d.c, kin, 4), kin, 1, d.c, kin, B1);
  const auto taps = byLine(batch ? s.w2 : scaledRows(s.w2, s.n2.a, d.c, K * K, 4), d.c, K, S_ == 1);
  const long beside1 = 16L * up(d.c, 32) / P, beside3 = 16L * up(s.cout, 32) / P;
  std::vector<float*> parts1(threads), parts2(threads), parts3(threads);
  ThreadSums sums1(cp), sums2(cp), sums3(outWidth);
#pragma omp parallel num_threads(threads)
  {
    Ahead& next = ahead;
    const int t = omp_get_thread_num();
    float* const ring = scratch<float>(5, line * portion.rings + pitch * 16, true);
    const float* const nothing = ring + line * portion.rings;
    float* const made = scratch<float>(6, static_cast<size_t>(S_ == 1 ? inputs : columns * 2) * 16 + 16);
    float* const input = scratch<float>(7, static_cast<size_t>(S_ == 1 ? inputs : inPitch) * 16, true);
    int* const places = scratch<int>(2, outputs);
    T* const rowsOf = scratch<T>(1, static_cast<size_t>(inputs) * cp);  // the gradient of what is wide: its rows,
    T* const planeOf = scratch<T>(11, static_cast<size_t>(inputs) * cp);  // and its planes
    T* const gs = scratch<T>(10, static_cast<size_t>(outputs) * outWidth);
    T* const xs = scratch<T>(12, static_cast<size_t>(inputs) * inWidth);
    float* const sum1 = parts1[t] = scratch<float>(4, static_cast<size_t>(inWidth) * cp);
    float* const sum3 = parts3[t] = scratch<float>(13, static_cast<size_t>(outWidth) * cp);
    float* const sum2 = parts2[t] = scratch<float>(14, static_cast<size_t>(cp) * K * K, true);
    long first, last;
    share(d.n, t, &first, &last, 1);
    // What the lines after these need, while these are worked on
    const auto fetch = [&](int n, int top, int have, int end, int l, int outs) {
      next.clear();
      if (l == lines) {
        l = 0, top += each, have = end;
        if (top >= d.h) n += several, top = have = 0;
        if (n >= last) return;
      }
      const int count = std::min(several, static_cast<int>(last) - n);
      const size_t in = static_cast<size_t>(count) * (bottomOf(top) - top) * d.w * 16 * sizeof(T);
      const size_t out = std::min<size_t>(outs, static_cast<size_t>(count) * (d.oh - have) * d.ow) * 16 * sizeof(T);
      const int group = together(lines - l);
      for (int i = l; i < l + group; i++) {
        next.add(deep + after.at(n, i, have * d.ow), out);
        if (batch) next.add(g + after.at(n, i, have * d.ow), out);
        next.add(wide + before.at(n, i, top * d.w), in);
      }
      next.over(group * count * (bottomOf(top) - top) * (1 + columns / (S_ == 1 ? 8 : 4)));
    };
    for (int n = static_cast<int>(first); n < last; n += several) {
      const int count = std::min(several, static_cast<int>(last) - n);
      int have = 0;  // rows of the outputs' gradient that went into the ring
      for (int top = 0; top < d.h; top += each) {
        const int bottom = bottomOf(top), inPixels = count * (bottom - top) * d.w;
        const int needed = S_ == 1 ? bottom + d.top : ((bottom - 1 + d.top) >> 1) + 1;
        const int end = bottom == d.h ? d.oh : std::max(have, std::min(d.oh, needed));
        const int outPixels = count * (end - have) * d.ow, at = have * d.ow;
        const bool begun = n > first || top > 0;
        const T* gradient = g + (static_cast<size_t>(n) * d.oh * d.ow + at) * s.cout;
        const float* gWords = nullptr;
        if (outPixels) ringPlaces(count, have, end, d.oh, d.ow, slots, pitch, left, places);
        if (outPixels && !batch) {
          if (s.cout != outWidth) panel(gradient, s.cout, Norm{}, 0, outPixels, outPixels, gs, outWidth), gradient = gs;
          gWords = wordsOf(gradient, outWidth, outPixels, 8);
          for (int c = 0; c < outWidth; c += 16) {
            V sum = zero();
            for (int i = 0; i < outPixels; i++) sum = add(sum, L(gradient + static_cast<size_t>(i) * outWidth + c));
            addTo(sums3.first(t) + c, sum);
          }
        }
        const size_t from = (static_cast<size_t>(n) * d.h + top) * d.w;
        int width;
        const T* const given = inputRows(s, x, from, inPixels, true, xs, &width);
        const float* const xWords = wordsOf(given, inWidth, inPixels, 9);
        for (int l0 = 0; l0 < lines;) {
          const int group = together(lines - l0), skipped = portion.whole ? l0 : 0;
          fetch(n, top, have, end, l0 + group, outPixels);
          if (outPixels && batch) {
            for (int l = l0; l < l0 + group; l++) {
              const V A = L(grad2.A + l * 16), B = L(grad2.B + l * 16), C = L(grad2.C + l * 16);
              float* const to = ring + (l - skipped) * line;
              const size_t place = after.at(n, l, at);
              for (int i = 0; i < outPixels; i += P) {
                V m[P], raw[P];
                apart(g + place + i * 16, m);
                apart(deep + place + i * 16, raw);
                ANNEAL_UNROLL for (int p = 0; p < P; p++) S(to + places[i + p], fma(A, m[p], fma(B, raw[p], C)));
              }
            }
          } else if (outPixels) {
            alignas(64) float some[kColumns * 16] = {};
            allTiles<T>(words(gradient), outWidth / P, outPixels, words(B3) + l0 * beside3, beside3, (s.cout + P - 1) / P,
                        group, [&](int r, int v0, auto& sum) __attribute__((always_inline)) {
              ANNEAL_UNROLL for (int v = 0; v < kColumnsOf<decltype(sum)>; v++) {
                const int l = l0 + v0 + v;
                float* const to = ring + (l - skipped) * line;
                const T* const was = deep + after.at(n, l, at + r);
                V total = L(some + (v0 + v) * 16);
                ANNEAL_UNROLL for (int i = 0; i < kRowsOf<decltype(sum)>; i += P) {
                  V e[P];
                  apart(was + i * 16, e);
                  ANNEAL_UNROLL for (int p = 0; p < P; p++) {
                    const V m = through(e[p], sum[i + p][v]);
                    S(to + places[r + i + p], m);
                    total = add(total, m);
                  }
                }
                S(some + (v0 + v) * 16, total);
              }
            });
            for (int v = 0; v < group; v++) addTo(sums2.first(t) + (l0 + v) * 16, L(some + v * 16));
            sumOverPixels(gWords, s.cout, outWidth, outPixels, deep + after.at(n, l0, at), static_cast<long>(after.apart() / P),
                          group, sum3 + l0 * 16, cp, begun, next);
          }
          for (int l = l0; l < l0 + group; l++) {
            V total = zero();
            const T* const stored = wide + before.at(n, l, top * d.w);
            T* const plane = planeOf + static_cast<size_t>(l) * inPixels * 16;
            const auto unpack = [&](int pixel, int pixels, float* to) {
              for (int i = 0; i < pixels; i += P) {
                V e[P];
                apart(stored + static_cast<size_t>(pixel + i) * 16, e);
                ANNEAL_UNROLL for (int p = 0; p < P; p++) S(to + (i + p) * 16, e[p]);
              }
            };
            const auto letThrough = [&](int pixel, int pixels, const float* was, const float* back) {
              for (int i = 0; i < pixels; i += P) {
                V e[P];
                ANNEAL_UNROLL for (int p = 0; p < P; p++) {
                  e[p] = through(L(was + (i + p) * 16), L(back + (i + p) * 16));
                  total = add(total, e[p]);
                }
                putBoth(plane + static_cast<size_t>(pixel + i) * 16, rowsOf + static_cast<size_t>(pixel + i) * cp + l * 16, cp, e, false);
              }
            };
            if (S_ == 1) unpack(0, inPixels, input);
            for (int j = 0; j < count; j++)
              for (int iy = top; iy < bottom; iy++) {
                const int q = iy + d.top, odd = S_ == 1 ? 0 : q & 1, R = S_ == 1 ? K : (K - odd + 1) / 2;
                const int pixel = (j * (bottom - top) + iy - top) * d.w;
                const float* window[K];
                float* dws[K];
                float chosen[K * K * 16];
                for (int r = 0; r < R; r++) {
                  const int oy = (S_ == 1 ? q : q >> 1) - r, ky = S_ == 1 ? r : 2 * r + odd;
                  const bool in = oy >= 0 && oy < d.oh;
                  window[r] = in ? ring + (l - skipped) * line + static_cast<size_t>((j * d.oh + oy) % slots) * pitch * 16
                                 : nothing;
                  dws[r] = in ? sum2 + (static_cast<size_t>(l) * K * K + ky * K) * 16 : nullptr;
                  if (S_ == 2) memcpy(chosen + r * K * 16, &taps[(static_cast<size_t>(l) * K * K + ky * K) * 16], K * 64);
                }
                if constexpr (S_ == 1) {
                  weightRow<K, 1, K>(window, columns, input + static_cast<size_t>(pixel) * 16, dws);
                  correlateRow<K, 1>(window, K, columns, &taps[static_cast<size_t>(l) * K * K * 16],
                                     made + static_cast<size_t>(pixel) * 16, next);
                } else {
                  unpack(pixel, d.w, input + shift * 16);
                  R == half ? weightRow<K, 2, half>(window, columns, input, dws)
                            : weightRow<K, 2, K / 2>(window, columns, input, dws);
                  spreadRow<K>(window, R, columns, chosen, made, next);
                  letThrough(pixel, d.w, input + shift * 16, made + shift * 16);
                }
              }
            if (S_ == 1) letThrough(0, inPixels, input, made);
            addTo(sums1.first(t) + l * 16, total);
          }
          sumOverPixels(xWords, kin, inWidth, inPixels, planeOf + static_cast<size_t>(l0) * inPixels * 16, 16L * inPixels / P,
                        group, sum1 + l0 * 16, cp, begun, next);
          l0 += group;
        }
        have = end;
        if (!gx) continue;
        allTiles<T>(words(rowsOf), cp / P, inPixels, words(B1), beside1, cp / P, up(kin, 16) / 16,
                    [&](int r, int v0, auto& sum) __attribute__((always_inline)) {
          ANNEAL_UNROLL for (int v = 0; v < kColumnsOf<decltype(sum)>; v++) {
            const int c = (v0 + v) * 16;
            const M mask = tail(kin - c);
            ANNEAL_UNROLL for (int i = 0; i < kRowsOf<decltype(sum)>; i++) {
              const size_t to = (from + r + i) * kin + c;
              store(gx + to, mask, s.residual && !batch ? add(sum[i][v], load(g + to, mask)) : sum[i][v]);
            }
          }
        });
      }
    }
#pragma omp barrier
    scaledParts(parts1, true, cp, d.c, kin, s.w1, batch ? nullptr : s.n1.a, dw1, out1.second);
    if (!batch) scaledParts(parts3, false, cp, s.cout, d.c, s.w3, s.n3.a, dw3, out3.second);
  }
  std::vector<double> dots(d.c);
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int c = 0; c < d.c; c++)
    for (int i = 0; i < K * K; i++) {
      float sum = 0;
      for (int t = 0; t < threads; t++) sum += parts2[t][(static_cast<size_t>(c / 16) * K * K + i) * 16 + c % 16];
      const size_t at = static_cast<size_t>(c) * K * K + i;
      dots[c] += static_cast<double>(sum) * s.w2[at];
      dw2[at] = batch ? sum : s.n2.a[c] * sum;
    }
  // The sum of g z is that of the weights and their raw gradient.
  const auto finish = [&](ThreadSums& sums, const Norm& norm, int count, Sums out) {
    for (int i = 0; i < count; i++) {
      out.first[i] = 0;
      for (int t = 0; t < threads; t++) out.first[i] += sums.first(t)[i];
      out.second[i] -= out.first[i] * norm.mean[i];
    }
  };
  finish(sums1, s.n1, d.c, out1);
  if (batch) return;
  std::copy(dots.begin(), dots.end(), out2.second);
  finish(sums2, s.n2, d.c, out2);
  finish(sums3, s.n3, s.cout, out3);
}

// What statistics of the batch add to dw1 and gx. Of an output's gradient a g + b (z - mean) + e, what is linear in g is there,
// except for a in dw1; z is w x, so that the rest goes through w and the covariance, or through w and w^T, without z.
template <class T>
void mobileFinish(const MobileBlock& s, const T* x, const float* means, const float* mixed, NormGrad grad, const double* sums,
                  const T* plus, float* dw1, T* gx) {
  constexpr int P = kPerWord<T>;
  const auto& d = s.deep;
  const int k = s.hasStem ? 27 : s.cin, wide = up(k, 16);
  const long m = static_cast<long>(d.n) * d.h * d.w;
  std::vector<float> e(d.c);
  for (int i = 0; i < d.c; i++) e[i] = static_cast<float>(-grad.A[i] * sums[i] / m);
  const float* const w = gx ? roundedWeights<T>(s, k, wide, 0) : nullptr;
  float* const scaled = scratch<float>(3, gx ? static_cast<size_t>(d.c) * wide : 1);
  float* const M_ = scratch<float>(6, static_cast<size_t>(wide) * wide), *const shift = scratch<float>(7, wide + 16);
  float* const compact = scratch<float>(5, static_cast<size_t>(k) * k);
#pragma omp parallel num_threads(threads)
  {
    ahead.clear();
    const int t = omp_get_thread_num();
    long from, to;
    share(d.c, t, &from, &to, 8);
    for (long i = from; i < to; i++) {
      const V a = all(grad.A[i]), b = all(grad.B[i] * m), c = all(e[i] * m), plain = all(grad.B[i]);
      for (int j = 0; j < k; j += 16) {
        const M mask = tail(k - j);
        const long at = i * k + j;
        store(dw1 + at, mask, fma(a, load(dw1 + at, mask), fma(b, load(mixed + at, mask), mul(c, load(means + j, mask)))));
        if (gx) S(scaled + i * wide + j, mul(plain, L(w + i * wide + j)));
      }
    }
    if (gx) {
#pragma omp barrier
      share(wide, t, &from, &to, 8);
      if (to > from)
        product<float>(w + from, 1, wide, static_cast<int>(to - from), scaled, wide, 16, d.c, wide / 16, M_ + from * wide, wide, false);
      for (long i = from; i < std::min<long>(to, k); i++) {
        double sum = 0;
        for (int c = 0; c < d.c; c++) sum += w[static_cast<size_t>(c) * wide + i] * e[c];
        for (int j = 0; j < k; j++) sum -= M_[i * wide + j] * means[j], compact[i * k + j] = M_[i * wide + j];
        shift[i] = static_cast<float>(sum);
      }
    }
  }
  if (!gx) return;
  T* const B = scratch<T>(0, packedSize<T>(k, k));
  packWeights(compact, k, k, B);
#pragma omp parallel num_threads(threads)
  {
    ahead.clear();
    long from, to;
    share(m, omp_get_thread_num(), &from, &to, 2);
    for (long at = from; at < to; at += 128)
      allTiles<T>(words(x + at * k), k / P, static_cast<int>(std::min(128L, to - at)), words(B), 16L * up(k, 32) / P, k / P,
                  wide / 16, [&](int r, int v0, auto& sum) __attribute__((always_inline)) {
        ANNEAL_UNROLL for (int v = 0; v < kColumnsOf<decltype(sum)>; v++) {
          const int i0 = (v0 + v) * 16;
          const M mask = tail(k - i0);
          ANNEAL_UNROLL for (int i = 0; i < kRowsOf<decltype(sum)>; i++) {
            const size_t place = (at + r + i) * k + i0;
            const V value = add(load(gx + place, mask), add(sum[i][v], load(shift + i0, mask)));
            store(gx + place, mask, plus ? add(value, load(plus + place, mask)) : value);
          }
        }
      });
  }
}

template <class F>
void chosen(const Depthwise& d, F f) {
  const std::integral_constant<int, 1> one;
  const std::integral_constant<int, 2> two;
  const std::integral_constant<int, 3> three;
  const std::integral_constant<int, 5> five;
  if (d.k == 3)
    d.stride == 1 ? f(three, one) : f(three, two);
  else
    d.stride == 1 ? f(five, one) : f(five, two);
}
template <class T>
void mobileBlock(const MobileBlock& s, const T* x, T* wide, T* deep, T* y, Sums sums) {
  chosen(s.deep, [&](auto k, auto stride) {
    mobileBlockOf<T, decltype(k)::value, decltype(stride)::value>(s, x, wide, deep, y, sums);
  });
}
template <class T>
void mobileBlockGrad(const MobileBlock& s, const T* x, const T* wide, const T* deep, const T* g, NormGrad grad2, T* gx,
                     float* dw1, float* dw2, float* dw3, Sums out1, Sums out2, Sums out3) {
  chosen(s.deep, [&](auto k, auto stride) {
    mobileBlockGradOf<T, decltype(k)::value, decltype(stride)::value>(s, x, wide, deep, g, grad2, gx, dw1, dw2, dw3, out1, out2,
                                                                     out3);
  });
}

}  // namespace
}  // namespace anneal::kernels

// Blocks of mobile nets in training, where BatchNorm keeps its statistics. Nothing waits for sums over the batch then: a
// picture goes through the whole block some rows at a time, forty-eight channels of them after another, and so does its
// gradient. What is wide is stored once, as it comes out of ReLU6, and its gradients nowhere.
//
// Wide maps are planes [picture][channels / 16][pixels / P][16][P]: P pixels beside each other are a word, as products over
// pixels take them.
#pragma once
#include "depthwise.h"
#include "pointwise.h"

namespace anneal::kernels {
namespace {

inline void apart(const float* p, V* out) { out[0] = L(p); }
inline void putWords(float* p, const V* v, bool around) { around ? stream(p, v[0]) : S(p, v[0]); }
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

// What a block's wide maps are in memory
struct Planes {
  int lines, pixels;  // sixteens of channels; pixels of a picture
  size_t at(int picture, int line, int pixel) const {
    return ((static_cast<size_t>(picture) * lines + line) * pixels + pixel) * 16;
  }
};

// Sixteens of channels that are taken together
inline int together(int left) { return left == 4 && kColumns == 3 ? 2 : std::min(left, kColumns); }
// How many of `h` rows are done at a time: all, where the rings of few lines and all the rows take less memory than the rings of
// all lines and few rows
struct Portion {
  int each, rings;
  template <class Bytes>
  Portion(int h, int w, int stride, int lines, Bytes bytes)
      : each(std::min(up(std::max(1, 64 / w), stride), h)), rings(lines) {
    if (each < h && bytes(h, std::min(lines, kColumns)) > bytes(each, lines)) return;
    each = up(h, stride), rings = std::min(lines, kColumns);
  }
};

// `places[i]`: where pixel i of rows [from, to) of w pixels lies in a line's ring of `slots` rows
inline void ringPlaces(int from, int to, int w, int slots, int pitch, int left, int* places) {
  for (int y = from; y < to; y++)
    for (int i = 0; i < w; i++) *places++ = ((y % slots) * pitch + left + i) * 16;
}

template <class T, int K, int S_>
void keptBlockOf(const KeptBlock& s, const T* x, T* wide, T* deep, T* y) {
  constexpr int P = kPerWord<T>;
  const auto& d = s.deep;
  const int lines = up(d.c, 16) / 16, cp = lines * 16, kin = s.hasStem ? 27 : s.cin;
  const int pitch = std::max((d.ow - 1) * S_ + K, d.left + d.w) | 1;
  const auto slotsFor = [&](int rows) { return (rows - 1) * S_ + K + 1; };
  const Portion portion(d.oh, d.ow, 1, lines, [&](int rows, int rings) {
    return static_cast<size_t>(slotsFor(rows)) * pitch * 64 * rings + static_cast<size_t>(rows) * d.ow * cp * sizeof(T);
  });
  const int each = portion.each, slots = slotsFor(each), most = (each * S_ + K) * d.w;
  const size_t line = static_cast<size_t>(slots) * pitch * 16;
  const Planes before{lines, d.h * d.w}, after{lines, d.oh * d.ow};
  T* B1 = scratch<T>(0, packedSize<T>(kin, d.c));
  T* B3 = scratch<T>(3, packedSize<T>(d.c, s.cout));
  packWeights(s.w1, kin, d.c, B1);
  packWeights(s.w3, d.c, s.cout, B3);
  const long beside1 = 16L * up(kin, 32) / P, beside3 = 16L * up(d.c, 32) / P;
  const auto taps = byLine(s.w2, d.c, K, false);
  const size_t bytes = static_cast<size_t>(d.n) * cp * sizeof(T);
  const bool aroundWide = beyondCache(bytes * d.h * d.w, cp), aroundDeep = beyondCache(bytes * d.oh * d.ow, cp);
#pragma omp parallel num_threads(threads)
  {
    ahead.clear();
    float* const ring = scratch<float>(5, line * portion.rings + pitch * 16, true);
    const float* const nothing = ring + line * portion.rings;
    float* const made = scratch<float>(6, static_cast<size_t>(d.ow) * 16);
    T* const panelOf = scratch<T>(1, static_cast<size_t>(each) * d.ow * cp);
    T* const stem = s.hasStem ? scratch<T>(7, static_cast<size_t>(most) * 32) : nullptr;
    int* const places = scratch<int>(8, most);
    long first, last;
    share(d.n, omp_get_thread_num(), &first, &last, 1);
    for (int n = static_cast<int>(first); n < last; n++) {
      int have = 0;  // rows of the picture that went into the ring
      for (int top = 0; top < d.oh; top += each) {
        const int bottom = std::min(d.oh, top + each), y0 = top * S_ - d.top;
        const int end = bottom == d.oh ? d.h : std::max(have, std::min(d.h, (bottom - 1) * S_ - d.top + K));
        const int pixels = (end - have) * d.w, at = have * d.w;
        ringPlaces(have, end, d.w, slots, pitch, d.left, places);
        const T* rows = x + (static_cast<size_t>(n) * d.h * d.w + at) * s.cin;
        if (s.hasStem) panel(s.stem, static_cast<long>(n) * d.h * d.w + at, pixels, pixels, stem, 32), rows = stem;
        const int width = s.hasStem ? 32 : s.cin;
        for (int l0 = 0; l0 < lines;) {
          const int group = together(lines - l0), skipped = portion.rings < lines ? l0 : 0;
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
            const V a = L(s.n2.a + l * 16), b = L(s.n2.b + l * 16);
            for (int oy = top; oy < bottom; oy++) {
              const float* window[K];
              for (int k = 0; k < K; k++) {
                const int iy = y0 + (oy - top) * S_ + k;
                window[k] = iy < 0 || iy >= d.h ? nothing : ring + (l - skipped) * line + static_cast<size_t>(iy % slots) * pitch * 16;
              }
              correlateRow<K, S_>(window, K, d.ow, &taps[static_cast<size_t>(l) * K * K * 16], made);
              T* const out = deep + after.at(n, l, oy * d.ow);
              T* const to = panelOf + static_cast<size_t>(oy - top) * d.ow * cp + l * 16;
              for (int i = 0; i < d.ow; i += P) {
                V e[P];
                ANNEAL_UNROLL for (int p = 0; p < P; p++) e[p] = relu6(fma(L(made + (i + p) * 16), a, b));
                putBoth(out + i * 16, to + static_cast<size_t>(i) * cp, cp, e, aroundDeep);
              }
            }
          }
          l0 += group;
        }
        have = end;
        const size_t out = (static_cast<size_t>(n) * d.oh + top) * d.ow;
        allTiles<T>(words(panelOf), cp / P, (bottom - top) * d.ow, words(B3), beside3, cp / P, up(s.cout, 16) / 16,
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
}

// From parts [k][of], or [n][of] where not `tall`, of every thread: dw [n][k] = scale [n] times their sum, and dots [n] those of
// w and the sum
inline void scaledParts(const std::vector<float*>& parts, bool tall, int of, int n, int k, const float* w, const float* scale,
                        float* dw, double* dots) {
  alignas(64) float so[16][16];
  sumParts(parts, tall, of, n, k, [&](int i, int j, V sum) __attribute__((always_inline)) {
    const M mask = tail(k - j);
    const size_t at = static_cast<size_t>(i) * k + j;
    store(dw + at, mask, mul(all(scale[i]), sum));
    float* const lanes = so[i % 16];
    S(lanes, fma(load(w + at, mask), sum, j ? L(lanes) : zero()));
    if (j + 16 < k) return;
    dots[i] = 0;
    for (int l = 0; l < 16; l++) dots[i] += lanes[l];
  });
}
// The first `n` rows of w [n][k], each times its own factor
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
// sum [up to `width`][lines of 16, `of` a row] (+)= p^T q for p as `wordsOf` has made it and W planes q, `beside` words apart
template <class T>
void sumOverPixels(const float* p, int count, int width, int pixels, const T* q, long beside, int group, float* sum, int of,
                   bool add) {
  constexpr int P = kPerWord<T>;
  for (int r = 0; r < count; r += 16) {
    const float* a = P == 1 ? p + r : p + static_cast<size_t>(r) * (pixels / P);
    product<T>(a, 1, P == 1 ? width : 16, up(std::min(16, count - r), kRows), words(q), 16, beside, pixels / P, group,
               sum + static_cast<size_t>(r) * of, of, add);
  }
}

template <class T, int K, int S_>
void keptBlockGradOf(const KeptBlock& s, const T* x, const T* wide, const T* deep, const T* g, T* gx, float* dw1, float* dw2,
                     float* dw3, Sums out1, Sums out2, Sums out3) {
  constexpr int P = kPerWord<T>, half = (K + 1) / 2, kept = S_ == 1 ? K : half;
  const auto& d = s.deep;
  const int lines = up(d.c, 16) / 16, cp = lines * 16, kin = s.hasStem ? 27 : s.cin;
  const int left = S_ == 1 ? K - 1 - d.left : half - 1, shift = S_ == 2 ? d.left : 0;
  const int columns = S_ == 1 ? d.w : (d.w + d.left + 1) / 2;  // at stride 2 in pairs
  const int pitch = std::max(columns + K, left + d.ow) | 1, inPitch = (columns * S_ + d.left + 2) | 1;
  const auto slotsFor = [&](int rows) { return (rows + S_ - 1) / S_ + kept + 1; };
  const Portion portion(d.h, d.w, S_, lines, [&](int rows, int rings) {
    return static_cast<size_t>(slotsFor(rows)) * pitch * 64 * rings + static_cast<size_t>(rows) * d.w * cp * 2 * sizeof(T);
  });
  const int each = portion.each, slots = slotsFor(each);
  const size_t line = static_cast<size_t>(slots) * pitch * 16;
  const Planes before{lines, d.h * d.w}, after{lines, d.oh * d.ow};
  const int inWidth = up(kin, 16), outWidth = up(s.cout, 16), inputs = each * d.w, outputs = slots * d.ow;
  // BatchNorm's scale goes into the weights.
  T* B3 = scratch<T>(0, packedSize<T>(s.cout, d.c));
  pack(scaledRows(s.w3, s.n3.a, s.cout, d.c, 4), d.c, 1, s.cout, d.c, B3);
  T* B1 = scratch<T>(3, packedSize<T>(d.c, kin));
  if (gx) pack(scaledRows(s.w1, s.n1.a, d.c, kin, 4), kin, 1, d.c, kin, B1);
  const auto bottomOf = [&](int top) { return std::min(d.h, top + each); };
  const auto taps = byLine(scaledRows(s.w2, s.n2.a, d.c, K * K, 4), d.c, K, S_ == 1);
  const long beside1 = 16L * up(d.c, 32) / P, beside3 = 16L * up(s.cout, 32) / P;
  std::vector<float*> parts1(threads), parts2(threads), parts3(threads);
  ThreadSums sums1(cp), sums2(cp), sums3(outWidth);
#pragma omp parallel num_threads(threads)
  {
    ahead.clear();
    const int t = omp_get_thread_num();
    float* const ring = scratch<float>(5, line * portion.rings + pitch * 16, true);
    const float* const nothing = ring + line * portion.rings;
    float* const made = scratch<float>(6, static_cast<size_t>(columns) * S_ * 16 + 16);
    float* const input = scratch<float>(7, static_cast<size_t>(inPitch) * 16, true);
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
    const auto prefetch = [&](int n, int top, int have, int end, int l, int outPixels) {
      ahead.clear();
      if (l == lines) {
        l = 0, top += each, have = end;
        if (top >= d.h) n++, top = have = 0;
        if (n >= last) return;
      }
      const int in = std::min(each, d.h - top) * d.w, out = std::min(outPixels, (d.oh - have) * d.ow);
      const int count = together(lines - l);
      for (int i = l; i < l + count; i++) {
        ahead.add(deep + after.at(n, i, have * d.ow), static_cast<size_t>(out) * 16 * sizeof(T));
        ahead.add(wide + before.at(n, i, top * d.w), static_cast<size_t>(in) * 16 * sizeof(T));
      }
      ahead.over(count * (bottomOf(top) - top) * (1 + columns / (S_ == 1 ? 8 : 4)));
    };
    for (int n = static_cast<int>(first); n < last; n++) {
      int have = 0;  // rows of the outputs' gradient that went into the ring
      for (int top = 0; top < d.h; top += each) {
        const int bottom = bottomOf(top), inPixels = (bottom - top) * d.w;
        const int needed = S_ == 1 ? bottom + d.top : ((bottom - 1 + d.top) >> 1) + 1;
        const int end = bottom == d.h ? d.oh : std::max(have, std::min(d.oh, needed));
        const int outPixels = (end - have) * d.ow, at = have * d.ow;
        const T* gradient = g + (static_cast<size_t>(n) * d.oh * d.ow + at) * s.cout;
        const float* gWords = nullptr;
        if (outPixels) {
          ringPlaces(have, end, d.ow, slots, pitch, left, places);
          if (s.cout != outWidth) panel(gradient, s.cout, Norm{}, 0, outPixels, outPixels, gs, outWidth), gradient = gs;
          gWords = wordsOf(gradient, outWidth, outPixels, 8);
          for (int c = 0; c < outWidth; c += 16) {
            V sum = zero();
            for (int i = 0; i < outPixels; i++) sum = add(sum, L(gradient + static_cast<size_t>(i) * outWidth + c));
            addTo(sums3.first(t) + c, sum);
          }
        }
        const size_t from = (static_cast<size_t>(n) * d.h + top) * d.w;
        const T* given = x + from * s.cin;
        if (s.hasStem)
          panel(s.stem, static_cast<long>(from), inPixels, inPixels, xs, inWidth), given = xs;
        else if (s.cin != inWidth)
          panel(given, s.cin, Norm{}, 0, inPixels, inPixels, xs, inWidth), given = xs;
        const bool begun = n > first || top > 0;
        const float* const xWords = wordsOf(given, inWidth, inPixels, 9);
        for (int l0 = 0; l0 < lines;) {
          const int group = together(lines - l0), skipped = portion.rings < lines ? l0 : 0;
          prefetch(n, top, have, end, l0 + group, outPixels);
          if (outPixels) {
            alignas(64) float some[kColumns * 16] = {};
            allTiles<T>(words(gradient), outWidth / P, outPixels, words(B3) + l0 * beside3, beside3, (s.cout + P - 1) / P,
                        group, [&](int r, int v0, auto& sum) __attribute__((always_inline)) {
              ANNEAL_UNROLL for (int v = 0; v < kColumnsOf<decltype(sum)>; v++) {
                const int l = l0 + v0 + v;
                float* const to = ring + (l - skipped) * line;
                const T* const was = deep + after.at(n, l, at + r);
                V all_ = L(some + (v0 + v) * 16);
                ANNEAL_UNROLL for (int i = 0; i < kRowsOf<decltype(sum)>; i += P) {
                  V e[P];
                  apart(was + i * 16, e);
                  ANNEAL_UNROLL for (int p = 0; p < P; p++) {
                    const V m = through(e[p], sum[i + p][v]);
                    S(to + places[r + i + p], m);
                    all_ = add(all_, m);
                  }
                }
                S(some + (v0 + v) * 16, all_);
              }
            });
            for (int v = 0; v < group; v++) addTo(sums2.first(t) + (l0 + v) * 16, L(some + v * 16));
            sumOverPixels(gWords, s.cout, outWidth, outPixels, deep + after.at(n, l0, at), after.at(0, 1, 0) / P, group,
                          sum3 + l0 * 16, cp, begun);
          }
          for (int l = l0; l < l0 + group; l++) {
            V all_ = zero();
            for (int iy = top; iy < bottom; iy++) {
              const int q = iy + d.top, odd = S_ == 1 ? 0 : q & 1, R = S_ == 1 ? K : (K - odd + 1) / 2;
              const float* window[K];
              float* dws[K];
              float chosen[K * K * 16];
              for (int r = 0; r < R; r++) {
                const int oy = (S_ == 1 ? q : q >> 1) - r, ky = S_ == 1 ? r : 2 * r + odd;
                const bool in = oy >= 0 && oy < d.oh;
                window[r] = in ? ring + (l - skipped) * line + static_cast<size_t>(oy % slots) * pitch * 16 : nothing;
                dws[r] = in ? sum2 + (static_cast<size_t>(l) * K * K + ky * K) * 16 : nullptr;
                if (S_ == 2) memcpy(chosen + r * K * 16, &taps[(static_cast<size_t>(l) * K * K + ky * K) * 16], K * 64);
              }
              float* const was = input + shift * 16;
              const T* const stored = wide + before.at(n, l, iy * d.w);
              for (int i = 0; i < d.w; i += P) {
                V e[P];
                apart(stored + i * 16, e);
                ANNEAL_UNROLL for (int p = 0; p < P; p++) S(was + (i + p) * 16, e[p]);
              }
              if constexpr (S_ == 1) {
                weightRow<K, 1, K>(window, columns, input, dws);
                correlateRow<K, 1>(window, K, columns, &taps[static_cast<size_t>(l) * K * K * 16], made);
              } else {
                R == half ? weightRow<K, 2, half>(window, columns, input, dws) : weightRow<K, 2, K / 2>(window, columns, input, dws);
                spreadRow<K>(window, R, columns, chosen, made);
              }
              const int pixel = (iy - top) * d.w;
              T* const plane = planeOf + (static_cast<size_t>(l) * inPixels + pixel) * 16;
              T* const row = rowsOf + static_cast<size_t>(pixel) * cp + l * 16;
              for (int i = 0; i < d.w; i += P) {
                V e[P];
                ANNEAL_UNROLL for (int p = 0; p < P; p++) {
                  e[p] = through(L(was + (i + p) * 16), L(made + (i + p + shift) * 16));
                  all_ = add(all_, e[p]);
                }
                putBoth(plane + i * 16, row + static_cast<size_t>(i) * cp, cp, e, false);
              }
            }
            addTo(sums1.first(t) + l * 16, all_);
          }
          sumOverPixels(xWords, kin, inWidth, inPixels, planeOf + static_cast<size_t>(l0) * inPixels * 16, 16L * inPixels / P,
                        group, sum1 + l0 * 16, cp, begun);
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
              store(gx + to, mask, s.residual ? add(sum[i][v], load(g + to, mask)) : sum[i][v]);
            }
          }
        });
      }
    }
#pragma omp barrier
    scaledParts(parts1, true, cp, d.c, kin, s.w1, s.n1.a, dw1, out1.second);
    scaledParts(parts3, false, cp, s.cout, d.c, s.w3, s.n3.a, dw3, out3.second);
  }
  for (int c = 0; c < d.c; c++) {
    out2.second[c] = 0;
    for (int i = 0; i < K * K; i++) {
      float sum = 0;
      for (int t = 0; t < threads; t++) sum += parts2[t][(static_cast<size_t>(c / 16) * K * K + i) * 16 + c % 16];
      const size_t at = static_cast<size_t>(c) * K * K + i;
      out2.second[c] += static_cast<double>(sum) * s.w2[at];
      dw2[at] = s.n2.a[c] * sum;
    }
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
  finish(sums2, s.n2, d.c, out2);
  finish(sums3, s.n3, s.cout, out3);
}

template <class T>
void keptBlock(const KeptBlock& s, const T* x, T* wide, T* deep, T* y) {
  const auto& d = s.deep;
  if (d.k == 3)
    d.stride == 1 ? keptBlockOf<T, 3, 1>(s, x, wide, deep, y) : keptBlockOf<T, 3, 2>(s, x, wide, deep, y);
  else
    d.stride == 1 ? keptBlockOf<T, 5, 1>(s, x, wide, deep, y) : keptBlockOf<T, 5, 2>(s, x, wide, deep, y);
}
template <class T>
void keptBlockGrad(const KeptBlock& s, const T* x, const T* wide, const T* deep, const T* g, T* gx, float* dw1, float* dw2,
                   float* dw3, Sums out1, Sums out2, Sums out3) {
  const auto& d = s.deep;
  const auto run = [&](auto of) { of(s, x, wide, deep, g, gx, dw1, dw2, dw3, out1, out2, out3); };
  if (d.k == 3)
    d.stride == 1 ? run(keptBlockGradOf<T, 3, 1>) : run(keptBlockGradOf<T, 3, 2>);
  else
    d.stride == 1 ? run(keptBlockGradOf<T, 5, 1>) : run(keptBlockGradOf<T, 5, 2>);
}

}  // namespace
}  // namespace anneal::kernels

// What blocks of mobile nets need beside mobile.h if BatchNorm uses the statistics of the batch. Those of the first layer are
// computed from the covariance of its few inputs, before there is any output. Their part of its gradient is linear in the inputs,
// too, and is added at the end. For the statistics of the second layer everything is read once more, forward and backward.
#pragma once
#include "blocked_layout.h"

namespace anneal::kernels {
inline namespace ANNEAL_ISA {
namespace {

// The weights of the first layer, rounded to T: rows [c][width]; the memory is zeros before. P is float or T.
template <class T, class P>
void roundedWeights(const MobileBlock& s, int k, int width, P* out) {
#pragma omp parallel for num_threads(threads()) schedule(static)
  for (int e = 0; e < s.deep.c; e++)
    for (int i = 0; i < k; i += 16) {
      const M mask = tail(k - i);
      const V v = load(s.w1 + static_cast<size_t>(e) * k + i, mask);
      store(out + static_cast<size_t>(e) * width + i, mask, rounded(static_cast<T*>(nullptr), v));
    }
}

// Products of these weights with float numbers. Tiles take bfloat16: a float counts as the sum of two such numbers, so its error
// is 2^-17 of it.
constexpr int kRowsEach = kTiled ? 16 : 8;
template <class T>
using Factor = std::conditional_t<kTiled, T, float>;
#ifdef ANNEAL_TILES
ANNEAL_INLINE void inTwo(V v, V* high, V* low) {
  *high = rounded(static_cast<Half16*>(nullptr), v);
  *low = sub(v, *high);
}
#endif

// The sums of the first layer before there is any output, from the means of its inputs (k: cin, or 27) and their covariance: the
// variance of an output is w^T covariance w. `mixed` [c][k] becomes the weights times the covariance.
template <class T>
void mobileStatistics(const MobileBlock& s, const T* x, float* means, float* mixed, Sums out) {
  [[maybe_unused]] constexpr int P = kPerWord<T>;
  const auto& d = s.deep;
  const int k = s.hasStem ? 27 : s.cin, wide = up(k, kWidth), pixels = d.h * d.w;
  const double m = static_cast<double>(d.n) * pixels;
  const int members = threads();
  const size_t each = static_cast<size_t>(wide) * (wide + 1);
  Array<double> parts(each * members);
  const Portions portions(pixels);
  const Scratch<T> inputs(Slot::inputs, static_cast<size_t>(std::max(portions.most, kLeast)) * wide, members);
  const Scratch<T> stems(Slot::stem, stemRoom(s.hasStem ? &s.stem : nullptr, portions.most), members);
  const Scratch<float> pairRoom(Slot::inputPairs, pairsOf<T>(portions.most, wide), members);
  const Scratch<float> plainRoom(Slot::gradientPairs, kTiled ? pairsOf<T>(portions.most, wide) : 0, members);
  const Scratch<float> sumRoom(Slot::sums, static_cast<size_t>(wide) * std::max(wide, 8), members);
#pragma omp parallel num_threads(members)
  {
    [[maybe_unused]] const Tiles tiles{};
    const Team member = team();
    const int t = member.rank;
    float* const sum = sumRoom.at(t);
    portions.over(member, d.n, picturesEach<T>(d), [&](int n, int at, int count) {
      int width;
      const T* const rows =
          inputRows(s, x, static_cast<size_t>(n) * pixels + at, count, true, inputs.at(t), stems.at(t), &width);
      const float* const w = wordsOf(rows, wide, count, pairRoom.at(t));
#ifdef ANNEAL_TILES
      const int steps = up(count, 32) / 32;
      const float* const plain = pairedTiles(rows, wide, count, plainRoom.at(t));
      gemm(w, 16, 256, steps * 256L, up(k, 16) / 16, plain, steps * 256L, wide / 16, steps, sum, wide, false);
#else
      for (int r = 0; r < k; r += 16) {
        const float* const a = P == 1 ? w + r : w + static_cast<size_t>(r) * (count / P);
        gemm<T>(a, 1, P == 1 ? wide : 16, up(std::min(16, k - r), kRows), w, P == 1 ? wide : 16,
                   P == 1 ? 16 : 16L * (count / P), count / P, wide / 16, sum + static_cast<size_t>(r) * wide, wide, false);
      }
#endif
      double* const total = parts.data() + each * t;
      for (int i = 0; i < k; i++)
        for (int j = i * wide; j < (i + 1) * wide; j += 16) addTo(total + j, L(sum + j));
      for (int c = 0; c < wide; c += 16) {
        V some = zero();
        for (int i = 0; i < count; i++) some = add(some, L(rows + static_cast<size_t>(i) * width + c));
        addTo(total + static_cast<size_t>(wide) * wide + c, some);
      }
    });
  }
  const auto sum = [&](int i, int j) {
    double total = 0;
    for (int t = 0; t < members; t++) total += parts[each * t + static_cast<size_t>(i) * wide + j];
    return total / m;
  };
  Array<double> average(k);
  for (int j = 0; j < k; j++) means[j] = static_cast<float>(average[j] = sum(wide, j));
  Array<float> covariance(static_cast<size_t>(k) * k);
  for (int i = 0; i < k; i++)
    for (int j = 0; j < k; j++)
      covariance[static_cast<size_t>(i) * k + j] = static_cast<float>(sum(i, j) - average[i] * average[j]);
  using F = Factor<T>;
  const size_t square = packedSize<F>(k, k);
  const Scratch<F> packed(Slot::packed, square * (kTiled ? 2 : 1));
  const int row = kTiled ? wide : k;
  const Scratch<F> weights(Slot::weights, static_cast<size_t>(up(d.c, kRowsEach)) * row);
  F *const B = packed.get(), *const w = weights.zeroed(0);
#ifdef ANNEAL_TILES
  Array<float> low(covariance.size());
  for (size_t i = 0; i < low.size(); i += 16) {
    const M mask = tail(static_cast<int>(std::min<size_t>(16, low.size() - i)));
    V two[2];
    inTwo(load(covariance.data() + i, mask), two, two + 1);
    store(covariance.data() + i, mask, two[0]), store(low.data() + i, mask, two[1]);
  }
  pack<F>(low.data(), 1, k, k, k, B + square);
#endif
  pack<F>(covariance.data(), 1, k, k, k, B);
  roundedWeights<T>(s, k, row, w);
#pragma omp parallel num_threads(members)
  {
    [[maybe_unused]] const Tiles tiles{};
    ahead.clear();
    const Team member = team();
    long from, to;
    member.share(d.c, &from, &to, kRowsEach);
    float* const made = sumRoom.at(member.rank);
    for (long e0 = from; e0 < to; e0 += kRowsEach) {
#ifdef ANNEAL_TILES
      const int steps = wide / 32;
      for (int part = 0; part < 2; part++)
        gemm(words(w + e0 * row), row / 2, 16, row * 8L, 1, words(B + part * square), steps * 256L, wide / 16, steps, made, wide,
             part > 0);
#else
      gemm<float>(w + e0 * k, k, 1, 8, B, 16, 16L * up(k, 32), k, wide / 16, made, wide, false);
#endif
      for (long e = e0; e < std::min(to, e0 + kRowsEach); e++) {
        V variance = zero(), middle = zero();
        for (int j = 0; j < k; j += 16) {
          const M mask = tail(k - j);
          const V v = L(made + (e - e0) * wide + j), factor = load(w + e * row + j, mask);
          store(mixed + e * k + j, mask, v);
          variance = fma(v, factor, variance);
          middle = fma(factor, load(means + j, mask), middle);
        }
        const double mean = sumOf(middle);
        out.first[e] = mean * m;
        out.second[e] = (std::max(0.f, sumOf(variance)) + mean * mean) * m;
      }
    }
  }
}

// The last layer with statistics of the batch: z, its raw output, and the sums
template <class T>
void mobileProject(const MobileBlock& s, const T* deep, T* z, Sums sumsOf) {
  constexpr int P = kPerWord<T>;
  const auto& d = s.deep;
  const int lines = up(d.c, 16) / 16, cp = up(d.c, kWidth), outWidth = up(s.cout, kWidth);
  const BlockedLayout after{d.n, d.oh * d.ow};
  const Scratch<T> packed(Slot::packed, packedSize<T>(d.c, s.cout));
  T* const B3 = packed.get();
  packWeights(s.w3, d.c, s.cout, B3);
  ThreadSums sums(s.cout);
  const Portions portions(after.pixels);
  const Scratch<T> inputs(Slot::inputs, static_cast<size_t>(std::max(portions.most, kLeast)) * cp, sums.members());
  const Scratch<float> rowSums(Slot::rowSums, outWidth * 2, sums.members());
#pragma omp parallel num_threads(sums.members())
  {
    [[maybe_unused]] const Tiles tiles{};
    const Team member = team();
    const int t = member.rank;
    T* const rows = cp > lines * 16 ? inputs.zeroed(t) : inputs.at(t);
    portions.over(member, d.n, picturesEach<T>(d), [&](int n, int at, int pixels) {
      float* const some = rowSums.zeroed(t);
      for (int l = 0; l < lines; l++) {
        const T* const from = deep + after.at(n, l, at);
        const V a = L(s.n2.a + l * 16), b = L(s.n2.b + l * 16);
        const char* const soon = reinterpret_cast<const char*>(from + 2 * after.apart());
        for (int i = 0; i < pixels; i += P) {
          V e[P];
          fetchNear(soon + static_cast<size_t>(i) * 16 * sizeof(T));
          apart(from + i * 16, e);
          ANNEAL_UNROLL for (int p = 0; p < P; p++) e[p] = relu6(fma(e[p], a, b));
          putRows(rows + static_cast<size_t>(i) * cp + l * 16, cp, e);
        }
      }
      const size_t out = static_cast<size_t>(n) * after.pixels + at;
      tiledSums<T>(words(rows), cp / P, pixels, words(B3), 16L * up(d.c, 32) / P, cp / P, up(s.cout, 16) / 16,
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
  }
  sums.into(sumsOf);
}

// With statistics of the batch; g is the gradient after the BatchNorm of the last layer. `masked`, the gradient after that of the
// second, with its sums, and dw3
template <class T>
void mobileProjectGrad(const MobileBlock& s, const T* g, const T* z, NormGrad grad, const T* deep, T* masked, float* dw3,
                       Sums sumsOf) {
  constexpr int P = kPerWord<T>;
  const auto& d = s.deep;
  const int lines = up(d.c, 16) / 16, cp = up(d.c, kWidth), outWidth = up(s.cout, kWidth);
  const BlockedLayout after{d.n, d.oh * d.ow};
  const Scratch<T> packed(Slot::packed, packedSize<T>(s.cout, d.c));
  T* const B3 = packed.get();
  pack(s.w3, d.c, 1, s.cout, d.c, B3);
  const long beside3 = 16L * up(s.cout, 32) / P;
  const bool around = beyondCache(after.apart() * lines * sizeof(T), cp);
  ThreadSums sums(d.c);
  const int members = sums.members();
  const Portions portions(after.pixels);
  const Scratch<T> gradients(Slot::gradients, static_cast<size_t>(std::max(portions.most, kLeast)) * outWidth, members);
  const Scratch<T> planes(Slot::planes, static_cast<size_t>(lineApart(portions.most)) * kColumns * 16, members);
  const Scratch<float> pairRoom(Slot::gradientPairs, pairsOf<T>(portions.most, outWidth), members);
  const Scratch<float> parts(Slot::sums, static_cast<size_t>(outWidth) * cp, members);
#pragma omp parallel num_threads(members)
  {
    [[maybe_unused]] const Tiles tiles{};
    const Team member = team();
    const int t = member.rank;
    T *const rows = gradients.at(t), *const acts = planes.at(t);
    float* const sum3 = parts.at(t);
    bool begun = false;
    portions.over(member, d.n, picturesEach<T>(d), [&](int n, int at, int pixels) {
      panel(g, z, grad, s.cout, static_cast<long>(n) * after.pixels + at, pixels, pixels, rows, outWidth);
      const float* const w = wordsOf(rows, outWidth, pixels, pairRoom.at(t));
      const int apart_ = lineApart(pixels);
      for (int v = 0; v < kColumns; v++) blankLine(acts + static_cast<size_t>(v) * apart_ * 16, pixels);
      for (int l0 = 0; l0 < lines;) {
        const int group = linesAtOnce(lines - l0);
        Ahead& next = ahead;
        next.clear();
        if (l0 + group < lines) {
          const int soon = linesAtOnce(lines - l0 - group);
          for (int i = 0; i < soon; i++)
            next.add(deep + after.at(n, l0 + group + i, at), static_cast<size_t>(pixels) * 16 * sizeof(T));
        } else if (at + pixels < after.pixels) {
          const int left = std::min(pixels, after.pixels - at - pixels);
          for (int i = 0; i < linesAtOnce(lines); i++)
            next.add(deep + after.at(n, i, at + pixels), static_cast<size_t>(left) * 16 * sizeof(T));
        }
        next.over(pixels / kRows + (outWidth + 15) / 16 * (16 / kRows));
        alignas(64) float some[2][kColumns * 16] = {};
        tiledSums<T>(words(rows), outWidth / P, pixels, words(B3) + l0 * beside3, beside3, (s.cout + P - 1) / P, group,
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
              putWords(acts + (static_cast<size_t>(v0 + v) * apart_ + r + i) * 16, act, false);
            }
            S(some[0] + (v0 + v) * 16, total), S(some[1] + (v0 + v) * 16, dots);
          }
        });
        for (int v = 0; v < group; v++) {
          addTo(sums.first(t) + (l0 + v) * 16, L(some[0] + v * 16));
          addTo(sums.second(t) + (l0 + v) * 16, L(some[1] + v * 16));
        }
        sumOverPixels(w, s.cout, outWidth, pixels, acts, 16L * apart_ / P, group, sum3 + l0 * 16, cp, begun, next);
        l0 += group;
      }
      begun = true;
      settle();
    });
    if (!begun) parts.zeroed(t);
#pragma omp barrier
    scaledParts(parts, member.size, false, cp, s.cout, d.c, s.w3, nullptr, dw3, nullptr);
  }
  sums.into(sumsOf);
}

// Adds to dw1 and gx what comes through the statistics of the batch. The gradient of an output is a g + b (z - mean) + e. The
// part that is linear in g is there already, except for the factor a of dw1. z is w x, so the rest needs only w and the
// covariance (dw1), or w and w^T (gx), but not z.
template <class T>
void mobileFinish(const MobileBlock& s, const T* x, const float* means, const float* mixed, NormGrad grad, const double* sums,
                  const T* plus, float* dw1, T* gx) {
  constexpr int P = kPerWord<T>;
  const auto& d = s.deep;
  const int k = s.hasStem ? 27 : s.cin, wide = up(k, kWidth), members = threads();
  const long m = static_cast<long>(d.n) * d.h * d.w;
  Array<float> e(d.c);
  for (int i = 0; i < d.c; i++) e[i] = static_cast<float>(-grad.A[i] * sums[i] / m);
  const size_t rows = gx ? static_cast<size_t>(up(d.c, 8)) : 0, square = gx ? static_cast<size_t>(wide) * wide : 0;
  using F = Factor<T>;
  const Scratch<F> weights(Slot::weights, rows * wide), scaledRoom(Slot::shared, rows * wide * (kTiled ? 2 : 1));
  [[maybe_unused]] const size_t pairs = kTiled ? static_cast<size_t>(wide / 2) * up(d.c, 32) : 0;
  const Scratch<float> leftRoom(Slot::inputPairs, gx ? pairs : 0, members), rightRoom(Slot::gradientPairs, gx ? pairs : 0, members);
  const Scratch<float> squares(Slot::sharedSums, square * 2 + wide + 16);
  const Scratch<T> packed(Slot::packed, gx ? packedSize<T>(k, k) : 0);
  F *const w = weights.zeroed(0), *const scaled = kTiled ? scaledRoom.zeroed(0) : scaledRoom.get();
  float *const both = squares.get(), *const compact = both + square, *const shift = compact + square;
  if (gx) roundedWeights<T>(s, k, wide, w);
#pragma omp parallel num_threads(members)
  {
    [[maybe_unused]] const Tiles tiles{};
    ahead.clear();
    const Team member = team();
    long from, to;
    member.share(d.c, &from, &to, 8);
    for (long i = from; i < to; i++) {
      const V a = all(grad.A[i]), b = all(grad.B[i] * m), c = all(e[i] * m), plain = all(grad.B[i]);
      for (int j = 0; j < k; j += 16) {
        const M mask = tail(k - j);
        const long at = i * k + j;
        store(dw1 + at, mask, fma(a, load(dw1 + at, mask), fma(b, load(mixed + at, mask), mul(c, load(means + j, mask)))));
        if (!gx) continue;
        const V product = mul(plain, L(w + i * wide + j));
#ifdef ANNEAL_TILES
        V two[2];
        inTwo(product, two, two + 1);
        S(scaled + i * wide + j, two[0]), S(scaled + (rows + i) * wide + j, two[1]);
#else
        S(scaled + i * wide + j, product);
#endif
      }
    }
    if (gx) {
#pragma omp barrier
      member.share(wide, &from, &to, kRowsEach);
#ifdef ANNEAL_TILES
      const int steps = up(d.c, 32) / 32;
      const float* const left = pairedTiles(w, wide, d.c, leftRoom.at(member.rank), true);
      for (int part = 0; part < 2; part++) {
        const float* const right = pairedTiles(scaled + part * rows * wide, wide, d.c, rightRoom.at(member.rank));
        gemm(left + from / 16 * steps * 256, 16, 256, steps * 256L, static_cast<int>(to - from) / 16, right, steps * 256L,
             wide / 16, steps, both + from * wide, wide, part > 0);
      }
#else
      if (to > from)
        gemm<float>(w + from, 1, wide, static_cast<int>(to - from), scaled, wide, 16, d.c, wide / 16, both + from * wide,
                       wide, false);
#endif
      for (long i0 = from; i0 < to; i0 += 16) {
        const M here = tail(static_cast<int>(to - i0));
        V some[4] = {zero(), zero(), zero(), zero()};
        for (int c = 0; c < d.c; c++) some[c % 4] = fma(load(w + static_cast<size_t>(c) * wide + i0, here), all(e[c]), some[c % 4]);
        alignas(64) float sums16[16];
        S(sums16, add(add(some[0], some[1]), add(some[2], some[3])));
        for (long i = i0; i < std::min<long>({to, k, i0 + 16}); i++) {
          double sum = sums16[i - i0];
          for (int j = 0; j < k; j++) sum -= both[i * wide + j] * means[j], compact[i * k + j] = both[i * wide + j];
          shift[i] = static_cast<float>(sum);
        }
      }
    }
  }
  if (!gx) return;
  T* const B = packed.get();
  packWeights(compact, k, k, B);
  constexpr int kEach = 128;
  const int width = up(k, kWidth);
  const Scratch<T> inputs(Slot::inputs, kTiled ? static_cast<size_t>(kEach) * width : 0, members);
#pragma omp parallel num_threads(members)
  {
    [[maybe_unused]] const Tiles tiles{};
    ahead.clear();
    const Team member = team();
    long from, to;
    member.share(m, &from, &to, 2);
    for (long at = from; at < to; at += kEach) {
      const int rows = static_cast<int>(std::min<long>(kEach, to - at));
      const T* given = x + at * k;
      if (kTiled && (k != width || rows < kLeast))
        panel(given, k, Norm{}, 0, rows, rows, inputs.at(member.rank), width), given = inputs.at(member.rank);
      tiledSums<T>(words(given), (kTiled ? width : k) / P, rows, words(B), 16L * up(k, 32) / P, k / P, wide / 16,
                   [&](int r, int v0, auto& sum) __attribute__((always_inline)) {
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
}

}  // namespace
}  // namespace ANNEAL_ISA
}  // namespace anneal::kernels

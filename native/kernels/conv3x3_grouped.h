// 3 x 3 convolutions in groups of 4, 8, 16 or 32 channels (ResNeXt), at stride 1 or 2, padded by 1. A vector holds 16 outputs. If
// a group has fewer than 16 channels, the outputs of a vector have different inputs: they are laid out once for each row, one
// vector for each input of a group, and used by all outputs around.
#pragma once
#include <array>

#include "normalise.h"
#include "gemm.h"

namespace anneal::kernels {
inline namespace ANNEAL_ISA {
namespace {

// How many pixels of a row are summed at a time
constexpr int kAcross = kRows == 8 ? 16 : 4;
// How many channels of a picture a thread works on at a time: a cache line of bfloat16
constexpr int kBand = 32;
// A row of a picture is prefetched while the row this many before it is laid out.
constexpr int kAhead = 3;

// How channels in groups of Each are summed. A "strip" is the inputs of 16 outputs, or more if a group is wider.
template <class T, int Each>
struct Group {
  static constexpr int P = kPerWord<T>;
  static constexpr bool kLaid = Each < 16;                      // an input is a register, else one word for all
  static constexpr int kWords = Each / P;                       // that an output sums of a pixel
  static constexpr int kStrip = Each < 16 ? 16 : Each;          // channels
  static constexpr int kPixel = kLaid ? kWords * 16 : kWords;   // words of a pixel
  static constexpr int kNext = kLaid ? 16 : 1;                  // from an input to the next
  static constexpr int kPairs = kLaid ? Each * 16 : Each;       // of pairs of pixels, in the weights' gradient
  ANNEAL_INLINE static V at(const float* p) { return kLaid ? L(p) : all(*p); }
};

// Lines of a picture, each made when it is first needed; the last few are kept.
template <int Count>
class Lines {
 public:
  Lines(float* memory, size_t each) : memory_(memory), each_(each) { std::fill(held_, held_ + Count, -1); }
  template <class Make>
  const float* at(int row, Make make) {
    float* const line = memory_ + each_ * (row % Count);
    if (held_[row % Count] != row) make(row, line), held_[row % Count] = row;
    return line;
  }

 private:
  float* memory_;
  size_t each_;
  int held_[Count];
};

// Deinterleaves: lane l of vector i gets word i of group l / Lanes. At p there are Words words for each group:
// out[i * 16 + l] = p[l / Lanes * Words + i].
template <int Words, int Lanes>
ANNEAL_INLINE void layOut(const float* p, float* out) {
  static constexpr auto of = [] {
    std::array<std::array<int32_t, 16>, Words> from{};
    for (int i = 0; i < Words; i++)
      for (int l = 0; l < 16; l++) from[i][l] = l / Lanes * Words + i;
    return from;
  }();
  ANNEAL_UNROLL for (int i = 0; i < Words; i++) S(out + i * 16, picked<16 / Lanes * Words>(p, of[i].data()));
}

// A row of w pixels, c channels apart, with a pixel of zeros before and after, as sums need it.
template <class T, int Each>
void lineOf(const T* row, int w, int c, float* out) {
  using G = Group<T, Each>;
  memset(out, 0, G::kPixel * sizeof(float));
  memset(out + (w + 1) * G::kPixel, 0, G::kPixel * sizeof(float));
  for (int x = 0; x < w; x++) {
    const float* from = words(row + static_cast<size_t>(x) * c);
    fetchNear(row + static_cast<size_t>(x + kAhead * w) * c);
    float* const to = out + (x + 1) * G::kPixel;
    if constexpr (G::kLaid)
      layOut<G::kWords, Each>(from, to);
    else
      memcpy(to, from, G::kPixel * sizeof(float));
  }
}

// The inputs of a sum: where those of the first pixel are, and the weights of 16 outputs.
struct Tap {
  const float *x, *w;
};
// Calls put(r, v, sum) for R pixels, Step apart, and W vectors of outputs, whose weights are `beside` apart
template <class T, int Each, int Step, int R, int W, class Put>
ANNEAL_INLINE void sumTaps(const Tap* tap, int count, long shift, long beside, Put put) {
  using G = Group<T, Each>;
  V sum[R][W];
  ANNEAL_UNROLL for (int r = 0; r < R; r++) ANNEAL_UNROLL for (int v = 0; v < W; v++) sum[r][v] = zero();
  for (const Tap* end = tap + count; tap < end; tap++) {
    const float *x = tap->x + shift, *w = tap->w;
    for (int i = 0; i < G::kWords; i++, x += G::kNext, w += 16) {
      V weights[W];
      ANNEAL_UNROLL for (int v = 0; v < W; v++) weights[v] = L(w + v * beside);
      ANNEAL_UNROLL for (int r = 0; r < R; r++) {
        const V value = G::at(x + r * Step * G::kPixel);
        ANNEAL_UNROLL for (int v = 0; v < W; v++)
            sum[r][v] = multiplyAdd(static_cast<const T*>(nullptr), value, weights[v], sum[r][v]);
      }
    }
  }
  ANNEAL_UNROLL for (int r = 0; r < R; r++) ANNEAL_UNROLL for (int v = 0; v < W; v++) put(r, v, sum[r][v]);
}
// The same for `count` pixels, as many at a time as fit.
template <class T, int Each, int Step, int W, class Put>
void sumRow(const Tap* taps, int tapCount, int count, long beside, Put put) {
  for (int done = 0; done < count;) {
    const int left = count - done;
    const auto take = [&](auto size) __attribute__((always_inline)) {
      constexpr int R = decltype(size)::value;
      if constexpr (R <= kAcross && R * W < 32)
        if (left >= R && (left % R == 0 || R < 14)) {
          sumTaps<T, Each, Step, R, W>(taps, tapCount, static_cast<long>(done) * Step * Group<T, Each>::kPixel, beside,
                                       [&](int r, int v, V sum) __attribute__((always_inline)) { put(done + r, v, sum); });
          done += R;
          return true;
        }
      return false;
    };
    using std::integral_constant;
    take(integral_constant<int, 16>()) || take(integral_constant<int, 14>()) || take(integral_constant<int, 8>()) ||
        take(integral_constant<int, 7>()) || take(integral_constant<int, 4>()) || take(integral_constant<int, 1>());
  }
}

// Calls f(Each) for the width of the groups
template <class F>
void withEach(int each, F f) {
  using std::integral_constant;
  if (each == 4) return f(integral_constant<int, 4>());
  if (each == 8) return f(integral_constant<int, 8>());
  if (each == 16) return f(integral_constant<int, 16>());
  return f(integral_constant<int, 32>());
}

// Packs weights [c][3][3][each], each output's times its scale, as [c / 16][9][each / P][16][P]. `back`: for the gradient of the
// input.
template <class T>
void groupedPack(const float* w, const float* scale, int c, int each, bool back, T* packed) {
  constexpr int P = kPerWord<T>;
#pragma omp parallel for num_threads(threads()) schedule(static)
  for (int b = 0; b < c / 16; b++)
    for (int tap = 0; tap < 9; tap++)
      for (int i = 0; i < each; i += P) {
        float numbers[2][16];
        for (int p = 0; p < P; p++)
          for (int l = 0; l < 16; l++) {
            const int lane = b * 16 + l, first = lane / each * each;
            const int out = back ? first + i + p : lane, in = back ? lane - first : i + p;
            numbers[p][l] = w[(static_cast<size_t>(out) * 9 + tap) * each + in] * (scale ? scale[out] : 1.f);
          }
        packPairs(packed + ((static_cast<size_t>(b) * 9 + tap) * each + i) * 16, L(numbers[0]), L(numbers[P - 1]));
      }
}

// y = act(conv(x) + bias + plus); bias and plus may be null. `back`: x is the gradient of the output, y that of the input.
template <class T>
void grouped(const Grouped& s, const T* x, const T* packed, bool back, const float* bias, const T* plus, Act act, T* y) {
  const int c = s.c, stride = s.stride, bands = c / kBand;
  const int h = back ? s.oh : s.h, w = back ? s.ow : s.w, oh = back ? s.h : s.oh, ow = back ? s.w : s.ow;
  // From where weight k takes the input of the output at `at`; -1: from nowhere
  const auto source = [&](int at, int k) {
    if (!back) return at * stride + k - 1;
    return (at + 1 - k) % stride ? -1 : (at + 1 - k) / stride;
  };
  const auto run = [&](auto kind, auto width, auto apart) {
    constexpr int Each = decltype(width)::value, Step = decltype(apart)::value;
    using G = Group<T, Each>;
    constexpr int W = Each > 16 ? 2 : 1;
    const size_t line = static_cast<size_t>(w + 2) * G::kPixel;
    const long beside = 9L * G::kWords * 16;
    const int members = threads();
    const Scratch<float> laid(Slot::inputs, line * 3, members);
#pragma omp parallel num_threads(members)
    {
      // Named here because clang captures for a lambda in a region only what the region itself names.
      const T* const added = plus;
      T* const made = y;
      const Team member = team();
      float* const memory = laid.at(member.rank);
      long from, to;
      member.share(static_cast<long>(s.n) * bands, &from, &to, 1);
      for (long task = from; task < to; task++) {
        const long n = task / bands;
        const int c0 = static_cast<int>(task % bands) * kBand;
        for (int strip = 0; strip < kBand; strip += G::kStrip) {
          const int channel = c0 + strip;
          const T* const picture = x + n * h * w * c + channel;
          Lines<3> lines(memory, line);
          const float* const weights = words(packed + static_cast<size_t>(channel) * 9 * Each);
          const V shift[2] = {bias ? L(bias + channel) : zero(), bias && W > 1 ? L(bias + channel + 16) : zero()};
          for (int row = 0; row < oh; row++) {
            Tap rows[3];
            int rowCount = 0;
            for (int k = 0; k < 3; k++) {
              const int at = source(row, k);
              if (at < 0 || at >= h) continue;
              const float* of = lines.at(at, [&](int r, float* out) {
                lineOf<T, Each>(picture + static_cast<size_t>(r) * w * c, w, c, out);
              });
              rows[rowCount++] = {of, weights + k * 3 * G::kWords * 16};
            }
            const int every = back ? stride : 1;
            for (int first = 0; first < every && first < ow; first++) {
              Tap taps[9];
              int count = 0;
              for (int k = 0; k < 3; k++) {
                if (back && (first + 1 - k) % stride) continue;
                const int column = back ? (first + 1 - k + stride) / stride : k;  // a line begins with a pixel of zeros
                for (int r = 0; r < rowCount; r++)
                  taps[count++] = {rows[r].x + column * G::kPixel, rows[r].w + k * G::kWords * 16};
              }
              const size_t start = (n * oh + row) * static_cast<long>(ow) + first;
              sumRow<T, Each, Step, W>(taps, count, (ow - first + every - 1) / every, beside,
                                       [&](int r, int v, V sum) __attribute__((always_inline)) {
                                         const size_t to = (start + static_cast<size_t>(r) * every) * c + channel + v * 16;
                                         sum = add(sum, shift[v]);
                                         if (added) sum = add(sum, L(added + to));
                                         S(made + to, acted(kind, sum));
                                       });
            }
          }
        }
      }
    }
  };
  withAct(act, [&](auto kind) {
    withEach(s.each, [&](auto width) {
      if (back || stride == 1)
        run(kind, width, std::integral_constant<int, 1>());
      else
        run(kind, width, std::integral_constant<int, 2>());
    });
  });
}

// g is the gradient of the convolution: dw [c][3][3][each] and, unless null, `dscale` [c]. Sums have the same order for every
// number of threads.
template <class T>
void groupedGrad(const Grouped& s, const T* x, const T* g, const float* w, const float* scale, float* dw, float* dscale) {
  constexpr int P = kPerWord<T>;
  const int c = s.c, stride = s.stride, bands = c / kBand;
  // This many pictures are summed on their own, so that all threads have work.
  const int parts = std::min(s.n, std::max(1, 16 / bands));
  const size_t each = static_cast<size_t>(c) * 9 * s.each;
  const Scratch<float> totals(Slot::sharedSums, each * parts);
  float* const total = totals.zeroed(0);
  withEach(s.each, [&](auto width) {
    constexpr int Each = decltype(width)::value;
    using G = Group<T, Each>;
    constexpr int kTaken = std::min(Each, kRows == 8 ? 8 : 2);  // inputs of a group at a time
    constexpr int kVectors = Each > 16 ? Each / 16 : 1;
    const int pairs = (s.ow + P - 1) / P;
    const size_t line = static_cast<size_t>(s.w + 4) * G::kPairs, gLine = static_cast<size_t>(pairs) * 16 * kVectors;
    const int members = threads();
    const Scratch<float> inputs(Slot::inputs, line, members), gradients(Slot::gradients, gLine * 3, members);
    const Array<T> zeros(kBand);
    const T* const none = zeros.data();
#pragma omp parallel num_threads(members)
    {
      // Named here because clang captures for a lambda in a region only what the region itself names.
      const T* const gradient = g;
      const int t = team().rank;
      float *const xs = inputs.at(t), *const gs = gradients.at(t);
#pragma omp for schedule(static)
      for (int task = 0; task < bands * parts; task++) {
        const int band = task / parts, part = task % parts;
        for (int channel = band * kBand; channel < (band + 1) * kBand; channel += G::kStrip) {
          float* const sums = total + each * part + static_cast<size_t>(channel) * 9 * Each;
          for (long n = static_cast<long>(s.n) * part / parts; n < static_cast<long>(s.n) * (part + 1) / parts; n++) {
            Lines<3> lines(gs, gLine);
            for (int row = 0; row < s.h; row++) {
              const float* from[3];
              bool any = false;
              for (int k = 0; k < 3; k++) {
                const int at = row + 1 - k, out = at / stride;
                from[k] = nullptr;
                if (at < 0 || at % stride || out >= s.oh) continue;
                any = true;
                from[k] = lines.at(out, [&](int r, float* to) {
                  const T* const p = gradient + ((n * s.oh + r) * s.ow) * static_cast<long>(c) + channel;
                  for (int i = 0; i < pairs; i++)
                    for (int v = 0; v < kVectors; v++) {
                      const T* const even = p + static_cast<long>(i) * P * c + v * 16;
                      const bool whole = i * P + P - 1 < s.ow;
                      packPairs(reinterpret_cast<T*>(to + (v * pairs + i) * 16), even, whole ? even + (P - 1) * c : none);
                    }
                });
              }
              if (!any) continue;
              const T* const p = x + (n * s.h + row) * static_cast<long>(s.w) * c + channel;
              // Word q: pixels q - 1 and q - 1 + stride
              for (int q = 0; q < s.w + 2; q++) {
                if (q % (stride * P) > 2) continue;  // that no weight meets
                const auto at = [&](int column) {
                  return column >= 0 && column < s.w ? p + static_cast<long>(column) * c : none;
                };
                const T *even = at(q - 1), *odd = at(q - 1 + stride);
                fetchNear(even + static_cast<long>(kAhead) * s.w * c);
                float words[G::kStrip];
                ANNEAL_UNROLL for (int i = 0; i < G::kStrip; i += 16)
                    packPairs(reinterpret_cast<T*>(words + i), even + i, P > 1 ? odd + i : even + i);
                if constexpr (G::kLaid)
                  layOut<Each, Each>(words, xs + static_cast<size_t>(q) * G::kPairs);
                else
                  memcpy(xs + static_cast<size_t>(q) * G::kPairs, words, sizeof words);
              }
              for (int k = 0; k < 3; k++) {
                if (!from[k]) continue;
                for (int v = 0; v < kVectors; v++)
                  for (int i0 = 0; i0 < Each; i0 += kTaken) {
                    // [v][k][input][3][16]
                    float* const into = sums + ((static_cast<size_t>(v) * 3 + k) * Each + i0) * 48;
                    V sum[kTaken][3];
                    ANNEAL_UNROLL for (int i = 0; i < kTaken; i++)
                        ANNEAL_UNROLL for (int j = 0; j < 3; j++) sum[i][j] = L(into + (i * 3 + j) * 16);
                    const float *gp = from[k] + static_cast<size_t>(v) * pairs * 16, *xp = xs + i0 * G::kNext;
                    for (int q = 0; q < pairs; q++, gp += 16, xp += static_cast<long>(stride) * P * G::kPairs) {
                      const V by = L(gp);
                      ANNEAL_UNROLL for (int i = 0; i < kTaken; i++)
                          ANNEAL_UNROLL for (int j = 0; j < 3; j++)
                              sum[i][j] = multiplyAdd(static_cast<const T*>(nullptr), by,
                                                      G::at(xp + j * G::kPairs + i * G::kNext), sum[i][j]);
                    }
                    ANNEAL_UNROLL for (int i = 0; i < kTaken; i++)
                        ANNEAL_UNROLL for (int j = 0; j < 3; j++) S(into + (i * 3 + j) * 16, sum[i][j]);
                  }
              }
            }
          }
        }
      }
#pragma omp for schedule(static)
      for (int o = 0; o < c; o++) {
        const float by = scale ? scale[o] : 1.f;
        float scaled = 0;
        for (int k = 0; k < 9; k++)
          for (int i = 0; i < Each; i++) {
            const size_t from = (((static_cast<size_t>(o / 16) * 3 + k / 3) * Each + i) * 3 + k % 3) * 16 + o % 16;
            float sum = 0;
            for (int part = 0; part < parts; part++) sum += total[each * part + from];
            const size_t to = (static_cast<size_t>(o) * 9 + k) * Each + i;
            if (dscale) scaled += sum * w[to];
            dw[to] = sum * by;
          }
        if (dscale) dscale[o] = scaled;
      }
    }
  });
}

}  // namespace
}  // namespace ANNEAL_ISA
}  // namespace anneal::kernels

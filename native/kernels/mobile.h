// Blocks of mobile nets in training: 1 x 1 (or the stem), depthwise, 1 x 1, each with BatchNorm, the first two with
// ReLU6. Some rows of a picture go through the whole block at a time, and so do their gradients, a few vectors of channels after
// another.
//
// If BatchNorm uses running statistics, no layer waits for another, and of the wide maps only the outputs of ReLU6 are stored. If
// it uses those of the batch, mobile-batch.h has the rest, and the raw output of the second layer is stored. With tiles the output
// of the first ReLU6 is not stored: the gradients compute it again.
#pragma once
#include "blocked_layout.h"

namespace anneal::kernels {
inline namespace ANNEAL_ISA {
namespace {

// The first two layers; all three if `y` is given; `deep` may then be null. Without `y`, `deep` is raw and the sums are those of the
// second layer.
template <class T, int K, int S_>
void mobileBlockOf(const MobileBlock& s, const T* x, T* wide, T* deep, T* y, Sums sumsOf) {
  constexpr int P = kPerWord<T>;
  const auto& d = s.deep;
  const int lines = up(d.c, 16) / 16, cp = up(d.c, kWidth), kin = s.hasStem ? 27 : s.cin;
  const int pitch = std::max((d.ow - 1) * S_ + K, d.left + d.w) | 1;
  const auto slotsFor = [&](int rows) { return (rows - 1) * S_ + K + 1; };
  constexpr int kForward = 64;
  const Portion portion(d.oh, d.ow, 1, lines, oddRows<T>(d), kForward, [&](int rows, int rings) {
    return static_cast<size_t>(slotsFor(rows)) * pitch * 64 * rings + static_cast<size_t>(rows) * d.ow * cp * sizeof(T);
  });
  const int each = portion.each, several = portion.several;
  const int slots = portion.whole ? several * d.h : slotsFor(each), most = portion.whole ? slots * d.w : (each * S_ + K) * d.w;
  const size_t line = static_cast<size_t>(slots) * pitch * 16;
  const BlockedLayout before{d.n, d.h * d.w}, after{d.n, d.oh * d.ow};
  const Scratch<T> packed1(Slot::packed, s.packed1 ? 0 : packedSize<T>(kin, d.c));
  const Scratch<T> packed3(Slot::packedBack, y && !s.packed3 ? packedSize<T>(d.c, s.cout) : 0);
  if (!s.packed1) packWeights(s.w1, kin, d.c, packed1.get());
  if (y && !s.packed3) packWeights(s.w3, d.c, s.cout, packed3.get());
  const T* const B1 = s.packed1 ? static_cast<const T*>(s.packed1) : packed1.get();
  const T* const B3 = s.packed3 ? static_cast<const T*>(s.packed3) : packed3.get();
  const long beside1 = 16L * up(kin, 32) / P, beside3 = 16L * up(d.c, 32) / P;
  Array<float> taps = roomByLine(d.c, K);
  byLine(s.w2, d.c, K, false, taps);
  [[maybe_unused]] const bool aroundWide = beyondCache(before.apart() * lines * sizeof(T), cp);
  const bool aroundDeep = beyondCache(after.apart() * lines * sizeof(T), cp);
  ThreadSums sums(d.c);
  const int members = sums.members();
  const size_t outsAtOnce = static_cast<size_t>(several) * each * d.ow;
  const Scratch<float> rings(Slot::ring, line * portion.rings + pitch * 16, members);
  const Scratch<float> lineRoom(Slot::line, outsAtOnce * 16, members);
  const Scratch<T> rowRoom(Slot::planes, y ? std::max<size_t>(outsAtOnce, kLeast) * cp : 0, members);
  const Scratch<T> inputRoom(Slot::inputs, static_cast<size_t>(std::max(most, kLeast)) * up(kin, kWidth), members);
  const Scratch<T> stems(Slot::stem, stemRoom(s.hasStem ? &s.stem : nullptr, most), members);
  const Scratch<int> placeRoom(Slot::places, most, members);
#pragma omp parallel num_threads(members)
  {
    [[maybe_unused]] const Tiles tiles{};
    Ahead& next = ahead;
    next.clear();
    const Team member = team();
    const int t = member.rank;
    float* const ring = rings.zeroed(t);
    const float* const nothing = ring + line * portion.rings;
    float* const made = lineRoom.at(t);
    T *const rowsOf = cp > lines * 16 ? rowRoom.zeroed(t) : rowRoom.at(t), *const inputs = inputRoom.at(t);
    int* const places = placeRoom.at(t);
    long first, last;
    member.share(d.n, &first, &last, picturesEach<T>(d));
    for (int n = static_cast<int>(first); n < last; n += several) {
      const int count = std::min(several, static_cast<int>(last) - n);
      int have = 0;  // rows of the picture that went into the ring
      for (int top = 0; top < d.oh; top += each) {
        const int bottom = std::min(d.oh, top + each);
        const int end = bottom == d.oh ? d.h : std::max(have, std::min(d.h, (bottom - 1) * S_ - d.top + K));
        const int pixels = count * (end - have) * d.w, at = have * d.w, outs = count * (bottom - top) * d.ow;
        ringPlaces(count, have, end, d.h, d.w, slots, pitch, d.left, places);
        int width;
        const T* const rows = inputRows(s, x, static_cast<size_t>(n) * d.h * d.w + at, pixels, false, inputs, stems.at(t), &width);
        for (int l0 = 0; l0 < lines;) {
          const int group = linesAtOnce(lines - l0), skipped = portion.whole ? l0 : 0;
          tiledSums<T>(words(rows), width / P, pixels, words(B1) + l0 * beside1, beside1, (kin + P - 1) / P, group,
                      [&](int r, int v0, auto& sum) __attribute__((always_inline)) {
            ANNEAL_UNROLL for (int v = 0; v < kColumnsOf<decltype(sum)>; v++) {
              const int l = l0 + v0 + v;
              const V a = L(s.n1.a + l * 16), b = L(s.n1.b + l * 16);
              float* const to = ring + (l - skipped) * line;
              [[maybe_unused]] T* const out = kTiled ? nullptr : wide + before.at(n, l, at + r);
              ANNEAL_UNROLL for (int i = 0; i < kRowsOf<decltype(sum)>; i += P) {
                V e[P];
                ANNEAL_UNROLL for (int p = 0; p < P; p++) S(to + places[r + i + p], e[p] = relu6(fma(sum[i + p][v], a, b)));
                if constexpr (!kTiled) putWords(out + i * 16, e, aroundWide);
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
            T* const out = deep ? deep + after.at(n, l, top * d.ow) : nullptr;
            T* const to = rowsOf + l * 16;
            if (y && !deep) {
              const V a = L(s.n2.a + l * 16), b = L(s.n2.b + l * 16);
              for (int i = 0; i < outs; i += P) {
                V e[P];
                ANNEAL_UNROLL for (int p = 0; p < P; p++) e[p] = relu6(fma(L(made + (i + p) * 16), a, b));
                putRows(to + static_cast<size_t>(i) * cp, cp, e);
              }
            } else if (y) {
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
        tiledSums<T>(words(rowsOf), cp / P, outs, words(B3), beside3, cp / P, up(s.cout, 16) / 16,
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
    settle();
  }
  sums.into(sumsOf);
}

// The inputs and outputs of the gradients of a block (kernels.h)
template <class T>
struct GradArguments {
  const MobileBlock& s;
  const T *x, *wide, *deep, *g;
  NormGrad grad2;
  T* gx;
  float *dw1, *dw2, *dw3;
  Sums first, second, third;
};

// Running statistics: all gradients from g, the gradient of y. Statistics of the batch: from g, which mobileProjectGrad has
// masked, and grad2: dw2, the part of dw1 and gx that is linear in g, and the sums of the first layer.
template <class T, int K, int S_>
class BlockGrad : GradArguments<T> {
  using Arguments = GradArguments<T>;
  using Arguments::s, Arguments::x, Arguments::wide, Arguments::deep, Arguments::g, Arguments::gx, Arguments::grad2;

 public:
  explicit BlockGrad(const Arguments& given)
      : Arguments(given),
        portion(d.h, d.w, S_, lines, oddRows<T>(d), kPixels,
                [&](int rows, int rings) {
                  return static_cast<size_t>(slotsFor(rows)) * pitch * 64 * rings +
                         static_cast<size_t>(rows) * d.w * cp * 2 * sizeof(T);
                }),
        slots(portion.whole ? portion.several * d.oh : slotsFor(portion.each)) {}

  void run() {
    // BatchNorm's scale is multiplied into the weights.
    const size_t most = static_cast<size_t>(d.c) * std::max({kin, s.cout, K * K}) + 16;
    const Scratch<float> scaled(Slot::weights, most);
    if (!batch) pack(scaledRows(s.w3, s.n3.a, s.cout, d.c, scaled.get()), d.c, 1, s.cout, d.c, B3);
    if (gx) pack(scaledRows(s.w1, s.n1.a, d.c, kin, scaled.get()), kin, 1, d.c, kin, B1);
    if (kTiled) packWeights(s.w1, kin, d.c, again.get());
    byLine(batch ? s.w2 : scaledRows(s.w2, s.n2.a, d.c, K * K, scaled.get()), d.c, K, S_ == 1, taps);
#pragma omp parallel num_threads(members)
    {
      [[maybe_unused]] const Tiles tiles{};
      const Team member = team();
      Own own(*this, member);
      for (int n = own.first; n < own.last; n += portion.several) {
        Go go{};
        go.n = n, go.count = std::min(portion.several, own.last - n), go.begun = n > own.first;
        for (; go.top < d.h; go.top += portion.each, go.have = go.end, go.begun = true) rows(own, go);
      }
#pragma omp barrier
      scaledParts(parts1, member.size, true, cp, d.c, kin, s.w1, batch ? nullptr : s.n1.a, this->dw1, this->first.second);
      if (!batch) scaledParts(parts3, member.size, false, cp, s.cout, d.c, s.w3, s.n3.a, this->dw3, this->third.second);
      depthwiseWeights(member.size);
    }
    epilogue(sums1, s.n1, d.c, this->first);
    if (batch) return;
    epilogue(sums2, s.n2, d.c, this->second);
    epilogue(sums3, s.n3, s.cout, this->third);
  }

 private:
  static constexpr int P = kPerWord<T>, half = (K + 1) / 2, kept = S_ == 1 ? K : half;
  const Depthwise& d = s.deep;
  const bool batch = grad2.A != nullptr;
  const int lines = up(d.c, 16) / 16, cp = up(d.c, kWidth), kin = s.hasStem ? 27 : s.cin;
  const int left = S_ == 1 ? K - 1 - d.left : half - 1, shift = S_ == 2 ? d.left : 0;
  const int columns = S_ == 1 ? d.w : (d.w + d.left + 1) / 2;  // at stride 2 in pairs
  const int pitch = std::max(columns + K, left + d.ow) | 1, inPitch = (columns * S_ + d.left + 2) | 1;
  const BlockedLayout before{d.n, d.h * d.w}, after{d.n, d.oh * d.ow};
  const int inWidth = up(kin, kWidth), outWidth = up(s.cout, kWidth);
  const Portion portion;
  const int slots;
  const int members = threads();
  ThreadSums sums1{cp}, sums2{cp}, sums3{outWidth};
  Array<float> taps = roomByLine(d.c, K);
  const Scratch<T> packed1{Slot::packed, gx ? packedSize<T>(d.c, kin) : 0};
  const Scratch<T> packed3{Slot::packedBack, batch ? 0 : packedSize<T>(s.cout, d.c)};
  T *const B1 = packed1.get(), *const B3 = packed3.get();
  // For each thread: its piece of work, and its sums
  const int inputs = portion.several * portion.each * d.w, outputs = slots * d.ow;
  const int inRows = std::max(inputs, kLeast), outRows = std::max(outputs, kLeast);
  // The wide map: rows of one line, or with tiles, which compute it again, of some lines
  const size_t acts = static_cast<size_t>(S_ == 1 ? inputs : inPitch * (kTiled ? portion.several * portion.each : 1)) * 16;
  const Scratch<T> again{Slot::sharedToo, kTiled ? packedSize<T>(kin, d.c) : 0};
  const Scratch<int> actPlaceRoom{Slot::actPlaces, static_cast<size_t>(kTiled ? inputs : 0), members};
  const Scratch<float> rings{Slot::ring, ringSize() * portion.rings + pitch * 16, members};
  const Scratch<float> lineRoom{Slot::line, static_cast<size_t>(S_ == 1 ? inputs : columns * 2) * 16 + 16, members};
  const Scratch<float> lineInRoom{Slot::lineIn, acts * (kTiled ? 2 : 1), members};
  const Scratch<int> placeRoom{Slot::places, static_cast<size_t>(outputs), members};
  const Scratch<T> rowRoom{Slot::products, static_cast<size_t>(inRows) * cp, members};
  const Scratch<T> planeRoom{Slot::planes, static_cast<size_t>(lineApart(inputs)) * cp, members};
  const Scratch<T> inputRoom{Slot::inputs, static_cast<size_t>(inRows) * inWidth, members};
  const Scratch<T> gradientRoom{Slot::gradients, static_cast<size_t>(outRows) * outWidth, members};
  const Scratch<T> stems{Slot::stem, stemRoom(s.hasStem ? &s.stem : nullptr, inputs), members};
  const Scratch<float> inputPairs{Slot::inputPairs, pairsOf<T>(inputs, inWidth), members};
  const Scratch<float> gradientPairs{Slot::gradientPairs, pairsOf<T>(outputs, outWidth), members};
  const Scratch<float> parts1{Slot::sums, static_cast<size_t>(inWidth) * cp, members};
  const Scratch<float> parts2{Slot::sumsDeep, static_cast<size_t>(cp) * K * K, members};
  const Scratch<float> parts3{Slot::sumsLast, static_cast<size_t>(outWidth) * cp, members};

  static int slotsFor(int rows) { return (rows + S_ - 1) / S_ + kept + 1; }
  size_t ringSize() const { return static_cast<size_t>(slots) * pitch * 16; }
  int bottomOf(int top) const { return std::min(d.h, top + portion.each); }

  // The piece of work: rows [top, bottom) of `count` pictures from n on. Rows [have, end) of the gradient of the outputs are
  // added to the ring for it.
  struct Go {
    int n, count, top, bottom, have, end;
    bool begun;  // sums of this thread
    int inPixels, outPixels;
  };
  // Memory of a member
  struct Own {
    Ahead& next = ahead;
    int t, first, last;
    float *ring, *made, *input, *sum1, *sum2, *sum3, *xPairs, *gPairs;
    const float* nothing;
    int *places, *actPlaces;
    T *rows, *planes, *gs, *xs, *lines;  // the gradient of what is wide, both ways it lies; g and x made ready
    Own(const BlockGrad& of, Team member) : t(member.rank) {
      long from, to;
      member.share(of.d.n, &from, &to, picturesEach<T>(of.d));
      first = static_cast<int>(from), last = static_cast<int>(to);
      ring = of.rings.zeroed(t);
      nothing = ring + of.ringSize() * of.portion.rings;
      made = of.lineRoom.at(t), input = of.lineInRoom.zeroed(t);
      places = of.placeRoom.at(t), actPlaces = of.actPlaceRoom.at(t);
      rows = of.cp > of.lines * 16 ? of.rowRoom.zeroed(t) : of.rowRoom.at(t), planes = of.planeRoom.at(t);
      gs = of.gradientRoom.at(t), xs = of.inputRoom.at(t), lines = of.stems.at(t);
      gPairs = of.gradientPairs.at(t), xPairs = of.inputPairs.at(t);
      const bool some = first < last;  // who has no pictures adds zeros
      sum1 = some ? of.parts1.at(t) : of.parts1.zeroed(t);
      sum3 = some ? of.parts3.at(t) : of.parts3.zeroed(t);
      sum2 = of.parts2.zeroed(t);
    }
  };

  void rows(Own& own, Go& go) {
    const int top = go.top, bottom = go.bottom = bottomOf(top);
    const int needed = S_ == 1 ? bottom + d.top : ((bottom - 1 + d.top) >> 1) + 1;
    go.end = bottom == d.h ? d.oh : std::max(go.have, std::min(d.oh, needed));
    go.inPixels = go.count * (bottom - top) * d.w, go.outPixels = go.count * (go.end - go.have) * d.ow;
    const T* gradient = g + (static_cast<size_t>(go.n) * d.oh + go.have) * d.ow * s.cout;
    const float* gWords = nullptr;
    if (go.outPixels) ringPlaces(go.count, go.have, go.end, d.oh, d.ow, slots, pitch, left, own.places);
    if (go.outPixels && !batch) {
      if (s.cout != outWidth || (kTiled && go.outPixels < kLeast))
        panel(gradient, s.cout, Norm{}, 0, go.outPixels, go.outPixels, own.gs, outWidth), gradient = own.gs;
      gWords = wordsOf(gradient, outWidth, go.outPixels, own.gPairs);
      for (int c = 0; c < outWidth; c += 16) {
        V sum = zero();
        for (int i = 0; i < go.outPixels; i++) sum = add(sum, L(gradient + static_cast<size_t>(i) * outWidth + c));
        addTo(sums3.first(own.t) + c, sum);
      }
    }
    int width;
    const size_t from = (static_cast<size_t>(go.n) * d.h + top) * d.w;
    const T* const given = inputRows(s, x, from, go.inPixels, true, own.xs, own.lines, &width);
    const float* const xWords = wordsOf(given, inWidth, go.inPixels, own.xPairs);
    if (const int rowsOfAll = go.count * (bottom - top); kTiled && S_ == 2)
      ringPlaces(1, 0, rowsOfAll, 0, d.w, rowsOfAll, inPitch, shift, own.actPlaces);
    for (int l0 = 0; l0 < lines;) {
      const int group = linesAtOnce(lines - l0);
      fetch(own, go, l0 + group);
      if (kTiled) expandAgain(own, go, l0, group, given);
      if (go.outPixels && batch)
        ringOfMasked(own, go, l0, group);
      else if (go.outPixels)
        ringOfOutputs(own, go, l0, group, gradient, gWords);
      for (int l = l0; l < l0 + group; l++)
        throughLine(own, go, l, own.ring + (portion.whole ? l - l0 : l) * ringSize(), own.input + (kTiled ? (l - l0) * acts : 0));
      const int apart = lineApart(go.inPixels);
      sumOverPixels(xWords, kin, inWidth, go.inPixels, own.planes + static_cast<size_t>(l0) * apart * 16, 16L * apart / P, group,
                    own.sum1 + l0 * 16, cp, go.begun, own.next);
      l0 += group;
    }
    if (gx) intoInputs(own, go, from);
  }

  // Prefetches what the lines from l on need, or the rows after these.
  void fetch(Own& own, const Go& go, int l) {
    own.next.clear();
    int n = go.n, top = go.top, have = go.have;
    if (l == lines) {
      l = 0, top += portion.each, have = go.end;
      if (top >= d.h) n += portion.several, top = have = 0;
      if (n >= own.last) return;
    }
    const int count = std::min(portion.several, own.last - n), bottom = bottomOf(top), group = linesAtOnce(lines - l);
    const size_t in = static_cast<size_t>(count) * (bottom - top) * d.w * 16 * sizeof(T);
    const size_t out = static_cast<size_t>(std::min(go.outPixels, count * (d.oh - have) * d.ow)) * 16 * sizeof(T);
    for (int i = l; i < l + group; i++) {
      own.next.add(deep + after.at(n, i, have * d.ow), out);
      if (batch) own.next.add(g + after.at(n, i, have * d.ow), out);
      if (!kTiled) own.next.add(wide + before.at(n, i, top * d.w), in);
    }
    own.next.over(group * count * (bottom - top) * (1 + columns / (S_ == 1 ? 8 : 4)));
  }

  // New rows of the ring, if the gradient after BatchNorm is known
  void ringOfMasked(const Own& own, const Go& go, int l0, int group) {
    const int* const places = own.places;
    const int pixels = go.outPixels;
    for (int l = l0; l < l0 + group; l++) {
      const V A = L(grad2.A + l * 16), B = L(grad2.B + l * 16), C = L(grad2.C + l * 16);
      float* const to = own.ring + (portion.whole ? l - l0 : l) * ringSize();
      const size_t place = after.at(go.n, l, go.have * d.ow);
      const T *const masked = g + place, *const raw = deep + place;
      for (int i = 0; i < pixels; i += P) {
        V m[P], z[P];
        apart(masked + i * 16, m);
        apart(raw + i * 16, z);
        ANNEAL_UNROLL for (int p = 0; p < P; p++) S(to + places[i + p], fma(A, m[p], fma(B, z[p], C)));
      }
    }
  }

  // New rows of the ring from the gradient of y, and what these pixels add to dw3 and to the sums of the second layer
  void ringOfOutputs(const Own& own, const Go& go, int l0, int group, const T* gradient, const float* gWords) {
    const int* const places = own.places;
    const size_t size = ringSize(), betweenLines = after.apart();
    float* const rings = own.ring + (portion.whole ? 0 : l0) * size;
    const T* const acts = deep + after.at(go.n, l0, go.have * d.ow);
    const long beside = 16L * up(s.cout, 32) / P;
    alignas(64) float some[kColumns * 16] = {};
    tiledSums<T>(words(gradient), outWidth / P, go.outPixels, words(B3) + l0 * beside, beside, (s.cout + P - 1) / P, group,
                [&](int r, int v0, auto& sum) __attribute__((always_inline)) {
      ANNEAL_UNROLL for (int v = 0; v < kColumnsOf<decltype(sum)>; v++) {
        float* const to = rings + (v0 + v) * size;
        const T* const was = acts + (v0 + v) * betweenLines + static_cast<size_t>(r) * 16;
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
    for (int v = 0; v < group; v++) addTo(sums2.first(own.t) + (l0 + v) * 16, L(some + v * 16));
    sumOverPixels(gWords, s.cout, outWidth, go.outPixels, acts, static_cast<long>(betweenLines / P), group,
                  own.sum3 + l0 * 16, cp, go.begun, own.next);
  }

  // The wide map of some lines once more: tiles take less time than memory.
  void expandAgain(const Own& own, const Go& go, int l0, int group, const T* given) {
    const long beside = 16L * up(kin, 32) / P;
    tiledSums<T>(words(given), inWidth / P, go.inPixels, words(again.get()) + l0 * beside, beside, inWidth / P, group,
                 [&](int r, int v, auto& sum) __attribute__((always_inline)) {
      const V a = L(s.n1.a + (l0 + v) * 16), b = L(s.n1.b + (l0 + v) * 16);
      float* const to = own.input + v * acts;
      ANNEAL_UNROLL for (int i = 0; i < kRowsOf<decltype(sum)>; i++)
        S(to + (S_ == 1 ? (r + i) * 16 : own.actPlaces[r + i]), relu6(fma(sum[i][0], a, b)));
    });
  }

  // The gradient of one line of the depthwise convolution: dw2, and the gradient of the wide map
  void throughLine(Own& own, const Go& go, int l, const float* ring, float* input) {
    const int pixels = go.inPixels, rowsEach = go.bottom - go.top;
    float* const made = own.made;
    [[maybe_unused]] const T* const stored = kTiled ? nullptr : wide + before.at(go.n, l, go.top * d.w);
    T *const plane = own.planes + static_cast<size_t>(l) * lineApart(pixels) * 16, *const row = own.rows + l * 16;
    blankLine(plane, pixels);
    const int across = cp;
    V total = zero();
    [[maybe_unused]] const auto unpack = [&](int pixel, int count, float* to) {
      for (int i = 0; i < count; i += P) {
        V e[P];
        apart(stored + static_cast<size_t>(pixel + i) * 16, e);
        ANNEAL_UNROLL for (int p = 0; p < P; p++) S(to + (i + p) * 16, e[p]);
      }
    };
    const auto reluBackward = [&](int pixel, int count, const float* was, const float* back) {
      for (int i = 0; i < count; i += P) {
        V e[P];
        ANNEAL_UNROLL for (int p = 0; p < P; p++) {
          e[p] = through(L(was + (i + p) * 16), L(back + (i + p) * 16));
          total = add(total, e[p]);
        }
        const size_t at = static_cast<size_t>(pixel + i);
        putBoth(plane + at * 16, row + at * across, across, e, false);
      }
    };
    if constexpr (S_ == 1 && !kTiled) unpack(0, pixels, input);
    const float* const tap = &taps[static_cast<size_t>(l) * K * K * 16];
    const auto rowOf = [&](int j, int oy) {
      return oy >= 0 && oy < d.oh ? ring + static_cast<size_t>((j * d.oh + oy) % slots) * pitch * 16 : own.nothing;
    };
    if constexpr (S_ == 1) {
      constexpr int kMost = 16;
      const float* windows[kMost][K];
      const int count = go.count * rowsEach;
      for (int from = 0; from < count; from += kMost) {
        const int some = std::min(kMost, count - from);
        for (int i = 0; i < some; i++)
          for (int r = 0; r < K; r++) windows[i][r] = rowOf((from + i) / rowsEach, go.top + (from + i) % rowsEach + d.top - r);
        const size_t at = static_cast<size_t>(from) * d.w * 16;
        weightRows<K>(windows, some, columns, input + at, own.sum2 + static_cast<size_t>(l) * K * K * 16);
        for (int i = 0; i < some; i++)
          correlateRow<K, 1>(windows[i], K, columns, tap, made + at + static_cast<size_t>(i) * d.w * 16, own.next);
      }
      reluBackward(0, pixels, input, made);
      addTo(sums1.first(own.t) + l * 16, total);
      return;
    }
    for (int j = 0; j < go.count; j++)
      for (int iy = go.top; iy < go.bottom; iy++) {
        const int q = iy + d.top, odd = q & 1, R = (K - odd + 1) / 2;
        const int pixel = (j * rowsEach + iy - go.top) * d.w;
        const float* window[K];
        float* dws[K];
        float others[K * K * 16];  // the taps of every other row
        for (int r = 0; r < R; r++) {
          const int oy = (q >> 1) - r, ky = 2 * r + odd;
          window[r] = rowOf(j, oy);
          dws[r] = oy >= 0 && oy < d.oh ? own.sum2 + (static_cast<size_t>(l) * K * K + ky * K) * 16 : nullptr;
          memcpy(others + r * K * 16, tap + ky * K * 16, K * 64);
        }
        if constexpr (S_ == 2) {
          if constexpr (!kTiled) unpack(pixel, d.w, input + shift * 16);
          R == half ? weightRow<K, 2, half>(window, columns, input, dws) : weightRow<K, 2, K / 2>(window, columns, input, dws);
          inputGradRow<K>(window, R, columns, others, made, own.next);
          reluBackward(pixel, d.w, input + shift * 16, made + shift * 16);
          if constexpr (kTiled) input += inPitch * 16;
        }
      }
    addTo(sums1.first(own.t) + l * 16, total);
  }

  void intoInputs(const Own& own, const Go& go, size_t from) {
    const int k = kin;
    T* const out = gx + from * k;
    const T* const plus = s.residual && !batch ? g + from * k : nullptr;
    tiledSums<T>(words(own.rows), cp / P, go.inPixels, words(B1), 16L * up(d.c, 32) / P, cp / P, inWidth / 16,
                [&](int r, int v0, auto& sum) __attribute__((always_inline)) {
      ANNEAL_UNROLL for (int v = 0; v < kColumnsOf<decltype(sum)>; v++) {
        const int c = (v0 + v) * 16;
        const M mask = tail(k - c);
        ANNEAL_UNROLL for (int i = 0; i < kRowsOf<decltype(sum)>; i++) {
          const size_t at = static_cast<size_t>(r + i) * k + c;
          store(out + at, mask, plus ? add(sum[i][v], load(plus + at, mask)) : sum[i][v]);
        }
      }
    });
  }

  // The whole team calls it.
  void depthwiseWeights(int of) {
#pragma omp for schedule(static)
    for (int c = 0; c < d.c; c++) {
      double dot = 0;
      for (int i = 0; i < K * K; i++) {
        float sum = 0;
        for (int t = 0; t < of; t++) sum += parts2.at(t)[(static_cast<size_t>(c / 16) * K * K + i) * 16 + c % 16];
        const size_t at = static_cast<size_t>(c) * K * K + i;
        dot += static_cast<double>(sum) * s.w2[at];
        this->dw2[at] = batch ? sum : s.n2.a[c] * sum;
      }
      if (!batch) this->second.second[c] = dot;
    }
  }

  // The sum of g z, which gives the second sum, is the dot product of the weights and their raw gradient.
  static void epilogue(ThreadSums& sums, const Norm& norm, int count, Sums out) {
    for (int i = 0; i < count; i++) {
      out.first[i] = 0;
      for (int t = 0; t < sums.members(); t++) out.first[i] += sums.first(t)[i];
      out.second[i] -= out.first[i] * norm.mean[i];
    }
  }
};

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
    const GradArguments<T> given{s, x, wide, deep, g, grad2, gx, dw1, dw2, dw3, out1, out2, out3};
    BlockGrad<T, decltype(k)::value, decltype(stride)::value>(given).run();
  });
}

}  // namespace
}  // namespace ANNEAL_ISA
}  // namespace anneal::kernels

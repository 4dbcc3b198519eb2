// All blocks of a mobile net for prediction. The wide map is computed for some channels and a few rows at a time, and goes
// straight into the depthwise convolution. BatchNorm, ReLU6 and the residual are applied to sums while they are in registers.
#pragma once
#include <atomic>
#include <thread>

#include "depthwise.h"
#include "conv1x1.h"

namespace anneal::kernels {
inline namespace ANNEAL_ISA {
namespace {

// The steps that a picture needs, one after another, each cut into parts. A thread that is free takes the next part, so a core
// that is busy with something else delays the others by one part at most. Every distribution of the parts gives the same bits.
struct Phase {
  std::atomic<int> next{0}, done{0};
};
struct Crew {  // the whole team, or one of it
  int size;
  Phase* phases;
  template <class F>
  void each(int parts, F f) {
    if (size == 1) {
      for (int i = 0; i < parts; i++) f(i);
      return;
    }
    Phase& phase = *phases++;
    for (int i; (i = phase.next.fetch_add(1, std::memory_order_relaxed)) < parts;) {
      f(i);
      phase.done.fetch_add(1, std::memory_order_release);
    }
    for (int turns = 0; phase.done.load(std::memory_order_acquire) < parts; turns++)
      turns < 4000 ? pauseShortly() : std::this_thread::yield();
  }
};

// How many rows a product takes at a time
inline int unitOf(long rows) { return kRows == 8 && rows % 7 == 0 && rows % 8 ? 7 : kRows; }

// Calls put(row, vector, sum) for `rows` rows of a and W vectors of columns
template <class T, int W, class Put>
ANNEAL_INLINE void sumRows(const float* a, long ar, int rows, const float* b, long bv, int K, Put put) {
  int r = 0;
  const auto many = [&](auto count) __attribute__((always_inline)) {
    constexpr int R = decltype(count)::value;
    for (; r + R <= rows; r += R)
      sums<T, R, W>(a + r * ar, ar, 1, b, 16, bv, K,
                    [&](int i, int v, V sum) __attribute__((always_inline)) { put(r + i, v, sum); });
  };
  if (unitOf(rows) == 7) many(std::integral_constant<int, 7>{});
  many(std::integral_constant<int, kRows>{});
  if (kRows > 4) many(std::integral_constant<int, 4>{});
  many(std::integral_constant<int, 1>{});
}

// a z + b for W vectors of channels
template <int W>
struct Affine {
  V a[W], b[W];
  Affine(const Folded& f, int channel) {
    ANNEAL_UNROLL for (int v = 0; v < W; v++) a[v] = L(f.a + channel + v * 16), b[v] = L(f.b + channel + v * 16);
  }
  ANNEAL_INLINE V operator()(int v, V z) const { return fma(z, a[v], b[v]); }
};

// The memory of a thread: a ring of rows and, for a stem, prepared rows
template <class T>
struct Desk {
  float* ring;
  T *pixels, *lines;
};
inline int pitchOf(const Depthwise& d) { return std::max((d.ow - 1) * d.stride + d.k, d.left + d.w) | 1; }

// Rows [from, to) of the depthwise output, for W vectors of channels that start at `channel`
template <class T, int K, int S_, int W>
void deepRows(const Part& p, const void* x, int channel, int from, int to, T* out, const Desk<T>& desk) {
  constexpr int P = kPerWord<T>;
  const auto& d = p.deep;
  const int pitch = pitchOf(d);
  const size_t row = static_cast<size_t>(W) * pitch * 16;
  const int kp = up(p.cin, 32), words_ = (p.cin + P - 1) / P;
  const long beside = 16L * kp / P;
  const float* weights = words(p.first.weights) + channel / 16 * beside;
  const auto* deep = static_cast<const float*>(p.middle.weights) + static_cast<size_t>(channel) * K * K;
  const Affine<W> wide(p.first, channel), after(p.middle, channel);
  float* const ring = desk.ring;
  memset(ring, 0, (K + 1) * row * sizeof(float));
  const float* nothing = ring + K * row;
  T* const pixels = desk.pixels;
  Stem stem = p.stem;
  stem.picture = static_cast<const float*>(x);
  ahead.clear();
  int have = 0;
  for (int oy = from; oy < to; oy++) {
    const int y0 = oy * S_ - d.top;
    for (have = std::max(have, y0); have < std::min(d.h, y0 + K); have++) {
      float* o = ring + (have % K) * row + static_cast<size_t>(d.left) * 16;
      const float* a = words(static_cast<const T*>(x) + static_cast<size_t>(have) * d.w * p.cin);
      if (p.hasStem) panel(stem, static_cast<long>(have) * d.w, d.w, d.w, pixels, kp, desk.lines), a = words(pixels);
      sumRows<T, W>(a, (p.hasStem ? kp : p.cin) / P, d.w, weights, beside, words_,
                    [&](int r, int v, V sum) __attribute__((always_inline)) {
                      S(o + (static_cast<size_t>(v) * pitch + r) * 16, relu6(wide(v, sum)));
                    });
    }
    T* to = out + static_cast<size_t>(oy) * d.ow * d.c + channel;
    for (int v = 0; v < W; v++) {
      const float* rows[K];
      for (int r = 0; r < K; r++) {
        const int y = y0 + r;
        rows[r] = (y < 0 || y >= d.h ? nothing : ring + (y % K) * row) + static_cast<size_t>(v) * pitch * 16;
      }
      const M mask = tail(d.c - channel - v * 16);
      correlateRow<K, S_>(rows, K, d.ow, deep + static_cast<size_t>(v) * K * K * 16,
                          [&](int i, V sum) __attribute__((always_inline)) {
                            store(to + static_cast<size_t>(i) * d.c + v * 16, mask, relu6(after(v, sum)));
                          });
    }
  }
}

// The depthwise output, kColumns vectors of channels at a time; if there are few channels, also some rows at a time
template <class T, int K, int S_>
void deepShare(const Part& p, const void* x, T* out, Crew& crew, const Desk<T>& desk) {
  const int vectors = up(p.deep.c, 16) / 16, groups = (vectors + kColumns - 1) / kColumns, h = p.deep.oh;
  int bands = 1;
  while (crew.size > 1 && bands < h / 4 && (groups * bands < 3 * crew.size || groups * bands % crew.size)) bands++;
  crew.each(groups * bands, [&](int i) {
    const int group = i / bands, from = h * (i % bands) / bands, to = h * (i % bands + 1) / bands;
    const int wide = std::min(kColumns, vectors - group * kColumns), channel = group * kColumns * 16;
    if (wide == kColumns)
      deepRows<T, K, S_, kColumns>(p, x, channel, from, to, out, desk);
    else if (wide == 2)
      deepRows<T, K, S_, 2>(p, x, channel, from, to, out, desk);
    else
      deepRows<T, K, S_, 1>(p, x, channel, from, to, out, desk);
  });
}

// Rows [from, to) and vectors [first, end) of y = f(x W^T + add) for x [..][k], y [..][n]
template <class T>
void narrowBlock(const T* x, int k, int n, const Folded& f, bool clipped, const T* plus, long from, long to, int first,
                 int end, T* y) {
  constexpr int P = kPerWord<T>;
  const long beside = 16L * up(k, 32) / P;
  ahead.clear();
  // `byVectors` would make the whole chain a tenth slower.
  const auto some = [&](auto count) __attribute__((always_inline)) {
    constexpr int W = decltype(count)::value;
    const Affine<W> affine(f, first * 16);
    sumRows<T, W>(words(x + from * k), k / P, static_cast<int>(to - from), words(f.weights) + first * beside, beside, k / P,
                  [&](int r, int v, V sum) __attribute__((always_inline)) {
                    const int channel = (first + v) * 16;
                    const M mask = tail(n - channel);
                    const size_t at = (from + r) * static_cast<size_t>(n) + channel;
                    V z = affine(v, sum);
                    if (plus) z = add(z, load(plus + at, mask));
                    store(y + at, mask, clipped ? relu6(z) : z);
                  });
    first += W;
  };
  while (first < end) {
    const int wide = atOnce(end - first);
    if (wide == kColumns)
      some(std::integral_constant<int, kColumns>{});
    else if (wide == 1)
      some(std::integral_constant<int, 1>{});
    else
      some(std::integral_constant<int, std::min(2, kColumns)>{});
  }
}

// A 1 x 1 convolution, some rows at a time if there are enough, else some columns
template <class T>
void narrowShare(const T* x, long m, int k, int n, const Folded& f, bool clipped, const T* plus, T* y, Crew& crew) {
  const int unit = unitOf(m), vectors = up(n, 16) / 16;
  if (crew.size == 1 || m >= 8L * unit * crew.size) {
    const long each = (m + unit * 4L * crew.size - 1) / (unit * 4L * crew.size) * unit;
    crew.each(static_cast<int>((m + each - 1) / each), [&](int i) {
      narrowBlock(x, k, n, f, clipped, plus, i * each, std::min(m, (i + 1) * each), 0, vectors, y);
    });
  } else {
    crew.each((vectors + kColumns - 1) / kColumns, [&](int i) {
      narrowBlock(x, k, n, f, clipped, plus, 0, m, i * kColumns, std::min(vectors, (i + 1) * kColumns), y);
    });
  }
}

template <class T>
void bodyOf(const Part* parts, int count, const void* x, T* y, T* room, size_t wide, size_t narrow, Crew& crew,
            const Desk<T>& desk) {
  T* maps[2] = {room + wide, room + wide + narrow};
  for (int i = 0; i < count; i++) {
    const Part& p = parts[i];
    const auto& d = p.deep;
    T* out = i + 1 == count ? y : maps[i & 1];
    const T* in = static_cast<const T*>(x);
    if (d.k) {
      if (d.k == 3)
        d.stride == 1 ? deepShare<T, 3, 1>(p, x, room, crew, desk) : deepShare<T, 3, 2>(p, x, room, crew, desk);
      else
        d.stride == 1 ? deepShare<T, 5, 1>(p, x, room, crew, desk) : deepShare<T, 5, 2>(p, x, room, crew, desk);
      in = room;
    }
    const long m = static_cast<long>(d.oh) * d.ow;
    narrowShare(in, m, d.k ? d.c : p.cin, p.cout, p.last, d.k == 0, p.residual ? static_cast<const T*>(x) : nullptr, out,
                crew);
    x = out;
  }
}

template <class T>
void inferenceChain(const Part* parts, int count, int n, const void* x, T* y) {
  size_t wide = 0, narrow = 0, ring = 0;
  for (int i = 0; i < count; i++) {
    const size_t pixels = static_cast<size_t>(parts[i].deep.oh) * parts[i].deep.ow;
    wide = std::max(wide, up(static_cast<int>(pixels), 32) * static_cast<size_t>(parts[i].deep.c));
    narrow = std::max(narrow, up(static_cast<int>(pixels), 32) * static_cast<size_t>(parts[i].cout));
    const auto& d = parts[i].deep;
    if (d.k) ring = std::max(ring, static_cast<size_t>(d.k + 1) * kColumns * pitchOf(d) * 16);
  }
  const auto &first = parts[0], &last = parts[count - 1];
  const auto& s = first.stem;
  const size_t given = first.hasStem ? static_cast<size_t>(s.h) * s.w * 3 * sizeof(float)
                                     : static_cast<size_t>(first.deep.h) * first.deep.w * first.cin * sizeof(T);
  const size_t made = static_cast<size_t>(last.deep.oh) * last.deep.ow * last.cout;
  const int most = threads();
  const Scratch<T> rooms(Slot::shared, wide + 2 * narrow, std::min(n, most));
  const Scratch<float> rings(Slot::ring, ring, most);
  const Scratch<T> pixels(Slot::inputs, first.hasStem ? static_cast<size_t>(first.deep.w) * up(first.cin, 32) : 0, most);
  const Scratch<T> stems(Slot::stem, stemRoom(first.hasStem ? &s : nullptr, first.deep.w), most);
  Array<Phase> phases(static_cast<size_t>(std::min(n, most - 1)) * 2 * count);
#pragma omp parallel num_threads(most)
  {
    const Team member = team();
    const int t = member.rank, alone = n / member.size;  // pictures that each takes by itself; the rest they share
    const Desk<T> desk{rings.at(t), pixels.at(t), stems.at(t)};
    const auto run = [&](int i, T* room, Crew crew) {
      const char* const picture = static_cast<const char*>(x) + i * given;
      bodyOf<T>(parts, count, picture, y + i * made, room, wide, narrow, crew, desk);
    };
    for (int i = t * alone; i < (t + 1) * alone; i++) run(i, rooms.at(t), {1, nullptr});
    const int rest = alone * member.size;
    if (alone > 0 && n > rest) {
#pragma omp barrier
    }
    for (int i = rest; i < n; i++) run(i, rooms.get(), {member.size, &phases[static_cast<size_t>(i - rest) * 2 * count]});
  }
}

}  // namespace
}  // namespace ANNEAL_ISA
}  // namespace anneal::kernels

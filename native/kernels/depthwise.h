// Depthwise convolutions, 3 x 3 and 5 x 5, at stride 1 and 2, line by line: a ring of rows, each [channels / 16][column][16], in
// which padding is a margin.
#pragma once
#include "common.h"

namespace anneal::kernels {
inline namespace ANNEAL_ISA {
namespace {

// Calls put(i, sums) for OB neighbouring outputs of 16 channels, from R rows of K weights
template <int K, int S_, int OB, class Put>
ANNEAL_INLINE void correlate(const float* const* rows, int R, int o, const float* w, Put put) {
  V sum[OB];
  ANNEAL_UNROLL for (int i = 0; i < OB; i++) sum[i] = zero();
  for (int r = 0; r < R; r++) {
    const float* p = rows[r] + static_cast<size_t>(o) * S_ * 16;
    V weight[K];
    ANNEAL_UNROLL for (int t = 0; t < K; t++) weight[t] = L(w + (r * K + t) * 16);
    ANNEAL_UNROLL for (int j = 0; j < (OB - 1) * S_ + K; j++) {
      const V x = L(p + j * 16);
      ANNEAL_UNROLL for (int t = 0; t < K; t++) if (j >= t && (j - t) % S_ == 0 && (j - t) / S_ < OB) sum[(j - t) / S_] =
          fma(x, weight[t], sum[(j - t) / S_]);
    }
  }
  ANNEAL_UNROLL for (int i = 0; i < OB; i++) put(o + i, sum[i]);
}
template <int K, int S_, class Put>
ANNEAL_INLINE void correlateRow(const float* const* rows, int R, int n, const float* w, Put put, Ahead& next = ahead) {
  int o = 0;
  if (n % 7 == 0 && n % 8)
    for (; o + 7 <= n; o += 7) next.step(), correlate<K, S_, 7>(rows, R, o, w, put);
  for (; o + 8 <= n; o += 8) next.step(), correlate<K, S_, 8>(rows, R, o, w, put);
  for (; o + 4 <= n; o += 4) correlate<K, S_, 4>(rows, R, o, w, put);
  for (; o < n; o++) correlate<K, S_, 1>(rows, R, o, w, put);
}
template <int K, int S_>
void correlateRow(const float* const* rows, int R, int n, const float* w, float* out, Ahead& next = ahead) {
  correlateRow<K, S_>(rows, R, n, w, [out](int i, V sum) __attribute__((always_inline)) { S(out + i * 16, sum); }, next);
}

// The gradient of the input at stride 2: out[2 j + b] = sum over r, t of w[r][2 t + b] g[r][j - t + T - 1], for j < n
template <int K, int OB>
ANNEAL_INLINE void inputGrad(const float* const* rows, int R, int o, const float* w, float* out) {
  constexpr int T = (K + 1) / 2;
  V sum[OB][2];
  ANNEAL_UNROLL for (int i = 0; i < OB; i++) sum[i][0] = sum[i][1] = zero();
  for (int r = 0; r < R; r++) {
    const float* p = rows[r] + static_cast<size_t>(o) * 16;
    V weight[K];
    ANNEAL_UNROLL for (int t = 0; t < K; t++) weight[t] = L(w + (r * K + t) * 16);
    ANNEAL_UNROLL for (int j = 0; j < OB + T - 1; j++) {
      const V x = L(p + j * 16);
      ANNEAL_UNROLL for (int t = 0; t < K; t++) {
        const int i = j + t / 2 - (T - 1);
        if (i >= 0 && i < OB) sum[i][t & 1] = fma(x, weight[t], sum[i][t & 1]);
      }
    }
  }
  ANNEAL_UNROLL for (int i = 0; i < OB; i++) S(out + (o + i) * 32, sum[i][0]), S(out + (o + i) * 32 + 16, sum[i][1]);
}
template <int K>
void inputGradRow(const float* const* rows, int R, int n, const float* w, float* out, Ahead& next = ahead) {
  int o = 0;
  for (; o + 4 <= n; o += 4) next.step(), inputGrad<K, 4>(rows, R, o, w, out);
  for (; o < n; o++) inputGrad<K, 1>(rows, R, o, w, out);
}

// The gradient of the weights of R rows. Stride 1: dw[r][t] += sum of y[i] g[r][i + K - 1 - t]; stride 2: of y[2 j + (t & 1)]
// g[r][j - t / 2 + T - 1]
template <int K, int S_, int R>
void weightRow(const float* const* rows, int n, const float* y, float* const* dw) {
  constexpr int T = (K + 1) / 2;
  V sum[R][K];
  ANNEAL_UNROLL for (int r = 0; r < R; r++) ANNEAL_UNROLL for (int t = 0; t < K; t++) sum[r][t] = zero();
  for (int i = 0; i < n; i++) {
    const V even = L(y + static_cast<size_t>(i) * S_ * 16);
    const V odd = S_ == 2 ? L(y + static_cast<size_t>(i) * 32 + 16) : even;
    ANNEAL_UNROLL for (int r = 0; r < R; r++) ANNEAL_UNROLL for (int t = 0; t < K; t++) {
      const V g = L(rows[r] + static_cast<size_t>(S_ == 2 ? i - t / 2 + T - 1 : i + K - 1 - t) * 16);
      sum[r][t] = fma(t & 1 ? odd : even, g, sum[r][t]);
    }
  }
  ANNEAL_UNROLL for (int r = 0; r < R; r++) if (dw[r]) ANNEAL_UNROLL for (int t = 0; t < K; t++)
      S(dw[r] + t * 16, add(L(dw[r] + t * 16), sum[r][t]));
}

// The same at stride 1 for K rows around each of `count` rows of y, which are `n` pixels long and follow each other: the sums of all
// stay in registers. dw [K][K].
template <int K>
void weightRows(const float* const (*rows)[K], int count, int n, const float* y, float* dw) {
  V sum[K][K];
  ANNEAL_UNROLL for (int r = 0; r < K; r++) ANNEAL_UNROLL for (int t = 0; t < K; t++) sum[r][t] = L(dw + (r * K + t) * 16);
  for (int j = 0; j < count; j++)
    for (int i = 0; i < n; i++, y += 16) {
      const V here = L(y);
      ANNEAL_UNROLL for (int r = 0; r < K; r++) ANNEAL_UNROLL for (int t = 0; t < K; t++)
          sum[r][t] = fma(here, L(rows[j][r] + static_cast<size_t>(i + K - 1 - t) * 16), sum[r][t]);
    }
  ANNEAL_UNROLL for (int r = 0; r < K; r++) ANNEAL_UNROLL for (int t = 0; t < K; t++) S(dw + (r * K + t) * 16, sum[r][t]);
}

// A row [w][c] as lines [c / 16][pitch][16]: relu6(a x + b), or x
template <class T>
void line(const T* row, int w, int c, Norm norm, float* out, int pitch) {
  for (int i0 = 0; i0 < w; i0 += 8)
    for (int k = 0; k < c; k += 16) {
      const M mask = tail(c - k);
      float* o = out + static_cast<size_t>(k / 16) * pitch * 16;
      const T* p = row + k;
      const int end = std::min(i0 + 8, w);
      if (norm.a) {
        const V a = L(norm.a + k), b = L(norm.b + k);
        for (int i = i0; i < end; i++) S(o + i * 16, relu6(fma(load(p + static_cast<size_t>(i) * c, mask), a, b)));
      } else {
        for (int i = i0; i < end; i++) S(o + i * 16, load(p + static_cast<size_t>(i) * c, mask));
      }
    }
}
template <class T>
void line(const T* g, const T* z, int w, int c, NormGrad grad, float* out, int pitch) {
  if (!grad.A) return line(g, w, c, Norm{}, out, pitch);
  for (int i0 = 0; i0 < w; i0 += 8)
    for (int k = 0; k < c; k += 16) {
      const M mask = tail(c - k);
      float* o = out + static_cast<size_t>(k / 16) * pitch * 16;
      const V A = L(grad.A + k), B = grad.B ? L(grad.B + k) : zero(), C = grad.B ? L(grad.C + k) : zero();
      for (int i = i0; i < std::min(i0 + 8, w); i++) {
        const size_t at = static_cast<size_t>(i) * c + k;
        const V v = load(g + at, mask);
        S(o + i * 16, grad.B ? fma(A, v, fma(B, load(z + at, mask), C)) : mul(A, v));
      }
    }
}

// Cuts pictures into bands of rows, so that every thread has one. The thread `member` has those from first up to end
struct Bands {
  int each, count, height, first, end;
  Bands(int n, int h, Team member)
      : each(n >= member.size ? 1 : std::min(h, (member.size + n - 1) / n)),
        count(n * each),
        height(h),
        first(static_cast<int>(static_cast<long>(count) * member.rank / member.size)),
        end(static_cast<int>(static_cast<long>(count) * (member.rank + 1) / member.size)) {}
  int picture(int band) const { return band / each; }
  int from(int band) const { return height * (band % each) / each; }
  int to(int band) const { return height * (band % each + 1) / each; }
};

// w [c][k * k] as [c / 16][k * k][16]; `out` is all zeros before. `flip` reverses the columns
inline Array<float> roomByLine(int c, int k) { return Array<float>(static_cast<size_t>(up(c, 16)) * k * k); }
inline void byLine(const float* w, int c, int k, bool flip, Array<float>& out) {
  const int kk = k * k;
#pragma omp parallel for num_threads(threads()) schedule(static)
  for (int line = 0; line < up(c, 16) / 16; line++)
    for (int ch = line * 16; ch < std::min(c, line * 16 + 16); ch++)
      for (int i = 0; i < kk; i++)
        out[(static_cast<size_t>(line) * kk + (flip ? i / k * k + k - 1 - i % k : i)) * 16 + ch % 16] =
            w[static_cast<size_t>(ch) * kk + i];
}

template <class T, int K, int S_>
void depthwiseOf(const Depthwise& d, const T* x, Norm norm, const float* w, T* z, Sums out) {
  const int lines = up(d.c, 16) / 16, pitch = std::max((d.ow - 1) * S_ + K, d.left + d.w) | 1;
  const size_t row = static_cast<size_t>(lines) * pitch * 16;
  Array<float> weights = roomByLine(d.c, K);
  byLine(w, d.c, K, false, weights);
  ThreadSums sums(d.c);
  const int members = sums.members();
  const Scratch<float> rings(Slot::ring, (K + 1) * row, members);
  const Scratch<float> lineRoom(Slot::line, static_cast<size_t>(d.ow) * 16, members);
  const Scratch<T> stages(Slot::planes, static_cast<size_t>(d.ow) * d.c, members);
  const bool around = beyondCache(static_cast<size_t>(d.n) * d.oh * d.ow * d.c * sizeof(T), d.c);
#pragma omp parallel num_threads(members)
  {
    const Team member = team();
    const int t = member.rank;
    const Bands bands(d.n, d.oh, member);
    float* const ring = rings.zeroed(t);
    const float* nothing = ring + K * row;
    float* const made = lineRoom.at(t);
    T* const stage = stages.at(t);
    for (int band = bands.first; band < bands.end; band++) {
      const T* picture = x + static_cast<size_t>(bands.picture(band)) * d.h * d.w * d.c;
      int have = 0;  // rows of the input that were made lines
      for (int oy = bands.from(band); oy < bands.to(band); oy++) {
        const int y0 = oy * S_ - d.top;
        for (have = std::max(have, y0); have < std::min(d.h, y0 + K); have++)
          line(picture + static_cast<size_t>(have) * d.w * d.c, d.w, d.c, norm,
               ring + (have % K) * row + static_cast<size_t>(d.left) * 16, pitch);
        ahead.clear();
        if (const int next = std::min(d.h, y0 + S_ + K) - have; next > 0) {
          ahead.add(picture + static_cast<size_t>(have) * d.w * d.c, static_cast<size_t>(next) * d.w * d.c * sizeof(T));
          ahead.over(lines * (1 + (S_ == 1 ? d.w : d.ow) / 8));
        }
        for (int c = 0; c < lines; c++) {
          ahead.step();
          const float* rows[K];
          for (int r = 0; r < K; r++) {
            const int y = y0 + r;
            rows[r] = (y < 0 || y >= d.h ? nothing : ring + (y % K) * row) + static_cast<size_t>(c) * pitch * 16;
          }
          correlateRow<K, S_>(rows, K, d.ow, &weights[static_cast<size_t>(c) * K * K * 16], made);
          const M mask = tail(d.c - c * 16);
          T* const to = stage + c * 16;
          if (!out.first) {
            for (int i = 0; i < d.ow; i++) store(to + static_cast<size_t>(i) * d.c, mask, L(made + i * 16));
            continue;
          }
          V s = zero(), q = zero();
          for (int i = 0; i < d.ow; i++) {
            const V v = store(to + static_cast<size_t>(i) * d.c, mask, L(made + i * 16));
            s = add(s, v);
            q = fma(v, v, q);
          }
          addTo(sums.first(t) + c * 16, s);
          addTo(sums.second(t) + c * 16, q);
        }
        const size_t at = (static_cast<size_t>(bands.picture(band)) * d.oh + oy) * d.ow * d.c;
        putRow(z + at, stage, static_cast<size_t>(d.ow) * d.c * sizeof(T), around);
      }
    }
    settle();
  }
  sums.into(out);
}

template <class T, int K, int S_>
void depthwiseGradOf(const Depthwise& d, const T* g, const T* z, NormGrad grad, const T* x, Norm norm, const float* w,
                     T* gx, float* dw, Sums out) {
  constexpr int half = (K + 1) / 2, kept = S_ == 1 ? K : half;
  const int lines = up(d.c, 16) / 16, left = S_ == 1 ? K - 1 - d.left : half - 1, shift = S_ == 2 ? d.left : 0;
  const int columns = S_ == 1 ? d.w : (d.w + d.left + 1) / 2;  // at stride 2 in pairs
  const int pitch = std::max(columns + K, left + d.ow) | 1, inPitch = (columns * S_ + d.left + 2) | 1;
  const size_t row = static_cast<size_t>(lines) * pitch * 16;
  Array<float> weights = roomByLine(d.c, K);
  byLine(w, d.c, K, S_ == 1, weights);
  ThreadSums sums(d.c);
  const int members = sums.members();
  const Scratch<float> rings(Slot::ring, (kept + 1) * row, members);
  const Scratch<float> lineRoom(Slot::line, static_cast<size_t>(columns) * S_ * 16 + 16, members);
  const Scratch<float> inputs(Slot::lineIn, static_cast<size_t>(lines) * inPitch * 16, members);
  const Scratch<T> stages(Slot::planes, static_cast<size_t>(d.w) * d.c, members);
  const Scratch<float> parts(Slot::sums, static_cast<size_t>(lines) * K * K * 16, members);
  const bool around = beyondCache(static_cast<size_t>(d.n) * d.h * d.w * d.c * sizeof(T), d.c);
#pragma omp parallel num_threads(members)
  {
    const Team member = team();
    const int t = member.rank;
    const Bands bands(d.n, d.h, member);
    float* const ring = rings.zeroed(t);
    const float* nothing = ring + kept * row;
    float *const made = lineRoom.at(t), *const input = inputs.zeroed(t), *const sum = parts.zeroed(t);
    T* const stage = stages.at(t);
    for (int band = bands.first; band < bands.end; band++) {
      const int n = bands.picture(band);
      int have = 0;  // rows of the gradient that were made lines
      for (int iy = bands.from(band); iy < bands.to(band); iy++) {
        const int q = iy + d.top, odd = S_ == 1 ? 0 : q & 1, R = S_ == 1 ? K : (K - odd + 1) / 2;
        const int top = S_ == 1 ? q : q >> 1;
        for (have = std::max(have, top - R + 1); have < std::min(d.oh, top + 1); have++) {
          const size_t at = (static_cast<size_t>(n) * d.oh + have) * d.ow * d.c;
          line(g + at, z + at, d.ow, d.c, grad, ring + (have % kept) * row + static_cast<size_t>(left) * 16, pitch);
        }
        const size_t at = (static_cast<size_t>(n) * d.h + iy) * d.w * d.c;
        line(x + at, d.w, d.c, norm, input + shift * 16, inPitch);
        ahead.clear();
        if (iy + 1 < d.h) {
          ahead.add(x + at + static_cast<size_t>(d.w) * d.c, static_cast<size_t>(d.w) * d.c * sizeof(T));
          const int needed = (S_ == 1 ? q + 1 : (q + 1) >> 1) + 1;
          if (const int next = std::min(d.oh, needed) - have; next > 0) {
            const size_t from = (static_cast<size_t>(n) * d.oh + have) * d.ow * d.c;
            const size_t bytes = static_cast<size_t>(next) * d.ow * d.c * sizeof(T);
            ahead.add(g + from, bytes);
            if (grad.B) ahead.add(z + from, bytes);
          }
          ahead.over(lines * (1 + (S_ == 1 ? d.w : d.ow) / 8));
        }
        for (int c = 0; c < lines; c++) {
          ahead.step();
          const M mask = tail(d.c - c * 16);
          const float* rows[K];
          float* dws[K];
          float chosen[K * K * 16];
          for (int r = 0; r < R; r++) {
            const int oy = top - r, ky = S_ == 1 ? r : 2 * r + odd;
            const bool in = oy >= 0 && oy < d.oh;
            rows[r] = (in ? ring + (oy % kept) * row : nothing) + static_cast<size_t>(c) * pitch * 16;
            dws[r] = in ? sum + (static_cast<size_t>(c) * K * K + ky * K) * 16 : nullptr;
            if (S_ == 2) memcpy(chosen + r * K * 16, &weights[(static_cast<size_t>(c) * K * K + ky * K) * 16], K * 64);
          }
          const float* y = input + static_cast<size_t>(c) * inPitch * 16;
          if constexpr (S_ == 1) {
            weightRow<K, 1, K>(rows, columns, y, dws);
            correlateRow<K, 1>(rows, K, columns, &weights[static_cast<size_t>(c) * K * K * 16], made);
          } else {
            R == half ? weightRow<K, 2, half>(rows, columns, y, dws) : weightRow<K, 2, K / 2>(rows, columns, y, dws);
            inputGradRow<K>(rows, R, columns, chosen, made);
          }
          T* to = stage + c * 16;
          if (norm.a) {
            const T* raw = x + at + c * 16;
            const V mean = L(norm.mean + c * 16);
            V s = zero(), p = zero();
            for (int i = 0; i < d.w; i++) {
              const size_t step = static_cast<size_t>(i) * d.c;
              const V v = store(to + step, mask, through(L(y + (i + shift) * 16), L(made + (i + shift) * 16)));
              s = add(s, v);
              p = fma(v, sub(load(raw + step, mask), mean), p);
            }
            addTo(sums.first(t) + c * 16, s);
            addTo(sums.second(t) + c * 16, p);
          } else {
            for (int i = 0; i < d.w; i++) store(to + static_cast<size_t>(i) * d.c, mask, L(made + (i + shift) * 16));
          }
        }
        putRow(gx + at, stage, static_cast<size_t>(d.w) * d.c * sizeof(T), around);
      }
    }
    settle();
#pragma omp barrier
#pragma omp for schedule(static)
    for (int c = 0; c < d.c; c++)
      for (int i = 0; i < K * K; i++) {
        float s = 0;
        for (int u = 0; u < member.size; u++) s += parts.at(u)[(static_cast<size_t>(c / 16) * K * K + i) * 16 + c % 16];
        dw[static_cast<size_t>(c) * K * K + i] = s;
      }
  }
  if (norm.a) sums.into(out);
}

template <class T>
void depthwise(const Depthwise& d, const T* x, Norm norm, const float* w, T* z, Sums out) {
  if (d.k == 3)
    d.stride == 1 ? depthwiseOf<T, 3, 1>(d, x, norm, w, z, out) : depthwiseOf<T, 3, 2>(d, x, norm, w, z, out);
  else
    d.stride == 1 ? depthwiseOf<T, 5, 1>(d, x, norm, w, z, out) : depthwiseOf<T, 5, 2>(d, x, norm, w, z, out);
}
template <class T>
void depthwiseGrad(const Depthwise& d, const T* g, const T* z, NormGrad grad, const T* x, Norm norm, const float* w,
                   T* gx, float* dw, Sums out) {
  if (d.k == 3)
    d.stride == 1 ? depthwiseGradOf<T, 3, 1>(d, g, z, grad, x, norm, w, gx, dw, out)
                  : depthwiseGradOf<T, 3, 2>(d, g, z, grad, x, norm, w, gx, dw, out);
  else
    d.stride == 1 ? depthwiseGradOf<T, 5, 1>(d, g, z, grad, x, norm, w, gx, dw, out)
                  : depthwiseGradOf<T, 5, 2>(d, g, z, grad, x, norm, w, gx, dw, out);
}

}  // namespace
}  // namespace ANNEAL_ISA
}  // namespace anneal::kernels

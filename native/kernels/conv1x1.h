// 1 x 1 convolutions, and the 3 x 3 stem, as products over blocks of pixels.
#pragma once
#include "gemm.h"

namespace anneal::kernels {
inline namespace ANNEAL_ISA {
namespace {

// --- panels: the pixels of a block as a product needs them, [rows][width], zeros beyond

template <class T>
void blank(T* p, int rows, int padded, int width) {
  if (padded > rows) memset(p + static_cast<size_t>(rows) * width, 0, static_cast<size_t>(padded - rows) * width * sizeof(T));
}

template <class T>
void panel(const T* x, int k, Norm norm, long m0, int rows, int padded, T* p, int width) {
  for (int r = 0; r < rows; r++) {
    const T* s = x + (m0 + r) * k;
    T* o = p + static_cast<size_t>(r) * width;
    if (norm.a)
      for (int c = 0; c < width; c += 16)  // a = b = 0 beyond k
        store(o + c, tail(16), relu6(fma(load(s + c, tail(k - c)), L(norm.a + c), L(norm.b + c))));
    else
      for (int c = 0; c < width; c += 16) store(o + c, tail(16), load(s + c, tail(k - c)));
  }
  blank(p, rows, padded, width);
}

template <class T>
void panel(const T* g, const T* z, NormGrad grad, int n, long m0, int rows, int padded, T* p, int width) {
  if (!grad.A) return panel<T>(g, n, Norm{}, m0, rows, padded, p, width);
  for (int r0 = 0; r0 < rows; r0 += 8)
    for (int c = 0; c < width; c += 16) {
      const M m = tail(n - c);
      const V A = L(grad.A + c), B = grad.B ? L(grad.B + c) : zero(), C = grad.B ? L(grad.C + c) : zero();
      for (int r = r0; r < std::min(r0 + 8, rows); r++) {
        const long at = (m0 + r) * n + c;
        const V v = load(g + at, m);
        store(p + static_cast<size_t>(r) * width + c, tail(16),
              grad.B ? fma(A, v, fma(B, load(z + at, m), C)) : mul(A, v));
      }
    }
  blank(p, rows, padded, width);
}

// The room that the function below needs for rows of the picture
inline size_t stemRow(const Stem& s, int rows) { return up((2 * std::min(rows, s.ow) + 1) * 3, 16) + 16; }
inline size_t stemRoom(const Stem* s, int rows) { return s ? stemRow(*s, rows) * 3 : 0; }
template <class T>
void panel(const Stem& s, long m0, int rows, int padded, T* p, int width, T* lines) {  // 27 values of 3 x 3 pixels
  constexpr int kEach = 9;  // values of a row of the kernel
  const size_t most = stemRow(s, rows);
  for (int done = 0; done < rows;) {  // what lies in one row of the output
    const long row = (m0 + done) / s.ow;
    const int ox = static_cast<int>(m0 + done - row * s.ow), count = std::min(rows - done, s.ow - ox);
    const int x0 = ox * 2 - s.left, y0 = static_cast<int>(row % s.oh) * 2 - s.top;
    const int before = std::max(0, -x0) * 3, inside = std::max(0, std::min(s.w, x0 + 2 * count + 1) - std::max(0, x0)) * 3;
    for (int ky = 0; ky < 3; ky++) {
      const int y = y0 + ky;
      T* const line = lines + most * ky;
      if (y < 0 || y >= s.h || before || x0 + 2 * count + 1 > s.w) memset(line, 0, most * sizeof(T));
      if (y < 0 || y >= s.h) continue;
      const float* const from = s.picture + ((row / s.oh * s.h + y) * s.w + std::max(0, x0)) * 3;
      for (int i = 0; i < inside; i += 16) store(line + before + i, tail(inside - i), load(from + i, tail(inside - i)));
    }
    for (int i = 0; i < count; i++) {
      T* const to = p + static_cast<size_t>(done + i) * width;
      for (int ky = 0; ky < 3; ky++) memcpy(to + ky * kEach, lines + most * ky + i * 6, kEach * sizeof(T));
      memset(to + 3 * kEach, 0, (32 - 3 * kEach) * sizeof(T));
    }
    done += count;
  }
  blank(p, rows, padded, width);
}

template <class T>
int blockRows(size_t bytesPerRow) {
  constexpr long target = sizeof(T) == 4 ? 131072 : 262144;
  return static_cast<int>(std::clamp<long>(target / static_cast<long>(bytesPerRow) / 32 * 32, 32, 256));
}

template <class T>
void packWeights(const float* w, int k, int n, T* packed) {
  pack(w, 1, k, k, n, packed);
}

template <class T>
void conv1x1(const T* x, const Stem* stem, Norm norm, long m, int k, int n, const float* w, const T* B, T* z,
               Sums out) {
  const int kp = up(k, kWidth), np = up(n, kWidth), block = blockRows<T>(kp * sizeof(T) + np * 4);
  const Scratch<T> own(Slot::packed, B ? 0 : packedSize<T>(k, n));
  if (!B) packWeights(w, k, n, own.get()), B = own.get();
  ThreadSums sums(n);
  const int members = sums.members();
  const Scratch<T> panels(Slot::inputs, static_cast<size_t>(block) * kp, members);
  const Scratch<T> stems(Slot::stem, stemRoom(stem, block), members);
  const Scratch<float> products(Slot::products, static_cast<size_t>(block) * np, members);
  const Scratch<float> rowSums(Slot::rowSums, np * 2, members);
  const bool around = beyondCache(m * n * sizeof(T), n);
  // A small map is cut into more blocks, so that all threads have work. With sums, its rows stay where they were summed.
  const int unit = out.first ? 32 : 8;
#pragma omp parallel num_threads(members)
  {
    [[maybe_unused]] const Tiles tiles{};
    const Team member = team();
    const int t = member.rank;
    long from, to;
    member.share(m, &from, &to, unit);
    T* const A = panels.at(t);
    float *const C = products.at(t), *const part = rowSums.at(t);
    for (long m0 = from; m0 < to; m0 += block) {
      const int rows = static_cast<int>(std::min<long>(block, to - m0)), padded = up(rows, unit);
      const T* a = A;
      if (stem)
        panel(*stem, m0, rows, padded, A, kp, stems.at(t));
      else if (!norm.a && k == kp && rows == padded)
        a = x + m0 * k;
      else
        panel(x, k, norm, m0, rows, padded, A, kp);
      ahead.clear();
      if (const long next = std::min<long>(block, to - m0 - rows); next > 0 && !stem) {
        ahead.add(x + (m0 + rows) * k, next * k * sizeof(T));
        ahead.over(stepsOf(padded, 0, 0, np));
      }
      times(a, kp, padded, B, k, n, C, np);
      if (!out.first) {
        for (int r = 0; r < rows; r++)
          for (int c = 0; c < n; c += 16)
            put(z + (m0 + r) * n + c, tail(n - c), L(C + static_cast<size_t>(r) * np + c), around);
        continue;
      }
      memset(part, 0, np * 2 * sizeof(float));
      for (int r0 = 0; r0 < rows; r0 += 4)
        for (int c = 0; c < n; c += 16) {
          const M mask = tail(n - c);
          V s = L(part + c), q = L(part + np + c);
          for (int r = r0; r < std::min(r0 + 4, rows); r++) {
            const V v = put(z + (m0 + r) * n + c, mask, L(C + static_cast<size_t>(r) * np + c), around);
            s = add(s, v);
            q = fma(v, v, q);
          }
          S(part + c, s);
          S(part + np + c, q);
        }
      for (int c = 0; c < n; c += 16) addTo(sums.first(t) + c, L(part + c)), addTo(sums.second(t) + c, L(part + np + c));
    }
    settle();
  }
  sums.into(out);
}

// Calls put(i, j, 16 values from there) for an [n][k] matrix that is the sum of the parts of a team of `members`. A part is
// [k][of] if `tall`, else [n][of]. The whole team calls it.
template <class Put>
void sumParts(const Scratch<float>& parts, int members, bool tall, int of, int n, int k, Put put) {
#pragma omp for schedule(static)
  for (int i0 = 0; i0 < n; i0 += 16)
    for (int j0 = 0; j0 < k; j0 += 16) {
      float block[256];  // [i][j]
      for (int r = 0; r < 16; r++) {
        const size_t at = tall ? static_cast<size_t>(std::min(j0 + r, k - 1)) * of + i0
                               : static_cast<size_t>(std::min(i0 + r, n - 1)) * of + j0;
        V s = L(parts.get() + at);
        for (int u = 1; u < members; u++) s = add(s, L(parts.at(u) + at));
        S(block + r * 16, s);
      }
      if (tall) transpose(block);
      for (int i = i0; i < std::min(i0 + 16, n); i++) put(i, j0, L(block + (i - i0) * 16));
    }
}

template <class T>
void conv1x1Grad(const T* g, const T* z, NormGrad grad, const T* x, const Stem* stem, Norm norm, long m, int k, int n,
                   const float* w, const T* plus, T* gx, float* dw, Sums out) {
  const int kp = up(k, kWidth), np = up(n, kWidth);
  const int block = blockRows<T>((kp + np) * sizeof(T) * 2 + (gx ? kp * 4 : 0));
  const Scratch<T> packed(Slot::packed, gx ? packedSize<T>(n, k) : 0);
  T* const B = packed.get();
  if (gx) pack(w, k, 1, n, k, B);
  const bool tall = k <= n;  // dw as [k][n], else as [n][k]: the narrow side first
  ThreadSums sums(k);
  const int members = sums.members();
  const Scratch<T> inputs(Slot::inputs, static_cast<size_t>(block) * kp, members);
  const Scratch<T> gradients(Slot::gradients, static_cast<size_t>(block) * np, members);
  const Scratch<T> stems(Slot::stem, stemRoom(stem, block), members);
  const Scratch<float> products(Slot::products, static_cast<size_t>(block) * kp, members);
  const Scratch<float> rowSums(Slot::rowSums, kp * 2, members);
  const Scratch<float> parts(Slot::sums, static_cast<size_t>(kp) * np, members);
  const Scratch<float> pPairs(Slot::inputPairs, pairsOf<T>(block, std::min(kp, np)), members);
  const Scratch<float> qPairs(Slot::gradientPairs, pairsOf<T>(block, std::max(kp, np)), members);
  const bool around = beyondCache(m * k * sizeof(T), k);
#pragma omp parallel num_threads(members)
  {
    [[maybe_unused]] const Tiles tiles{};
    const Team member = team();
    const int t = member.rank;
    long from, to;
    member.share(m, &from, &to);
    T *const X = inputs.at(t), *const G = gradients.at(t);
    float *const C = products.at(t), *const part = rowSums.at(t);
    float* const sum = from < to ? parts.at(t) : parts.zeroed(t);
    for (long m0 = from; m0 < to; m0 += block) {
      const int rows = static_cast<int>(std::min<long>(block, to - m0)), padded = up(rows, 32);
      panel(g, z, grad, n, m0, rows, padded, G, np);
      if (stem)
        panel(*stem, m0, rows, padded, X, kp, stems.at(t));
      else
        panel(x, k, norm, m0, rows, padded, X, kp);
      ahead.clear();
      if (const long next = std::min<long>(block, to - m0 - rows); next > 0) {
        const long m1 = m0 + rows;
        ahead.add(g + m1 * n, next * n * sizeof(T));
        if (grad.B) ahead.add(z + m1 * n, next * n * sizeof(T));
        if (!stem) ahead.add(x + m1 * k, next * k * sizeof(T));
        ahead.over(stepsOf(padded, std::min(kp, np), std::max(kp, np), gx ? kp : 0));
      }
      if (tall)
        timesTransposed(X, kp, G, np, padded, sum, m0 > from, pPairs.at(t), qPairs.at(t));
      else
        timesTransposed(G, np, X, kp, padded, sum, m0 > from, pPairs.at(t), qPairs.at(t));
      if (!gx) continue;
      times(G, np, padded, B, n, k, C, kp);
      if (norm.a) memset(part, 0, kp * 2 * sizeof(float));
      for (int r0 = 0; r0 < rows; r0 += 4)
        for (int c = 0, end = std::min(r0 + 4, rows); c < k; c += 16) {
          const M mask = tail(k - c);
          const auto at = [&](int r) { return (m0 + r) * k + c; };
          const auto made = [&](int r) { return L(C + static_cast<size_t>(r) * kp + c); };
          if (norm.a) {
            const V a = L(norm.a + c), b = L(norm.b + c), mean = L(norm.mean + c);
            V s = L(part + c), q = L(part + kp + c);
            for (int r = r0; r < end; r++) {
              const V v = load(x + at(r), mask);
              const V d = put(gx + at(r), mask, through(fma(v, a, b), made(r)), around);
              s = add(s, d);
              q = fma(d, sub(v, mean), q);
            }
            S(part + c, s);
            S(part + kp + c, q);
          } else {
            for (int r = r0; r < end; r++)
              store(gx + at(r), mask, plus ? add(made(r), load(plus + at(r), mask)) : made(r));
          }
        }
      if (norm.a)
        for (int c = 0; c < k; c += 16) addTo(sums.first(t) + c, L(part + c)), addTo(sums.second(t) + c, L(part + kp + c));
    }
    settle();
#pragma omp barrier
    sumParts(parts, member.size, tall, tall ? np : kp, n, k, [&](int i, int j, V sum) __attribute__((always_inline)) {
      store(dw + static_cast<size_t>(i) * k + j, tail(k - j), sum);
    });
  }
  if (norm.a) sums.into(out);
}

}  // namespace
}  // namespace ANNEAL_ISA
}  // namespace anneal::kernels

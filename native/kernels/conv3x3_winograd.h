// 3 x 3 convolutions at stride 1, padded by 1, by Winograd's F(2 x 2, 3 x 3) (Lavin & Gray 2015, arXiv:1509.09308, section 4.1).
// A tile of 4 x 4 pixels and the weights are each transformed to 16 numbers. Their products are summed over channels by 16 matrix
// products, and transformed back to 2 x 2 pixels. This needs 2.25 times fewer multiplications than the convolution itself.
#pragma once
#include "normalise.h"
#include "gemm.h"

namespace anneal::kernels {
inline namespace ANNEAL_ISA {
namespace {

constexpr int kPoints = 16;
// How many tiles a thread works on at a time
constexpr int kTiles = 64;
// How many outputs at a time; they are summed in vectors of 16.
constexpr int kOutputs = 64;
// Padding between the 16 numbers of a tile: without it they would fall into the same few lines of the caches.
template <class T>
constexpr size_t kApart = 64 / sizeof(T);

// B^T d B of a tile d of 4 x 4
ANNEAL_INLINE void inputTransform(V (&d)[kPoints]) {
  ANNEAL_UNROLL for (int i = 0; i < 4; i++) {
    V *a = d + i, x = a[0], y = a[4], z = a[8], w = a[12];
    a[0] = sub(x, z), a[4] = add(y, z), a[8] = sub(z, y), a[12] = sub(y, w);
  }
  ANNEAL_UNROLL for (int i = 0; i < 4; i++) {
    V *a = d + i * 4, x = a[0], y = a[1], z = a[2], w = a[3];
    a[0] = sub(x, z), a[1] = add(y, z), a[2] = sub(z, y), a[3] = sub(y, w);
  }
}
// A g A^T of the gradients g of the 2 x 2 pixels of a tile: the transpose of `outputTransform`
ANNEAL_INLINE void outputTransformBack(const V (&g)[4], V (&out)[kPoints]) {
  const V rows[4][2] = {{g[0], g[1]},
                        {add(g[0], g[2]), add(g[1], g[3])},
                        {sub(g[0], g[2]), sub(g[1], g[3])},
                        {sub(zero(), g[2]), sub(zero(), g[3])}};
  ANNEAL_UNROLL for (int i = 0; i < 4; i++) {
    out[i * 4] = rows[i][0], out[i * 4 + 1] = add(rows[i][0], rows[i][1]);
    out[i * 4 + 2] = sub(rows[i][0], rows[i][1]), out[i * 4 + 3] = sub(zero(), rows[i][1]);
  }
}
// A^T m A, the 2 x 2 pixels of a tile; `at(i)` is its number i
template <class At>
ANNEAL_INLINE void outputTransform(At at, V (&out)[4]) {
  V upper[4], lower[4];
  ANNEAL_UNROLL for (int i = 0; i < 4; i++) {
    const V x = at(i), y = at(4 + i), z = at(8 + i), w = at(12 + i);
    upper[i] = add(x, add(y, z)), lower[i] = sub(sub(y, z), w);
  }
  out[0] = add(upper[0], add(upper[1], upper[2])), out[1] = sub(sub(upper[1], upper[2]), upper[3]);
  out[2] = add(lower[0], add(lower[1], lower[2])), out[3] = sub(sub(lower[1], lower[2]), lower[3]);
}
// G w G^T of 3 x 3 weights w
ANNEAL_INLINE void weightTransform(const V (&w)[9], V (&out)[kPoints]) {
  V rows[4][3];
  const V half = all(0.5f);
  ANNEAL_UNROLL for (int i = 0; i < 3; i++) {
    const V ends = mul(half, add(w[i], w[6 + i])), middle = mul(half, w[3 + i]);
    rows[0][i] = w[i], rows[1][i] = add(ends, middle), rows[2][i] = sub(ends, middle), rows[3][i] = w[6 + i];
  }
  ANNEAL_UNROLL for (int i = 0; i < 4; i++) {
    const V ends = mul(half, add(rows[i][0], rows[i][2])), middle = mul(half, rows[i][1]);
    out[i * 4] = rows[i][0], out[i * 4 + 1] = add(ends, middle), out[i * 4 + 2] = sub(ends, middle);
    out[i * 4 + 3] = rows[i][2];
  }
}
// G^T u G: the transpose of `weightTransform`
template <class At>
ANNEAL_INLINE void weightTransformBack(At at, V (&out)[9]) {
  V rows[3][4];
  const V half = all(0.5f);
  ANNEAL_UNROLL for (int i = 0; i < 4; i++) {
    const V x = at(i), y = at(4 + i), z = at(8 + i), w = at(12 + i);
    const V ends = mul(half, add(y, z));
    rows[0][i] = add(x, ends), rows[1][i] = mul(half, sub(y, z)), rows[2][i] = add(w, ends);
  }
  ANNEAL_UNROLL for (int i = 0; i < 3; i++) {
    const V ends = mul(half, add(rows[i][1], rows[i][2]));
    out[i * 3] = add(rows[i][0], ends), out[i * 3 + 1] = mul(half, sub(rows[i][1], rows[i][2]));
    out[i * 3 + 2] = add(rows[i][3], ends);
  }
}

// Where the tiles of pictures [n][h][w] lie, row by row
struct TilesOf {
  int h, w, down, across;
  long count;
  explicit TilesOf(const Conv3& s)
      : h(s.h), w(s.w), down((s.h + 1) / 2), across((s.w + 1) / 2), count(static_cast<long>(s.n) * down * across) {}
  struct At {
    long picture;  // its first pixel
    int y, x;
  };
  At at(long tile) const {
    const long row = tile / across, n = row / down;
    return {n * h * w, static_cast<int>(row - n * down) * 2, static_cast<int>(tile - row * across) * 2};
  }
  // The pixels of the square of `side` at (y - before, x - before) of tile t, in rows of c; `none` for those outside
  template <class T>
  void pixels(long tile, int side, int before, const T* x, int c, const T* none, const T** out) const {
    if (tile >= count) return std::fill(out, out + side * side, none), void();
    const At a = at(tile);
    for (int i = 0; i < side; i++)
      for (int j = 0; j < side; j++) {
        const int row = a.y - before + i, column = a.x - before + j;
        const bool inside = row >= 0 && row < h && column >= 0 && column < w;
        *out++ = inside ? x + (a.picture + static_cast<long>(row) * w + column) * c : none;
      }
  }
};

// Packs weights [k][3][3][c], each output's times its scale, as 16 matrices c x k for `gemm`. `back`: as k x c of the weights
// turned by 180 degrees, which have the same 16 numbers in another order. c and k are multiples of 16, or of 32 in bfloat16.
template <class T>
void conv3Pack(const float* w, const float* scale, int c, int k, bool back, T* packed) {
  constexpr int P = kPerWord<T>, wide = 16 * P;
  const size_t each = static_cast<size_t>(c) * k;
  const int blocks = k / 16, steps = c / wide;
#pragma omp parallel for num_threads(threads()) schedule(static)
  for (int b = 0; b < blocks * steps; b++) {
    const int k0 = b / steps * 16, c0 = b % steps * wide;
    alignas(64) T numbers[kPoints][16][wide];
    for (int r = 0; r < 16; r++)
      for (int i = 0; i < wide; i += 16) {
        V from[9], to[kPoints];
        const V by = all(scale ? scale[k0 + r] : 1.f);
        ANNEAL_UNROLL for (int j = 0; j < 9; j++)
            from[j] = mul(by, L(w + (static_cast<size_t>(k0 + r) * 9 + j) * c + c0 + i));
        weightTransform(from, to);
        ANNEAL_UNROLL for (int j = 0; j < kPoints; j++) S(&numbers[j][r][i], to[j]);
      }
    for (int j = 0; j < kPoints; j++) {
      if (back) {
        const int turned = (j / 4 % 3 ? j / 4 : 3 - j / 4) * 4 + (j % 4 % 3 ? j % 4 : 3 - j % 4);
        for (int i = 0; i < wide; i += 16)
          for (int r = 0; r < 16; r += P)
            packPairs(packed + turned * each + static_cast<size_t>(c0 + i) * k + (k0 + r) * 16, &numbers[j][r][i],
                     &numbers[j][r + P - 1][i]);
      } else {
        float* words = reinterpret_cast<float*>(&numbers[j][0][0]);
        transpose(words);
        memcpy(packed + j * each + static_cast<size_t>(k0) * c + c0 * 16, words, 16 * 16 * sizeof(float));
      }
    }
  }
}

// y = act(conv(x) + bias + plus); bias and plus may be null.
template <class T>
void conv3(const Conv3& s, const T* x, const T* packed, const float* bias, const T* plus, Act act, T* y) {
  constexpr int P = kPerWord<T>;
  const TilesOf tiles(s);
  const int c = s.c, k = s.k;
  const size_t each = static_cast<size_t>(c) * k;
  const size_t apart = static_cast<size_t>(kTiles) * c + kApart<T>, sumsApart = kTiles * kOutputs + kApart<float>;
  const Array<T> none(c);
  const int members = threads();
  const Scratch<T> inputRoom(Slot::inputs, kPoints * apart, members);
  const Scratch<float> products(Slot::products, kPoints * sumsApart, members);
  withAct(act, [&](auto kind) {
#pragma omp parallel num_threads(members)
    {
      // Named here because clang captures for a lambda in a region only what the region itself names.
      const T* const added = plus;
      T* const made = y;
      ahead.clear();
      const Team member = team();
      long from, to;
      member.share(tiles.count, &from, &to, kRows);
      T* const inputs = inputRoom.at(member.rank);
      float* const sums = products.at(member.rank);
      for (long first = from; first < to; first += kTiles) {
        const int count = static_cast<int>(std::min<long>(kTiles, to - first)), rows = up(count, kRows);
        for (int t = 0; t < rows; t++) {
          const T* at[kPoints];
          tiles.pixels(first + t, 4, 1, x, c, none.data(), at);
          T* out = inputs + static_cast<size_t>(t) * c;
          for (int i = 0; i < c; i += 16) {
            V d[kPoints];
            ANNEAL_UNROLL for (int j = 0; j < kPoints; j++) d[j] = L(at[j] + i);
            inputTransform(d);
            ANNEAL_UNROLL for (int j = 0; j < kPoints; j++) S(out + j * apart + i, d[j]);
          }
        }
        for (int k0 = 0; k0 < k; k0 += kOutputs) {
          const int some = std::min(kOutputs, k - k0);
          for (int j = 0; j < kPoints; j++)
            gemm<T>(words(inputs + j * apart), c / P, 1, rows,
                       words(packed + j * each + static_cast<size_t>(k0) * c), 16, 16L * c / P, c / P, some / 16,
                       sums + j * sumsApart, kOutputs, false);
          for (int t = 0; t < count; t++) {
            const auto a = tiles.at(first + t);
            const bool right = a.x + 1 < s.w, below = a.y + 1 < s.h;
            const long pixel = a.picture + static_cast<long>(a.y) * s.w + a.x;
            for (int i = 0; i < some; i += 16) {
              const float* m = sums + static_cast<size_t>(t) * kOutputs + i;
              V out[4];
              outputTransform([&](int j) { return L(m + j * sumsApart); }, out);
              const V shift = bias ? L(bias + k0 + i) : zero();
              const auto write = [&](long p, V v) {
                const size_t to = static_cast<size_t>(p) * k + k0 + i;
                v = add(v, shift);
                if (added) v = add(v, L(added + to));
                S(made + to, acted(kind, v));
              };
              write(pixel, out[0]);
              if (right) write(pixel + 1, out[1]);
              if (below) write(pixel + s.w, out[2]);
              if (right && below) write(pixel + s.w + 1, out[3]);
            }
          }
        }
      }
    }
  });
}

// g is the gradient of y, the output after act. Writes dw [k][3][3][c] and, unless null, `masked` (g where the activation passes
// gradients on), `bias` (its sums) and `dscale`. Sums over tiles have the same order for every number of threads.
template <class T>
void conv3Grad(const Conv3& s, const T* x, const T* g, const T* y, Act act, T* masked, const float* w,
               const float* scale, float* dw, float* dscale, double* bias) {
  constexpr int P = kPerWord<T>;
  const TilesOf tiles(s);
  const int c = s.c, k = s.k;
  const size_t each = static_cast<size_t>(c) * k;
  const int block = std::clamp(up(static_cast<int>((size_t(4) << 20) / (kPoints * sizeof(T) * (c + k))), 32), 64, 1024);
  const int held = static_cast<int>(std::min<long>(block, (tiles.count + 31) / 32 * 32));
  const size_t xApart = static_cast<size_t>(held) * c + kApart<T>, gApart = static_cast<size_t>(held) * k + kApart<T>;
  // [point][channel / 16][tile / P][16][P], and the sums of their products [point][k][c]
  const Scratch<T> inputs(Slot::shared, kPoints * xApart), gradients(Slot::sharedToo, kPoints * gApart);
  const Scratch<float> products(Slot::sharedSums, kPoints * each);
  T *const xs = inputs.get(), *const gs = gradients.get();
  float* const sums = products.get();
  const Array<T> none(std::max(c, k));
  Array<double> unused(k);
  ThreadSums biases(k);
  withAct(act, [&](auto kind) {
#pragma omp parallel num_threads(biases.members())
    {
      ahead.clear();
      double* const biasSums = biases.first(team().rank);
      for (long first = 0; first < tiles.count; first += held) {
        const int count = up(static_cast<int>(std::min<long>(held, tiles.count - first)), P);
#pragma omp for schedule(static)
        for (int t = 0; t < count; t += P) {
          const T* at[P][kPoints];
          for (int p = 0; p < P; p++) tiles.pixels(first + t + p, 4, 1, x, c, none.data(), at[p]);
          for (int i = 0; i < c; i += 16) {
            V d[P][kPoints];
            ANNEAL_UNROLL for (int p = 0; p < P; p++) {
              ANNEAL_UNROLL for (int j = 0; j < kPoints; j++) d[p][j] = L(at[p][j] + i);
              inputTransform(d[p]);
            }
            T* out = xs + static_cast<size_t>(i) * held + t * 16;
            ANNEAL_UNROLL for (int j = 0; j < kPoints; j++)
                packPairs(out + j * xApart, d[0][j], d[P - 1][j]);
          }
          for (int p = 0; p < P; p++) tiles.pixels(first + t + p, 2, 0, g, k, none.data(), at[p]);
          for (int i = 0; i < k; i += 16) {
            V d[P][kPoints];
            ANNEAL_UNROLL for (int p = 0; p < P; p++) {
              V v[4];
              ANNEAL_UNROLL for (int j = 0; j < 4; j++) {
                v[j] = L(at[p][j] + i);
                if (at[p][j] == none.data()) continue;
                const size_t from = at[p][j] - g + i;
                if (y) v[j] = reluBackward(kind, L(y + from), v[j]);
                if (masked) S(masked + from, v[j]);
              }
              if (bias) addTo(biasSums + i, add(add(v[0], v[1]), add(v[2], v[3])));
              outputTransformBack(v, d[p]);
            }
            T* out = gs + static_cast<size_t>(i) * held + t * 16;
            ANNEAL_UNROLL for (int j = 0; j < kPoints; j++)
                packPairs(out + j * gApart, d[0][j], d[P - 1][j]);
          }
        }
        const int blocks = k / 16;
#pragma omp for schedule(static)
        for (int b = 0; b < kPoints * blocks; b++) {
          const int j = b / blocks, k0 = b % blocks * 16;
          gemm<T>(words(gs + j * gApart + static_cast<size_t>(k0) * held), 1, 16, 16,
                     words(xs + j * xApart), 16, 16L * held / P, count / P, c / 16,
                     sums + j * each + static_cast<size_t>(k0) * c, c, first > 0);
        }
      }
#pragma omp for schedule(static)
      for (int r = 0; r < k; r++) {
        const V by = all(scale ? scale[r] : 1.f);
        V scaled = zero();
        for (int i = 0; i < c; i += 16) {
          V out[9];
          weightTransformBack([&](int j) { return L(sums + j * each + static_cast<size_t>(r) * c + i); }, out);
          ANNEAL_UNROLL for (int j = 0; j < 9; j++) {
            const size_t at = (static_cast<size_t>(r) * 9 + j) * c + i;
            if (dscale) scaled = fma(out[j], L(w + at), scaled);
            S(dw + at, mul(by, out[j]));
          }
        }
        if (!dscale) continue;
        float parts[16], sum = 0;
        S(parts, scaled);
        for (const float part : parts) sum += part;
        dscale[r] = sum;
      }
    }
  });
  if (bias) biases.into({bias, unused.data()});
}

}  // namespace
}  // namespace ANNEAL_ISA
}  // namespace anneal::kernels

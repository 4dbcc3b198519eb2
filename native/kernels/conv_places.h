// Convolutions by the tiles of AMX for batches of 14 pictures and more: the sixteen rows of a tile are sixteen pictures at one place of the map. So each
// place is copied once, the pixels under the kernel are whole tiles, and taps that fall outside the map cost nothing. Rows of the map
// are copied as they are needed; as many as fit are held.
#pragma once
#include "conv_tiles.h"

#ifdef ANNEAL_TILES
namespace anneal::kernels {
inline namespace ANNEAL_ISA {
namespace {

constexpr int kPictures = 32;                      // that two tiles hold at one place
constexpr size_t kHeldMapBytes = size_t(1) << 20;  // of the rows that the team holds at a time
constexpr long kSummed = 24;                       // tiles that gradients of weights sum at a time: two rows of them stay in L1

// Which rows of the input lie under rows of the output, and where the last of them are held
struct HeldRows {
  const ConvFull& s;
  int band, ring;  // output rows at a time; input rows that are held
  HeldRows(const ConvFull& shape, size_t inputRow, size_t outputRow, int most) : s(shape), band(1), ring(under(1)) {
    while (band < std::min(s.oh, most) && under(band + 1) * inputRow + (band + 1) * outputRow <= kHeldMapBytes) ring = under(++band);
  }
  int under(int rows) const { return std::min(s.h, ((rows - 1) * s.stride + s.k - 1) / s.up + 1); }
  // The first input row that output rows [y, y + rows) need, and the one after the last
  int first(int y) const { return std::max(0, y * s.stride - s.pad + s.up - 1) / s.up; }
  int end(int y, int rows) const { return std::clamp(((y + rows - 1) * s.stride - s.pad + s.k - 1 + s.up) / s.up, 0, s.h); }
  int slot(int row) const { return row % ring; }
  // The row or column of the input under a tap at row or column `to` of the output; -1 outside
  int source(int to, int tap, int size) const {
    const int at = to * s.stride - s.pad + tap;
    return at < 0 || at % s.up || at / s.up >= size ? -1 : at / s.up;
  }
};

// y = act(conv(x) + bias + plus)
inline void placesConv(const ConvFull& s, const Half16* x, const Half16* packed, const float* bias, const Half16* plus, Act act,
                       Half16* y) {
  const int lines = s.c / kLine, members = threads(), halves = (s.n + 15) / 16;  // tiles of pictures
  const long below = lines * kTile, steps = s.k * s.k * below, row = static_cast<long>(s.w) * halves * below;
  const HeldRows rows(s, row * sizeof(float), 0, s.oh);
  const Array<Half16> none(s.c);
  const Scratch<float> map(Slot::shared, rows.ring * row);
  const Scratch<float> products(Slot::products, 32 * 32, members);
  float* const held = map.get();
  withAct(act, [&](auto kind) {
#pragma omp parallel num_threads(members)
    {
      const Tiles configured;
      float* const sums = products.at(team().rank);
      // The outputs [n0, n0 + 16 C) at a place for 16 R pictures
      const auto make = [&](auto tall, auto wide, int n0, int oy, int ox, int half) {
        constexpr int R = decltype(tall)::value, C = decltype(wide)::value;
        const float* const panel = words(packed) + n0 / 16 * steps;
        tileZero<0>(), tileZero<1>(), tileZero<2>(), tileZero<3>();
        for (int ty = 0; ty < s.k; ty++) {
          const int sy = rows.source(oy, ty, s.h);
          if (sy < 0) continue;
          for (int tx = 0; tx < s.k; tx++) {
            const int sx = rows.source(ox, tx, s.w);
            if (sx < 0) continue;
            const float* const from = held + rows.slot(sy) * row + (static_cast<long>(sx) * halves + half) * below;
            addTiles<R, C>(from, below, panel + (ty * s.k + tx) * below, steps, below);
          }
        }
        constexpr int width = 16 * C;
        tileStore<0>(sums, width), tileStore<1>(sums + 16, width);
        if constexpr (R == 2) tileStore<2>(sums + 16 * width, width), tileStore<3>(sums + 16 * width + 16, width);
        if constexpr (C == 4) tileStore<2>(sums + 32, width), tileStore<3>(sums + 48, width);
        for (long i = 0, end = std::min(16 * R, s.n - half * 16); i < end; i++)
          for (int n = 0; n < width; n += 32) {
            const size_t to = (((half * 16 + i) * s.oh + oy) * s.ow + ox) * static_cast<size_t>(s.outs) + n0 + n;
            finish(kind, sums + i * width + n, bias ? bias + n0 + n : nullptr, plus ? plus + to : nullptr, y + to);
          }
      };
      using std::integral_constant;
      constexpr integral_constant<int, 1> one;
      constexpr integral_constant<int, 2> two;
      constexpr integral_constant<int, 4> four;
      int next = 0;  // the first row that was not held yet
      for (int y0 = 0; y0 < s.oh; y0 += rows.band) {
        const int count = std::min(rows.band, s.oh - y0), from = std::max(next, rows.first(y0)), to = rows.end(y0, count);
#pragma omp for schedule(static)
        for (long item = 0; item < static_cast<long>(std::max(0, to - from)) * s.w * halves; item++) {
          const long half = item % halves, at = item / halves, sx = at % s.w, sy = from + at / s.w;
          float* const tile = held + rows.slot(static_cast<int>(sy)) * row + (sx * halves + half) * below;
          for (int r = 0; r < 16; r++) {
            const long n = half * 16 + r;
            const auto* source = reinterpret_cast<const float*>(n < s.n ? x + ((n * s.h + sy) * s.w + sx) * s.c : none.data());
            for (int i = 0; i < lines; i++) S(tile + i * kTile + r * 16, L(source + i * 16));
          }
        }
        next = std::max(next, to);
        const long places = static_cast<long>(count) * s.ow;
#pragma omp for schedule(static) nowait
        for (long item = 0; item < (halves > 1 ? s.outs / 32 * places : 0); item++) {
          const int n0 = static_cast<int>(item / places) * 32, out = static_cast<int>(item % places);
          for (int half = 0; half + 1 < halves; half += 2) make(two, two, n0, y0 + out / s.ow, out % s.ow, half);
        }
        // The last tile of pictures, if it is alone, by 64 outputs
#pragma omp for schedule(static)
        for (long item = 0; item < (halves % 2 ? (s.outs + 63) / 64 * places : 0); item++) {
          const int n0 = static_cast<int>(item / places) * 64, out = static_cast<int>(item % places);
          if (n0 + 64 <= s.outs) make(one, four, n0, y0 + out / s.ow, out % s.ow, halves - 1);
          else make(one, two, n0, y0 + out / s.ow, out % s.ow, halves - 1);
        }
      }
    }
  });
}

// dw [outs][taps][c] from g: pictures are summed over, so that a tile holds 32 of them at one place
inline void placesGrad(const ConvFull& s, const Half16* x, const Half16* g, float* dw) {
  const int lines = s.c / kLine, members = threads(), parts = partsOf(s.outs, s.k * s.k * lines);
  const long batches = (s.n + kPictures - 1) / kPictures, word = sizeof(float);
  const HeldRows rows(s, s.w * batches * (s.c / 16) * kTile * word, s.ow * batches * (s.outs / 16) * kTile * word,
                      static_cast<int>(kSummed / (s.ow * batches)));
  // Tiles of 16 channels follow each other by places: [channels / 16][rows][columns][batches]
  const long xRow = s.w * batches, gRow = s.ow * batches, xs = rows.ring * xRow * kTile, gs = rows.band * gRow * kTile;
  const Array<Half16> none(std::max(s.c, s.outs));
  const Scratch<float> paired(Slot::shared, s.c / 16 * xs), turned(Slot::sharedToo, s.outs / 16 * gs);
  float *const a = turned.get(), *const b = paired.get();
  const int each = s.outs / 32 / parts;
  const long line = static_cast<long>(s.k) * s.k * s.c;
#pragma omp parallel num_threads(members)
  {
    const Tiles configured;
    int next = 0;
    for (int y0 = 0; y0 < s.oh; y0 += rows.band) {
      const int count = std::min(rows.band, s.oh - y0), from = std::max(next, rows.first(y0)), to = rows.end(y0, count);
      // The pixels of picture 32 q + i at a place
      const auto pixel = [&](const Half16* map, int channels, long places, long at, long q, int i) {
        const long n = q * kPictures + i;
        return n < s.n ? map + (n * places + at) * channels : none.data();
      };
#pragma omp for schedule(static) nowait
      for (long item = 0; item < count * gRow; item++) {
        const long q = item % batches, at = y0 * static_cast<long>(s.ow) + item / batches;
        for (int r = 0; r < 16; r++) {
          const Half16* const one = pixel(g, s.outs, static_cast<long>(s.oh) * s.ow, at, q, 2 * r);
          const Half16* const two = pixel(g, s.outs, static_cast<long>(s.oh) * s.ow, at, q, 2 * r + 1);
          for (int k = 0; k < s.outs / 16; k++) S(a + k * gs + item * kTile + r * 16, pairs(one + k * 16, two + k * 16));
        }
        for (int k = 0; k < s.outs / 16; k++) transpose(a + k * gs + item * kTile);
      }
#pragma omp for schedule(static)
      for (long item = 0; item < std::max(0, to - from) * xRow; item++) {
        const long q = item % batches, sx = item / batches % s.w, sy = from + item / xRow;
        float* const tile = b + (rows.slot(static_cast<int>(sy)) * xRow + sx * batches + q) * kTile;
        for (int r = 0; r < 16; r++) {
          const Half16* const one = pixel(x, s.c, static_cast<long>(s.h) * s.w, sy * s.w + sx, q, 2 * r);
          const Half16* const two = pixel(x, s.c, static_cast<long>(s.h) * s.w, sy * s.w + sx, q, 2 * r + 1);
          for (int k = 0; k < s.c / 16; k++) S(tile + k * xs + r * 16, pairs(one + k * 16, two + k * 16));
        }
      }
      next = std::max(next, to);
#pragma omp for schedule(static)
      for (int unit = 0; unit < s.k * s.k * lines * parts; unit++) {
        const int part = unit % parts, c0 = unit / parts % lines * kLine, tap = unit / parts / lines;
        for (int k = part * each * 32; k < (part + 1) * each * 32; k += 32) {
          float *const c = dw + k * line + static_cast<long>(tap) * s.c + c0, *const c1 = c + 16 * line;
          if (y0 > 0) {
            tileLoad<0>(c, line), tileLoad<1>(c + 16, line), tileLoad<2>(c1, line), tileLoad<3>(c1 + 16, line);
          } else {
            tileZero<0>(), tileZero<1>(), tileZero<2>(), tileZero<3>();
          }
          for (int r = 0; r < count; r++) {
            const int sy = rows.source(y0 + r, tap / s.k, s.h);
            if (sy < 0) continue;
            for (int ox = 0; ox < s.ow; ox++) {
              const int sx = rows.source(ox, tap % s.k, s.w);
              if (sx < 0) continue;
              const float* gp = a + k / 16 * gs + (r * gRow + ox * batches) * kTile;
              const float* xp = b + c0 / 16 * xs + (rows.slot(sy) * xRow + sx * batches) * kTile;
              addTiles<2, 2>(gp, gs, xp, xs, batches * kTile);
            }
          }
          tileStore<0>(c, line), tileStore<1>(c + 16, line), tileStore<2>(c1, line), tileStore<3>(c1 + 16, line);
        }
      }
    }
  }
}

// y = act(conv(x) + bias + plus); bias and plus may be null.
inline void tilesConv(const ConvFull& s, const Half16* x, const Half16* packed, const float* bias, const Half16* plus, Act act,
                      Half16* y) {
  if (Line::serves(s)) return lineConv(s, x, packed, bias, plus, act, y);
  if (byPlaces(s)) return placesConv(s, x, packed, bias, plus, act, y);
  columnsConv(s, x, packed, bias, plus, act, y);
}

// dw [outs][taps][c] from g, the gradient of the convolution. Each result is summed by one thread, in an order that no number of
// threads changes.
inline void tilesGrad(const ConvFull& s, const Half16* x, const Half16* g, float* dw) {
  if (s.n >= 16) return placesGrad(s, x, g, dw);  // half of the pictures may be missing: nothing else is copied
  if (Line::serves(s)) return lineGrad(s, x, g, dw);
  columnsGrad(s, x, g, dw);
}

}  // namespace
}  // namespace ANNEAL_ISA
}  // namespace anneal::kernels
#endif

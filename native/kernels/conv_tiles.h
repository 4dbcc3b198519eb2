// Convolutions of k x k by the tiles of AMX, for channels in multiples of 32: 32 x 32 results at a time. Some pixels at a time are
// copied so that a tile is one piece of memory, and stay in the cache while they are multiplied. There are three ways to copy them:
//
// - By pictures (conv_places.h).
// - All pixels under the kernel are copied next to each other.
// - 3 x 3 at stride 1, maps that are not small: in a line of pixels, with a column of zeros after each row and a row of zeros after
//   each picture, the pixels under the kernel lie at nine fixed distances. So each pixel is copied once, and the places of the zeros
//   are computed for nothing.
#pragma once
#include "normalise.h"
#include "gemm.h"

#ifdef ANNEAL_TILES
namespace anneal::kernels {
inline namespace ANNEAL_ISA {
namespace {

constexpr long kTile = 256;                            // words of a tile
constexpr size_t kHeldBytes = size_t(3) << 18;         // of the rows that a thread holds at a time
constexpr int kLine = 32;                              // values of bfloat16 in a row of a tile

// Tiles 0 to 3 += a b over `words` of both, a few tiles: R tiles of rows, `below` apart, by C tiles of columns, `beside` apart
template <int R, int C>
ANNEAL_INLINE void addTiles(const float* a, long below, const float* b, long beside, long words) {
  for (const float* const end = a + words; a < end; a += kTile, b += kTile) {
    tileLoad<4>(a, 16), tileLoad<6>(b, 16);
    tileDot<0, 4, 6>();
    tileLoad<7>(b + beside, 16);
    tileDot<1, 4, 7>();
    if constexpr (R == 2) {
      tileLoad<5>(a + below, 16);
      tileDot<2, 5, 6>(), tileDot<3, 5, 7>();
    }
    if constexpr (C == 4) {
      tileLoad<5>(b + 2 * beside, 16), tileLoad<6>(b + 3 * beside, 16);
      tileDot<2, 4, 5>(), tileDot<3, 4, 6>();
    }
  }
}

// c [32][32] (+)= a b over `steps` tiles: those of a and of b follow each other, their second rows and columns are `below` and `beside`
ANNEAL_INLINE void fourTiles(const float* a, long below, const float* b, long beside, int steps, float* c, long ldc, bool add) {
  float *c1 = c + 16 * ldc;
  if (add) {
    tileLoad<0>(c, ldc), tileLoad<1>(c + 16, ldc), tileLoad<2>(c1, ldc), tileLoad<3>(c1 + 16, ldc);
  } else {
    tileZero<0>(), tileZero<1>(), tileZero<2>(), tileZero<3>();
  }
  addTiles<2, 2>(a, below, b, beside, steps * kTile);
  tileStore<0>(c, ldc), tileStore<1>(c + 16, ldc), tileStore<2>(c1, ldc), tileStore<3>(c1 + 16, ldc);
}

// Where the pixels under the kernel lie for output pixel p
struct Under {
  const ConvFull& s;
  const Half16 *x, *none;
  long n, p;
  int y, x0;
  Under(const ConvFull& shape, const Half16* from, const Half16* zeros, long first) : s(shape), x(from), none(zeros), p(first) {
    const long pixels = static_cast<long>(s.oh) * s.ow;
    n = p / pixels;
    y = static_cast<int>(p % pixels / s.ow), x0 = static_cast<int>(p % s.ow);
  }
  bool there() const { return n < s.n; }
  const Half16* at(int tap) const {
    const int row = y * s.stride - s.pad + tap / s.k, column = x0 * s.stride - s.pad + tap % s.k;
    if (!there() || row < 0 || row >= s.h || column < 0 || column >= s.w) return none;
    return x + ((n * s.h + row) * s.w + column) * static_cast<long>(s.c);
  }
  void next() {
    p++;
    if (++x0 == s.ow) {
      x0 = 0;
      if (++y == s.oh) y = 0, n++;
    }
  }
};

// A line of pixels with zeros between rows and pictures
struct Line {
  const ConvFull& s;
  const Half16 *from, *none;
  int channels;
  int wide() const { return s.w + 1; }
  long length() const { return static_cast<long>(s.n) * (s.h + 1) * wide(); }
  long distance(int tap) const { return static_cast<long>(tap / 3 - 1) * wide() + tap % 3 - 1; }
  long margin() const { return (wide() + 2) / 2 * 2; }  // even, at least the largest distance
  static bool serves(const ConvFull& s) {
    return s.k == 3 && s.stride == 1 && s.up == 1 && s.pad == 1 && 5L * (s.h + 1) * (s.w + 1) <= 6L * s.h * s.w;
  }
  // The number of the pixel at a place, or -1
  long pixel(long place) const {
    if (place < 0) return -1;
    const long row = place / wide(), column = place % wide(), n = row / (s.h + 1), y = row % (s.h + 1);
    return column < s.w && y < s.h && n < s.n ? (n * s.h + y) * s.w + column : -1;
  }
  const Half16* at(long place) const {
    const long p = pixel(place);
    return p < 0 ? none : from + p * channels;
  }
};

// Packs weights w [outs][taps][c], each output's times `scale` unless null: tiles [outs / 16][taps * c / 32].
// `back`: for the gradient of the input, tiles [c / 16][taps * outs / 32], with the taps turned by 180 degrees.
inline void tilesPack(const float* w, const float* scale, int c, int outs, int taps, bool back, Half16* packed) {
  const int inner = back ? outs : c, columns = (back ? c : outs) / 16, lines = inner / kLine, steps = taps * lines;
  float* const to = reinterpret_cast<float*>(packed);
#pragma omp parallel for num_threads(threads()) schedule(static)
  for (int item = 0; item < columns * steps; item++) {
    const int n0 = item / steps * 16, step = item % steps, tap = step / lines, i0 = step % lines * kLine;
    float* const tile = to + static_cast<size_t>(item) * kTile;
    for (int r = 0; r < 16; r++) {
      if (back) {
        const auto from = [&](int o) { return w + (static_cast<size_t>(o) * taps + taps - 1 - tap) * c + n0; };
        const int o = i0 + 2 * r;
        const V one = L(from(o)), two = L(from(o + 1));
        S(tile + r * 16, pairs(scale ? mul(one, all(scale[o])) : one, scale ? mul(two, all(scale[o + 1])) : two));
      } else {
        const float* const from = w + (static_cast<size_t>(n0 + r) * taps + tap) * c + i0;
        const V by = all(scale ? scale[n0 + r] : 1.f);
        S(reinterpret_cast<Half16*>(tile + r * 16), mul(by, L(from)));
        S(reinterpret_cast<Half16*>(tile + r * 16) + 16, mul(by, L(from + 16)));
      }
    }
    if (!back) transpose(tile);
  }
}

// act(sums + bias + plus) of row i of a product of 32 x 32, for the pixel at y
template <class Kind>
ANNEAL_INLINE void finish(Kind kind, const float* sums, const float* bias, const Half16* plus, Half16* y) {
  V one = L(sums), two = L(sums + 16);
  if (bias) one = add(one, L(bias)), two = add(two, L(bias + 16));
  if (plus) one = add(one, L(plus)), two = add(two, L(plus + 16));
  S(y, acted(kind, one)), S(y + 16, acted(kind, two));
}

inline void lineConv(const ConvFull& s, const Half16* x, const Half16* packed, const float* bias, const Half16* plus, Act act,
                     Half16* y) {
  const int lines = s.c / kLine, steps = 9 * lines, members = threads();
  const Array<Half16> none(s.c);
  const Line line{s, x, none.data(), s.c};
  const long m = line.length(), margin = line.margin();
  const long most = std::max<long>(32, static_cast<long>(kHeldBytes / 2) / (s.c * 2) / 32 * 32);
  const long held = std::min(most, (m / members + 63) / 32 * 32), apart = (held + 2 * margin) * 16;  // words between lines of channels
  const Scratch<float> rows(Slot::inputs, static_cast<size_t>(lines) * apart, members);
  const Scratch<long> places(Slot::places, static_cast<size_t>(held), members);
  const Scratch<float> products(Slot::products, 32 * 32, members);
  withAct(act, [&](auto kind) {
#pragma omp parallel num_threads(members)
    {
      const Half16* const added = plus;
      Half16* const made = y;
      const Tiles configured;
      const Team member = team();
      long from, to;
      member.share(m, &from, &to, 32);
      float *const a = rows.at(member.rank), *const sums = products.at(member.rank);
      long* const pixels = places.at(member.rank);
      for (long first = from; first < to; first += held) {
        const long count = std::min(held, to - first), all = (count + 31) / 32 * 32;
        for (long p = 0; p < all + 2 * margin; p++) {
          const auto* source = reinterpret_cast<const float*>(line.at(first - margin + p));
          for (int i = 0; i < lines; i++) S(a + i * apart + p * 16, L(source + i * 16));
        }
        for (long p = 0; p < all; p++) pixels[p] = p < count ? line.pixel(first + p) : -1;
        for (int n0 = 0; n0 < s.outs; n0 += 32) {
          const float* const b0 = words(packed) + static_cast<size_t>(n0 / 16) * steps * kTile;
          for (long r = 0; r < all; r += 32) {
            const float *b = b0, *const b1 = b0 + static_cast<size_t>(steps) * kTile;
            tileZero<0>(), tileZero<1>(), tileZero<2>(), tileZero<3>();
            for (int tap = 0; tap < 9; tap++) {
              const float* at = a + (r + margin + line.distance(tap)) * 16;
              for (int i = 0; i < lines; i++, at += apart, b += kTile) {
                tileLoad<4>(at, 16), tileLoad<6>(b, 16), tileLoad<7>(b1 + (b - b0), 16), tileLoad<5>(at + kTile, 16);
                tileDot<0, 4, 6>(), tileDot<1, 4, 7>(), tileDot<2, 5, 6>(), tileDot<3, 5, 7>();
              }
            }
            tileStore<0>(sums, 32), tileStore<1>(sums + 16, 32), tileStore<2>(sums + 512, 32), tileStore<3>(sums + 528, 32);
            for (long i = 0; i < 32; i++) {
              if (pixels[r + i] < 0) continue;
              const size_t to = static_cast<size_t>(pixels[r + i]) * s.outs + n0;
              finish(kind, sums + i * 32, bias ? bias + n0 : nullptr, added ? added + to : nullptr, made + to);
            }
          }
        }
      }
    }
  });
}

inline void columnsConv(const ConvFull& s, const Half16* x, const Half16* packed, const float* bias, const Half16* plus, Act act,
                        Half16* y) {
  const int taps = s.k * s.k, lines = s.c / kLine, steps = taps * lines;
  const long m = static_cast<long>(s.n) * s.oh * s.ow;
  const int members = threads();
  const long most = std::max<long>(1, static_cast<long>(kHeldBytes) / (steps * kTile * 4) / 2) * 32;
  const long held = std::min(most, (m / members + 63) / 32 * 32);
  const Array<Half16> none(s.c);
  const Scratch<float> rows(Slot::inputs, static_cast<size_t>(held / 16) * steps * kTile, members);
  const Scratch<float> products(Slot::products, 32 * 32, members);
  withAct(act, [&](auto kind) {
#pragma omp parallel num_threads(members)
    {
      const Half16* const added = plus;
      Half16* const made = y;
      const Tiles configured;
      const Team member = team();
      float *const a = rows.at(member.rank), *const sums = products.at(member.rank);
      long from, to;
      member.share(m, &from, &to, 32);
      for (long first = from; first < to; first += held) {
        const long count = std::min(held, to - first), all = (count + 31) / 32 * 32;
        Under under(s, x, none.data(), first);
        for (long r = 0; r < all; r++, under.next()) {
          float* out = a + r / 16 * steps * kTile + r % 16 * 16;
          for (int tap = 0; tap < taps; tap++) {
            const auto* source = reinterpret_cast<const float*>(r < count ? under.at(tap) : none.data());
            for (int i = 0; i < lines; i++, out += kTile, source += 16) S(out, L(source));
          }
        }
        for (int n0 = 0; n0 < s.outs; n0 += 32) {
          const float* const b = words(packed) + static_cast<size_t>(n0 / 16) * steps * kTile;
          for (long r = 0; r < all; r += 32) {
            fourTiles(a + r / 16 * steps * kTile, steps * kTile, b, steps * kTile, steps, sums, 32, false);
            const long end = std::min<long>(32, count - r);
            for (long i = 0; i < end; i++) {
              const size_t at = static_cast<size_t>(first + r + i) * s.outs + n0;
              finish(kind, sums + i * 32, bias ? bias + n0 : nullptr, added ? added + at : nullptr, made + at);
            }
          }
        }
      }
    }
  });
}

// How many parts the outputs make for one of `units`, so that every thread has work
inline int partsOf(int outs, int units) {
  int parts = 1;
  while (units * parts < 2 * threads() && outs / 32 % (parts * 2) == 0) parts *= 2;
  return parts;
}

// Tiles [outs / 16][apart] of g turned: 16 outputs x 32 pixels. `at(p)` is the pixel p of this block.
template <class At>
void turn(At at, long tiles, long apart, int outs, float* to) {
#pragma omp for schedule(static)
  for (long item = 0; item < tiles * (outs / 16); item++) {
    const long t = item % tiles, k = item / tiles;
    float* const tile = to + (k * apart + t) * kTile;
    for (int r = 0; r < 16; r++) S(tile + r * 16, pairs(at(t * 32 + 2 * r) + k * 16, at(t * 32 + 2 * r + 1) + k * 16));
    transpose(tile);
  }
}

inline void lineGrad(const ConvFull& s, const Half16* x, const Half16* g, float* dw) {
  const int lines = s.c / kLine, members = threads(), parts = partsOf(s.outs, 9 * lines);
  const Array<Half16> none(std::max(s.c, s.outs));
  const Line line{s, x, none.data(), s.c}, grads{s, g, none.data(), s.outs};
  const long all = (line.length() + 31) / 32 * 32, margin = line.margin();
  const long most = std::max<long>(256, (640L << 10) / (4 * s.c + 2 * s.outs) / 32 * 32), held = std::min(most, all);
  const long pairsHeld = held / 2 + margin;  // of places: those that begin with an even one, then those with an odd one
  const Scratch<float> turned(Slot::shared, static_cast<size_t>(held / 2) * s.outs);
  const Scratch<float> both(Slot::sharedToo, 2 * static_cast<size_t>(pairsHeld) * s.c);
  float *const gs = turned.get(), *const even = both.get(), *const odd = even + static_cast<size_t>(pairsHeld) * s.c;
  const int each = s.outs / 32 / parts;
  const long row = 9L * s.c;
#pragma omp parallel num_threads(members)
  {
    const Tiles configured;
    for (long first = 0; first < all; first += held) {
      const long count = std::min(held, all - first), tiles = count / 32;
      turn([&](long p) { return grads.at(first + p); }, tiles, held / 32, s.outs, gs);
#pragma omp for schedule(static)
      for (long j = 0; j < count / 2 + margin; j++) {
        const long place = first - margin + 2 * j;
        const Half16 *const one = line.at(place), *const two = line.at(place + 1), *const three = line.at(place + 2);
        for (int i = 0; i < s.c; i += 16) {
          S(even + (i / 16 * pairsHeld + j) * 16, pairs(one + i, two + i));
          S(odd + (i / 16 * pairsHeld + j) * 16, pairs(two + i, three + i));
        }
      }
#pragma omp for schedule(static)
      for (int unit = 0; unit < 9 * lines * parts; unit++) {
        const int part = unit % parts, tap = unit / parts / lines, c0 = unit / parts % lines * kLine;
        const long start = margin + line.distance(tap);
        const float* const xs = (start % 2 ? odd : even) + (c0 / 16 * pairsHeld + start / 2) * 16;
        for (int k = part * each * 32; k < (part + 1) * each * 32; k += 32)
          fourTiles(gs + k / 16 * (held / 32) * kTile, held / 32 * kTile, xs, pairsHeld * 16, static_cast<int>(tiles),
                    dw + k * row + static_cast<long>(tap) * s.c + c0, row, first > 0);
      }
    }
  }
}

inline void columnsGrad(const ConvFull& s, const Half16* x, const Half16* g, float* dw) {
  const int taps = s.k * s.k, lines = s.c / kLine, members = threads(), parts = partsOf(s.outs, taps * lines);
  const long m = static_cast<long>(s.n) * s.oh * s.ow, all = (m + 31) / 32 * 32;
  const long most = std::clamp<long>((256L << 10) / s.outs / 32 * 32, 256, 4096), held = std::min(most, all);
  const Array<Half16> none(std::max(s.c, s.outs));
  const Scratch<float> turned(Slot::shared, static_cast<size_t>(held / 2) * s.outs);  // g: tiles [outs / 16][held / 32]
  const Scratch<float> under(Slot::inputs, static_cast<size_t>(held / 32) * 2 * kTile, members);
  const Scratch<const Half16*> places(Slot::places, static_cast<size_t>(held), members);
  float* const gs = turned.get();
  const int each = s.outs / 32 / parts, units = taps * lines * parts;
  const long row = static_cast<long>(taps) * s.c;
#pragma omp parallel num_threads(members)
  {
    const Tiles configured;
    const int rank = team().rank;
    float* const xs = under.at(rank);
    const Half16** const at = places.at(rank);
    for (long first = 0; first < all; first += held) {
      const long count = std::min(held, all - first), tiles = count / 32;
      turn([&](long p) { return first + p < m ? g + (first + p) * s.outs : none.data(); }, tiles, held / 32, s.outs, gs);
      int known = -1, knownUnit = -1;
#pragma omp for schedule(static)
      for (int unit = 0; unit < units; unit++) {
        const int part = unit % parts, tap = unit / parts / lines, c0 = unit / parts % lines * kLine;
        if (tap != known) {
          Under pixel(s, x, none.data(), first);
          for (long p = 0; p < count; p++, pixel.next()) at[p] = pixel.at(tap);
          known = tap;
        }
        if (unit / parts != knownUnit)
          for (long t = 0; t < tiles; t++)
            for (int r = 0; r < 16; r++) {
              const Half16 *even = at[t * 32 + 2 * r] + c0, *odd = at[t * 32 + 2 * r + 1] + c0;
              S(xs + t * kTile + r * 16, pairs(even, odd));
              S(xs + (t + held / 32) * kTile + r * 16, pairs(even + 16, odd + 16));
            }
        knownUnit = unit / parts;
        for (int k = part * each * 32; k < (part + 1) * each * 32; k += 32)
          fourTiles(gs + k / 16 * (held / 32) * kTile, held / 32 * kTile, xs, held / 32 * kTile, static_cast<int>(tiles),
                    dw + k * row + static_cast<long>(tap) * s.c + c0, row, first > 0);
      }
    }
  }
}

}  // namespace
}  // namespace ANNEAL_ISA
}  // namespace anneal::kernels
#endif

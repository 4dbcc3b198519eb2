// The AMX kernels over software tiles, against those of AVX-512 BF16 and sums in float64. Built and run by
// test/torch/tiles.test.ts; prints a line for each comparison and ends with 1 where one fails.
#include "../../native/kernels/avx512.h"
#include "../../native/kernels/tiles.h"
#include "../../native/kernels/gemm.h"
#include "../../native/kernels/amx_selftest.h"

#include <cmath>
#include <cstdio>
#include <functional>
#include <random>

// Not built here, since nothing calls them:
const anneal::kernels::Kernels<float>* const anneal::kernels::tables::avx2 = nullptr;
const anneal::kernels::Kernels<float>* const anneal::kernels::tables::avx512 = nullptr;

using namespace anneal::kernels;
using Halves = std::vector<Half16>;
using Floats = std::vector<float>;
using At = std::function<double(long, long)>;  // a matrix

static std::mt19937 random_(7);
static int failed = 0;
static float wide(Half16 h) {
  const uint32_t bits = uint32_t(h.bits) << 16;
  float x;
  memcpy(&x, &bits, 4);
  return x;
}
static Half16 half(float x) {  // to the nearest, ties to even
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return {static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}
static Floats floats(size_t count, float low = -2, float high = 2) {
  std::uniform_real_distribution<float> draw(low, high);
  Floats out(count);
  for (auto& x : out) x = draw(random_);
  return out;
}
static Halves halves(size_t count) {
  Halves out;
  for (const float x : floats(count)) out.push_back(half(x));
  return out;
}
static void check(const char* what, int m, int k, int n, double off, double most) {
  printf("%s %d %d %d: %.1e of at most %.0e%s\n", what, m, k, n, off, most, off <= most ? "" : "  WRONG");
  failed |= !(off <= most);
}

static double larger(double most, double off) { return off <= most || std::isnan(most) ? most : off; }  // NaN is kept
// The largest difference from a b, relative to the sum of what is added there.
static double worst(int rows, int columns, int depth, const At& a, const At& b, const At& c, const At& before) {
  double most = 0;
  for (int r = 0; r < rows; r++)
    for (int q = 0; q < columns; q++) {
      double sum = before(r, q), size = 1e-30 + std::abs(sum);
      for (int d = 0; d < depth; d++) sum += a(r, d) * b(d, q), size += std::abs(a(r, d) * b(d, q));
      most = larger(most, std::abs(c(r, q) - sum) / size);
    }
  return most;
}
template <class P>
static At matrix(const P& p, long row, long column = 1) {
  return [&p, row, column](long r, long c) {
    if constexpr (std::is_same_v<P, Halves>)
      return wide(p[r * row + c * column]);
    else
      return p[r * row + c * column];
  };
}
static const At zeros = [](long, long) { return 0.; };
constexpr double ofFloat = 4e-7, ofHalf = 4e-3;  // float32 sums; one rounding to bfloat16

static void products(int rows, int k, int n) {
  const Tiles tiles{};
  const int kp = up(k, 32), np = up(n, 32);
  Halves a = halves(rows * kp), packed(packedSize<Half16>(k, n));
  for (int r = 0; r < rows; r++) std::fill(a.begin() + r * kp + k, a.begin() + (r + 1) * kp, Half16{0});
  Floats w = floats(n * k), c(rows * np, NAN), other(rows * np, NAN);
  for (auto& v : w) v = wide(half(v));
  pack(w.data(), 1, k, k, n, packed.data());
  times(a.data(), kp, rows, packed.data(), k, n, c.data(), np);
  check("times", rows, k, n, worst(rows, n, k, matrix(a, kp), matrix(w, 1, k), matrix(c, np), zeros), ofFloat);
  times<Half16>(a.data(), kp, rows, packed.data(), k, n, other.data(), np);
  double off = 0;
  for (int r = 0; r < rows; r++)
    for (int q = 0; q < np; q++)
      if (q < up(n, 16))
        off = larger(off, std::abs(c[r * np + q] - other[r * np + q]));
      else if (!std::isnan(c[r * np + q]))
        off = NAN;  // it wrote what is not the product's
  check("times, AVX-512", rows, k, n, off, 4 * k * ofFloat);
}
static void transposed(int rows, int pw, int qw) {
  const Tiles tiles{};
  const Halves p = halves(rows * pw), q = halves(rows * qw);
  const Floats before = floats(pw * qw);
  Floats sum = before;
  Floats pPairs(rows * pw / 2), qPairs(rows * qw / 2);
  timesTransposed(p.data(), pw, q.data(), qw, rows, sum.data(), true, pPairs.data(), qPairs.data());
  check("timesTransposed", rows, pw, qw,
        worst(pw, qw, rows, matrix(p, 1, pw), matrix(q, qw), matrix(sum, qw), matrix(before, qw)), ofFloat);
}

// |a - b| / |b| in the norm of all values
template <class P>
static double apart(const P& a, const P& b) {
  double error = 0, size = 0;
  const At x = matrix(a, 1), y = matrix(b, 1);
  for (size_t i = 0; i < a.size(); i++) error += std::pow(x(i, 0) - y(i, 0), 2), size += std::pow(y(i, 0), 2);
  return std::sqrt(error / (size + 1e-30));
}
struct Made {
  Halves z, gx;
  Floats dw;
  std::vector<double> sums;
};
static void whole(int m, int k, int n, bool normed, bool stem) {
  if (stem) k = 27;
  const int side = 2 * m + 1, np = up(n, 32), kp = up(k, 32);
  const Floats picture = floats(stem ? side * 9 * 3 : 0), w = floats(n * k);
  const Stem from{picture.data(), 3, side, 1, m, 0, 0};
  const Halves x = halves(m * k), g = halves(m * n), z = halves(m * n), plus = halves(m * k);
  const auto row = [](int c, float low, float high) {
    Floats out = floats(c, low, high);
    out.resize(up(c, 32));
    return out;
  };
  const Floats a = row(k, 1, 3), b = row(k, -1, 3), mean = row(k, -1, 1);
  const Floats A = row(n, 1, 2), B = row(n, -1, 1), C = row(n, -1, 1);
  const Norm norm = normed && !stem ? Norm{a.data(), b.data(), mean.data()} : Norm{};
  const NormGrad grad = normed ? NormGrad{A.data(), B.data(), C.data()} : NormGrad{};
  Made made[2];
  for (int i = 0; i < 2; i++) {
    const auto& kernels = i ? *forAvx512Bf16() : *forAmx();
    Made& o = made[i] = {Halves(m * n), Halves(m * k), Floats(n * k), std::vector<double>(2 * (np + kp))};
    double* s = o.sums.data();
    kernels.conv1x1(x.data(), stem ? &from : nullptr, norm, m, k, n, w.data(), nullptr, o.z.data(), {s, s + np});
    kernels.conv1x1Grad(g.data(), z.data(), grad, x.data(), stem ? &from : nullptr, norm, m, k, n, w.data(),
                          norm.a || stem ? nullptr : plus.data(), stem ? nullptr : o.gx.data(), o.dw.data(),
                          {s + 2 * np, s + 2 * np + kp});
  }
  const Made &o = made[0], &p = made[1];
  // The few values that lie between two of bfloat16 fall to either side.
  check("pointwise, AVX-512", m, k, n, apart(o.z, p.z), 5e-4);
  if (!stem) check("gradient of x, AVX-512", m, k, n, apart(o.gx, p.gx), 5e-4);
  check("gradient of w, AVX-512", m, k, n, apart(o.dw, p.dw), 2e-6);
  check("sums, AVX-512", m, k, n, apart(o.sums, p.sums), 5e-4);
  if (normed || stem) return;
  Floats v = w;
  for (auto& f : v) f = wide(half(f));
  check("pointwise", m, k, n, worst(m, n, k, matrix(x, k), matrix(v, 1, k), matrix(o.z, n), zeros), ofHalf);
  check("gradient of x", m, k, n, worst(m, k, n, matrix(g, n), matrix(v, k), matrix(o.gx, k), matrix(plus, k)), ofHalf);
  check("gradient of w", m, k, n, worst(n, k, m, matrix(g, 1, n), matrix(x, k), matrix(o.dw, k), zeros), ofFloat);
}

// Convolutions by tiles: forward, and both gradients
static void convolution(ConvFull s) {
  s.oh = (s.h + 2 * s.pad - s.k) / s.stride + 1, s.ow = (s.w + 2 * s.pad - s.k) / s.stride + 1;
  const int taps = s.k * s.k;
  const Halves x = halves(size_t(s.n) * s.h * s.w * s.c), g = halves(size_t(s.n) * s.oh * s.ow * s.outs);
  const Halves plus = halves(g.size());
  Floats w = floats(size_t(s.outs) * taps * s.c);
  for (auto& v : w) v = wide(half(v));
  const Floats scale(s.outs, 0.5f), bias = floats(s.outs);  // a scale that rounds nothing
  Halves packed(w.size()), back(w.size()), y(g.size()), gx(x.size());
  Floats dw(w.size());
  const auto& k = *forAmx();
  k.tilesPack(w.data(), scale.data(), s.c, s.outs, taps, false, packed.data());
  k.tilesConv(s, x.data(), packed.data(), bias.data(), plus.data(), Act::none, y.data());
  k.tilesGrad(s, x.data(), g.data(), dw.data());
  const bool has = s.stride == 1 || byPlaces(s);
  if (has) {
    k.tilesPack(w.data(), scale.data(), s.c, s.outs, taps, true, back.data());
    k.tilesConv({s.n, s.oh, s.ow, s.outs, s.k, 1, s.k - 1 - s.pad, s.h, s.w, s.c, s.stride}, g.data(), back.data(), nullptr, nullptr,
                Act::none, gx.data());
  }
  std::vector<double> ys(y.size()), sizes(y.size()), gxs(x.size()), gxSizes(x.size()), dws(w.size()), dwSizes(w.size());
  for (int n = 0; n < s.n; n++)
    for (int oy = 0; oy < s.oh; oy++)
      for (int ox = 0; ox < s.ow; ox++)
        for (int o = 0; o < s.outs; o++) {
          const size_t at = ((size_t(n) * s.oh + oy) * s.ow + ox) * s.outs + o;
          ys[at] = bias[o] + wide(plus[at]), sizes[at] = std::abs(bias[o]) + std::abs(wide(plus[at])) + 1e-30;
          for (int tap = 0; tap < taps; tap++) {
            const int iy = oy * s.stride - s.pad + tap / s.k, ix = ox * s.stride - s.pad + tap % s.k;
            if (iy < 0 || iy >= s.h || ix < 0 || ix >= s.w) continue;
            for (int c = 0; c < s.c; c++) {
              const size_t i = ((size_t(n) * s.h + iy) * s.w + ix) * s.c + c, v = (size_t(o) * taps + tap) * s.c + c;
              const double a = wide(x[i]), b = w[v] * 0.5, d = wide(g[at]);
              ys[at] += a * b, sizes[at] += std::abs(a * b);
              gxs[i] += d * b, gxSizes[i] += std::abs(d * b);
              dws[v] += d * a, dwSizes[v] += std::abs(d * a);
            }
          }
        }
  const auto off = [](const auto& found, const auto& exact, const auto& sizes, auto value) {
    double most = 0;
    for (size_t i = 0; i < exact.size(); i++) most = larger(most, std::abs(value(found[i]) - exact[i]) / (sizes[i] + 1e-30));
    return most;
  };
  const auto plain = [](float v) { return v; };
  check("convolution by tiles", s.n * s.oh * s.ow, s.c, s.outs, off(y, ys, sizes, wide), ofHalf);
  check("its gradient of w", s.n * s.oh * s.ow, s.c, s.outs, off(dw, dws, dwSizes, plain), ofFloat);
  if (has) check("its gradient of x", s.n * s.oh * s.ow, s.c, s.outs, off(gx, gxs, gxSizes, wide), ofHalf);
}

struct Shape {
  int n, h, w, cin, c, cout, k, stride;
  bool residual, stem;
};
// A whole block in training, with the statistics of the batch or kept ones
static void block(const Shape& t, bool batch) {
  const int in = t.stem ? 27 : t.cin, oh = (t.h + t.stride - 1) / t.stride, ow = (t.w + t.stride - 1) / t.stride;
  const int lines = up(t.c, 16), beyond = 512;
  const long ins = long(t.n) * t.h * t.w, outs = long(t.n) * oh * ow;
  const Depthwise d{t.n, t.h, t.w, t.c, oh, ow, t.k, t.stride, (t.k - 1) / 2, (t.k - 1) / 2};
  const Floats picture = floats(t.stem ? ins * 4 * 3 : 0), w1 = floats(t.c * in, -.5, .5), w2 = floats(t.c * t.k * t.k, -.5, .5),
               w3 = floats(t.cout * t.c, -.2, .2);
  const Halves x = halves(t.stem ? 0 : ins * t.cin), g = halves(outs * t.cout), z = halves(outs * t.cout);
  const auto row = [](int c, float low, float high) {
    Floats out = floats(c, low, high);
    out.resize(up(c, 32));
    return out;
  };
  // No value of the first layer comes near 6: rounded to 6 it would have no gradient.
  const Floats a1 = row(t.c, .1, .3), b1 = row(t.c, -1, 1), mean1 = row(t.c, -1, 1), a2 = row(t.c, 1, 2), b2 = row(t.c, -1, 3),
               mean2 = row(t.c, -1, 1), a3 = row(t.cout, 1, 2), b3 = row(t.cout, -1, 1), mean3 = row(t.cout, -1, 1);
  const Floats A = row(t.c, 1, 2), B = row(t.c, -.1, .1), C = row(t.c, -.1, .1), A3 = row(t.cout, 1, 2), B3 = row(t.cout, -.1, .1),
               C3 = row(t.cout, -.1, .1);
  const MobileBlock s{d, {picture.data(), 2 * t.h, 2 * t.w, t.h, t.w, 0, 0}, t.stem, t.residual, t.stem ? 3 : t.cin, t.cout,
                      w1.data(), w2.data(), w3.data(), {a1.data(), b1.data(), mean1.data()}, {a2.data(), b2.data(), mean2.data()},
                      {a3.data(), b3.data(), mean3.data()}};
  struct Out {
    Halves wide, deep, y, masked, gx, alone;
    Floats means, mixed, dw1, dw2, dw3;
    std::vector<double> sums;
  } made[2];
  const int np = up(std::max(t.c, t.cout), 32);
  for (int i = 0; i < 2; i++) {
    const auto& k = i ? *forAvx512Bf16() : *forAmx();
    Out& o = made[i];
    o = {Halves(i ? ins * lines : 0), Halves(outs * lines + beyond), Halves(outs * t.cout), Halves(outs * lines + beyond),
         Halves(t.stem ? 0 : ins * t.cin), Halves(outs * t.cout), Floats(in), Floats(t.c * in), Floats(w1.size()),
         Floats(w2.size()), Floats(w3.size()), std::vector<double>(8 * np)};
    double* r = o.sums.data();
    const auto sums = [&](int j) { return Sums{r + 2 * j * np, r + (2 * j + 1) * np}; };
    Half16* const gx = t.stem ? nullptr : o.gx.data();
    Half16* const wide = i ? o.wide.data() : nullptr;
    if (batch) {
      k.mobileStatistics(s, x.data(), o.means.data(), o.mixed.data(), sums(0));
      k.mobileBlock(s, x.data(), wide, o.deep.data(), nullptr, sums(1));
      k.mobileProject(s, o.deep.data(), o.y.data(), sums(2));
      k.mobileProjectGrad(s, g.data(), z.data(), {A3.data(), B3.data(), C3.data()}, o.deep.data(), o.masked.data(), o.dw3.data(),
                          sums(1));
      k.mobileBlockGrad(s, x.data(), wide, o.deep.data(), o.masked.data(), {A.data(), B.data(), C.data()}, gx, o.dw1.data(),
                        o.dw2.data(), o.dw3.data(), sums(3), {}, {});
      k.mobileFinish(s, x.data(), o.means.data(), o.mixed.data(), {A.data(), B.data(), C.data()}, r + 6 * np,
                     t.residual ? g.data() : nullptr, o.dw1.data(), gx);
    } else {
      k.mobileBlock(s, x.data(), wide, o.deep.data(), o.y.data(), {});
      k.mobileBlockGrad(s, x.data(), wide, o.deep.data(), g.data(), {}, gx, o.dw1.data(), o.dw2.data(), o.dw3.data(), sums(0),
                        sums(1), sums(2));
      if (!i) k.mobileBlock(s, x.data(), nullptr, nullptr, o.alone.data(), {});
    }
  }
  const Out &o = made[0], &p = made[1];
  const auto near = [&](const char* what, double off, double most) { check(what, t.cin, t.c, t.cout, off, most); };
  // Tiles compute the widest map again, while AVX-512 reads it rounded to bfloat16: dw2 differs by as much.
  near("block, AVX-512", apart(o.y, p.y), 1e-3);
  near("what block keeps, AVX-512", apart(o.deep, p.deep), 1e-3);
  if (batch) near("block's statistics, AVX-512", apart(o.mixed, p.mixed), 1e-5);
  if (batch) near("block's gradient between, AVX-512", apart(o.masked, p.masked), 1e-3);
  if (!t.stem) near("block's gradient of x, AVX-512", apart(o.gx, p.gx), 1e-3);
  near("block's gradient of w1, AVX-512", apart(o.dw1, p.dw1), 1e-3);
  near("block's gradient of w2, AVX-512", apart(o.dw2, p.dw2), 5e-3);
  near("block's gradient of w3, AVX-512", apart(o.dw3, p.dw3), 1e-4);
  near("block's sums, AVX-512", apart(o.sums, p.sums), 1e-3);
  if (!batch) near("block that keeps nothing", apart(o.alone, o.y), 0);
}

static void spoilt(const Half16* x, const Stem* stem, Norm norm, long m, int k, int n, const float* w, const Half16* packed, Half16* z,
                   Sums sums) {
  forAmx()->conv1x1(x, stem, norm, m, k, n, w, packed, z, sums);
  z[m * n / 2].bits ^= 1;
}

int main() {
  for (const int rows : {8, 16, 24, 32, 40, 48, 96})
    for (const auto& [k, n] : {std::pair{1, 1}, {3, 17}, {32, 16}, {33, 48}, {70, 40}, {96, 112}}) products(rows, k, n);
  for (const int rows : {32, 64, 96})
    for (const auto& [p, q] : {std::pair{16, 16}, {16, 48}, {32, 32}, {48, 16}, {48, 80}, {64, 96}})
      transposed(rows, p, q);
  for (const int count : {1, 2, 3}) {
    useThreads(count);
    for (const auto& [m, k, n] : {std::array{1, 1, 1}, {7, 3, 5}, {31, 16, 96}, {33, 32, 16}, {100, 40, 24},
                                  {289, 24, 144}, {577, 130, 64}})
      for (const bool normed : {false, true})
        for (const bool stem : {false, true}) whole(m, k, n, normed, stem);
    convolution({2, 7, 5, 32, 3, 1, 1, 0, 0, 64}), convolution({1, 1, 3, 64, 3, 1, 1, 0, 0, 32});
    convolution({3, 6, 9, 32, 3, 2, 1, 0, 0, 32}), convolution({2, 5, 5, 64, 1, 1, 0, 0, 0, 96});
    convolution({1, 20, 17, 32, 5, 1, 2, 0, 0, 32}), convolution({2, 9, 9, 32, 1, 2, 0, 0, 0, 64});
    convolution({18, 16, 16, 32, 1, 1, 0, 0, 0, 32});  // more pixels than are summed at a time
    // Pictures in tiles: none missing, and some; maps whose rows are held a few at a time
    convolution({32, 4, 4, 32, 3, 1, 1, 0, 0, 64}), convolution({30, 3, 5, 64, 3, 2, 1, 0, 0, 32});
    convolution({28, 6, 4, 32, 1, 2, 0, 0, 0, 32}), convolution({59, 1, 2, 32, 3, 1, 1, 0, 0, 32});
    convolution({32, 9, 40, 32, 5, 3, 2, 0, 0, 64}), convolution({27, 7, 3, 32, 2, 1, 0, 0, 0, 32});
    convolution({16, 4, 3, 64, 3, 1, 1, 0, 0, 96}), convolution({14, 5, 4, 32, 3, 2, 1, 0, 0, 64});
    convolution({47, 3, 3, 32, 3, 1, 1, 0, 0, 96}), convolution({20, 3, 4, 32, 3, 1, 1, 0, 0, 32});
    convolution({32, 14, 64, 32, 3, 2, 1, 0, 0, 32}), convolution({32, 9, 130, 32, 1, 4, 0, 0, 0, 32});
  }
  for (const int count : {1, 2}) {
    useThreads(count);
    for (const bool batch : {false, true}) {
      block({4, 9, 12, 16, 96, 24, 3, 1, false, false}, batch);
      block({4, 7, 7, 40, 112, 40, 5, 1, true, false}, batch);
      block({3, 18, 20, 24, 144, 40, 5, 2, false, false}, batch);
      block({2, 40, 38, 32, 52, 20, 3, 2, false, false}, batch);
      block({4, 2, 2, 64, 80, 64, 3, 1, true, false}, batch);
      block({2, 24, 24, 3, 32, 16, 3, 1, false, true}, batch);
    }
  }
  Kernels<Half16> wrong = *forAmx();
  wrong.conv1x1 = spoilt;
  const bool right = amxSelftest(*forAmx(), *forAvx512Bf16()), seen = !amxSelftest(wrong, *forAvx512Bf16());
  printf("self check: %s with the kernels, %s one bit that is wrong\n", right ? "agrees" : "WRONG: differs",
         seen ? "sees" : "WRONG: misses");
  return failed || !right || !seen;
}

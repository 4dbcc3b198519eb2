// Every kernel of every instruction set that is here, on small pictures: by one thread, by several, and from inside parallel
// regions, where OpenMP gives fewer threads than are asked for. Memory is as large as it has to be and no larger, so that a
// sanitizer sees what goes beyond. A line for each set; ends with 1 where results differ. tools/sanitize.ts builds and runs it.
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "../../native/kernels/kernels.h"

using namespace anneal::kernels;
using Results = std::vector<std::pair<std::string, std::vector<double>>>;

static float wide(float x) { return x; }
static float wide(Half16 h) {
  const uint32_t bits = uint32_t(h.bits) << 16;
  float x;
  memcpy(&x, &bits, 4);
  return x;
}
template <class T>
static T narrow(float x) {
  if constexpr (sizeof(T) == 4) {
    return x;
  } else {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return {static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
  }
}
static int up(int x, int k) { return (x + k - 1) / k * k; }

// All of it from one seed, so that every run has the same.
template <class T>
struct Suite {
  const Kernels<T>& k;
  Results& out;
  std::mt19937 random{7};

  // Exactly so many, on the heap
  template <class P = T>
  std::vector<P> some(size_t count, float low = -1, float high = 1) {
    std::uniform_real_distribution<float> draw(low, high);
    std::vector<P> made(count);
    for (auto& x : made) x = narrow<P>(draw(random));
    return made;
  }
  // A row of channels, padded with zeros as kernels take it
  std::vector<float> row(int c, float low = -1, float high = 1) {
    auto made = some<float>(c, low, high);
    made.resize(up(c, 32));
    return made;
  }
  template <class P>
  void keep(const char* name, const std::vector<P>& values) {
    std::vector<double> made;
    for (const auto& x : values)
      if constexpr (std::is_same_v<P, double>)
        made.push_back(x);
      else
        made.push_back(wide(x));
    out.emplace_back(name, std::move(made));
  }
  struct Rows {  // of a BatchNorm, and of its gradient
    std::vector<float> a, b, mean, A, B, C;
    Norm norm() const { return {a.data(), b.data(), mean.data()}; }
    NormGrad grad() const { return {A.data(), B.data(), C.data()}; }
  };
  Rows rows(int c) { return {row(c, .5, 1.5), row(c), row(c), row(c, .5, 1.5), row(c, -.1, .1), row(c, -.1, .1)}; }
  struct Doubles {
    std::vector<double> first, second;
    explicit Doubles(int c) : first(c), second(c) {}
    operator Sums() { return {first.data(), second.data()}; }
  };
  template <class P = T>
  std::vector<P> room(size_t count) {
    return std::vector<P>(count);
  }

  void pointwise(long m, int in, int n, bool stem, bool normed) {
    const int side = 2 * static_cast<int>(m) + 1;
    if (stem) in = 27;
    const auto picture = some<float>(stem ? side * 9 * 3 : 0), w = some<float>(static_cast<size_t>(n) * in);
    const Stem from{picture.data(), 3, side, 1, static_cast<int>(m), 0, 0};
    const auto x = some(m * in), g = some(m * n), z = some(m * n), plus = some(m * in);
    const Rows of = rows(in), after = rows(n);
    const Norm norm = normed && !stem ? of.norm() : Norm{};
    auto packed = room(k.packedSize(in, n));
    k.pack(w.data(), in, n, packed.data());
    auto y = room(m * n), gx = room(m * in);
    auto dw = room<float>(static_cast<size_t>(n) * in);
    Doubles forward(n), backward(in);
    k.conv1x1(stem ? nullptr : x.data(), stem ? &from : nullptr, norm, m, in, n, w.data(), nullptr, y.data(), forward);
    keep("pointwise", y), keep("pointwise's sums", forward.second);
    k.conv1x1(stem ? nullptr : x.data(), stem ? &from : nullptr, norm, m, in, n, w.data(), packed.data(), y.data(), {});
    keep("pointwise, packed", y);
    k.conv1x1Grad(g.data(), z.data(), after.grad(), stem ? nullptr : x.data(), stem ? &from : nullptr, norm, m, in, n,
                    w.data(), norm.a || stem ? nullptr : plus.data(), stem ? nullptr : gx.data(), dw.data(), backward);
    keep("conv1x1Grad", gx), keep("conv1x1Grad's dw", dw);
    if (norm.a) keep("conv1x1Grad's sums", backward.first);
  }

  static Depthwise shape(int n, int h, int w, int c, int size, int stride) {
    return {n, h, w, c, (h - 1) / stride + 1, (w - 1) / stride + 1, size, stride, size / 2, size / 2};
  }
  void depthwise(Depthwise d) {
    const auto x = some(size_t(d.n) * d.h * d.w * d.c), g = some(size_t(d.n) * d.oh * d.ow * d.c), z = some(g.size());
    const auto w = some<float>(size_t(d.c) * d.k * d.k);
    const Rows of = rows(d.c);
    auto y = room(g.size()), gx = room(x.size());
    auto dw = room<float>(w.size());
    Doubles sums(d.c), back(d.c);
    k.depthwise(d, x.data(), of.norm(), w.data(), y.data(), sums);
    keep("depthwise", y), keep("depthwise's sums", sums.second);
    k.depthwiseGrad(d, g.data(), z.data(), of.grad(), x.data(), of.norm(), w.data(), gx.data(), dw.data(), back);
    keep("depthwiseGrad", gx), keep("depthwiseGrad's dw", dw), keep("depthwiseGrad's sums", back.second);
  }

  void normalise(long m, int c) {
    const auto z = some(m * c), plus = some(m * c), g = some(m * c);
    const Rows of = rows(c);
    auto y = room(m * c), masked = room(m * c), dz = room(m * c);
    Doubles sums(c), back(c);
    k.moments(z.data(), m, c, sums);
    keep("moments", sums.first), keep("moments, squares", sums.second);
    k.normalise(z.data(), of.norm(), plus.data(), Act::relu, y.data(), m, c);
    keep("normalise", y);
    k.normaliseSums(g.data(), z.data(), y.data(), of.norm(), Act::relu, masked.data(), dz.data(), m, c, back);
    keep("normaliseSums", masked), keep("normaliseSums, kept", dz), keep("normaliseSums' sums", back.second);
    k.normaliseGrad(g.data(), z.data(), of.grad(), of.norm(), Act::relu6, dz.data(), m, c);
    keep("normaliseGrad", dz);
  }

  void conv3(Conv3 s) {
    if (!k.conv3) return;  // AMX has none
    const size_t ins = size_t(s.n) * s.h * s.w * s.c, outs = size_t(s.n) * s.h * s.w * s.k;
    const auto x = some(ins), plus = some(outs), g = some(outs);
    const auto w = some<float>(size_t(s.k) * 9 * s.c), scale = some<float>(s.k, .5, 1.5), bias = some<float>(s.k);
    auto packed = room(16 * size_t(s.c) * s.k), y = room(outs), masked = room(outs), gx = room(ins);
    auto dw = room<float>(w.size()), dscale = room<float>(s.k);
    auto dbias = room<double>(s.k);
    k.conv3Pack(w.data(), scale.data(), s.c, s.k, false, packed.data());
    k.conv3(s, x.data(), packed.data(), bias.data(), plus.data(), Act::relu, y.data());
    keep("conv3", y);
    k.conv3Grad(s, x.data(), g.data(), y.data(), Act::relu, masked.data(), w.data(), scale.data(), dw.data(), dscale.data(),
                dbias.data());
    keep("conv3Grad", masked), keep("conv3Grad's dw", dw), keep("conv3Grad's dscale", dscale), keep("conv3Grad's bias", dbias);
    k.conv3Pack(w.data(), nullptr, s.c, s.k, true, packed.data());
    k.conv3({s.n, s.h, s.w, s.k, s.c}, masked.data(), packed.data(), nullptr, nullptr, Act::none, gx.data());
    keep("conv3, back", gx);
  }

  void grouped(Grouped s) {
    if (!k.grouped) return;
    const size_t ins = size_t(s.n) * s.h * s.w * s.c, outs = size_t(s.n) * s.oh * s.ow * s.c;
    const auto x = some(ins), plus = some(outs), g = some(outs);
    const auto w = some<float>(size_t(s.c) * 9 * s.each), scale = some<float>(s.c, .5, 1.5), bias = some<float>(s.c);
    auto packed = room(w.size()), y = room(outs), gx = room(ins);
    auto dw = room<float>(w.size()), dscale = room<float>(s.c);
    k.groupedPack(w.data(), scale.data(), s.c, s.each, false, packed.data());
    k.grouped(s, x.data(), packed.data(), false, bias.data(), plus.data(), Act::relu, y.data());
    keep("grouped", y);
    k.groupedGrad(s, x.data(), g.data(), w.data(), scale.data(), dw.data(), dscale.data());
    keep("groupedGrad's dw", dw), keep("groupedGrad's dscale", dscale);
    k.groupedPack(w.data(), scale.data(), s.c, s.each, true, packed.data());
    k.grouped(s, g.data(), packed.data(), true, nullptr, nullptr, Act::none, gx.data());
    keep("grouped, back", gx);
  }

  void convStem(ConvStem s) {
    if (!k.convStem) return;
    s.oh = (s.h + 2 * s.pad - s.k) / s.stride + 1, s.ow = (s.w + 2 * s.pad - s.k) / s.stride + 1;
    const auto x = some(size_t(s.n) * s.h * s.w * s.c);
    const auto w = some<float>(size_t(s.outs) * s.k * s.k * s.c), scale = some<float>(s.outs), bias = some<float>(s.outs);
    auto y = room(size_t(s.n) * s.oh * s.ow * s.outs);
    k.convStem(s, x.data(), w.data(), scale.data(), bias.data(), Act::relu, y.data());
    keep("convStem", y);
  }

  void convTiles(ConvFull s) {
    if (!k.tilesConv) return;
    s.oh = (s.h + 2 * s.pad - s.k) / s.stride + 1, s.ow = (s.w + 2 * s.pad - s.k) / s.stride + 1;
    const size_t outs = size_t(s.n) * s.oh * s.ow * s.outs;
    const auto x = some(size_t(s.n) * s.h * s.w * s.c), plus = some(outs), g = some(outs);
    const auto w = some<float>(size_t(s.outs) * s.k * s.k * s.c), scale = some<float>(s.outs), bias = some<float>(s.outs);
    auto packed = room(w.size()), y = room(outs), gx = room(x.size());
    auto dw = room<float>(w.size());
    k.tilesPack(w.data(), scale.data(), s.c, s.outs, s.k * s.k, false, packed.data());
    k.tilesConv(s, x.data(), packed.data(), bias.data(), plus.data(), Act::relu, y.data());
    k.tilesGrad(s, x.data(), g.data(), dw.data());
    keep("tilesConv", y), keep("tilesGrad", dw);
    if (s.stride > 1 && !byPlaces(s)) return;
    k.tilesPack(w.data(), scale.data(), s.c, s.outs, s.k * s.k, true, packed.data());
    k.tilesConv({s.n, s.oh, s.ow, s.outs, s.k, 1, s.k - 1 - s.pad, s.h, s.w, s.c, s.stride}, g.data(), packed.data(), nullptr, nullptr,
                Act::none, gx.data());
    keep("tilesConv, back", gx);
  }

  void pool(int n, int pixels, int c) {
    const auto x = some(size_t(n) * pixels * c), g = some(size_t(n) * 2 * c);
    auto y = room(g.size()), gx = room(x.size());
    k.concatPool(x.data(), n, pixels, c, y.data());
    k.concatPoolGrad(x.data(), y.data(), g.data(), n, pixels, c, gx.data());
    keep("concatPool", y), keep("concatPoolGrad", gx);
  }

  void share(Curve f, int members, int rows, int width) {
    const auto x = some(size_t(members) * rows * width), g = some(x.size()), a = some(size_t(members) * width);
    auto y = room(x.size()), gx = room(x.size()), ga = room(a.size());
    if constexpr (sizeof(T) == 4) {
      k.activationShare(f, x.data(), a.data(), members, rows, width, y.data());
      k.activationShareGrad(f, x.data(), a.data(), g.data(), members, rows, width, gx.data(), ga.data());
      keep("activationShare", y), keep("activationShareGrad", gx), keep("activationShareGrad, a", ga);
    }
  }

  // A block of a mobile net in training, with kept statistics and with the batch's
  void mobile(Depthwise d, int cin, int cout, bool stem, bool residual, bool batch) {
    if (!k.mobileBlock) return;
    const int lines = up(d.c, 16), in = stem ? 27 : cin;
    const size_t ins = size_t(d.n) * d.h * d.w, outs = size_t(d.n) * d.oh * d.ow;
    const int side = 2 * d.h, across = 2 * d.w;
    const auto picture = some<float>(stem ? size_t(d.n) * side * across * 3 : 0);
    const auto x = some(stem ? 0 : ins * cin), g = some(outs * cout);
    const auto w1 = some<float>(size_t(d.c) * in), w2 = some<float>(size_t(d.c) * d.k * d.k), w3 = some<float>(size_t(cout) * d.c);
    const Rows n1 = rows(d.c), n2 = rows(d.c), n3 = rows(cout);
    const MobileBlock s{d, {picture.data(), side, across, d.h, d.w, 1, 1}, stem, residual, cin, cout, w1.data(), w2.data(),
                        w3.data(), n1.norm(), n2.norm(), n3.norm()};
    bool tiled = false;  // which computes the widest map again
    if constexpr (sizeof(T) == 2) tiled = &k == forAmx();
    const size_t beyond = tiled ? 512 : 0;  // zeros, which products of whole tiles read
    auto wide_ = room(tiled ? 0 : ins * lines), deep = room(outs * lines + beyond), y = room(outs * cout);
    auto gx = room(stem ? 0 : ins * cin);
    auto dw1 = room<float>(w1.size()), dw2 = room<float>(w2.size()), dw3 = room<float>(w3.size());
    Doubles one(d.c), two(d.c), three(cout);
    T* const toX = stem ? nullptr : gx.data();
    std::fill(deep.end() - static_cast<long>(beyond), deep.end(), T{});
    if (!batch) {
      k.mobileBlock(s, x.data(), wide_.data(), deep.data(), y.data(), {});
      keep("mobileBlock", y);
      k.mobileBlockGrad(s, x.data(), wide_.data(), deep.data(), g.data(), {}, toX, dw1.data(), dw2.data(), dw3.data(), one, two,
                        three);
      keep("mobileBlockGrad", gx), keep("mobileBlockGrad's dw3", dw3), keep("mobileBlockGrad's sums", three.second);
    } else {
      auto means = room<float>(in), mixed = room<float>(size_t(d.c) * in);
      auto masked = room(deep.size());
      k.mobileStatistics(s, x.data(), means.data(), mixed.data(), one);
      keep("mobileStatistics", means), keep("mobileStatistics' mixed", mixed), keep("mobileStatistics' sums", one.second);
      k.mobileBlock(s, x.data(), wide_.data(), deep.data(), nullptr, two);
      keep("mobileBlock's sums", two.second);
      k.mobileProject(s, deep.data(), y.data(), three);
      keep("mobileProject", y), keep("mobileProject's sums", three.second);
      k.mobileProjectGrad(s, g.data(), y.data(), n3.grad(), deep.data(), masked.data(), dw3.data(), two);
      keep("mobileProjectGrad's dw3", dw3), keep("mobileProjectGrad's sums", two.first);
      k.mobileBlockGrad(s, x.data(), wide_.data(), deep.data(), masked.data(), n2.grad(), toX, dw1.data(), dw2.data(), dw3.data(),
                        one, two, three);
      k.mobileFinish(s, x.data(), means.data(), mixed.data(), n1.grad(), one.first.data(),
                     residual ? g.data() : nullptr, dw1.data(), toX);
      keep("mobileFinish", gx);
    }
    keep("mobileBlockGrad's dw1", dw1), keep("mobileBlockGrad's dw2", dw2);
  }

  // All blocks of a net that predicts, of n pictures
  void body(int n) {
    struct Layer {
      std::vector<T> packed;
      std::vector<float> lines;
      Rows rows;
    };
    std::vector<std::unique_ptr<Layer>> layers;
    const auto folded = [&](int in, int outs, int deep) {
      layers.push_back(std::make_unique<Layer>());
      Layer& l = *layers.back();
      l.rows = rows(outs);
      const void* weights;
      if (deep) {
        l.lines = some<float>(size_t(up(outs, 16)) * deep * deep + 32);
        weights = l.lines.data();
      } else {
        const auto w = some<float>(size_t(outs) * in, -.3, .3);
        l.packed.resize(k.packedSize(in, outs));
        k.pack(w.data(), in, outs, l.packed.data());
        weights = l.packed.data();
      }
      return Folded{weights, l.rows.a.data(), l.rows.b.data()};
    };
    const int h = 24, w = 20;
    const auto pictures = some<float>(size_t(n) * 2 * h * 2 * w * 3);
    Part stem{}, block{}, last{};
    stem.hasStem = true, stem.stem = {pictures.data(), 2 * h, 2 * w, h, w, 1, 1};
    stem.deep = shape(1, h, w, 32, 3, 1), stem.cin = 27, stem.cout = 16;
    stem.first = folded(27, 32, 0), stem.middle = folded(0, 32, 3), stem.last = folded(32, 16, 0);
    block.deep = shape(1, h, w, 96, 5, 2), block.cin = 16, block.cout = 24;
    block.first = folded(16, 96, 0), block.middle = folded(0, 96, 5), block.last = folded(96, 24, 0);
    last.deep = shape(1, h / 2, w / 2, 24, 0, 1), last.cin = 24, last.cout = 40, last.deep.k = 0;
    last.last = folded(24, 40, 0);
    const Part parts[] = {stem, block, last};
    auto y = room(size_t(n) * (h / 2) * (w / 2) * 40);
    k.inferenceChain(parts, 3, n, pictures.data(), y.data());
    keep("body", y);
  }

  void views() {
    if (!k.views) return;
    const int n = 24;
    std::vector<std::vector<uint8_t>> pictures;
    std::vector<View> views;
    const auto curve = some<float>(kCurvePoints, 0, 1);
    const auto add = [&](int h, int w, int channels, auto change) {
      pictures.emplace_back(size_t(h) * w * channels);
      for (auto& p : pictures.back()) p = static_cast<uint8_t>(random() % 256);
      View v{};
      v.pixels = pictures.back().data(), v.h = h, v.w = w, v.channels = channels, v.row = static_cast<int>(views.size());
      v.map[0] = v.map[4] = v.map[8] = 1, v.ky = v.kx = 1, v.pad = kReflection;
      change(v);
      views.push_back(v);
    };
    const auto all = [&] {
      add(40, 50, 3, [](View& v) { v.plain = true, v.top = 3, v.left = 7; });
      add(40, 50, 3, [](View& v) {
        v.map[0] = .7, v.matrix = Matrix::alike, v.colour[0][0] = 1.2f, v.mean[0] = -.2f, v.add[0] = 4;
      });
      add(33, 1, 3, [](View& v) { v.map[1] = .3, v.pad = kZeros; });
      add(31, 29, 1, [&](View& v) { v.map[6] = .2, v.curve = curve.data(), v.pad = kBorder; });
      add(100, 90, 3, [&](View& v) {
        v.kx = 3, v.ky = 2, v.map[3] = .1, v.matrix = Matrix::mixed, v.curve = curve.data();
        for (int i = 0; i < 3; i++) v.colour[i][i] = 1, v.colour[i][(i + 1) % 3] = .3f, v.mean[i] = -.2f, v.add[i] = 3.f * i;
      });
    };
    all();
    const float scale[] = {.1f, .2f, .3f}, shift[] = {1, 2, 3};
    for (const int count : {5, 1}) {
      auto made = room<float>(size_t(count) * n * n * 3);
      k.views(views.data(), count, n, 3, scale, shift, made.data());
      keep("views", made);
    }
  }

  void updates() {
    if (!k.adam) return;
    const std::vector<size_t> sizes{1, 15, 33, 9000, 20000};
    std::vector<std::vector<float>> values, grads, first, second;
    std::vector<Weights> weights;
    for (const size_t size : sizes) {
      values.push_back(some<float>(size)), grads.push_back(some<float>(size));
      first.push_back(some<float>(size)), second.push_back(some<float>(size, 0, 1));
    }
    for (size_t i = 0; i < sizes.size(); i++)
      weights.push_back({values[i].data(), grads[i].data(), first[i].data(), second[i].data(), static_cast<long>(sizes[i])});
    const int count = static_cast<int>(weights.size());
    k.adam(weights.data(), count, {1e-2, .9f, .99f, 1e-5f, 1e-2f, true, 3});
    k.sgd(weights.data(), count, {1e-2f, .9f, 1e-2f, true});
    k.blend(weights.data(), count, .9);
    for (const auto& v : values) keep("updates", v);
    std::vector<uint32_t> state(kTwister, 1);
    for (auto& word : state) word = static_cast<uint32_t>(random());
    int at = 600;
    auto drawn = room<float>(1000);
    k.bernoulli(state.data(), &at, .3, 1000, drawn.data());
    keep("bernoulli", drawn);
  }

  void all() {
    pointwise(70, 40, 72, false, true), pointwise(300, 96, 24, false, false), pointwise(33, 3, 130, true, false);
    pointwise(5, 16, 16, false, true);
    for (const int size : {3, 5})
      for (const int stride : {1, 2}) depthwise(shape(3, 11, 12, 40, size, stride));
    normalise(7, 20), normalise(333, 96);
    conv3({2, 9, 10, 64, 32}), conv3({1, 4, 4, 32, 64});
    for (const int each : {4, 8, 16, 32})
      for (const int stride : {1, 2}) grouped({2, 7, 8, 64, each, stride, 6 / stride + 1, 7 / stride + 1});
    convTiles({2, 9, 10, 64, 3, 1, 1, 0, 0, 32}), convTiles({3, 7, 8, 32, 3, 2, 1, 0, 0, 96}), convTiles({1, 2, 3, 32, 1, 1, 0, 0, 0, 32});
    convTiles({32, 5, 3, 64, 3, 2, 1, 0, 0, 32}), convTiles({27, 14, 64, 32, 3, 2, 1, 0, 0, 32});
    convTiles({32, 4, 4, 32, 3, 1, 1, 0, 0, 64}), convTiles({14, 3, 5, 32, 3, 2, 1, 0, 0, 96});
    convStem({2, 20, 22, sizeof(T) == 2 ? 4 : 3, 7, 2, 3, 0, 0, 40});
    pool(3, 12, 40);
    share(Curve::mish, 2, 5, 70), share(Curve::selu, 1, 9, 64);
    for (const bool batch : {false, true}) {
      mobile(shape(16, 6, 8, 48, 3, 1), 16, 16, false, true, batch);
      mobile(shape(16, 7, 7, 40, 5, 1), 24, 20, false, false, batch);
      mobile(shape(16, 12, 14, 48, 3, 2), 16, 24, false, false, batch);
      mobile(shape(16, 10, 8, 32, 3, 1), 3, 16, true, false, batch);
    }
    for (const int n : {1, 3, 9}) body(n);
    views(), updates();
  }
};

static int failed = 0;
template <class T>
static Results made(const Kernels<T>& kernels, int count) {
  useThreads(count);
  Results out;
  Suite<T>{kernels, out}.all();
  return out;
}
// The worst difference, relative to the size of all values of a result; 0: the same bits
static double apart(const Results& a, const Results& b) {
  if (a.size() != b.size()) return INFINITY;
  double worst = 0;
  for (size_t i = 0; i < a.size(); i++) {
    if (a[i].first != b[i].first || a[i].second.size() != b[i].second.size()) return INFINITY;
    double error = 0, size = 1e-30;
    for (size_t j = 0; j < a[i].second.size(); j++)
      error += std::pow(a[i].second[j] - b[i].second[j], 2), size += std::pow(b[i].second[j], 2);
    const double off = std::sqrt(error / size);
    if (!(off <= worst)) worst = std::isnan(off) ? INFINITY : off;
    if (!(off < 2e-2)) printf("  %s differs by %.1e\n", a[i].first.c_str(), off);
  }
  return worst;
}
static void check(const char* set, const char* how, double off, double most) {
  printf("%s, %s: %.1e of at most %.0e%s\n", set, how, off, most, off <= most ? "" : "  WRONG");
  failed |= !(off <= most);
}

template <class T>
static void whole(const char* set, const Kernels<T>* kernels, const std::vector<int>& counts, bool nested) {
  if (!kernels) return;
  const Results one = made(*kernels, 1);
  printf("%s: %zu results\n", set, one.size());
  const double most = sizeof(T) == 2 ? 1e-2 : 1e-5;
  for (const int count : counts) {
    const Results several = made(*kernels, count);
    check(set, ("by " + std::to_string(count) + " threads, beside one").c_str(), apart(several, one), most);
    if (!getenv("OMP_DYNAMIC")) check(set, "the same again", apart(made(*kernels, count), several), 0);
  }
  if (!nested) return;
  for (const int levels : {1, 2, 3}) {  // at 1 a region inside another has one thread; beyond, what the system gives
    omp_set_max_active_levels(levels);
    Results inside[2];
#pragma omp parallel num_threads(2)
    inside[omp_get_thread_num()] = made(*kernels, 3);
    for (int i = 0; i < 2; i++)
      if (!inside[i].empty()) check(set, ("inside a region, levels " + std::to_string(levels)).c_str(), apart(inside[i], one), most);
  }
  omp_set_max_active_levels(1);
}

#ifdef ANNEAL_PLAIN
namespace anneal::kernels::tables {
extern const Kernels<float>* const plain;  // plain.cpp
extern const Kernels<Half16>* const plainBf16;
}  // namespace anneal::kernels::tables

// Beside plain loops. A set that must be here and is not is wrong, too.
template <class T>
static void beside(const char* set, const Kernels<T>* kernels, const Kernels<T>* plain) {
  if (!kernels) return check(set, "not on this processor", INFINITY, 0);
  check(set, "beside plain loops", apart(made(*kernels, 1), made(*plain, 1)), sizeof(T) == 2 ? 1e-3 : 1e-6);
}
#endif

// kernels [threads,threads,…] [alone]: with `alone` not from inside parallel regions
int main(int argc, char** argv) {
  std::vector<int> counts;
  for (const char* p = argc > 1 ? argv[1] : "2,3,8"; *p; p += strcspn(p, ","), p += *p == ',') counts.push_back(atoi(p));
  const bool nested = argc < 3;
  whole("avx2", forAvx2(), counts, nested);
  whole("avx512", forAvx512(), counts, nested);
  whole("avx512_bf16", forAvx512Bf16(), counts, nested);
  whole("amx", forAmx(), counts, nested);
  whole("neon", forNeon(), counts, nested);
  whole("neon_bf16", forNeonBf16(), counts, nested);
#if defined(ANNEAL_PLAIN) && defined(__aarch64__)
  beside("neon", forNeon(), tables::plain);
  beside("neon_bf16", forNeonBf16(), tables::plainBf16);
#elif defined(ANNEAL_PLAIN)
  beside("avx2", forAvx2(), tables::plain);
  if (forAvx512Bf16()) beside("avx512_bf16", forAvx512Bf16(), tables::plainBf16);
#endif
  printf("done\n");
  return failed;
}

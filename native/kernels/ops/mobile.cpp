// Blocks of mobile nets (expand or the stem, depthwise, project) and a 1 x 1 convolution with BatchNorm and ReLU6, with their
// gradients.
#include <torch/library.h>

#include <cstring>

#include "mobile.h"

namespace anneal::kernels {
namespace {

constexpr long kCached = 8 << 20;
constexpr int kOddPixels = 1024;  // of a map whose rows are odd, at most
constexpr int64_t kBeyond = 512;
constexpr long kPixelsEach = 16;  // a channel, so that its covariance with others pays

struct Shape {
  Depthwise d;
  Stem stem;
  bool hasStem, residual, half;
  Statistics statistics;
  long inputs() const { return static_cast<long>(d.n) * d.h * d.w; }
  long outputs() const { return static_cast<long>(d.n) * d.oh * d.ow; }
};

struct Forward {
  Tensor out, z1, z2, z3, n1, n2, n3;
  // Of mobileForward: wide maps are planes; the first layer's weights times the covariance of its inputs, and those' means
  bool planes = false;
  Tensor mixed, means;
};
template <class T>
Forward blockForward(const Shape& s, const Tensor& x, const Layer& expand, const Layer& deep, const Layer& project,
                     const Tensor& into = {}, const Tensor& packedExpand = {}, const Tensor& packedProject = {}) {
  const auto& k = use<T>();
  const auto& d = s.d;
  const int cin = s.hasStem ? 27 : static_cast<int>(x.size(1)), cout = static_cast<int>(project[0].size(0));
  const bool batch = s.statistics.ofBatch;
  Forward f;
  Sum wide(d.c), narrow(cout);
  const auto sums = [&](Sum& of) { return batch ? Sums(of) : Sums{}; };
  f.z1 = image(d.n, d.c, d.h, d.w, kType<T>);
  k.conv1x1(s.hasStem ? nullptr : data<T>(x), s.hasStem ? &s.stem : nullptr, {}, s.inputs(), cin, d.c,
              data<float>(expand[0]), data<T>(packedExpand), data<T>(f.z1), sums(wide));
  f.n1 = normOf(expand, wide.first, wide.second, s.inputs(), s.statistics);
  f.z2 = image(d.n, d.c, d.oh, d.ow, kType<T>);
  k.depthwise(d, data<T>(f.z1), view(f.n1), data<float>(deep[0]), data<T>(f.z2), sums(wide));
  f.n2 = normOf(deep, wide.first, wide.second, s.outputs(), s.statistics);
  f.z3 = image(d.n, cout, d.oh, d.ow, kType<T>);
  k.conv1x1(data<T>(f.z2), nullptr, view(f.n2), s.outputs(), d.c, cout, data<float>(project[0]),
              data<T>(packedProject), data<T>(f.z3), sums(narrow));
  f.n3 = normOf(project, narrow.first, narrow.second, s.outputs(), s.statistics);
  f.out = into.defined() ? into : at::empty_like(f.z3);
  k.normalise(data<T>(f.z3), view(f.n3), s.residual ? data<T>(x) : nullptr, Act::none, data<T>(f.out), s.outputs(), cout);
  return f;
}

// Whether a kernel runs the whole block (mobile.h). In bfloat16 two pixels are one word.
template <class T>
bool wholeBlock(const Shape& s, const Tensor& x, int cout) {
  const auto& d = s.d;
  const int threads = at::get_num_threads();
  if (!use<T>().mobileBlock || d.n < threads) return false;
  if (s.statistics.ofBatch && s.inputs() < kPixelsEach * x.size(1)) return false;
  if (sizeof(T) == 4) return true;
  const bool rows = d.w % 2 == 0 && d.ow % 2 == 0, pixels = d.h * d.w % 2 == 0 && d.oh * d.ow % 2 == 0;
  return (s.hasStem || x.size(1) % 2 == 0) && cout % 2 == 0 && (d.stride == 1 || d.w % 2 == 0) &&
         (pixels || d.n % (2 * threads) == 0) && (rows || d.h * d.w <= kOddPixels);
}
// Whether the gradients compute the widest map again (AMX)
template <class T>
bool recomputes() {
  const auto& k = use<T>();
  if constexpr (sizeof(T) == 2) return &k == amx();
  return false;
}
MobileBlock kernelBlock(const Shape& s, const Tensor& x, const Tensor& w1, const Tensor& w2, const Tensor& w3) {
  return {s.d, s.stem, s.hasStem, s.residual, static_cast<int>(x.size(1)), static_cast<int>(w3.size(0)),
          data<float>(w1), data<float>(w2), data<float>(w3), {}, {}, {}};
}

// Without gradients nothing is kept: some pictures at a time, so that their wide maps stay in the caches
template <class T>
Tensor blockInference(const Shape& s, const Tensor& x, const Layer& expand, const Layer& deep, const Layer& project,
                      const Tensor& expandWeight, const Tensor& projectWeight) {
  const auto& d = s.d;
  const int cin = s.hasStem ? 27 : static_cast<int>(x.size(1)), cout = static_cast<int>(project[0].size(0));
  const Tensor first = packed<T>(expandWeight, expand[0], cin, d.c), last = packed<T>(projectWeight, project[0], d.c, cout);
  const Tensor out = image(d.n, project[0].size(0), d.oh, d.ow, kType<T>);
  if (recomputes<T>() && !s.statistics.ofBatch && wholeBlock<T>(s, x, cout)) {
    MobileBlock block = kernelBlock(s, x, expand[0], deep[0], project[0]);
    const Tensor n1 = normOf(expand, {}, {}, 1, s.statistics), n2 = normOf(deep, {}, {}, 1, s.statistics),
                 n3 = normOf(project, {}, {}, 1, s.statistics);
    block.n1 = view(n1), block.n2 = view(n2), block.n3 = view(n3);
    block.packed1 = data<T>(first), block.packed3 = data<T>(last);
    use<T>().mobileBlock(block, data<T>(x), nullptr, nullptr, data<T>(out), {});
    return out;
  }
  const long bytes = static_cast<long>(d.h * d.w + d.oh * d.ow) * d.c * static_cast<long>(sizeof(T));
  const int few = std::max<int>(at::get_num_threads(), static_cast<int>(kCached / std::max(1L, bytes)));
  const int each = s.statistics.ofBatch ? d.n : std::min(d.n, few);
  for (int from = 0; from < d.n; from += each) {
    Shape part = s;
    part.d.n = std::min(each, d.n - from);
    if (s.hasStem) part.stem.picture += static_cast<long>(from) * s.stem.h * s.stem.w * 3;
    blockForward<T>(part, x.narrow(0, from, part.d.n), expand, deep, project, out.narrow(0, from, part.d.n), first,
                    last);
  }
  return out;
}

// --- the same with kernels that run the whole block (mobile.h)

template <class T>
Forward mobileForward(const Shape& s, const Tensor& x, const Layer& expand, const Layer& deep, const Layer& project) {
  const auto& k = use<T>();
  const auto& d = s.d;
  MobileBlock block = kernelBlock(s, x, expand[0], deep[0], project[0]);
  Forward f;
  f.planes = true;
  Sum wide(d.c), narrow(block.cout);
  const auto planes = [&](long pixels) {  // and what products of whole tiles read after them
    const int64_t count = pixels * ((d.c + 15) / 16 * 16), more = recomputes<T>() ? kBeyond : 0;
    const Tensor made = at::empty({count + more}, kType<T>);
    std::memset(static_cast<void*>(data<T>(made) + count), 0, static_cast<size_t>(more) * sizeof(T));
    return made;
  };
  if (!recomputes<T>()) f.z1 = planes(s.inputs());
  f.z2 = planes(s.outputs());
  f.out = image(d.n, block.cout, d.oh, d.ow, kType<T>);
  const auto normed = [&](Norm& norm, const Layer& layer, Sum& sum, long m) {
    const Tensor out = normOf(layer, sum.first, sum.second, m, s.statistics);
    norm = view(out);
    return out;
  };
  if (!s.statistics.ofBatch) {
    f.n1 = normed(block.n1, expand, wide, s.inputs());
    f.n2 = normed(block.n2, deep, wide, s.outputs());
    f.n3 = normed(block.n3, project, narrow, s.outputs());
    k.mobileBlock(block, data<T>(x), data<T>(f.z1), data<T>(f.z2), data<T>(f.out), {});
    return f;
  }
  const int64_t inputs = s.hasStem ? 27 : block.cin;
  f.means = at::empty({inputs});
  f.mixed = at::empty({d.c, inputs});
  k.mobileStatistics(block, data<T>(x), data<float>(f.means), data<float>(f.mixed), wide);
  f.n1 = normed(block.n1, expand, wide, s.inputs());
  k.mobileBlock(block, data<T>(x), data<T>(f.z1), data<T>(f.z2), nullptr, wide);
  f.n2 = normed(block.n2, deep, wide, s.outputs());
  f.z3 = at::empty_like(f.out);
  k.mobileProject(block, data<T>(f.z2), data<T>(f.z3), narrow);
  f.n3 = normed(block.n3, project, narrow, s.outputs());
  k.normalise(data<T>(f.z3), view(f.n3), s.residual ? data<T>(x) : nullptr, Act::none, data<T>(f.out), s.outputs(), block.cout);
  return f;
}

template <class T>
variable_list mobileBackward(const Shape& s, const variable_list& saved, const Tensor& g) {
  const auto& k = use<T>();
  TORCH_CHECK(k.mobileBlockGrad && recomputes<T>() != saved[4].defined(), "other kernels were chosen between forward and backward");
  const Tensor &x = saved[0], &w1 = saved[1], &w2 = saved[2], &w3 = saved[3], &wide = saved[4], &deep = saved[5], &z3 = saved[6],
               &n1 = saved[7], &n2 = saved[8], &n3 = saved[9], &mixed = saved[10], &means = saved[11];
  MobileBlock block = kernelBlock(s, x, w1, w2, w3);
  block.n1 = view(n1), block.n2 = view(n2), block.n3 = view(n3);
  Sum first(s.d.c), second(s.d.c), third(block.cout);
  Tensor dw1 = at::empty_like(w1), dw2 = at::empty_like(w2), dw3 = at::empty_like(w3), gx;
  if (!s.hasStem) gx = at::empty_like(x);
  const auto grads = [&](const Tensor& from, NormGrad grad2) {
    k.mobileBlockGrad(block, data<T>(x), data<T>(wide), data<T>(deep), data<T>(from), grad2, data<T>(gx), data<float>(dw1),
                      data<float>(dw2), data<float>(dw3), first, second, third);
  };
  const bool batch = mixed.defined();
  const long inputs = s.inputs(), outputs = s.outputs();
  Back b2, b3;
  if (batch) {
    k.normaliseSums(data<T>(g), data<T>(z3), nullptr, block.n3, Act::none, nullptr, nullptr, outputs, block.cout, third);
    b3 = backOf(n3, third.first, third.second, outputs, true);
    const Tensor masked = at::empty_like(deep);
    k.mobileProjectGrad(block, data<T>(g), data<T>(z3), b3.view(), data<T>(deep), data<T>(masked), data<float>(dw3), second);
    b2 = backOf(n2, second.first, second.second, outputs, true);
    grads(masked, b2.view());
  } else {
    grads(g, {});
    b3 = backOf(n3, third.first, third.second, outputs, false);
    b2 = backOf(n2, second.first, second.second, outputs, false);
  }
  const Back b1 = backOf(n1, first.first, first.second, inputs, batch);
  if (batch)
    k.mobileFinish(block, data<T>(x), data<float>(means), data<float>(mixed), b1.view(), first.first.data(),
                   s.residual ? data<T>(g) : nullptr, data<float>(dw1), data<T>(gx));
  return {gx, dw1, b1.gamma, b1.beta, dw2, b2.gamma, b2.beta, dw3, b3.gamma, b3.beta};
}

template <class T>
variable_list blockBackward(const Shape& s, const variable_list& saved, const Tensor& g) {
  if (saved.size() > 10) return mobileBackward<T>(s, saved, g);
  const auto& k = use<T>();
  const auto& d = s.d;
  const Tensor &x = saved[0], &w1 = saved[1], &w2 = saved[2], &w3 = saved[3], &z1 = saved[4], &z2 = saved[5],
               &z3 = saved[6], &n1 = saved[7], &n2 = saved[8], &n3 = saved[9];
  const int cin = s.hasStem ? 27 : static_cast<int>(x.size(1)), cout = static_cast<int>(w3.size(0));
  const bool batch = s.statistics.ofBatch;
  Sum wide(d.c), narrow(cout);
  k.normaliseSums(data<T>(g), data<T>(z3), nullptr, view(n3), Act::none, nullptr, nullptr, s.outputs(), cout, narrow);
  const Back b3 = backOf(n3, narrow.first, narrow.second, s.outputs(), batch);
  Tensor g2 = at::empty_like(z2), dw1 = at::empty_like(w1), dw2 = at::empty_like(w2), dw3 = at::empty_like(w3), gx;
  k.conv1x1Grad(data<T>(g), data<T>(z3), b3.view(), data<T>(z2), nullptr, view(n2), s.outputs(), d.c, cout,
                  data<float>(w3), nullptr, data<T>(g2), data<float>(dw3), wide);
  const Back b2 = backOf(n2, wide.first, wide.second, s.outputs(), batch);
  const Tensor g1 = at::empty_like(z1);
  k.depthwiseGrad(d, data<T>(g2), data<T>(z2), b2.view(), data<T>(z1), view(n1), data<float>(w2), data<T>(g1),
                  data<float>(dw2), wide);
  const Back b1 = backOf(n1, wide.first, wide.second, s.inputs(), batch);
  if (!s.hasStem) gx = at::empty_like(x);
  k.conv1x1Grad(data<T>(g1), data<T>(z1), b1.view(), s.hasStem ? nullptr : data<T>(x), s.hasStem ? &s.stem : nullptr,
                  {}, s.inputs(), cin, d.c, data<float>(w1), s.residual ? data<T>(g) : nullptr, data<T>(gx),
                  data<float>(dw1), {});
  return {gx, dw1, b1.gamma, b1.beta, dw2, b2.gamma, b2.beta, dw3, b3.gamma, b3.beta};
}

struct Block : torch::autograd::Function<Block> {
  template <class T>
  static Forward made(const Shape& s, const Tensor& x, const Layer& expand, const Layer& deep, const Layer& project) {
    return wholeBlock<T>(s, x, static_cast<int>(project[0].size(0))) ? mobileForward<T>(s, x, expand, deep, project)
                                                                     : blockForward<T>(s, x, expand, deep, project);
  }
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& w1, const Tensor& g1, const Tensor& b1,
                        const Tensor& w2, const Tensor& g2, const Tensor& b2, const Tensor& w3, const Tensor& g3,
                        const Tensor& b3, const std::vector<Tensor>& running, const Shape& s) {
    const Layer expand{w1, g1, b1, running[0], running[1]}, deep{w2, g2, b2, running[2], running[3]},
        project{w3, g3, b3, running[4], running[5]};
    auto f = s.half ? made<Half16>(s, x, expand, deep, project) : made<float>(s, x, expand, deep, project);
    variable_list kept{x, w1, w2, w3, f.z1, f.z2, f.z3, f.n1, f.n2, f.n3};
    if (f.planes) kept.insert(kept.end(), {f.mixed, f.means});
    ctx->save_for_backward(kept);
    ctx->saved_data["shape"] = pack(s);
    return f.out;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    onlyOnce();
    const auto saved = ctx->get_saved_variables();
    Shape s = unpack(ctx->saved_data["shape"].toIntVector());
    if (s.hasStem) s.stem.picture = data<float>(saved[0]);
    const Tensor g = grads[0].contiguous(kNhwc);
    ran(s.hasStem ? Op::stem_block_backward : Op::inverted_residual_backward, s.half);
    auto out = s.half ? blockBackward<Half16>(s, saved, g) : blockBackward<float>(s, saved, g);
    out.resize(12);
    return out;
  }
  static std::vector<int64_t> pack(const Shape& s) {
    const auto &d = s.d;
    const auto &i = s.stem;
    return {d.n, d.h, d.w, d.c, d.oh, d.ow, d.k, d.stride, d.top, d.left, i.h, i.w, i.oh, i.ow, i.top, i.left,
            s.hasStem, s.residual, s.half, s.statistics.ofBatch};
  }
  static Shape unpack(const std::vector<int64_t>& v) {
    const auto at = [&](int i) { return static_cast<int>(v[i]); };
    return {{at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7), at(8), at(9)},
            {nullptr, at(10), at(11), at(12), at(13), at(14), at(15)},
            v[16] != 0, v[17] != 0, v[18] != 0, {v[19] != 0, 0, 0}};
  }
};

}  // namespace

Tensor mobileBlock(Tensor x, const Layer& first, const Layer& second, const Layer& third, int64_t stride, bool same,
           bool residual, bool isStem, bool half, Statistics statistics) {
  checkMaps("x", x, isStem ? 3 : 0);
  const auto sizes = checkBlock(first, second, third, isStem, x.size(1), stride, residual);
  checkBatchNorm(statistics.eps, statistics.momentum);
  checkStatistics(x, statistics.ofBatch);
  const bool learning = learns({&first, &second, &third}, x);
  TORCH_CHECK(!isStem || !learning || !x.requires_grad(), "x: a stem has no gradient of its pictures; got one that requires it");
  const auto k = sizes.k;
  x = x.to(half && !isStem ? at::kBFloat16 : at::kFloat).contiguous(kNhwc);
  Shape s{};
  s.hasStem = isStem, s.residual = residual, s.half = half, s.statistics = statistics;
  auto& d = s.d;
  d.n = static_cast<int>(x.size(0)), d.h = static_cast<int>(x.size(2)), d.w = static_cast<int>(x.size(3));
  if (isStem) {
    auto& i = s.stem;
    i.picture = data<float>(x), i.h = d.h, i.w = d.w;
    i.top = static_cast<int>(sidesOf(i.h, 3, 2, same, &i.oh)), i.left = static_cast<int>(sidesOf(i.w, 3, 2, same, &i.ow));
    d.h = i.oh, d.w = i.ow;
  }
  d.c = static_cast<int>(first[0].size(0)), d.k = static_cast<int>(k), d.stride = static_cast<int>(stride);
  d.top = static_cast<int>(sidesOf(d.h, k, stride, same, &d.oh));
  d.left = static_cast<int>(sidesOf(d.w, k, stride, same, &d.ow));
  checkMade("x", x, sizes.middle, d.h, d.w), checkMade("x", x, sizes.outputs, d.oh, d.ow);
  if (d.n == 0) {
    Layer all{x};
    for (const auto* layer : {&first, &second, &third}) all.insert(all.end(), layer->begin(), layer->begin() + 3);
    return madeOfNone({0, sizes.outputs, d.oh, d.ow}, half ? at::kBFloat16 : at::kFloat, all);
  }
  const Layer a = ready(first), b = ready(second), c = ready(third);
  ran(isStem ? Op::stem_block : Op::inverted_residual, half);
  if (learning)
    return Block::apply(x, a[0], a[1], a[2], b[0], b[1], b[2], c[0], c[1], c[2],
                        std::vector<Tensor>{a[3], a[4], b[3], b[4], c[3], c[4]}, s);
  return half ? blockInference<Half16>(s, x, a, b, c, first[0], third[0])
              : blockInference<float>(s, x, a, b, c, first[0], third[0]);
}

namespace {

Tensor invertedResidual(const Tensor& x, std::vector<Tensor> expand, std::vector<Tensor> depthwise,
                        std::vector<Tensor> project, int64_t stride, bool same, bool residual, bool half, bool training,
                        double eps, double momentum) {
  return mobileBlock(x, expand, depthwise, project, stride, same, residual, false, half, {training, eps, momentum});
}
Tensor stemBlock(const Tensor& x, std::vector<Tensor> stem, std::vector<Tensor> depthwise, std::vector<Tensor> project,
                 int64_t stride, bool same, bool half, bool training, double eps, double momentum) {
  return mobileBlock(x, stem, depthwise, project, stride, same, false, true, half, {training, eps, momentum});
}

// --- 1 x 1 convolution, BatchNorm, ReLU6

template <class T>
struct Pointwise : torch::autograd::Function<Pointwise<T>> {
  static std::pair<Tensor, std::pair<Tensor, Tensor>> made(const Tensor& x, const Layer& layer, const Statistics& s,
                                                        const Tensor& packed = {}) {
    const auto& k = use<T>();
    const long m = static_cast<long>(x.size(0) * x.size(2) * x.size(3));
    const int cin = static_cast<int>(x.size(1)), cout = static_cast<int>(layer[0].size(0));
    Sum sum(cout);
    const Tensor z = image(x.size(0), cout, x.size(2), x.size(3), kType<T>), y = at::empty_like(z);
    k.conv1x1(data<T>(x), nullptr, {}, m, cin, cout, data<float>(layer[0]), data<T>(packed), data<T>(z),
                s.ofBatch ? Sums(sum) : Sums{});
    const Tensor norm = normOf(layer, sum.first, sum.second, m, s);
    k.normalise(data<T>(z), view(norm), nullptr, Act::relu6, data<T>(y), m, cout);
    return {y, {z, norm}};
  }
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& w, const Tensor& gamma, const Tensor& beta,
                        const std::vector<Tensor>& running, const Statistics& s) {
    const auto [y, kept] = made(x, {w, gamma, beta, running[0], running[1]}, s);
    ctx->save_for_backward({x, w, kept.first, kept.second});
    ctx->saved_data["batch"] = s.ofBatch;
    return y;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto& k = use<T>();
    onlyOnce();
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &w = saved[1], &z = saved[2], &norm = saved[3];
    const Tensor g = grads[0].to(kType<T>).contiguous(kNhwc);
    ran<T>(Op::pointwise_relu6_backward);
    const long m = static_cast<long>(x.size(0) * x.size(2) * x.size(3));
    const int cin = static_cast<int>(x.size(1)), cout = static_cast<int>(w.size(0));
    Sum sum(cout);
    const Tensor clipped = at::empty_like(z), gx = at::empty_like(x), dw = at::empty_like(w);
    k.normaliseSums(data<T>(g), data<T>(z), nullptr, view(norm), Act::relu6, data<T>(clipped), nullptr, m, cout, sum);
    const Back back = backOf(norm, sum.first, sum.second, m, ctx->saved_data["batch"].toBool());
    k.conv1x1Grad(data<T>(clipped), data<T>(z), back.view(), data<T>(x), nullptr, {}, m, cin, cout, data<float>(w),
                    nullptr, data<T>(gx), data<float>(dw), {});
    return {gx, dw, back.gamma, back.beta, {}, {}};
  }
};

}  // namespace

Tensor pointwiseRelu6(const Tensor& given, std::vector<Tensor> layer, bool half, bool training, double eps,
                      double momentum) {
  checkMaps("x", given);
  const auto outputs = weightOf("layer", layer)[0];
  checkLayer("layer", layer, {outputs, given.size(1), 1, 1});
  checkBatchNorm(eps, momentum);
  checkStatistics(given, training);
  checkMade("x", given, outputs, given.size(2), given.size(3));
  const Tensor x = given.to(half ? at::kBFloat16 : at::kFloat).contiguous(kNhwc);
  if (x.size(0) == 0)
    return madeOfNone({0, outputs, x.size(2), x.size(3)}, x.scalar_type(), {x, layer[0], layer[1], layer[2]});
  const Layer l = ready(layer);
  const Statistics s{training, eps, momentum};
  const std::vector<Tensor> running{l[3], l[4]};
  const int cin = static_cast<int>(x.size(1)), cout = static_cast<int>(l[0].size(0));
  ran(Op::pointwise_relu6, half);
  if (!learns({&layer}, x))
    return half ? Pointwise<Half16>::made(x, l, s, packed<Half16>(layer[0], l[0], cin, cout)).first
                : Pointwise<float>::made(x, l, s, packed<float>(layer[0], l[0], cin, cout)).first;
  return half ? Pointwise<Half16>::apply(x, l[0], l[1], l[2], running, s)
              : Pointwise<float>::apply(x, l[0], l[1], l[2], running, s);
}

TORCH_LIBRARY_FRAGMENT(anneal, m) {
  m.def(
      "inverted_residual(Tensor x, Tensor[] expand, Tensor[] depthwise, Tensor[] project, int stride, bool same, "
      "bool residual, bool half, bool training, float eps, float momentum) -> Tensor",
      invertedResidual);
  m.def(
      "stem_block(Tensor x, Tensor[] stem, Tensor[] depthwise, Tensor[] project, int stride, bool same, bool half, "
      "bool training, float eps, float momentum) -> Tensor",
      stemBlock);
  m.def("pointwise_relu6(Tensor x, Tensor[] layer, bool half, bool training, float eps, float momentum) -> Tensor",
        pointwiseRelu6);
}

}  // namespace anneal::kernels

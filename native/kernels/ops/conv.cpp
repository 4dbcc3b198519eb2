// Convolutions with what follows them: scale and bias, a residual sum, an activation.
#include <torch/library.h>

#include "ops.h"

namespace anneal::kernels {
namespace {

// --- 3 x 3 convolution; grouped if the weights have fewer channels than x

template <class T>
struct Conv3x3 : torch::autograd::Function<Conv3x3<T>> {
  static Conv3 shapeOf(const Tensor& x, const Tensor& w) {
    const auto size = [&](int i) { return static_cast<int>(x.size(i)); };
    return {size(0), size(2), size(3), size(1), static_cast<int>(w.size(0))};
  }
  static bool isGrouped(const Tensor& x, const Tensor& w) { return w.size(3) < x.size(1); }
  static Grouped groupsOf(const Tensor& x, const Tensor& w, int64_t stride) {
    const auto s = shapeOf(x, w);
    const int by = static_cast<int>(stride);
    return {s.n, s.h, s.w, s.c, static_cast<int>(w.size(3)), by, (s.h - 1) / by + 1, (s.w - 1) / by + 1};
  }
  // How many values the packed weights have
  static int64_t sizeOf(const Tensor& x, const Tensor& w) { return w.numel() / 9 * (isGrouped(x, w) ? 9 : 16); }
  static void pack(const Tensor& x, const Tensor& w, const Tensor& scale, bool back, T* into) {
    const int k = static_cast<int>(w.size(0)), c = static_cast<int>(w.size(3));
    if (isGrouped(x, w))
      convolutions<T>().groupedPack(data<float>(w), data<float>(scale), k, c, back, into);
    else
      convolutions<T>().conv3Pack(data<float>(w), data<float>(scale), c, k, back, into);
  }
  static Tensor packed(const Tensor& x, const Tensor& w, const Tensor& scale, bool back) {
    const Tensor out = at::empty({sizeOf(x, w)}, kType<T>);
    pack(x, w, scale, back, data<T>(out));
    return out;
  }
  static Tensor made(const Tensor& x, const Tensor& w, const Tensor& weights, const Tensor& bias, const Tensor& plus, Act act,
                     int64_t stride) {
    ranConvolution<T>(Op::conv3x3);
    if (isGrouped(x, w)) {
      const auto s = groupsOf(x, w, stride);
      const Tensor y = image(s.n, s.c, s.oh, s.ow, kType<T>);
      convolutions<T>().grouped(s, data<T>(x), data<T>(weights), false, data<float>(bias), data<T>(plus), act, data<T>(y));
      return y;
    }
    const Tensor y = image(x.size(0), w.size(0), x.size(2), x.size(3), kType<T>);
    convolutions<T>().conv3(shapeOf(x, w), data<T>(x), data<T>(weights), data<float>(bias), data<T>(plus), act, data<T>(y));
    return y;
  }
  // Without gradients
  static Tensor predicted(const Tensor& x, const Tensor& weight, const Tensor& scale, const Tensor& bias, const Tensor& plus,
                     Act act, int64_t stride) {
    static Packs<T> packs;
    const Tensor shape = weight.permute({0, 2, 3, 1});
    const auto make = [&](T* into) { pack(x, shape.contiguous(), scale, false, into); };
    const Tensor weights = packs.of(weight, weight.data_ptr(), static_cast<size_t>(sizeOf(x, shape)), make, scale);
    return made(x, shape, weights, bias, plus, act, stride);
  }
  using Maybe = c10::optional<Tensor>;
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& w, const Maybe& scale, const Maybe& bias,
                        const Maybe& plus, int64_t act, int64_t stride) {
    const Tensor a = scale.value_or(Tensor());
    const Tensor y = made(x, w, packed(x, w, a, false), bias.value_or(Tensor()), plus.value_or(Tensor()),
                          static_cast<Act>(act), stride);
    ctx->save_for_backward({x, w, a, static_cast<Act>(act) == Act::none ? Tensor() : y});
    ctx->saved_data["act"] = act;
    ctx->saved_data["stride"] = stride;
    ctx->saved_data["bias"] = bias.has_value();
    ctx->saved_data["plus"] = plus.has_value();
    ctx->saved_data["input"] = x.requires_grad();
    const auto learns = [](const Maybe& t) { return t && t->requires_grad(); };
    ctx->saved_data["weights"] = learns(w) || learns(scale) || learns(bias);
    return y;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto& kernels = convolutions<T>();
    onlyOnce();
    ranConvolution<T>(Op::conv3x3_backward);
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &w = saved[1], &scale = saved[2], &y = saved[3];
    const auto act = static_cast<Act>(ctx->saved_data["act"].toInt());
    const Tensor g = grads[0].to(kType<T>).contiguous(kNhwc);
    Tensor through = g, gx, dw, dscale, dbias;
    if (isGrouped(x, w)) {
      const auto s = groupsOf(x, w, ctx->saved_data["stride"].toInt());
      const bool weights = ctx->saved_data["weights"].toBool();
      through = reluBackwardOf<T>(g, y, act, weights && ctx->saved_data["bias"].toBool() ? &dbias : nullptr);
      if (weights) {
        dw = at::empty_like(w);
        if (scale.defined()) dscale = at::empty_like(scale);
        kernels.groupedGrad(s, data<T>(x), data<T>(through), data<float>(w), data<float>(scale), data<float>(dw),
                            data<float>(dscale));
      }
      if (ctx->saved_data["input"].toBool()) {
        gx = at::empty_like(x);
        const Tensor turned = packed(x, w, scale, true);
        kernels.grouped(s, data<T>(through), data<T>(turned), true, nullptr, nullptr, Act::none, data<T>(gx));
      }
      return {gx, dw, dscale, dbias, ctx->saved_data["plus"].toBool() ? through : Tensor(), {}, {}};
    }
    const auto s = shapeOf(x, w);
    if (y.defined() || ctx->saved_data["weights"].toBool()) {
      if (y.defined()) through = at::empty_like(g);
      dw = at::empty_like(w);
      if (scale.defined()) dscale = at::empty_like(scale);
      Doubles sums(s.k);
      kernels.conv3Grad(s, data<T>(x), data<T>(g), data<T>(y), act, y.defined() ? data<T>(through) : nullptr,
                        data<float>(w), data<float>(scale), data<float>(dw), data<float>(dscale), sums.data());
      if (ctx->saved_data["bias"].toBool()) {
        dbias = at::empty({s.k});
        std::copy(sums.begin(), sums.end(), data<float>(dbias));
      }
    }
    if (ctx->saved_data["input"].toBool()) {
      gx = at::empty_like(x);
      const Tensor weights = packed(x, w, scale, true);
      kernels.conv3({s.n, s.h, s.w, s.k, s.c}, data<T>(through), data<T>(weights), nullptr, nullptr, Act::none, data<T>(gx));
    }
    return {gx, dw, dscale, dbias, ctx->saved_data["plus"].toBool() ? through : Tensor(), {}, {}};
  }
};

// One number for each output, or none
Tensor vectorOf(const char* name, const c10::optional<Tensor>& t, int64_t outputs) {
  if (!t || !t->defined()) return {};
  checkNumbers("", name, *t, outputs);
  return t->contiguous();
}
c10::optional<Tensor> maybe(const Tensor& t) { return t.defined() ? c10::optional<Tensor>(t) : c10::nullopt; }

Tensor conv3x3(const Tensor& given, const Tensor& weight, const c10::optional<Tensor>& scale,
               const c10::optional<Tensor>& bias, const c10::optional<Tensor>& residual, c10::string_view name,
               int64_t stride, bool half) {
  checkMaps("x", given);
  const auto channels = given.size(1);
  const auto outputs = weightOf("", {weight, weight, weight, weight, weight})[0], each = weight.size(1);
  checkNumbers("", "weight", weight, {outputs, each, 3, 3});
  if (channels % 32 != 0) refuse("x", given, "a multiple of 32 channels");
  if (outputs % 32 != 0) refuse("weight", weight, "a multiple of 32 outputs");
  const bool groups = each < channels;
  if (groups ? outputs != channels || (each != 4 && each != 8 && each != 16 && each != 32) : each != channels)
    refuse("weight", weight, "float32 [K, ", channels, ", 3, 3], or in groups of 4, 8, 16 or 32 [", channels,
           ", channels of a group, 3, 3], for x of ", channels, " channels");
  if (groups)
    checkWhole("stride", stride, {1, 2});
  else
    checkWhole("stride of a convolution without groups", stride, {1});
  const auto type = half ? at::kBFloat16 : at::kFloat;
  const Tensor a = vectorOf("scale", scale, outputs), b = vectorOf("bias", bias, outputs);
  const int64_t oh = (given.size(2) - 1) / stride + 1, ow = (given.size(3) - 1) / stride + 1;
  checkMade("x", given, outputs, oh, ow);
  const Tensor x = given.to(type).contiguous(kNhwc);
  Tensor plus;
  if (residual && residual->defined()) {
    checkMaps("residual", *residual, outputs);
    if (residual->sizes() != at::IntArrayRef{x.size(0), outputs, oh, ow})
      refuse("residual", *residual, "what the convolution makes, ", at::IntArrayRef{x.size(0), outputs, oh, ow});
    plus = residual->to(type).contiguous(kNhwc);
  }
  if (x.size(0) == 0) return madeOfNone({0, outputs, oh, ow}, type, {x, weight, a, b, plus});
  const Act act = actNamed(name);
  const auto needs = [](const Tensor& t) { return t.defined() && t.requires_grad(); };
  if (!at::GradMode::is_enabled() || !(needs(x) || needs(weight) || needs(a) || needs(b) || needs(plus)))
    return half ? Conv3x3<Half16>::predicted(x, weight, a, b, plus, act, stride)
                : Conv3x3<float>::predicted(x, weight, a, b, plus, act, stride);
  const Tensor w = weight.permute({0, 2, 3, 1}).contiguous();
  const auto kind = static_cast<int64_t>(act);
  return half ? Conv3x3<Half16>::apply(x, w, maybe(a), maybe(b), maybe(plus), kind, stride)
              : Conv3x3<float>::apply(x, w, maybe(a), maybe(b), maybe(plus), kind, stride);
}

// --- 1 x 1 convolution by libtorch, except for the gradient of the weights, which is one product here: with many channels and few
// pixels libtorch takes up to twice as long.

struct Conv1x1 : torch::autograd::Function<Conv1x1> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& weight) {
    const Tensor w = weight.to(x.scalar_type());
    ctx->save_for_backward({x, w});
    ctx->saved_data["input"] = x.requires_grad();
    counted(Op::conv1x1, Set::none);
    return at::conv2d(x, w);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    onlyOnce();
    counted(Op::conv1x1_backward, Set::none);
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &w = saved[1];
    const Tensor g = grads[0].to(x.scalar_type()).contiguous(kNhwc);
    const auto rows = [](const Tensor& t) { return t.permute({0, 2, 3, 1}).reshape({-1, t.size(1)}); };
    const Tensor dw = at::mm(rows(g).t(), rows(x)).to(at::kFloat).view(w.sizes());
    Tensor gx;
    if (ctx->saved_data["input"].toBool())
      gx = std::get<0>(at::convolution_backward(g, x, w, c10::nullopt, {1, 1}, {0, 0}, {1, 1}, false, {0, 0}, 1,
                                                {true, false, false}));
    return {gx, dw};
  }
};

Tensor conv1x1(const Tensor& given, const Tensor& weight, bool half) {
  checkMaps("x", given);
  const auto outputs = weightOf("", {weight, weight, weight, weight, weight})[0];
  checkNumbers("", "weight", weight, {outputs, given.size(1), 1, 1});
  checkMade("x", given, outputs, given.size(2), given.size(3));
  const auto type = half ? at::kBFloat16 : at::kFloat;
  if (given.size(0) == 0) return madeOfNone({0, outputs, given.size(2), given.size(3)}, type, {given, weight});
  return Conv1x1::apply(given.to(type).contiguous(kNhwc), weight);
}

// --- convolution of few channels, with scale, bias and activation in the same pass

template <class T>
struct StemConvolution : torch::autograd::Function<StemConvolution<T>> {
  using Maybe = c10::optional<Tensor>;
  static Tensor made(const Tensor& x, const Tensor& w, const Maybe& scale, const Maybe& bias, Act act, int64_t stride,
                     int64_t padding) {
    ranConvolution<T>(Op::conv_stem);
    const auto size = [](const Tensor& t, int i) { return static_cast<int>(t.size(i)); };
    ConvStem s{};
    s.n = size(x, 0), s.h = size(x, 2), s.w = size(x, 3), s.c = size(x, 1);
    s.k = size(w, 1), s.stride = static_cast<int>(stride), s.pad = static_cast<int>(padding);
    s.oh = (s.h + 2 * s.pad - s.k) / s.stride + 1, s.ow = (s.w + 2 * s.pad - s.k) / s.stride + 1, s.outs = size(w, 0);
    const Tensor y = image(s.n, s.outs, s.oh, s.ow, kType<T>);
    convolutions<T>().convStem(s, data<T>(x), data<float>(w), data<float>(scale.value_or(Tensor())),
                     data<float>(bias.value_or(Tensor())), act, data<T>(y));
    return y;
  }
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& w, const Maybe& scale, const Maybe& bias,
                        int64_t act, int64_t stride, int64_t padding) {
    const Tensor y = made(x, w, scale, bias, static_cast<Act>(act), stride, padding);
    ctx->save_for_backward({x, w, scale.value_or(Tensor()), y});
    ctx->saved_data["numbers"] = std::vector<int64_t>{act, stride, padding, bias.has_value(), x.requires_grad()};
    return y;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    onlyOnce();
    ranConvolution<T>(Op::conv_stem_backward);
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &w = saved[1], &scale = saved[2], &y = saved[3];
    const auto numbers = ctx->saved_data["numbers"].toIntVector();
    const Tensor g = grads[0].to(kType<T>).contiguous(kNhwc);
    Tensor dscale, dbias;
    const Tensor through = reluBackwardOf<T>(g, y, static_cast<Act>(numbers[0]), numbers[3] ? &dbias : nullptr);
    const Tensor weight = w.permute({0, 3, 1, 2});
    const Tensor scaled = scale.defined() ? weight * scale.view({-1, 1, 1, 1}) : weight;
    const auto [dx, dweight, none] = at::convolution_backward(
        through, x, scaled.to(kType<T>), c10::nullopt, {numbers[1], numbers[1]}, {numbers[2], numbers[2]}, {1, 1}, false,
        {0, 0}, 1, {numbers[4] != 0, true, false});
    Tensor dw = dweight.to(at::kFloat).permute({0, 2, 3, 1});
    if (scale.defined()) {
      dscale = (dw * w).sum({1, 2, 3});
      dw = dw * scale.view({-1, 1, 1, 1});
    }
    return {dx, dw, dscale, dbias, {}, {}, {}};
  }
};

Tensor convStem(const Tensor& given, const Tensor& weight, const c10::optional<Tensor>& scale,
               const c10::optional<Tensor>& bias, c10::string_view name, int64_t stride, int64_t padding, bool half) {
  checkMaps("x", given);
  const auto outputs = weightOf("", {weight, weight, weight, weight, weight})[0], c = given.size(1), k = weight.size(2);
  checkNumbers("", "weight", weight, {outputs, c, k, k});
  checkRange("stride", static_cast<double>(stride), 1, 1 << 15), checkRange("padding", static_cast<double>(padding), 0, 1 << 15);
  const int64_t high = given.size(2) + 2 * padding, wide = given.size(3) + 2 * padding;
  if (std::min(high, wide) < k) refuse("weight", weight, "a kernel no larger than x with its padding, ", high, " x ", wide);
  if (half && stride * c % 2 != 0)
    refuse("x", given, "an even number of channels times stride in bfloat16, with stride ", stride);
  const int64_t oh = (high - k) / stride + 1, ow = (wide - k) / stride + 1;
  checkMade("x", given, outputs, oh, ow), checkMade("x", given, c, k, (ow + 32) * stride + k + wide);
  const Tensor x = given.to(half ? at::kBFloat16 : at::kFloat).contiguous(kNhwc);
  const Tensor w = weight.permute({0, 2, 3, 1}).contiguous();
  const auto a = maybe(vectorOf("scale", scale, outputs)), b = maybe(vectorOf("bias", bias, outputs));
  if (x.size(0) == 0)
    return madeOfNone({0, outputs, oh, ow}, x.scalar_type(), {x, weight, a.value_or(Tensor()), b.value_or(Tensor())});
  const Act act = actNamed(name);
  if (!at::GradMode::is_enabled() || !(x.requires_grad() || w.requires_grad() || (a && a->requires_grad()) ||
                                       (b && b->requires_grad())))
    return half ? StemConvolution<Half16>::made(x, w, a, b, act, stride, padding) : StemConvolution<float>::made(x, w, a, b, act, stride, padding);
  const auto kind = static_cast<int64_t>(act);
  return half ? StemConvolution<Half16>::apply(x, w, a, b, kind, stride, padding) : StemConvolution<float>::apply(x, w, a, b, kind, stride, padding);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(anneal, m) {
  m.def(
      "conv3x3(Tensor x, Tensor weight, Tensor? scale, Tensor? bias, Tensor? residual, str act, int stride, "
      "bool half) -> Tensor",
      conv3x3);
  m.def("conv1x1(Tensor x, Tensor weight, bool half) -> Tensor", conv1x1);
  m.def(
      "conv_stem(Tensor x, Tensor weight, Tensor? scale, Tensor? bias, str act, int stride, int padding, bool half) -> Tensor",
      convStem);
}

}  // namespace anneal::kernels

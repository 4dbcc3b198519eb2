// Our convolutions of 3 x 3 with what follows them, where they compute all products: scale and bias, a residual sum, an activation.
#include <torch/library.h>

#include "conv.h"

namespace anneal::kernels {
namespace {

// --- 3 x 3 convolution; grouped if the weights have fewer channels than x

template <class T>
struct Conv3x3 : torch::autograd::Function<Conv3x3<T>>, OwnConv<T> {
  using OwnConv<T>::shapeOf, OwnConv<T>::isGrouped, OwnConv<T>::groupsOf, OwnConv<T>::sizeOf, OwnConv<T>::pack, OwnConv<T>::packed,
      OwnConv<T>::made;
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

}  // namespace

TORCH_LIBRARY_FRAGMENT(anneal, m) {
  m.def(
      "conv3x3(Tensor x, Tensor weight, Tensor? scale, Tensor? bias, Tensor? residual, str act, int stride, "
      "bool half) -> Tensor",
      conv3x3);
}

}  // namespace anneal::kernels

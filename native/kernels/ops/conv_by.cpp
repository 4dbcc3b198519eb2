// Convolutions whose products are computed each in the way that the caller names (conv_products.h). Training measures which way is
// the fastest for each layer (src/train/measure-layers.ts). A way that this processor or this layer does not have is replaced: tiles
// by one product, anything else by libtorch's convolution.
#include <torch/library.h>

#include <map>

#include "conv_products.h"

namespace anneal::kernels {
namespace {

template <class T>
struct ConvBy : torch::autograd::Function<ConvBy<T>> {
  using Maybe = c10::optional<Tensor>;
  using Numbers = std::vector<int64_t>;  // act, stride, pad, groups, and the ways of the three products
  static Layout layoutOf(const Tensor& x, const Tensor& w, const Numbers& n) {
    return {x.sizes(), asWeight(w).sizes(), n[1], n[2], n[3]};
  }
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& w, const Maybe& scale, const Maybe& bias,
                        const Maybe& plus, const Numbers& numbers) {
    const auto act = static_cast<Act>(numbers[0]);
    const auto s = layoutOf(x, w, numbers);
    const Tensor a = scale.value_or(Tensor());
    const By by = usable<T>(static_cast<By>(numbers[4]), Part::forward, s);
    const Tensor y = made<T>(by, s, x, weightsFor<T>(by, s, w, a), a, bias.value_or(Tensor()), plus.value_or(Tensor()), act);
    ctx->save_for_backward({x, w, a, act == Act::none ? Tensor() : y});
    ctx->saved_data["numbers"] = numbers;
    const auto learns = [](const Maybe& t) { return t && t->requires_grad(); };
    ctx->saved_data["needs"] =
        Numbers{x.requires_grad(), w.requires_grad() || learns(scale), bias.has_value(), plus.has_value()};
    return y;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    onlyOnce();
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &w = saved[1], &scale = saved[2], &y = saved[3];
    const auto numbers = ctx->saved_data["numbers"].toIntVector(), needs = ctx->saved_data["needs"].toIntVector();
    const auto s = layoutOf(x, w, numbers);
    const Tensor g = grads[0].to(kType<T>).contiguous(kNhwc);
    Tensor dbias, dscale;
    const Tensor through = reluBackwardOf<T>(g, y, static_cast<Act>(numbers[0]), needs[2] ? &dbias : nullptr);
    const auto by = [&](bool needed, int at, Part part) {
      return needed ? usable<T>(static_cast<By>(numbers[at]), part, s) : By::nothing;
    };
    auto [gx, dw] = gradientsOf<T>(s, through, x, w, scale, by(needs[0], 5, Part::input), by(needs[1], 6, Part::weights));
    if (dw.defined() && scale.defined()) {
      dscale = (dw * w).sum({1, 2, 3});
      dw = dw * scale.view({-1, 1, 1, 1});
    }
    return {gx, dw, dscale, dbias, needs[3] ? through : Tensor(), {}};
  }
};

// --- without gradients: weights are kept in the form that the way reads, until they are written to or their scale differs

class Kept {
 public:
  template <class Make>
  Tensor of(const Tensor& weight, By by, bool half, const Layout& s, const void* kernels, const Tensor& scale, Make make) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto version = static_cast<int64_t>(weight._version());
    auto& e = entries_[{weight.unsafeGetTensorImpl(), static_cast<int64_t>(by) * 2 + half}];
    const std::vector<int64_t> sizes = by == By::fused ? std::vector<int64_t>{s.n, s.h, s.w} : std::vector<int64_t>{};
    const bool same = e.scale.defined() ? scale.defined() && e.scale.equal(scale) : !scale.defined();
    if (!e.owner || e.owner->expired() || e.version != version || e.w != weight.data_ptr() || e.kernels != kernels ||
        e.sizes != sizes || !same) {
      e.owner.reset();  // until all of it is done
      e.made = make();
      e.owner = Owner(weight.getIntrusivePtr()), e.version = version, e.w = weight.data_ptr(), e.kernels = kernels;
      e.sizes = sizes, e.scale = scale.defined() ? scale.clone() : scale;
      for (auto i = entries_.begin(); i != entries_.end();) {
        const auto& owner = i->second.owner;
        i = !owner || owner->expired() ? entries_.erase(i) : ++i;
      }
    }
    return entries_.at({weight.unsafeGetTensorImpl(), static_cast<int64_t>(by) * 2 + half}).made;
  }

 private:
  using Owner = c10::weak_intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>;
  struct Entry {
    std::optional<Owner> owner;
    int64_t version = 0;
    const void *w = nullptr, *kernels = nullptr;
    std::vector<int64_t> sizes;
    Tensor scale, made;
  };
  std::mutex mutex_;
  std::map<std::pair<const c10::TensorImpl*, int64_t>, Entry> entries_;
};

template <class T>
Tensor inferred(By asked, const Layout& s, const Tensor& x, const Tensor& weight, const Tensor& scale, const Tensor& bias,
                const Tensor& plus, Act act) {
  static Kept kept;
  const By by = usable<T>(asked, Part::inference, s);
  const void* kernels = by == By::own ? &convolutions<T>() : nullptr;
  const Tensor weights = kept.of(weight, by, sizeof(T) == 2, s, kernels, by == By::own && isFew<T>(s) ? Tensor() : scale, [&] {
    return weightsFor<T>(by, s, weight.permute({0, 2, 3, 1}).contiguous(), scale);
  });
  return made<T>(by, s, x, weights, scale, bias, plus, act);
}

// --- operators

// Checks the sizes of a layer and returns them
Layout checked(const Tensor& x, const Tensor& weight, int64_t stride, int64_t padding, int64_t groups) {
  checkMaps("x", x);
  checkRange("groups", static_cast<double>(groups), 1, static_cast<double>(x.size(1)));
  const auto sizes = weightOf("", {weight, weight, weight, weight, weight});
  const auto outputs = sizes[0], k = sizes[2];
  if (x.size(1) % groups != 0 || outputs % groups != 0)
    refuse("weight", weight, "as many outputs as a multiple of the ", groups, " groups, for x of ", x.size(1), " channels");
  checkNumbers("", "weight", weight, {outputs, x.size(1) / groups, k, k});
  checkRange("stride", static_cast<double>(stride), 1, 1 << 15), checkRange("padding", static_cast<double>(padding), 0, 1 << 15);
  const int64_t high = x.size(2) + 2 * padding, wide = x.size(3) + 2 * padding;
  if (std::min(high, wide) < k) refuse("weight", weight, "a kernel no larger than x with its padding, ", high, " x ", wide);
  const Layout s(x.sizes(), sizes, stride, padding, groups);
  checkMade("x", x, outputs, s.oh, s.ow), checkMade("x", x, s.c, s.k, (s.ow + 32) * stride + k + wide);
  return s;
}

Tensor convBy(const Tensor& given, const Tensor& weight, const c10::optional<Tensor>& scale, const c10::optional<Tensor>& bias,
              const c10::optional<Tensor>& residual, c10::string_view name, int64_t stride, int64_t padding, int64_t groups,
              c10::string_view forward, c10::string_view input, c10::string_view weights, c10::string_view inference, bool half) {
  const auto s = checked(given, weight, stride, padding, groups);
  const auto type = half ? at::kBFloat16 : at::kFloat;
  const By by[] = {byNamed("forward", forward), byNamed("input", input), byNamed("weights", weights), byNamed("inference", inference)};
  const Tensor a = vectorOf("scale", scale, s.outs), b = vectorOf("bias", bias, s.outs);
  Tensor plus;
  if (residual && residual->defined()) {
    checkMaps("residual", *residual, s.outs);
    if (residual->sizes() != at::IntArrayRef{s.n, s.outs, s.oh, s.ow})
      refuse("residual", *residual, "what the convolution makes, ", at::IntArrayRef{s.n, s.outs, s.oh, s.ow});
    plus = residual->to(type).contiguous(kNhwc);
  }
  const Tensor x = given.to(type).contiguous(kNhwc);
  if (s.n == 0) return madeOfNone({0, s.outs, s.oh, s.ow}, type, {x, weight, a, b, plus});
  const Act act = actNamed(name);
  const auto needs = [](const Tensor& t) { return t.defined() && t.requires_grad(); };
  if (!at::GradMode::is_enabled() || !(needs(x) || needs(weight) || needs(a) || needs(b) || needs(plus)))
    return half ? inferred<Half16>(by[3], s, x, weight, a, b, plus, act) : inferred<float>(by[3], s, x, weight, a, b, plus, act);
  const Tensor w = weight.permute({0, 2, 3, 1}).contiguous();
  const std::vector<int64_t> numbers{static_cast<int64_t>(act),   stride, padding, groups, static_cast<int64_t>(by[0]),
                                     static_cast<int64_t>(by[1]), static_cast<int64_t>(by[2])};
  return half ? ConvBy<Half16>::apply(x, w, maybe(a), maybe(b), maybe(plus), numbers)
              : ConvBy<float>::apply(x, w, maybe(a), maybe(b), maybe(plus), numbers);
}

// The gradients of the input and of the weights alone, each unless its way is ""
std::vector<Tensor> convGrad(const Tensor& grad, const Tensor& given, const Tensor& weight, int64_t stride, int64_t padding,
                             int64_t groups, c10::string_view input, c10::string_view weights, bool half) {
  const at::NoGradGuard none;
  const auto s = checked(given, weight, stride, padding, groups);
  checkMaps("g", grad, s.outs);
  if (grad.sizes() != at::IntArrayRef{s.n, s.outs, s.oh, s.ow})
    refuse("g", grad, "what the convolution makes, ", at::IntArrayRef{s.n, s.outs, s.oh, s.ow});
  const auto type = half ? at::kBFloat16 : at::kFloat;
  const Tensor x = given.to(type).contiguous(kNhwc), g = grad.to(type).contiguous(kNhwc);
  const Tensor w = weight.permute({0, 2, 3, 1}).contiguous();
  const By i = input.empty() ? By::nothing : byNamed("input", input), j = weights.empty() ? By::nothing : byNamed("weights", weights);
  const auto made = half ? gradientsOf<Half16>(s, g, x, w, {}, usable<Half16>(i, Part::input, s), usable<Half16>(j, Part::weights, s))
                         : gradientsOf<float>(s, g, x, w, {}, usable<float>(i, Part::input, s), usable<float>(j, Part::weights, s));
  std::vector<Tensor> out;
  if (made.input.defined()) out.push_back(made.input);
  if (made.weights.defined()) out.push_back(asWeight(made.weights));
  return out;
}

// The ways that this processor has for a product of a layer: [n, c, h, w] by [outs, c / groups, k, k]
std::vector<std::string> convWays(c10::string_view product, at::IntArrayRef x, at::IntArrayRef weight, int64_t stride, int64_t padding,
                                  int64_t groups, bool half) {
  TORCH_CHECK(x.size() == 4 && weight.size() == 4, "x and weight: expected four sizes each, got ", x, " and ", weight);
  const auto part = static_cast<Part>(numberOf(kPartNames, product, "product"));
  const Layout s(x, weight, stride, padding, groups);
  std::vector<std::string> out;
  for (int64_t by = 0; by < static_cast<int64_t>(By::nothing); by++)
    if (half ? can<Half16>(static_cast<By>(by), part, s) : can<float>(static_cast<By>(by), part, s)) out.emplace_back(kByNames[by]);
  return out;
}

// Whether the set in use has convolutions of its own
bool hasConvolutions(bool half) { return half ? use<Half16>().conv3 != nullptr : use<float>().conv3 != nullptr; }

}  // namespace

TORCH_LIBRARY_FRAGMENT(anneal, m) {
  m.def(
      "conv_by(Tensor x, Tensor weight, Tensor? scale, Tensor? bias, Tensor? residual, str act, int stride, int padding, int groups, "
      "str forward, str input, str weights, str inference, bool half) -> Tensor",
      convBy);
  m.def(
      "conv_grad(Tensor g, Tensor x, Tensor weight, int stride, int padding, int groups, str input, str weights, bool half) -> "
      "Tensor[]",
      convGrad);
  m.def("conv_ways(str product, int[] x, int[] weight, int stride, int padding, int groups, bool half) -> str[]", convWays);
  m.def("has_convolutions(bool half) -> bool", hasConvolutions);
}

}  // namespace anneal::kernels

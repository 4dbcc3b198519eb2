// Convolutions whose three products (forward, gradient of the input, gradient of the weights) are computed each in the way that the
// caller names: libtorch's convolution, one matrix product, our kernels, or our kernels for tiles. Training measures which way is
// the fastest for each layer (src/train/measure-layers.ts). A way that this processor or this layer does not have is replaced: tiles
// by one product, anything else by libtorch's convolution.
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include <map>

#include "conv.h"

namespace anneal::kernels {
namespace {

enum class By : int64_t { libtorch, product, own, tiles, fused, nothing };
constexpr const char* kByNames[] = {"libtorch", "product", "own", "tiles", "fused", ""};
enum class Part { forward, input, weights, inference };
constexpr const char* kPartNames[] = {"forward", "input", "weights", "inference"};

template <class Names>
int64_t numberOf(const Names& names, c10::string_view name, const char* what) {
  const auto found = std::find(std::begin(names), std::end(names), name);
  TORCH_CHECK(found != std::end(names), what, ": expected one of ",
              c10::Join(", ", std::vector<std::string>(std::begin(names), std::end(names))), ", got \"", name, "\"");
  return found - std::begin(names);
}
By byNamed(const char* argument, c10::string_view name) {
  const auto by = static_cast<By>(numberOf(kByNames, name, argument));
  TORCH_CHECK(by != By::nothing, argument, ": expected the name of a way, got \"\"");
  return by;
}

// [n, c, h, w] by [outs, c / groups, k, k] to [n, outs, oh, ow]
struct Layout {
  int64_t n, c, h, w, outs, k, stride, pad, groups, oh, ow;
  Layout(at::IntArrayRef x, at::IntArrayRef weight, int64_t by, int64_t padding, int64_t parts)
      : n(x[0]), c(x[1]), h(x[2]), w(x[3]), outs(weight[0]), k(weight[2]), stride(by), pad(padding), groups(parts),
        oh((h + 2 * pad - k) / stride + 1), ow((w + 2 * pad - k) / stride + 1) {}
  int64_t pixels() const { return n * oh * ow; }
  int64_t under() const { return k * k * c; }
  bool isPlain() const { return k == 1 && stride == 1 && pad == 0; }  // the rows of x are those of the product
  // Of the same geometry: the gradient of the input as a convolution of g
  ConvFull full(bool back) const {
    const auto i = [](int64_t v) { return static_cast<int>(v); };
    return back ? ConvFull{i(n), i(oh), i(ow), i(outs), i(k), 1, i(k - 1 - pad), i(h), i(w), i(c)}
                : ConvFull{i(n), i(h), i(w), i(c), i(k), i(stride), i(pad), i(oh), i(ow), i(outs)};
  }
};
constexpr int64_t kMostBytes = int64_t(1) << 30;  // of what lies under the kernel, for one product

c10::optional<c10::OperatorHandle> oneDnn(const char* name, const char* overload = "") {
  return c10::Dispatcher::singleton().findSchema({name, overload});
}
// oneDNN's convolution with packed weights and with what follows; libtorch has it since 2.0, on x86
bool hasFused() {
  static const bool has = oneDnn("mkldnn::_convolution_pointwise") && oneDnn("mkldnn::_convolution_pointwise", "binary") &&
                          oneDnn("mkldnn::_reorder_convolution_weight") && at::globalContext().userEnabledMkldnn();
  return has;
}

template <class T>
bool isFew(const Layout& s) {
  return s.c <= 4 && s.k > 1 && s.groups == 1 && (s.c * s.stride * sizeof(T)) % 4 == 0;
}
template <class T>
bool isSquare(const Layout& s) {
  if (s.k != 3 || s.pad != 1 || s.c % 32 || s.outs % 32) return false;
  if (s.groups == 1) return s.stride == 1;
  const int64_t each = s.c / s.groups;
  return s.outs == s.c && s.stride <= 2 && (each == 4 || each == 8 || each == 16 || each == 32);
}
template <class T>
bool can(By by, Part part, const Layout& s) {
  switch (by) {
    case By::libtorch: return true;
    case By::product: return s.groups == 1 && s.pixels() * s.under() < kMostBytes / static_cast<int64_t>(sizeof(T));
    case By::own: return isSquare<T>(s) || ((part == Part::forward || part == Part::inference) && isFew<T>(s));
    case By::tiles:
      return sizeof(T) == 2 && amx() && s.groups == 1 && s.c % 32 == 0 && s.outs % 32 == 0 &&
             (part != Part::input || (s.stride == 1 && s.pad < s.k));
    case By::fused: return part == Part::inference && hasFused();
    default: return false;
  }
}
template <class T>
By usable(By by, Part part, const Layout& s) {
  if (by == By::nothing || can<T>(by, part, s)) return by;
  return by == By::tiles && can<T>(By::product, part, s) ? By::product : By::libtorch;
}
template <class T>
void countedBy(Op op, By by) {
  if (by == By::nothing) return;
  counted(op, by == By::tiles ? Set::amx : by == By::own ? setOf(&convolutions<T>()) : Set::none);
}

// --- forward

// Weights [outs][k][k][c], times `scale`, in type T
template <class T>
Tensor scaled(const Tensor& w, const Tensor& scale) {
  return (scale.defined() ? w * scale.view({-1, 1, 1, 1}) : w).to(kType<T>);
}
Tensor asWeight(const Tensor& w) { return w.permute({0, 3, 1, 2}); }

// The values under the kernel for each output pixel, one row each: [pixels][k][k][c]
template <class T>
Tensor columnsOf(const Tensor& x, const Layout& s) {
  if (s.isPlain()) return rowsOf(x);
  const Tensor out = at::empty({s.pixels(), s.under()}, kType<T>);
  const T* const from = data<T>(x);
  T* const to = data<T>(out);
  const size_t bytes = s.c * sizeof(T);
  at::parallel_for(0, s.n * s.oh, 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const int64_t n = row / s.oh, y = row % s.oh;
      T* o = to + row * s.ow * s.under();
      for (int64_t x0 = 0; x0 < s.ow; x0++)
        for (int64_t i = 0; i < s.k; i++) {
          const int64_t line = y * s.stride - s.pad + i;
          for (int64_t j = 0; j < s.k; j++, o += s.c) {
            const int64_t column = x0 * s.stride - s.pad + j;
            if (line < 0 || line >= s.h || column < 0 || column >= s.w)
              memset(static_cast<void*>(o), 0, bytes);
            else
              memcpy(static_cast<void*>(o), from + ((n * s.h + line) * s.w + column) * s.c, bytes);
          }
        }
    }
  });
  return out;
}
inline Tensor asImage(const Tensor& rows, int64_t n, int64_t h, int64_t w) {
  return rows.view({n, h, w, rows.size(1)}).permute({0, 3, 1, 2});
}
Tensor finished(Tensor y, const Tensor& plus, Act act) {
  if (plus.defined()) y.add_(plus);
  return act == Act::none ? y : act == Act::relu ? y.relu_() : y.clamp_(0, 6);
}

// Weights w [outs][k][k][c / groups] in the form that this way reads
template <class T>
Tensor weightsFor(By by, const Layout& s, const Tensor& w, const Tensor& scale) {
  if (by == By::own) return isFew<T>(s) ? w : OwnConv<T>::packed(at::empty({0, s.c, 0, 0}), w, scale, false);
  if (by == By::tiles) {
    if constexpr (sizeof(T) == 2) {
      const Tensor out = at::empty({w.numel()}, kType<T>);
      amx()->tilesPack(data<float>(w), data<float>(scale), static_cast<int>(s.c), static_cast<int>(s.outs),
                       static_cast<int>(s.k * s.k), false, data<T>(out));
      return out;
    }
  }
  const Tensor weight = scaled<T>(w, scale);
  if (by != By::fused) return weight;
  const std::vector<int64_t> sides{s.pad, s.pad}, by2{s.stride, s.stride}, one{1, 1}, size{s.n, s.c, s.h, s.w};
  torch::jit::Stack stack{asWeight(weight), sides, by2, one, s.groups, c10::optional<std::vector<int64_t>>(size)};
  oneDnn("mkldnn::_reorder_convolution_weight")->callBoxed(&stack);
  return stack.at(0).toTensor();
}

Tensor fusedOf(const Layout& s, const Tensor& x, const Tensor& weights, const Tensor& bias, const Tensor& plus, Act act) {
  const auto b = maybe(bias.defined() ? bias.to(x.scalar_type()) : bias);
  const std::vector<int64_t> sides{s.pad, s.pad}, by{s.stride, s.stride}, one{1, 1};
  const c10::List<c10::optional<at::Scalar>> numbers;
  const IValue none;
  const bool relu = act == Act::relu;
  torch::jit::Stack stack;
  if (plus.defined())
    stack = {x, plus, weights, b, sides, by, one, s.groups, "add", none, relu ? IValue("relu") : none, numbers, none};
  else
    stack = {x, weights, b, sides, by, one, s.groups, relu ? "relu" : "none", numbers, none};
  oneDnn("mkldnn::_convolution_pointwise", plus.defined() ? "binary" : "")->callBoxed(&stack);
  return act == Act::relu6 ? stack.at(0).toTensor().clamp_(0, 6) : stack.at(0).toTensor();
}

template <class T>
Tensor made(By by, const Layout& s, const Tensor& x, const Tensor& weights, const Tensor& scale, const Tensor& bias,
            const Tensor& plus, Act act) {
  countedBy<T>(Op::conv_by, by);
  if (by == By::own && isFew<T>(s)) {
    const auto& kernels = convolutions<T>();
    const Tensor y = image(s.n, s.outs, s.oh, s.ow, kType<T>);
    kernels.convStem(s.full(false), data<T>(x), data<float>(weights), data<float>(scale), data<float>(bias),
                     plus.defined() ? Act::none : act, data<T>(y));
    return plus.defined() ? finished(y, plus, act) : y;
  }
  if (by == By::own) {
    const auto& kernels = convolutions<T>();
    const Tensor y = image(s.n, s.outs, s.oh, s.ow, kType<T>);
    const auto i = [](int64_t v) { return static_cast<int>(v); };
    if (s.groups > 1)
      kernels.grouped({i(s.n), i(s.h), i(s.w), i(s.c), i(s.c / s.groups), i(s.stride), i(s.oh), i(s.ow)}, data<T>(x),
                      data<T>(weights), false, data<float>(bias), data<T>(plus), act, data<T>(y));
    else
      kernels.conv3({i(s.n), i(s.h), i(s.w), i(s.c), i(s.outs)}, data<T>(x), data<T>(weights), data<float>(bias), data<T>(plus),
                    act, data<T>(y));
    return y;
  }
  if constexpr (sizeof(T) == 2)
    if (by == By::tiles) {
      use<T>();  // its number of threads
      const Tensor y = image(s.n, s.outs, s.oh, s.ow, kType<T>);
      amx()->tilesConv(s.full(false), data<T>(x), data<T>(weights), data<float>(bias), data<T>(plus), act, data<T>(y));
      return y;
    }
  if (by == By::fused) return fusedOf(s, x, weights, bias, plus, act);
  const Tensor b = bias.defined() ? bias.to(kType<T>) : bias;
  if (by == By::product) {
    const Tensor rows = columnsOf<T>(x, s), matrix = weights.reshape({s.outs, s.under()}).t();
    const Tensor y = b.defined() ? at::addmm(b, rows, matrix) : at::mm(rows, matrix);
    return finished(asImage(y, s.n, s.oh, s.ow), plus, act);
  }
  const Tensor y = at::conv2d(x, asWeight(weights), maybe(b), {s.stride, s.stride}, {s.pad, s.pad}, {1, 1}, s.groups);
  return finished(y.contiguous(kNhwc), plus, act);
}

// --- gradients

// The gradient of x from that of its columns: the sum of all places where a pixel lies under the kernel
template <class T>
Tensor gathered(const Tensor& columns, const Layout& s) {
  if (s.isPlain()) return asImage(columns, s.n, s.h, s.w);
  using E = std::conditional_t<sizeof(T) == 2, at::BFloat16, float>;
  const Tensor out = image(s.n, s.c, s.h, s.w, kType<T>);
  const E* const from = data<E>(columns);
  E* const to = data<E>(out);
  at::parallel_for(0, s.n * s.h, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> sums(s.c);
    for (int64_t row = begin; row < end; row++)
      for (int64_t x0 = 0; x0 < s.w; x0++) {
        const int64_t n = row / s.h, y0 = row % s.h;
        std::fill(sums.begin(), sums.end(), 0.f);
        for (int64_t i = 0; i < s.k; i++)
          for (int64_t j = 0; j < s.k; j++) {
            const int64_t y = y0 + s.pad - i, x = x0 + s.pad - j;
            if (y < 0 || x < 0 || y % s.stride || x % s.stride || y / s.stride >= s.oh || x / s.stride >= s.ow) continue;
            const E* const add = from + (((n * s.oh + y / s.stride) * s.ow + x / s.stride) * s.k * s.k + i * s.k + j) * s.c;
            for (int64_t c = 0; c < s.c; c++) sums[c] += static_cast<float>(add[c]);
          }
        E* const o = to + (row * s.w + x0) * s.c;
        for (int64_t c = 0; c < s.c; c++) o[c] = static_cast<E>(sums[c]);
      }
  });
  return out;
}

struct Gradients {
  Tensor input, weights;  // weights [outs][k][k][c / groups], of the scaled weights
};
// From g, the gradient of the convolution alone
template <class T>
Gradients gradientsOf(const Layout& s, const Tensor& g, const Tensor& x, const Tensor& w, const Tensor& scale, By input, By weights) {
  countedBy<T>(Op::conv_by_backward, input), countedBy<T>(Op::conv_by_backward, weights);
  Gradients out;
  const auto i = [](int64_t v) { return static_cast<int>(v); };
  const Grouped grouped{i(s.n), i(s.h), i(s.w), i(s.c), i(s.c / s.groups), i(s.stride), i(s.oh), i(s.ow)};
  const Tensor half = input == By::libtorch || input == By::product || weights == By::libtorch ? scaled<T>(w, scale) : Tensor();
  if (input == By::libtorch || weights == By::libtorch) {
    const auto [gx, dw, none] =
        at::convolution_backward(g, x, asWeight(half), c10::nullopt, {s.stride, s.stride}, {s.pad, s.pad}, {1, 1}, false, {0, 0},
                                 s.groups, {input == By::libtorch, weights == By::libtorch, false});
    if (input == By::libtorch) out.input = gx;
    if (weights == By::libtorch) out.weights = dw.to(at::kFloat).permute({0, 2, 3, 1}).contiguous();
  }
  if (weights == By::product)
    out.weights = at::mm(rowsOf(g).t(), columnsOf<T>(x, s)).to(at::kFloat).view(w.sizes());
  if (weights == By::own) {
    const auto& kernels = convolutions<T>();
    out.weights = at::empty_like(w);
    Doubles sums(s.outs);
    if (s.groups > 1)
      kernels.groupedGrad(grouped, data<T>(x), data<T>(g), data<float>(w), nullptr, data<float>(out.weights), nullptr);
    else
      kernels.conv3Grad({i(s.n), i(s.h), i(s.w), i(s.c), i(s.outs)}, data<T>(x), data<T>(g), nullptr, Act::none, nullptr,
                        data<float>(w), nullptr, data<float>(out.weights), nullptr, sums.data());
  }
  if (input == By::product)
    out.input = gathered<T>(at::mm(rowsOf(g), half.reshape({s.outs, s.under()})), s);
  if (input == By::own) {
    const auto& kernels = convolutions<T>();
    out.input = image(s.n, s.c, s.h, s.w, kType<T>);
    const Tensor turned = OwnConv<T>::packed(x, w, scale, true);
    if (s.groups > 1)
      kernels.grouped(grouped, data<T>(g), data<T>(turned), true, nullptr, nullptr, Act::none, data<T>(out.input));
    else
      kernels.conv3({i(s.n), i(s.h), i(s.w), i(s.outs), i(s.c)}, data<T>(g), data<T>(turned), nullptr, nullptr, Act::none,
                    data<T>(out.input));
  }
  if constexpr (sizeof(T) == 2) {
    use<T>();
    if (weights == By::tiles) {
      out.weights = at::empty_like(w);
      amx()->tilesGrad(s.full(false), data<T>(x), data<T>(g), data<float>(out.weights));
    }
    if (input == By::tiles) {
      const Tensor packed = at::empty({w.numel()}, kType<T>);
      amx()->tilesPack(data<float>(w), data<float>(scale), i(s.c), i(s.outs), i(s.k * s.k), true, data<T>(packed));
      out.input = image(s.n, s.c, s.h, s.w, kType<T>);
      amx()->tilesConv(s.full(true), data<T>(g), data<T>(packed), nullptr, nullptr, Act::none, data<T>(out.input));
    }
  }
  return out;
}

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

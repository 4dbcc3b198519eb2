// The products of a convolution (forward, gradient of the input, gradient of the weights) in each way that there is: libtorch's
// convolution, one matrix product, our kernels, our kernels for tiles, or oneDNN's convolution with what follows it. conv_by.cpp
// makes operators of them.
#pragma once
#include <ATen/core/dispatch/Dispatcher.h>

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
    return back ? ConvFull{i(n), i(oh), i(ow), i(outs), i(k), 1, i(k - 1 - pad), i(h), i(w), i(c), i(stride)}
                : ConvFull{i(n), i(h), i(w), i(c), i(k), i(stride), i(pad), i(oh), i(ow), i(outs)};
  }
};
constexpr int64_t kMostBytes = int64_t(1) << 28;  // of what lies under the kernel, for one product

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
             (part != Part::input || (s.pad < s.k && (s.stride == 1 || byPlaces(s.full(true)))));
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
    const Tensor y = image(s.n, s.outs, s.oh, s.ow, kType<T>);  // no view of the product: what follows may write to it
    Tensor out = y.permute({0, 2, 3, 1}).view({s.pixels(), s.outs});
    if (b.defined()) at::addmm_out(out, b, rows, matrix);
    else at::mm_out(out, rows, matrix);
    return finished(y, plus, act);
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

}  // namespace
}  // namespace anneal::kernels

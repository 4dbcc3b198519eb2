// Checks of the arguments of our operators, before a kernel reads them. The error names the argument, what was expected and what was
// given; the caller (src/torch/call.ts) adds the operator's name. A check takes about ten nanoseconds for each tensor.
#pragma once
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

namespace anneal::kernels {

// Kernels count the values of one picture, and sizes, as int.
constexpr int64_t kMostValues = INT32_MAX;

// Whether a kernel can read the memory of t: no view that negates, no zeros without memory, no other layout
inline bool isPlain(const at::Tensor& t) {
  return t.defined() && t.device().is_cpu() && t.layout() == at::kStrided && !t.is_nested() && !t.is_quantized() && !t.is_neg() &&
         !t.is_conj() && !t._is_zerotensor();
}

inline std::string typeName(at::ScalarType type) {
  switch (type) {
    case at::kFloat: return "float32";
    case at::kDouble: return "float64";
    case at::kHalf: return "float16";
    case at::kBFloat16: return "bfloat16";
    case at::kLong: return "int64";
    case at::kInt: return "int32";
    case at::kByte: return "uint8";
    case at::kBool: return "bool";
    default: return c10::toString(type);
  }
}
// Describes a tensor for messages
inline std::string said(const at::Tensor& t) {
  if (!t.defined()) return "none";
  std::string out = typeName(t.scalar_type());
  if (t.is_nested() || t.layout() != at::kStrided) return out + " of another layout, " + c10::str(t.layout());
  out += " " + c10::str(t.sizes());
  if (!t.device().is_cpu()) return out + " on " + t.device().str();
  if (t.is_quantized()) return out + ", quantized";
  if (t.is_neg() || t.is_conj() || t._is_zerotensor()) return out + ", a view that is computed when it is read";
  return t.is_contiguous() ? out : out + " with strides " + c10::str(t.strides());
}
template <class... E>
[[noreturn]] void refuse(const std::string& argument, const at::Tensor& got, const E&... expected) {
  TORCH_CHECK(false, argument, ": expected ", expected..., ", got ", said(got));
  throw std::logic_error("unreachable");
}

inline bool isPicturesType(at::ScalarType type) { return type == at::kFloat || type == at::kBFloat16; }
// Pictures or maps [N, C, H, W] of float32 or bfloat16. There may be none of them (N 0); their sides may not be 0. `channels` 0:
// any.
inline void checkMaps(const char* argument, const at::Tensor& x, int64_t channels = 0) {
  const bool fits = isPlain(x) && isPicturesType(x.scalar_type()) && x.dim() == 4;
  const std::string c = channels > 0 ? std::to_string(channels) : "C";
  if (!fits || x.size(1) < 1 || x.size(2) < 1 || x.size(3) < 1 || (channels > 0 && x.size(1) != channels))
    refuse(argument, x, "float32 or bfloat16 [N, ", c, ", H, W] on the CPU, C, H and W from 1");
  if (x.size(0) > kMostValues || x.size(2) > kMostValues / x.size(3) || x.size(1) > kMostValues / (x.size(2) * x.size(3)))
    refuse(argument, x, "fewer than ", kMostValues, " pictures, and values in each");
}
// The same limit for maps that a kernel makes.
inline void checkMade(const char* argument, const at::Tensor& x, int64_t channels, int64_t h, int64_t w) {
  if (h > 0 && w > 0 && channels > kMostValues / (h * w))
    refuse(argument, x, "fewer than ", kMostValues, " values in each picture's map of ", channels, " channels, ", h, " x ", w);
}
// float32 of these sizes. `written`: also without gaps, because the kernel writes to the memory or reads it as it is
inline void checkNumbers(const char* of, const char* what, const at::Tensor& t, at::IntArrayRef sizes, bool written = false) {
  if (isPlain(t) && t.scalar_type() == at::kFloat && t.sizes() == sizes && (!written || t.is_contiguous())) return;
  const std::string argument = *of ? std::string(of) + " " + what : what;
  refuse(argument, t, "float32 ", sizes, written ? " without gaps, on the CPU" : " on the CPU");
}
inline void checkRange(const char* argument, double value, double least, double most) {
  TORCH_CHECK(value >= least && value <= most, argument, ": expected a number from ", least, " to ", most, ", got ", value);
}
inline void checkWhole(const char* argument, int64_t value, std::initializer_list<int64_t> known) {
  TORCH_CHECK(std::find(known.begin(), known.end(), value) != known.end(), argument, ": expected one of ",
              std::vector<int64_t>(known), ", got ", value);
}
inline void checkBatchNorm(double eps, double momentum) { checkRange("eps", eps, 0, 1e30), checkRange("momentum", momentum, 0, 1); }

// A layer is a convolution and its BatchNorm: [weight, gamma, beta, running_mean, running_var], with a weight of these sizes
inline void checkLayer(const char* name, const std::vector<at::Tensor>& layer, at::IntArrayRef weight) {
  TORCH_CHECK(layer.size() == 5, name, ": expected [weight, gamma, beta, running_mean, running_var], got ", layer.size(), " tensors");
  checkNumbers(name, "weight", layer[0], weight);
  const char* const names[] = {"", "gamma", "beta", "running_mean", "running_var"};
  for (int i = 1; i < 5; i++) checkNumbers(name, names[i], layer[i], weight[0], i > 2);
}
// The sizes of a layer's weight: four, none of them 0. The other tensors are then checked against them.
inline at::IntArrayRef weightOf(const char* name, const std::vector<at::Tensor>& layer) {
  TORCH_CHECK(layer.size() == 5, name, ": expected [weight, gamma, beta, running_mean, running_var], got ", layer.size(), " tensors");
  const at::Tensor& w = layer[0];
  if (!isPlain(w) || w.scalar_type() != at::kFloat || w.dim() != 4 || w.numel() == 0 || w.size(0) > kMostValues / (w.numel() / w.size(0)))
    refuse(std::string(name) + " weight", w, "float32 [outputs, inputs, k, k] on the CPU, none of them 0");
  return w.sizes();
}

// The sizes of a block of a mobile net. In a stem, `expand` is a 3 x 3 convolution of pictures.
struct BlockSizes {
  int64_t middle, outputs, k;
};
inline BlockSizes checkBlock(const std::vector<at::Tensor>& expand, const std::vector<at::Tensor>& depthwise,
                             const std::vector<at::Tensor>& project, bool stem, int64_t inputs, int64_t stride, bool residual) {
  const char* const first = stem ? "stem" : "expand";
  const auto middle = weightOf(first, expand)[0], k = weightOf("depthwise", depthwise)[2], outputs = weightOf("project", project)[0];
  const int64_t side = stem ? 3 : 1;
  checkLayer(first, expand, {middle, inputs, side, side});
  checkWhole("depthwise kernel", k, {3, 5});
  checkLayer("depthwise", depthwise, {middle, 1, k, k});
  checkLayer("project", project, {outputs, middle, 1, 1});
  checkWhole("stride", stride, {1, 2});
  TORCH_CHECK(!residual || (stride == 1 && inputs == outputs), "residual: expected stride 1 and as many outputs as inputs, got stride ",
              stride, ", ", inputs, " inputs and ", outputs, " outputs");
  return {middle, outputs, k};
}

// The output for a batch of no pictures; tensors that require a gradient get zeros
inline at::Tensor madeOfNone(at::IntArrayRef sizes, at::ScalarType type, const std::vector<at::Tensor>& from) {
  at::Tensor y = at::empty(sizes, at::TensorOptions().dtype(type), at::MemoryFormat::Contiguous);
  if (at::GradMode::is_enabled())
    for (const auto& t : from)
      if (t.defined() && t.requires_grad()) y = y + t.sum().to(type) * 0;
  return y;
}

}  // namespace anneal::kernels

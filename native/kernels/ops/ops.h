// What the operators share: which kernels are in use, packed weights, and BatchNorm in the form that kernels need.
#pragma once
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "../calls.h"
#include "../checks.h"
#include "../kernels.h"

namespace anneal::kernels {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Layer = std::vector<Tensor>;  // weight, gamma, beta, running_mean, running_var
using Doubles = std::vector<double>;
constexpr auto kNhwc = at::MemoryFormat::ChannelsLast;

template <class T>
T* data(const Tensor& t) {
  return t.defined() ? static_cast<T*>(t.data_ptr()) : nullptr;
}
template <class T>
constexpr at::ScalarType kType = sizeof(T) == 2 ? at::kBFloat16 : at::kFloat;

// --- which kernels are in use (kernel_sets.cpp)

// The AMX kernels. Null if the processor has no AMX, or if its products differ from AVX-512's (amx_selftest.h).
const Kernels<Half16>* amx();

// The kernels that this thread uses for each type; the best ones of this processor unless a caller chose others.
struct InUse {
  const Kernels<float>* wide = forAvx512() ? forAvx512() : forAvx2() ? forAvx2() : forNeon();
  const Kernels<Half16>* half = amx() ? amx() : forAvx512Bf16() ? forAvx512Bf16() : forNeonBf16();
};
InUse& inUse();
template <class T>
const Kernels<T>& use() {
  const Kernels<T>* k;
  if constexpr (sizeof(T) == 2)
    k = inUse().half;
  else
    k = inUse().wide;
  TORCH_CHECK(k, "there are no kernels for ", kType<T>, " on this processor, or from this compiler");
  useThreads(at::get_num_threads());
  return *k;
}

// AMX has no convolutions of our own. If they are asked for by name, AVX-512's are used.
template <class T>
const Kernels<T>& convolutions() {
  const auto& k = use<T>();
  if constexpr (sizeof(T) == 2)
    if (!k.conv3) return *forAvx512Bf16();
  return k;
}

inline void ran(Op op, bool half) { counted(op, half ? setOf(inUse().half) : setOf(inUse().wide)); }
template <class T>
void ran(Op op) {
  ran(op, sizeof(T) == 2);
}
template <class T>
void ranConvolution(Op op) {
  counted(op, setOf(&convolutions<T>()));
}
// --- weights as the kernels take them

// Packed weights of nets that predict. They are kept until the weight is written to or its scale differs: packing all weights of
// a mobile net takes a fifth of the time of one picture. The weak pointer keeps the address of a freed tensor from being reused.
template <class T>
class Packs {
 public:
  // `pack(into)` writes `size` values; w is the memory of the weight.
  template <class Pack>
  Tensor of(const Tensor& weight, const void* w, size_t size, Pack pack, const Tensor& scale = {}) {
    const auto& kernels = use<T>();
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto version = static_cast<int64_t>(weight._version());
    auto& e = entries_[weight.unsafeGetTensorImpl()];
    const bool same = e.scale.defined() ? scale.defined() && e.scale.equal(scale) : !scale.defined();
    if (!e.owner || e.owner->expired() || e.version != version || e.w != w || e.kernels != &kernels || !same) {
      e.owner.reset();  // until all of it is done
      e.packed = at::empty({static_cast<int64_t>(size)}, kType<T>);
      pack(data<T>(e.packed));
      e.owner = Owner(weight.getIntrusivePtr()), e.version = version, e.w = w, e.kernels = &kernels;
      e.scale = scale.defined() ? scale.clone() : scale;
      for (auto i = entries_.begin(); i != entries_.end();) {
        const auto& owner = i->second.owner;
        i = !owner || owner->expired() ? entries_.erase(i) : ++i;
      }
    }
    return e.packed;
  }

 private:
  using Owner = c10::weak_intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>;
  struct Entry {
    std::optional<Owner> owner;
    int64_t version = 0;
    const void* w = nullptr;
    const Kernels<T>* kernels = nullptr;
    Tensor scale, packed;
  };
  std::mutex mutex_;
  std::unordered_map<const c10::TensorImpl*, Entry> entries_;
};
template <class T>
Tensor packed(const Tensor& weight, const Tensor& ready, int k, int n) {
  static Packs<T> packs;
  const auto& kernels = use<T>();
  const auto* w = data<float>(ready);
  return packs.of(weight, w, kernels.packedSize(k, n), [&](T* into) { kernels.pack(w, k, n, into); });
}

// --- BatchNorm as the kernels take it

struct Statistics {
  bool ofBatch;
  double eps, momentum;
};

// Rows a, b, mean, 1 / deviation, each padded to 32 channels
inline Tensor normOf(const Layer& layer, const Doubles& sum, const Doubles& squares, long m, const Statistics& s) {
  const int64_t c = layer[1].numel(), padded = (c + 31) / 32 * 32;
  const Tensor out = at::zeros({4, padded});
  auto* o = data<float>(out);
  const auto *gamma = data<float>(layer[1]), *beta = data<float>(layer[2]);
  auto *means = data<float>(layer[3]), *variances = data<float>(layer[4]);
  for (int64_t i = 0; i < c; i++) {
    double mean = means[i], variance = variances[i];
    if (s.ofBatch) {
      mean = sum[i] / m;
      variance = std::max(0.0, squares[i] / m - mean * mean);
      means[i] += static_cast<float>(s.momentum * (mean - means[i]));
      variances[i] += static_cast<float>(s.momentum * (variance * m / std::max(1L, m - 1) - variances[i]));
    }
    const double r = 1 / std::sqrt(variance + s.eps);
    o[i] = static_cast<float>(gamma[i] * r);
    o[padded + i] = static_cast<float>(beta[i] - mean * gamma[i] * r);
    o[2 * padded + i] = static_cast<float>(mean);
    o[3 * padded + i] = static_cast<float>(r);
  }
  return out;
}
inline Norm view(const Tensor& norm) {
  const auto* p = data<float>(norm);
  const auto c = norm.size(1);
  return {p, p + c, p + 2 * c};
}

// BatchNorm's gradient, from the sums of g and of g (z - mean) over m pixels
struct Back {
  Tensor rows, gamma, beta;
  bool ofBatch;
  NormGrad view() const {
    const auto* p = data<float>(rows);
    const auto c = rows.size(1);
    return {p, ofBatch ? p + c : nullptr, ofBatch ? p + 2 * c : nullptr};
  }
};
inline Back backOf(const Tensor& norm, const Doubles& first, const Doubles& second, long m, bool ofBatch) {
  const int64_t c = static_cast<int64_t>(first.size()), padded = norm.size(1);
  const auto *a = data<float>(norm), *mean = a + 2 * padded, *r = a + 3 * padded;
  Back back{at::zeros({3, padded}), at::empty({c}), at::empty({c}), ofBatch};
  auto *o = data<float>(back.rows), *gamma = data<float>(back.gamma), *beta = data<float>(back.beta);
  for (int64_t i = 0; i < c; i++) {
    const double d = second[i] * r[i], k = a[i] * r[i] * d / m;
    gamma[i] = static_cast<float>(d);
    beta[i] = static_cast<float>(first[i]);
    o[i] = a[i];
    o[padded + i] = static_cast<float>(-k);
    o[2 * padded + i] = static_cast<float>(-a[i] * first[i] / m + k * mean[i]);
  }
  return back;
}
struct Sum {
  Doubles first, second;
  explicit Sum(int64_t c) : first(c), second(c) {}
  operator Sums() { return {first.data(), second.data()}; }
};

// --- shapes, layers, activations

inline int64_t sidesOf(int64_t size, int64_t k, int64_t stride, bool same, int* out) {  // how much is padded before
  if (same) {
    *out = static_cast<int>((size + stride - 1) / stride);
    return std::max<int64_t>(0, (*out - 1) * stride + k - size) / 2;
  }
  *out = static_cast<int>((size + 2 * (k / 2) - k) / stride + 1);
  return k / 2;
}

inline Tensor image(int64_t n, int64_t c, int64_t h, int64_t w, at::ScalarType type) {
  return at::empty({n, c, h, w}, at::TensorOptions().dtype(type), kNhwc);
}

inline void onlyOnce() {
  TORCH_CHECK(!at::GradMode::is_enabled(),
              "kernels of our own have no gradient of their gradient; for createGraph run the net in withKernels('aten', …)");
}

inline Layer ready(const Layer& layer) {  // a weight's numbers in the order [n][k] or [c][k * k]
  Layer out = layer;
  const auto& w = layer[0];
  out[0] = (w.size(1) == 1 ? w : w.permute({0, 2, 3, 1})).contiguous();
  for (int i = 1; i < 3; i++) out[i] = layer[i].contiguous();
  return out;
}

inline bool learns(std::initializer_list<const Layer*> layers, const Tensor& x) {
  if (!at::GradMode::is_enabled()) return false;
  if (x.requires_grad()) return true;
  for (const auto* layer : layers)
    for (const auto& t : *layer)
      if (t.requires_grad()) return true;
  return false;
}

inline void checkStatistics(const Tensor& x, bool ofBatch) {
  if (ofBatch && x.numel() == 0) refuse("x", x, "at least one value a channel, of which the statistics of a batch are made");
}

inline Act actNamed(c10::string_view name) {
  TORCH_CHECK(name == "none" || name == "relu" || name == "relu6", "act: expected none, relu or relu6, got ", name);
  return name == "relu" ? Act::relu : name == "relu6" ? Act::relu6 : Act::none;
}

// g where the activation passes gradients on, by its output y; `sums`, unless null, becomes the sums over pixels
template <class T>
Tensor reluBackwardOf(const Tensor& g, const Tensor& y, Act act, Tensor* sums) {
  if (act == Act::none && !sums) return g;
  const int64_t c = g.size(1);
  const Tensor norm = at::zeros({3, (c + 31) / 32 * 32}), through = act == Act::none ? g : at::empty_like(g);
  const auto* out = data<T>(act == Act::none ? g : y);
  Sum sum(c);
  use<T>().normaliseSums(data<T>(g), out, out, view(norm), act, act == Act::none ? nullptr : data<T>(through), nullptr,
                         static_cast<long>(g.numel() / c), static_cast<int>(c), sum);
  if (sums) {
    *sums = at::empty({c});
    std::copy(sum.first.begin(), sum.first.end(), data<float>(*sums));
  }
  return through;
}

}  // namespace anneal::kernels

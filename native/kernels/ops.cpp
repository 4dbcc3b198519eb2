// The kernels as operators `anneal::…`, with their gradients. Tensors are NCHW in channels_last; a layer is the list
// [weight, gamma, beta, running_mean, running_var]. In training running statistics are updated as torch's batch_norm does.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "agree.h"
#include "kernels.h"
#include "calls.h"
#include "checks.h"

namespace anneal::kernels {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Layer = std::vector<Tensor>;
using Doubles = std::vector<double>;
constexpr long kCached = 8 << 20;
constexpr int kOddPixels = 1024;  // of a map whose rows are odd, at most
constexpr long kPixelsEach = 16;  // a channel, so that its covariance with others pays
constexpr auto kNhwc = at::MemoryFormat::ChannelsLast;

template <class T>
T* data(const Tensor& t) {
  return t.defined() ? static_cast<T*>(t.data_ptr()) : nullptr;
}
template <class T>
constexpr at::ScalarType kType = sizeof(T) == 2 ? at::kBFloat16 : at::kFloat;

// AMX where it computes what AVX-512 does.
const Kernels<Half16>* amx() {
  static const Kernels<Half16>* const found = [] {
    const auto* tiled = forAmx();
    if (!tiled || agree(*tiled, *forAvx512Bf16())) return tiled;
    TORCH_WARN("AMX gives wrong products on this machine, so AVX-512 serves; please report it with the processor's name");
    return decltype(tiled)(nullptr);
  }();
  return found;
}

// The kernels that this thread uses for each type, the best that this processor has unless told otherwise.
struct InUse {
  const Kernels<float>* wide = forAvx512() ? forAvx512() : forAvx2();
  const Kernels<Half16>* half = amx() ? amx() : forAvx512Bf16();
};
InUse& inUse() {
  static thread_local InUse set;
  return set;
}
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

// AMX has no convolutions of its own: by products of tiles they would be others. AVX-512's serve there, where they are asked for.
template <class T>
const Kernels<T>& convolutions() {
  const auto& k = use<T>();
  if constexpr (sizeof(T) == 2)
    if (!k.conv3) return *forAvx512Bf16();
  return k;
}

// What there is, the best of a type first
std::vector<std::string> sets() {
  std::vector<std::string> out;
  if (forAvx512()) out.push_back("avx512");
  if (forAvx2()) out.push_back("avx2");
  if (amx()) out.push_back("amx");
  if (forAvx512Bf16()) out.push_back("avx512_bf16");
  return out;
}
void useSet(const std::string& name) {
  const auto* wide = name == "avx512" ? forAvx512() : name == "avx2" ? forAvx2() : nullptr;
  const auto* half = name == "amx" ? amx() : name == "avx512_bf16" ? forAvx512Bf16() : nullptr;
  TORCH_CHECK(wide || half, "there are no kernels \"", name, "\" here; there are ", c10::Join(", ", sets()));
  if (wide) inUse().wide = wide;
  if (half) inUse().half = half;
}
// The set in use for each type that has one, float32's first
std::vector<std::string> setsInUse() {
  std::vector<std::string> out;
  if (inUse().wide) out.emplace_back(kSetNames[static_cast<size_t>(setOf(inUse().wide))]);
  if (inUse().half) out.emplace_back(kSetNames[static_cast<size_t>(setOf(inUse().half))]);
  return out;
}

void ran(Op op, bool half) { counted(op, half ? setOf(inUse().half) : setOf(inUse().wide)); }
template <class T>
void ran(Op op) {
  ran(op, sizeof(T) == 2);
}
template <class T>
void ranConvolution(Op op) {
  counted(op, setOf(&convolutions<T>()));
}
// Calls of one operator, or of all (""), in one set or in all
int64_t kernelCalls(const std::string& op, const std::string& set) {
  const auto at = [](const auto& names, const std::string& name, const char* what) {
    const auto found = std::find(std::begin(names), std::end(names), name);
    TORCH_CHECK(name.empty() || found != std::end(names), "there is no ", what, " \"", name, "\"; there are ",
                c10::Join(", ", std::vector<std::string>(std::begin(names), std::end(names))));
    return found - std::begin(names);
  };
  const auto row = at(kOpNames, op, "operator"), column = at(kSetNames, set, "set of kernels");
  int64_t sum = 0;
  for (long i = 0; i < static_cast<long>(calls.size()); i++)
    for (long j = 0; j < static_cast<long>(calls[i].size()); j++)
      if ((op.empty() || i == row) && (set.empty() || j == column)) sum += calls[i][j].load(std::memory_order_relaxed);
  return sum;
}

// --- weights as the kernels take them

// Packed weights of nets that predict, kept until somebody writes to the weight or its scale is another: packing all of a
// mobile net's takes a fifth of the time of one picture. The weak pointer keeps a freed tensor's address from being taken by
// another.
template <class T>
class Packs {
 public:
  // `pack(into)` writes `size` numbers; w is where the weight's are.
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
Tensor normOf(const Layer& layer, const Doubles& sum, const Doubles& squares, long m, const Statistics& s) {
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
Norm view(const Tensor& norm) {
  const auto* p = data<float>(norm);
  const auto c = norm.size(1);
  return {p, p + c, p + 2 * c};
}

// What BatchNorm's gradient is, from the sums of g and of g (z - mean) over m pixels
struct Back {
  Tensor rows, gamma, beta;
  bool ofBatch;
  NormGrad view() const {
    const auto* p = data<float>(rows);
    const auto c = rows.size(1);
    return {p, ofBatch ? p + c : nullptr, ofBatch ? p + 2 * c : nullptr};
  }
};
Back backOf(const Tensor& norm, const Doubles& first, const Doubles& second, long m, bool ofBatch) {
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

int64_t sidesOf(int64_t size, int64_t k, int64_t stride, bool same, int* out) {  // how much is padded before
  if (same) {
    *out = static_cast<int>((size + stride - 1) / stride);
    return std::max<int64_t>(0, (*out - 1) * stride + k - size) / 2;
  }
  *out = static_cast<int>((size + 2 * (k / 2) - k) / stride + 1);
  return k / 2;
}

// --- a block: expand (or the stem), depthwise, project

struct Shape {
  Depthwise d;
  Stem stem;
  bool hasStem, residual, half;
  Statistics statistics;
  long inputs() const { return static_cast<long>(d.n) * d.h * d.w; }
  long outputs() const { return static_cast<long>(d.n) * d.oh * d.ow; }
};

Tensor image(int64_t n, int64_t c, int64_t h, int64_t w, at::ScalarType type) {
  return at::empty({n, c, h, w}, at::TensorOptions().dtype(type), kNhwc);
}

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
  k.pointwise(s.hasStem ? nullptr : data<T>(x), s.hasStem ? &s.stem : nullptr, {}, s.inputs(), cin, d.c,
              data<float>(expand[0]), data<T>(packedExpand), data<T>(f.z1), sums(wide));
  f.n1 = normOf(expand, wide.first, wide.second, s.inputs(), s.statistics);
  f.z2 = image(d.n, d.c, d.oh, d.ow, kType<T>);
  k.depthwise(d, data<T>(f.z1), view(f.n1), data<float>(deep[0]), data<T>(f.z2), sums(wide));
  f.n2 = normOf(deep, wide.first, wide.second, s.outputs(), s.statistics);
  f.z3 = image(d.n, cout, d.oh, d.ow, kType<T>);
  k.pointwise(data<T>(f.z2), nullptr, view(f.n2), s.outputs(), d.c, cout, data<float>(project[0]),
              data<T>(packedProject), data<T>(f.z3), sums(narrow));
  f.n3 = normOf(project, narrow.first, narrow.second, s.outputs(), s.statistics);
  f.out = into.defined() ? into : at::empty_like(f.z3);
  k.normalise(data<T>(f.z3), view(f.n3), s.residual ? data<T>(x) : nullptr, Act::none, data<T>(f.out), s.outputs(), cout);
  return f;
}

// Without gradients nothing is kept: some pictures at a time, whose wide maps stay in the caches
template <class T>
Tensor blockInference(const Shape& s, const Tensor& x, const Layer& expand, const Layer& deep, const Layer& project,
                      const Tensor& expandWeight, const Tensor& projectWeight) {
  const auto& d = s.d;
  const int cin = s.hasStem ? 27 : static_cast<int>(x.size(1)), cout = static_cast<int>(project[0].size(0));
  const Tensor first = packed<T>(expandWeight, expand[0], cin, d.c), last = packed<T>(projectWeight, project[0], d.c, cout);
  const Tensor out = image(d.n, project[0].size(0), d.oh, d.ow, kType<T>);
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

// --- the same by kernels that go through the whole block (mobile.h)

// Whether they can. Of bfloat16 two pixels are a word.
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
MobileBlock mobileBlock(const Shape& s, const Tensor& x, const Tensor& w1, const Tensor& w2, const Tensor& w3) {
  return {s.d, s.stem, s.hasStem, s.residual, static_cast<int>(x.size(1)), static_cast<int>(w3.size(0)),
          data<float>(w1), data<float>(w2), data<float>(w3), {}, {}, {}};
}
template <class T>
Forward mobileForward(const Shape& s, const Tensor& x, const Layer& expand, const Layer& deep, const Layer& project) {
  const auto& k = use<T>();
  const auto& d = s.d;
  MobileBlock block = mobileBlock(s, x, expand[0], deep[0], project[0]);
  Forward f;
  f.planes = true;
  Sum wide(d.c), narrow(block.cout);
  const auto planes = [&](long pixels) { return at::empty({pixels * ((d.c + 15) / 16 * 16)}, kType<T>); };
  f.z1 = planes(s.inputs());
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
  TORCH_CHECK(k.mobileBlockGrad, "other kernels were chosen between forward and backward");
  const Tensor &x = saved[0], &w1 = saved[1], &w2 = saved[2], &w3 = saved[3], &wide = saved[4], &deep = saved[5], &z3 = saved[6],
               &n1 = saved[7], &n2 = saved[8], &n3 = saved[9], &mixed = saved[10], &means = saved[11];
  MobileBlock block = mobileBlock(s, x, w1, w2, w3);
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
  k.pointwiseGrad(data<T>(g), data<T>(z3), b3.view(), data<T>(z2), nullptr, view(n2), s.outputs(), d.c, cout,
                  data<float>(w3), nullptr, data<T>(g2), data<float>(dw3), wide);
  const Back b2 = backOf(n2, wide.first, wide.second, s.outputs(), batch);
  const Tensor g1 = at::empty_like(z1);
  k.depthwiseGrad(d, data<T>(g2), data<T>(z2), b2.view(), data<T>(z1), view(n1), data<float>(w2), data<T>(g1),
                  data<float>(dw2), wide);
  const Back b1 = backOf(n1, wide.first, wide.second, s.inputs(), batch);
  if (!s.hasStem) gx = at::empty_like(x);
  k.pointwiseGrad(data<T>(g1), data<T>(z1), b1.view(), s.hasStem ? nullptr : data<T>(x), s.hasStem ? &s.stem : nullptr,
                  {}, s.inputs(), cin, d.c, data<float>(w1), s.residual ? data<T>(g) : nullptr, data<T>(gx),
                  data<float>(dw1), {});
  return {gx, dw1, b1.gamma, b1.beta, dw2, b2.gamma, b2.beta, dw3, b3.gamma, b3.beta};
}

void onlyOnce() {
  TORCH_CHECK(!at::GradMode::is_enabled(),
              "kernels of our own have no gradient of their gradient; for createGraph run the net in withKernels('aten', …)");
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

Layer ready(const Layer& layer) {  // a weight's numbers in the order [n][k] or [c][k * k]
  Layer out = layer;
  const auto& w = layer[0];
  out[0] = (w.size(1) == 1 ? w : w.permute({0, 2, 3, 1})).contiguous();
  for (int i = 1; i < 3; i++) out[i] = layer[i].contiguous();
  return out;
}

bool learns(std::initializer_list<const Layer*> layers, const Tensor& x) {
  if (!at::GradMode::is_enabled()) return false;
  if (x.requires_grad()) return true;
  for (const auto* layer : layers)
    for (const auto& t : *layer)
      if (t.requires_grad()) return true;
  return false;
}

void checkStatistics(const Tensor& x, bool ofBatch) {
  if (ofBatch && x.numel() == 0) refuse("x", x, "at least one value a channel, of which the statistics of a batch are made");
}

Tensor run(Tensor x, const Layer& first, const Layer& second, const Layer& third, int64_t stride, bool same,
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

Tensor invertedResidual(const Tensor& x, std::vector<Tensor> expand, std::vector<Tensor> depthwise,
                        std::vector<Tensor> project, int64_t stride, bool same, bool residual, bool half, bool training,
                        double eps, double momentum) {
  return run(x, expand, depthwise, project, stride, same, residual, false, half, {training, eps, momentum});
}
Tensor stemBlock(const Tensor& x, std::vector<Tensor> stem, std::vector<Tensor> depthwise, std::vector<Tensor> project,
                 int64_t stride, bool same, bool half, bool training, double eps, double momentum) {
  return run(x, stem, depthwise, project, stride, same, false, true, half, {training, eps, momentum});
}

// --- a pointwise convolution, BatchNorm, ReLU6

template <class T>
struct Pointwise : torch::autograd::Function<Pointwise<T>> {
  static std::pair<Tensor, std::pair<Tensor, Tensor>> made(const Tensor& x, const Layer& layer, const Statistics& s,
                                                        const Tensor& packed = {}) {
    const auto& k = use<T>();
    const long m = static_cast<long>(x.size(0) * x.size(2) * x.size(3));
    const int cin = static_cast<int>(x.size(1)), cout = static_cast<int>(layer[0].size(0));
    Sum sum(cout);
    const Tensor z = image(x.size(0), cout, x.size(2), x.size(3), kType<T>), y = at::empty_like(z);
    k.pointwise(data<T>(x), nullptr, {}, m, cin, cout, data<float>(layer[0]), data<T>(packed), data<T>(z),
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
    k.pointwiseGrad(data<T>(clipped), data<T>(z), back.view(), data<T>(x), nullptr, {}, m, cin, cout, data<float>(w),
                    nullptr, data<T>(gx), data<float>(dw), {});
    return {gx, dw, back.gamma, back.beta, {}, {}};
  }
};

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

// g where the activation lets it through, by what came out of it; `sums`, unless null, becomes its sums over pixels
template <class T>
Tensor letThroughBy(const Tensor& g, const Tensor& y, Act act, Tensor* sums) {
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

// --- a convolution of 3 x 3, what follows it in its own pass; in groups where weights have fewer channels than x

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
  // How many numbers the packed weights are
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
      through = letThroughBy<T>(g, y, act, weights && ctx->saved_data["bias"].toBool() ? &dbias : nullptr);
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

Act actNamed(c10::string_view name) {
  TORCH_CHECK(name == "none" || name == "relu" || name == "relu6", "act: expected none, relu or relu6, got ", name);
  return name == "relu" ? Act::relu : name == "relu6" ? Act::relu6 : Act::none;
}

// Numbers one an output, or none
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

// --- a convolution of 1 x 1 as libtorch has it, but for its weights' gradient, which is one product here: of many channels
// and few pixels libtorch's takes up to twice as long.

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

// --- a convolution of few channels, what follows it in its own pass

template <class T>
struct Few : torch::autograd::Function<Few<T>> {
  using Maybe = c10::optional<Tensor>;
  static Tensor made(const Tensor& x, const Tensor& w, const Maybe& scale, const Maybe& bias, Act act, int64_t stride,
                     int64_t padding) {
    ranConvolution<T>(Op::conv_few);
    const auto size = [](const Tensor& t, int i) { return static_cast<int>(t.size(i)); };
    ConvFew s{size(x, 0), size(x, 2), size(x, 3), size(x, 1), size(w, 1), static_cast<int>(stride), static_cast<int>(padding)};
    s.oh = (s.h + 2 * s.pad - s.k) / s.stride + 1, s.ow = (s.w + 2 * s.pad - s.k) / s.stride + 1, s.outs = size(w, 0);
    const Tensor y = image(s.n, s.outs, s.oh, s.ow, kType<T>);
    convolutions<T>().convFew(s, data<T>(x), data<float>(w), data<float>(scale.value_or(Tensor())),
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
    ranConvolution<T>(Op::conv_few_backward);
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &w = saved[1], &scale = saved[2], &y = saved[3];
    const auto numbers = ctx->saved_data["numbers"].toIntVector();
    const Tensor g = grads[0].to(kType<T>).contiguous(kNhwc);
    Tensor dscale, dbias;
    const Tensor through = letThroughBy<T>(g, y, static_cast<Act>(numbers[0]), numbers[3] ? &dbias : nullptr);
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

Tensor convFew(const Tensor& given, const Tensor& weight, const c10::optional<Tensor>& scale,
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
    return half ? Few<Half16>::made(x, w, a, b, act, stride, padding) : Few<float>::made(x, w, a, b, act, stride, padding);
  const auto kind = static_cast<int64_t>(act);
  return half ? Few<Half16>::apply(x, w, a, b, kind, stride, padding) : Few<float>::apply(x, w, a, b, kind, stride, padding);
}

// --- blocks one after another, for prediction

// Parts with their weights packed and their BatchNorms as factors: made once, and again when a tensor is another, was
// written to, or its running statistics changed (training writes those without counting it).
template <class T>
class Ready {
 public:
  using Key = std::vector<std::array<int64_t, 3>>;  // a tensor, its version, its memory
  Ready(const Layer& tensors, const std::vector<int64_t>& form, double eps, int64_t channels)
      : key_(keyOf(tensors)), form_(form), eps_(eps) {
    checkParts(tensors, form, channels);
    for (const auto& t : tensors) owners_.emplace_back(t.getIntrusivePtr());
    for (size_t i = 0; i < tensors.size(); i++)
      if (i % 5 > 2) statistics_.push_back(tensors[i].clone());
    size_t at = 0;
    const auto next = [&] {
      at += 5;
      return Layer(tensors.begin() + static_cast<long>(at) - 5, tensors.begin() + static_cast<long>(at));
    };
    for (size_t i = 0; i + 4 <= form.size(); i += 4) {
      Part p{};
      p.hasStem = form[i] == kStem, p.residual = form[i + 3] & 2;
      if (form[i] != kPointwise) {
        const Layer expand = next(), deep = next();
        p.cin = static_cast<int>(expand[0].numel() / expand[0].size(0));
        p.first = product(expand), p.middle = depthwise(deep);
        p.deep.c = static_cast<int>(deep[0].size(0)), p.deep.k = static_cast<int>(deep[0].size(2));
        p.deep.stride = static_cast<int>(form[i + 1]);
      }
      const Layer project = next();
      if (form[i] == kPointwise) p.cin = static_cast<int>(project[0].size(1));
      p.cout = static_cast<int>(project[0].size(0)), p.last = product(project);
      parts_.push_back(p);
    }
  }
  // Whether one of these tensors, or of none that are left, is of no more use.
  bool isOver(const Layer& now) const {
    return owners_[0].expired() || reinterpret_cast<int64_t>(now[0].unsafeGetTensorImpl()) == key_[0][0];
  }
  bool serves(const Layer& tensors, const std::vector<int64_t>& form, double eps) const {
    if (kernels_ != &use<T>() || eps != eps_ || form != form_ || keyOf(tensors) != key_) return false;
    for (const auto& o : owners_)
      if (o.expired()) return false;
    auto kept = statistics_.begin();
    for (size_t i = 0; i < tensors.size(); i++)
      if (i % 5 > 2 && std::memcmp(data<float>(*kept++), data<float>(tensors[i]), tensors[i].nbytes()) != 0) return false;
    return true;
  }
  // The parts for pictures of h x w, and the output's size
  std::vector<Part> at(int h, int w, const float* picture) const {
    auto parts = parts_;
    for (size_t i = 0; i < parts.size(); i++) {
      auto& p = parts[i];
      auto &d = p.deep;
      const bool same = form_[i * 4 + 2];
      if (p.hasStem) {
        p.stem = {picture, h, w};
        p.stem.top = static_cast<int>(sidesOf(h, 3, 2, same, &p.stem.oh));
        p.stem.left = static_cast<int>(sidesOf(w, 3, 2, same, &p.stem.ow));
        h = p.stem.oh, w = p.stem.ow;
      }
      d.n = 1, d.h = d.oh = h, d.w = d.ow = w;
      if (d.k) {
        d.top = static_cast<int>(sidesOf(h, d.k, d.stride, same, &d.oh));
        d.left = static_cast<int>(sidesOf(w, d.k, d.stride, same, &d.ow));
      }
      h = d.oh, w = d.ow;
    }
    return parts;
  }

  static constexpr int64_t kBlock = 0, kStem = 1, kPointwise = 2;

  // Whether each part takes what the one before it makes
  static void checkParts(const Layer& tensors, const std::vector<int64_t>& form, int64_t channels) {
    auto at = tensors.begin();
    const auto next = [&] { return at += 5, Layer(at - 5, at); };
    for (size_t i = 0; i < form.size(); i += 4) {
      const Layer first = next();
      if (form[i] == kPointwise) {
        const auto outputs = weightOf("tensors of a 1 x 1 convolution,", first)[0];
        checkLayer("tensors of a 1 x 1 convolution,", first, {outputs, channels, 1, 1});
        channels = outputs;
        continue;
      }
      const Layer second = next(), third = next();
      channels = checkBlock(first, second, third, form[i] == kStem, channels, form[i + 1], form[i + 3] & 2).outputs;
    }
  }

 private:
  static Key keyOf(const Layer& tensors) {
    Key key;
    key.reserve(tensors.size());
    for (const auto& t : tensors)
      key.push_back({reinterpret_cast<int64_t>(t.unsafeGetTensorImpl()), static_cast<int64_t>(t._version()),
                     reinterpret_cast<int64_t>(t.data_ptr())});
    return key;
  }
  Folded with(const Layer& layer, const Tensor& weights) {
    const Tensor norm = normOf(ready(layer), {}, {}, 1, {false, eps_, 0});
    held_.push_back(norm), held_.push_back(weights);
    return {weights.data_ptr(), view(norm).a, view(norm).b};
  }
  Folded product(const Layer& layer) {
    const Tensor w = ready(layer)[0];
    const int n = static_cast<int>(w.size(0)), k = static_cast<int>(w.numel() / n);
    const Tensor packed = at::empty({static_cast<int64_t>(kernels_->packedSize(k, n))}, kType<T>);
    kernels_->pack(data<float>(w), k, n, data<T>(packed));
    return with(layer, packed);
  }
  Folded depthwise(const Layer& layer) {
    const Tensor w = ready(layer)[0];
    const int64_t c = w.size(0), kk = w.numel() / c;
    const Tensor lines = at::zeros({(c + 15) / 16 * kk * 16 + 32});
    for (int64_t i = 0; i < c * kk; i++) data<float>(lines)[(i / kk / 16 * kk + i % kk) * 16 + i / kk % 16] = data<float>(w)[i];
    return with(layer, lines);
  }

  const Kernels<T>* kernels_ = &use<T>();
  Key key_;
  std::vector<c10::weak_intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>> owners_;
  Layer statistics_, held_;
  std::vector<int64_t> form_;
  double eps_;
  std::vector<Part> parts_;
};

template <class T>
std::shared_ptr<const Ready<T>> readyBody(const Layer& tensors, const std::vector<int64_t>& form, double eps, int64_t channels) {
  static std::mutex mutex;
  static std::vector<std::shared_ptr<const Ready<T>>> kept;  // the last ones used; the members of an ensemble take turns
  const std::lock_guard<std::mutex> lock(mutex);
  for (auto i = kept.begin(); i != kept.end(); ++i)
    if ((*i)->serves(tensors, form, eps)) {
      std::rotate(i, i + 1, kept.end());
      return kept.back();
    }
  kept.erase(std::remove_if(kept.begin(), kept.end(), [&](const auto& r) { return r->isOver(tensors); }), kept.end());
  if (kept.size() == 32) kept.erase(kept.begin());
  kept.push_back(std::make_shared<const Ready<T>>(tensors, form, eps, channels));
  return kept.back();
}

template <class T>
Tensor bodyOf(const Tensor& given, const Layer& tensors, const std::vector<int64_t>& form, double eps) {
  const auto body = readyBody<T>(tensors, form, eps, given.size(1));
  const Tensor x = given.to(form[0] == Ready<T>::kStem ? at::kFloat : kType<T>).contiguous(kNhwc);
  const auto parts =
      body->at(static_cast<int>(x.size(2)), static_cast<int>(x.size(3)), data<float>(form[0] == Ready<T>::kStem ? x : Tensor()));
  int64_t channels = x.size(1);
  for (const auto& p : parts) {
    if ((p.hasStem ? p.cin / 9 : p.cin) != channels) refuse("x", given, (p.hasStem ? p.cin / 9 : p.cin), " channels");
    checkMade("x", given, std::max(p.deep.c, p.cout), std::max(p.deep.h, p.deep.oh), std::max(p.deep.w, p.deep.ow));
    TORCH_CHECK((p.hasStem || p.cin % 2 == 0) && p.deep.c % 2 == 0, "channels must be even in number, got ", p.cin);
    channels = p.cout;
  }
  const auto& last = parts.back();
  const Tensor out = image(x.size(0), last.cout, last.deep.oh, last.deep.ow, kType<T>);
  use<T>().body(parts.data(), static_cast<int>(parts.size()), static_cast<int>(x.size(0)), x.data_ptr(), data<T>(out));
  return out;
}

// Tensors are five a layer, as everywhere; of each part `form` has what it is, its stride, whether padded as TensorFlow
// does, and 2 for a residual sum.
Tensor mobileBody(const Tensor& x, std::vector<Tensor> tensors, std::vector<int64_t> form, bool half, double eps) {
  checkMaps("x", x);
  checkRange("eps", eps, 0, 1e30);
  TORCH_CHECK(!form.empty() && form.size() % 4 == 0, "form: expected four numbers a part, got ", form.size());
  size_t layers = 0;
  for (size_t i = 0; i < form.size(); i += 4) {
    constexpr auto stem = Ready<float>::kStem, pointwise = Ready<float>::kPointwise, block = Ready<float>::kBlock;
    const auto kind = form[i], plus = form[i + 3];
    TORCH_CHECK(kind == block || kind == pointwise || (kind == stem && i == 0), "form: expected the kind of part ", i / 4,
                " to be 0 (block), 1 (stem, which comes first) or 2 (1 x 1 convolution), got ", kind);
    checkWhole("form's stride", form[i + 1], {1, 2}), checkWhole("form's padding", form[i + 2], {0, 1});
    TORCH_CHECK(plus == 0 || (plus == 2 && kind == block), "form: expected 0, or 2 for a block with a residual sum, got ", plus,
                " of part ", i / 4);
    layers += kind == pointwise ? 1 : 3;
  }
  TORCH_CHECK(layers * 5 == tensors.size(), "tensors: expected ", layers * 5, ", five a layer, got ", tensors.size());
  for (const auto& t : tensors)
    if (!isPlain(t) || t.scalar_type() != at::kFloat) refuse("tensors", t, "float32 on the CPU");
  const Layer all(tensors);
  TORCH_CHECK(!learns({&all}, x), "there are no gradients of blocks that predict");
  ran(Op::mobile_body, half);
  if (half && amx() && inUse().half == amx() && x.size(0) >= 4) {  // tiles are for many rows
    Tensor y = x;
    auto at = tensors.begin();
    const auto next = [&] { return at += 5, Layer(at - 5, at); };
    for (size_t i = 0; i < form.size(); i += 4) {
      const Layer first = next();
      if (form[i] == Ready<float>::kPointwise) {
        y = pointwiseRelu6(y, first, half, false, eps, 0);
        continue;
      }
      const Layer second = next();
      y = run(y, first, second, next(), form[i + 1], form[i + 2], form[i + 3] & 2, form[i] == Ready<float>::kStem, half,
              {false, eps, 0});
    }
    return y;
  }
  if (x.size(0) == 0) {
    const int64_t outputs = tensors[tensors.size() - 5].size(0);
    Ready<float>::checkParts(tensors, form, x.size(1));
    int h = static_cast<int>(x.size(2)), w = static_cast<int>(x.size(3));
    auto at = tensors.begin();
    for (size_t i = 0; i < form.size(); i += 4) {
      const bool same = form[i + 2], alone = form[i] == Ready<float>::kPointwise;
      if (form[i] == Ready<float>::kStem) sidesOf(h, 3, 2, same, &h), sidesOf(w, 3, 2, same, &w);
      if (!alone) sidesOf(h, at[5].size(2), form[i + 1], same, &h), sidesOf(w, at[5].size(2), form[i + 1], same, &w);
      at += alone ? 5 : 15;
    }
    return madeOfNone({0, outputs, h, w}, half ? at::kBFloat16 : at::kFloat, {});
  }
  return half ? bodyOf<Half16>(x, tensors, form, eps) : bodyOf<float>(x, tensors, form, eps);
}

// --- what a step does to weights

// Tensors as they lie in memory; nothing where they don't lie alike, without gaps, as float32 on the CPU
std::optional<Weights> alike(const Tensor& values, const Tensor& grad, const Tensor& first = {}, const Tensor& second = {}) {
  const auto lies = [&](const Tensor& t) {
    if (!isPlain(t) || t.scalar_type() != at::kFloat || t.sizes() != values.sizes()) return false;
    for (int64_t d = 0; d < t.dim(); d++)
      if (t.size(d) != 1 && t.stride(d) != values.stride(d)) return false;
    return true;
  };
  if (!isPlain(values) || !values.is_non_overlapping_and_dense()) return std::nullopt;
  for (const Tensor* t : {&values, &grad, &first, &second})
    if (t->defined() && !lies(*t)) return std::nullopt;
  return Weights{data<float>(values), data<float>(grad), data<float>(first), data<float>(second), static_cast<long>(values.numel())};
}
using Tensors = std::vector<Tensor>;
// The lists' weights, if all can be changed by a kernel
std::vector<Weights> changeable(const Tensors& params, const Tensors& grads, const Tensors& first, const Tensors& second) {
  const auto fits = [&](const Tensors& list) { return list.empty() || list.size() == params.size(); };
  TORCH_CHECK(grads.size() == params.size() && fits(first) && fits(second), "expected as many tensors in every list, got ",
              params.size(), ", ", grads.size(), ", ", first.size(), " and ", second.size());
  for (const auto* list : {&params, &grads, &first, &second})
    for (size_t i = 0; i < list->size(); i++) {
      const Tensor &t = (*list)[i], &p = params[i];
      TORCH_CHECK(t.defined(), "expected a tensor at every place, got none at ", i);
      if (t.sizes() != p.sizes()) refuse("the lists", t, "the sizes of the weights at place ", i, ", ", p.sizes());
    }
  std::vector<Weights> out;
  if (!inUse().wide) return out;
  for (size_t i = 0; i < params.size(); i++) {
    const auto one = alike(params[i], grads[i], first.empty() ? Tensor() : first[i], second.empty() ? Tensor() : second[i]);
    if (!one) return {};
    out.push_back(*one);
  }
  for (const auto& p : params) p.unsafeGetTensorImpl()->bump_version();
  return out;
}

constexpr double kBelowOne = 1 - 1e-9;

// Whether it was done: nothing is changed else.
bool adamStep(Tensors params, Tensors grads, Tensors mean, Tensors square, double lr, double beta1, double beta2, double eps,
              double decay, bool decoupled, int64_t step) {
  TORCH_CHECK(mean.size() == params.size() && square.size() == params.size(), "mean and square: expected ", params.size(),
              " tensors, one a weight, got ", mean.size(), " and ", square.size());
  checkRange("beta1", beta1, 0, kBelowOne), checkRange("beta2", beta2, 0, kBelowOne);
  checkRange("step", static_cast<double>(step), 1, 1e18);
  const auto weights = changeable(params, grads, mean, square);
  if (weights.empty()) return false;
  const auto f = [](double x) { return static_cast<float>(x); };
  const AdamNumbers numbers{lr, f(beta1), f(beta2), f(eps), f(decay), decoupled, step};
  ran<float>(Op::adam);
  use<float>().adam(weights.data(), static_cast<int>(weights.size()), numbers);
  return true;
}
bool sgdStep(Tensors params, Tensors grads, Tensors velocity, double lr, double momentum, double decay, bool nesterov) {
  TORCH_CHECK(momentum == 0 || velocity.size() == params.size(), "velocity: expected ", params.size(),
              " tensors, one a weight, with a momentum of ", momentum, ", got ", velocity.size());
  const auto weights = changeable(params, grads, velocity, {});
  if (weights.empty()) return false;
  const auto f = [](double x) { return static_cast<float>(x); };
  ran<float>(Op::sgd);
  use<float>().sgd(weights.data(), static_cast<int>(weights.size()), {f(lr), f(momentum), f(decay), nesterov});
  return true;
}

// kept = share kept + (1 - share) now, pair by pair
void blend(Tensors kept, Tensors now, double share) {
  TORCH_CHECK(kept.size() == now.size(), "expected as many tensors on both sides, got ", kept.size(), " and ", now.size());
  std::vector<Weights> weights;
  Tensors others, othersNow;
  for (size_t i = 0; i < kept.size(); i++) {
    TORCH_CHECK(kept[i].defined() && now[i].defined(), "expected a tensor at every place, got none at ", i);
    if (kept[i].sizes() != now[i].sizes()) refuse("now", now[i], "the sizes of what is kept at place ", i, ", ", kept[i].sizes());
  }
  for (size_t i = 0; i < kept.size(); i++) {
    const auto one = inUse().wide ? alike(kept[i], now[i]) : std::nullopt;
    if (!one) {
      others.push_back(kept[i]), othersNow.push_back(now[i]);
      continue;
    }
    weights.push_back(*one);
    kept[i].unsafeGetTensorImpl()->bump_version();
  }
  if (!weights.empty()) {
    ran<float>(Op::blend);
    use<float>().blend(weights.data(), static_cast<int>(weights.size()), share);
  }
  if (others.empty()) return;
  at::_foreach_mul_(others, share);
  at::_foreach_add_(others, othersNow, 1 - share);
}

// --- dropout

void draw(const Tensor& out, double p, at::Generator from) {
  auto* generator = at::check_generator<at::CPUGeneratorImpl>(from);
  const std::lock_guard<std::mutex> lock(generator->mutex_);
  auto engine = generator->engine().data();
  int at = engine.left_ == 1 ? kTwister : static_cast<int>(engine.next_);
  use<float>().coins(engine.state_.data(), &at, p, out.numel(), data<float>(out));
  engine.next_ = at, engine.left_ = kTwister + 1 - at;
  at::mt19937 after;
  after.set_data(engine);
  generator->set_engine(after);
}
// Whether libtorch draws so on this processor: on Intel's it leaves that to MKL, which has numbers of its own.
bool drawsAlike() {
  static const bool alike = [] {
    Tensor own = at::empty({256}), theirs = at::empty({256});
    draw(own, 0.3, at::detail::createCPUGenerator(7));
    return own.equal(theirs.bernoulli_(0.3, at::detail::createCPUGenerator(7)));
  }();
  return alike;
}

// What dropout multiplies x by: 1 / kept with probability `kept`, else 0. The same draws of the default generator as
// libtorch's dropout.
Tensor dropoutNoise(const Tensor& x, double kept) {
  TORCH_CHECK(x.defined() && at::isFloatingType(x.scalar_type()), "x: expected a tensor of a floating type, got ", said(x));
  TORCH_CHECK(kept > 0 && kept <= 1, "kept: expected a probability above 0, at most 1, got ", kept);
  Tensor noise = at::empty_like(x);
  const bool own = isPlain(x) && x.device().is_cpu() && x.scalar_type() == at::kFloat && noise.is_contiguous() && inUse().wide;
  if (own && drawsAlike()) {
    ran<float>(Op::dropout_noise);
    draw(noise, kept, at::detail::getDefaultCPUGenerator());
  } else {
    noise.bernoulli_(kept);
  }
  return noise.div_(kept);
}

// --- the maximum and the mean of every channel

template <class T>
struct ConcatPool : torch::autograd::Function<ConcatPool<T>> {
  static int pixels(const Tensor& x) { return static_cast<int>(x.size(2) * x.size(3)); }
  static Tensor made(const Tensor& x) {
    ran<T>(Op::concat_pool);
    const auto n = static_cast<int>(x.size(0)), c = static_cast<int>(x.size(1));
    const Tensor y = at::empty({n, 2 * c}, kType<T>);
    use<T>().concatPool(data<T>(x), n, pixels(x), c, data<T>(y));
    return y;
  }
  static Tensor forward(AutogradContext* ctx, const Tensor& x) {
    const Tensor y = made(x);
    ctx->save_for_backward({x, y});
    return y;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    onlyOnce();
    ran<T>(Op::concat_pool_backward);
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], gx = at::empty_like(x), g = grads[0].to(kType<T>).contiguous();
    use<T>().concatPoolGrad(data<T>(x), data<T>(saved[1]), data<T>(g), static_cast<int>(x.size(0)), pixels(x),
                            static_cast<int>(x.size(1)), data<T>(gx));
    return {gx};
  }
};
Tensor concatPool(const Tensor& given) {
  checkMaps("x", given);
  const auto type = given.scalar_type();
  if (given.size(0) == 0) return madeOfNone({0, 2 * given.size(1)}, type, {given});
  const Tensor x = given.contiguous(kNhwc);
  const bool learns = at::GradMode::is_enabled() && x.requires_grad();
  if (type == at::kFloat) return learns ? ConcatPool<float>::apply(x) : ConcatPool<float>::made(x);
  return learns ? ConcatPool<Half16>::apply(x) : ConcatPool<Half16>::made(x);
}

// --- BatchNorm, a residual sum, an activation

template <class T>
struct NormAct : torch::autograd::Function<NormAct<T>> {
  static long pixels(const Tensor& z) { return static_cast<long>(z.size(0) * z.size(2) * z.size(3)); }
  static std::pair<Tensor, Tensor> made(const Tensor& z, const Layer& layer, const Tensor& residual, Act act,
                                        const Statistics& s) {
    const auto& k = use<T>();
    ran<T>(Op::norm_act);
    const int c = static_cast<int>(z.size(1));
    Sum sum(c);
    if (s.ofBatch) k.moments(data<T>(z), pixels(z), c, sum);
    const Tensor norm = normOf(layer, sum.first, sum.second, pixels(z), s), y = at::empty_like(z);
    k.normalise(data<T>(z), view(norm), data<T>(residual), act, data<T>(y), pixels(z), c);
    return {y, norm};
  }
  static Tensor forward(AutogradContext* ctx, const Tensor& z, const Tensor& gamma, const Tensor& beta,
                        const c10::optional<Tensor>& residual, const std::vector<Tensor>& running, int64_t act,
                        const Statistics& s) {
    const Layer layer{{}, gamma, beta, running[0], running[1]};
    const auto [y, norm] = made(z, layer, residual.value_or(Tensor()), static_cast<Act>(act), s);
    // Where nothing was added, z says what the activation let through.
    const bool byOutput = residual && static_cast<Act>(act) != Act::none;
    ctx->save_for_backward({z, norm, byOutput ? y : Tensor()});
    ctx->saved_data["act"] = act;
    ctx->saved_data["residual"] = residual.has_value();
    ctx->saved_data["batch"] = s.ofBatch;
    return y;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto& k = use<T>();
    onlyOnce();
    ran<T>(Op::norm_act_backward);
    const auto saved = ctx->get_saved_variables();
    const Tensor &z = saved[0], &norm = saved[1], &y = saved[2];
    const Tensor g = grads[0].to(kType<T>).contiguous(kNhwc);
    const auto act = static_cast<Act>(ctx->saved_data["act"].toInt());
    const bool batch = ctx->saved_data["batch"].toBool();
    const long m = pixels(z);
    const int c = static_cast<int>(z.size(1));
    Sum sum(c);
    const Tensor dz = at::empty_like(z), masked = y.defined() ? at::empty_like(z) : Tensor();
    k.normaliseSums(data<T>(g), data<T>(z), data<T>(y), view(norm), act, data<T>(masked), batch ? nullptr : data<T>(dz), m,
                    c, sum);
    const Back back = backOf(norm, sum.first, sum.second, m, batch);
    const Tensor& through = y.defined() ? masked : g;
    if (batch)
      k.normaliseGrad(data<T>(through), data<T>(z), back.view(), view(norm), y.defined() ? Act::none : act, data<T>(dz), m,
                      c);
    return {dz, back.gamma, back.beta, ctx->saved_data["residual"].toBool() ? through : Tensor(), {}, {}, {}};
  }
};

Tensor normAct(const Tensor& given, const Tensor& gamma, const Tensor& beta, const Tensor& mean, const Tensor& variance,
               const c10::optional<Tensor>& plus, c10::string_view name, bool training, double eps, double momentum) {
  checkMaps("x", given);
  const int64_t channels = given.size(1);
  checkNumbers("", "gamma", gamma, channels), checkNumbers("", "beta", beta, channels);
  checkNumbers("", "running_mean", mean, channels, true), checkNumbers("", "running_var", variance, channels, true);
  checkBatchNorm(eps, momentum);
  checkStatistics(given, training);
  const bool half = given.scalar_type() == at::kBFloat16;
  const Tensor z = given.to(half ? at::kBFloat16 : at::kFloat).contiguous(kNhwc);
  c10::optional<Tensor> residual;
  if (plus && plus->defined()) {
    checkMaps("residual", *plus, channels);
    if (plus->sizes() != z.sizes()) refuse("residual", *plus, "the sizes of x, ", z.sizes());
    residual = plus->to(z.scalar_type()).contiguous(kNhwc);
  }
  const Act act = actNamed(name);
  if (z.size(0) == 0) return madeOfNone(z.sizes(), z.scalar_type(), {z, gamma, beta, residual.value_or(Tensor())});
  const Statistics s{training, eps, momentum};
  const Layer layer{{}, gamma.contiguous(), beta.contiguous(), mean, variance};
  const std::vector<Tensor> running{mean, variance};
  const bool learning = at::GradMode::is_enabled() && (z.requires_grad() || gamma.requires_grad() || beta.requires_grad() ||
                                                       (residual && residual->requires_grad()));
  if (!learning) {
    const Tensor other = residual.value_or(Tensor());
    return half ? NormAct<Half16>::made(z, layer, other, act, s).first : NormAct<float>::made(z, layer, other, act, s).first;
  }
  const auto kind = static_cast<int64_t>(act);
  return half ? NormAct<Half16>::apply(z, layer[1], layer[2], residual, running, kind, s)
              : NormAct<float>::apply(z, layer[1], layer[2], residual, running, kind, s);
}

}  // namespace

const Kernels<float>& floatKernels() { return use<float>(); }

TORCH_LIBRARY(anneal, m) {
  m.def("kernel_sets() -> str[]", sets);
  m.def("use_kernel_set(str name) -> ()", useSet);
  m.def("kernel_sets_in_use() -> str[]", setsInUse);
  m.def("kernel_calls(str op=\"\", str set=\"\") -> int", kernelCalls);
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
  m.def(
      "conv3x3(Tensor x, Tensor weight, Tensor? scale, Tensor? bias, Tensor? residual, str act, int stride, "
      "bool half) -> Tensor",
      conv3x3);
  m.def("conv1x1(Tensor x, Tensor weight, bool half) -> Tensor", conv1x1);
  m.def(
      "conv_few(Tensor x, Tensor weight, Tensor? scale, Tensor? bias, str act, int stride, int padding, bool half) -> Tensor",
      convFew);
  m.def("concat_pool(Tensor x) -> Tensor", concatPool);
  m.def("mobile_body(Tensor x, Tensor[] tensors, int[] form, bool half, float eps) -> Tensor", mobileBody);
  m.def("adam_(Tensor[] params, Tensor[] grads, Tensor[] mean, Tensor[] square, float lr, float beta1, float beta2, float eps, "
        "float decay, bool decoupled, int step) -> bool",
        adamStep);
  m.def("sgd_(Tensor[] params, Tensor[] grads, Tensor[] velocity, float lr, float momentum, float decay, bool nesterov) -> bool",
        sgdStep);
  m.def("blend(Tensor[] kept, Tensor[] now, float share) -> ()", blend);
  m.def("dropout_noise(Tensor x, float kept) -> Tensor", dropoutNoise);
  m.def(
      "norm_act(Tensor x, Tensor gamma, Tensor beta, Tensor running_mean, Tensor running_var, Tensor? residual, str act, "
      "bool training, float eps, float momentum) -> Tensor",
      normAct);
}

}  // namespace anneal::kernels

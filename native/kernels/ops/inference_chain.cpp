// All blocks of a mobile net one after another, for prediction.
#include <torch/library.h>

#include <array>
#include <cstring>
#include <memory>

#include "mobile.h"

namespace anneal::kernels {
namespace {

// The parts with packed weights and with BatchNorm as factors. They are made once, and again if a tensor is replaced or written
// to, or if its running statistics change (training writes those without a new version).
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
  // Whether it is of no more use: its first tensor is gone, or it is another state of the net `now`
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
  // The parts for pictures of h x w
  std::vector<Part> at(int h, int w, const float* picture) const {
    auto parts = parts_;
    for (size_t i = 0; i < parts.size(); i++) {
      auto& p = parts[i];
      auto &d = p.deep;
      const bool same = form_[i * 4 + 2];
      if (p.hasStem) {
        p.stem.picture = picture, p.stem.h = h, p.stem.w = w;
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

  // Throws unless each part takes as many channels as the one before it gives
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
  use<T>().inferenceChain(parts.data(), static_cast<int>(parts.size()), static_cast<int>(x.size(0)), x.data_ptr(), data<T>(out));
  return out;
}

// tensors: five for each layer. form: four numbers for each part: its kind, its stride, whether it pads as TensorFlow does, and 2
// for a residual sum.
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
  // Tiles are for many rows, and each thread takes pairs of pictures; the rest goes another way.
  const int64_t pairs = 2 * at::get_num_threads(), whole = x.size(0) / pairs * pairs;
  if (half && amx() && inUse().half == amx() && whole >= 4) {
    Tensor y = x.narrow(0, 0, whole);
    auto at = tensors.begin();
    const auto next = [&] { return at += 5, Layer(at - 5, at); };
    for (size_t i = 0; i < form.size(); i += 4) {
      const Layer first = next();
      if (form[i] == Ready<float>::kPointwise) {
        y = pointwiseRelu6(y, first, half, false, eps, 0);
        continue;
      }
      const Layer second = next();
      y = mobileBlock(y, first, second, next(), form[i + 1], form[i + 2], form[i + 3] & 2, form[i] == Ready<float>::kStem, half,
              {false, eps, 0});
    }
    return whole == x.size(0) ? y : at::cat({y, bodyOf<Half16>(x.narrow(0, whole, x.size(0) - whole), tensors, form, eps)});
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

}  // namespace

TORCH_LIBRARY_FRAGMENT(anneal, m) {
  m.def("mobile_body(Tensor x, Tensor[] tensors, int[] form, bool half, float eps) -> Tensor", mobileBody);
}

}  // namespace anneal::kernels

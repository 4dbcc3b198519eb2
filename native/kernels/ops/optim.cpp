// The update of weights by an optimizer, and their moving average.
#include <torch/library.h>

#include "ops.h"

namespace anneal::kernels {
namespace {

// The tensors as the kernels take them; nothing if they are not all float32 on the CPU, without gaps and in the same order in
// memory
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
// The weights of the lists; none if a kernel cannot update all of them
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

// Returns whether it was done; if not, nothing has changed.
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

}  // namespace

TORCH_LIBRARY_FRAGMENT(anneal, m) {
  m.def("adam_(Tensor[] params, Tensor[] grads, Tensor[] mean, Tensor[] square, float lr, float beta1, float beta2, float eps, "
        "float decay, bool decoupled, int step) -> bool",
        adamStep);
  m.def("sgd_(Tensor[] params, Tensor[] grads, Tensor[] velocity, float lr, float momentum, float decay, bool nesterov) -> bool",
        sgdStep);
  m.def("blend(Tensor[] kept, Tensor[] now, float share) -> ()", blend);
}

}  // namespace anneal::kernels

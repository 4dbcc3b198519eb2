// BatchNorm, a residual sum, an activation, in one pass over memory.
#include <torch/library.h>

#include "ops.h"

namespace anneal::kernels {
namespace {

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
    // If nothing was added, z says where the activation passes gradients on.
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

TORCH_LIBRARY_FRAGMENT(anneal, m) {
  m.def(
      "norm_act(Tensor x, Tensor gamma, Tensor beta, Tensor running_mean, Tensor running_var, Tensor? residual, str act, "
      "bool training, float eps, float momentum) -> Tensor",
      normAct);
}

}  // namespace anneal::kernels

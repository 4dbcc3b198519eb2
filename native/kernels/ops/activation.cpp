// An activation that each unit takes a share of.
#include <torch/library.h>

#include "ops.h"

namespace anneal::kernels {
namespace {

struct Share : torch::autograd::Function<Share> {
  static int size(const Tensor& x, int64_t i) { return static_cast<int>(x.size(i)); }
  static Tensor made(const Tensor& x, const Tensor& a, Curve f) {
    ran<float>(Op::activation_share);
    const Tensor y = at::empty_like(x);
    use<float>().activationShare(f, data<float>(x), data<float>(a), size(x, 0), size(x, 1), size(x, 2), data<float>(y));
    return y;
  }
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& a, int64_t f) {
    ctx->save_for_backward({x, a});
    ctx->saved_data["f"] = f;
    return made(x, a, static_cast<Curve>(f));
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    onlyOnce();
    ran<float>(Op::activation_share_backward);
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &a = saved[1], g = grads[0].to(at::kFloat).contiguous(), gx = at::empty_like(x), ga = at::empty_like(a);
    use<float>().activationShareGrad(static_cast<Curve>(ctx->saved_data["f"].toInt()), data<float>(x), data<float>(a), data<float>(g),
                                     size(x, 0), size(x, 1), size(x, 2), data<float>(gx), data<float>(ga));
    return {gx, ga, {}};
  }
};

// x + a (f(x) - x) for x [members, rows, width] and a [members, 1, width]
Tensor activationShare(const Tensor& given, const Tensor& share, c10::string_view f) {
  if (!isPlain(given) || given.scalar_type() != at::kFloat || given.dim() != 3 || given.numel() == 0)
    refuse("x", given, "float32 [members, rows, width] on the CPU, none of them 0");
  if (given.size(1) > kMostValues || given.size(2) > kMostValues / 64 / given.size(0))
    refuse("x", given, "fewer than ", kMostValues, " rows, and units of all members");
  checkNumbers("", "a", share, {given.size(0), 1, given.size(2)});
  TORCH_CHECK(f == "mish" || f == "selu", "f: expected mish or selu, got ", f);
  const auto curve = f == "mish" ? Curve::mish : Curve::selu;
  const Tensor x = given.contiguous(), a = share.contiguous();
  const bool learns = at::GradMode::is_enabled() && (x.requires_grad() || a.requires_grad());
  return learns ? Share::apply(x, a, static_cast<int64_t>(curve)) : Share::made(x, a, curve);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(anneal, m) {
  m.def("activation_share(Tensor x, Tensor a, str f) -> Tensor", activationShare);
}

}  // namespace anneal::kernels

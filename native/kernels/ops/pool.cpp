// The maximum and the mean of every channel.
#include <torch/library.h>

#include "ops.h"

namespace anneal::kernels {
namespace {

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

}  // namespace

TORCH_LIBRARY_FRAGMENT(anneal, m) {
  m.def("concat_pool(Tensor x) -> Tensor", concatPool);
}

}  // namespace anneal::kernels

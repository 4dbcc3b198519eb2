#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "door.h"

namespace anneal {

// setGradMode(on): what it was before.
static napi_value setGradMode(Door& d, Args& args) {
  const bool before = at::GradMode::is_enabled();
  at::GradMode::set_enabled(toBool(d.env, args[0]));
  return boolean(d.env, before);
}

static bool flag(Door& d, Args& args, size_t i) {
  return i < args.count && typeOf(d.env, args[i]) == napi_boolean && toBool(d.env, args[i]);
}
static std::vector<at::Tensor> list(Door& d, Args& args, size_t i) {
  return i < args.count && isArray(d.env, args[i]) ? toTensors(d, args[i]) : std::vector<at::Tensor>{};
}

// backward(tensors, gradients, retainGraph, createGraph, inputs): adds to the gradients of the leaves.
static napi_value backward(Door& d, Args& args) {
  torch::autograd::backward(list(d, args, 0), list(d, args, 1), flag(d, args, 2), flag(d, args, 3), list(d, args, 4));
  return undefined(d.env);
}

// grad(outputs, inputs, gradients, retainGraph, createGraph, allowUnused): one tensor (or null) an input.
static napi_value grad(Door& d, Args& args) {
  const auto found = torch::autograd::grad(list(d, args, 0), list(d, args, 1), list(d, args, 2), flag(d, args, 3),
                                           flag(d, args, 4), flag(d, args, 5));
  napi_value out;
  check(d.env, napi_create_array_with_length(d.env, found.size(), &out));
  for (size_t i = 0; i < found.size(); i++)
    check(d.env, napi_set_element(d.env, out, static_cast<uint32_t>(i), fromTensor(d, found[i])));
  return out;
}

static napi_value getGrad(Door& d, Args& args) { return fromTensor(d, toTensor(d, args[0]).grad()); }

// setGrad(tensor, gradient | null)
static napi_value setGrad(Door& d, Args& args) {
  auto& t = toTensor(d, args[0]);
  at::Tensor gradient;
  if (typeOf(d.env, args[1]) == napi_object) {
    gradient = toTensor(d, args[1]);
    if (gradient.is_same(t)) throw std::runtime_error("a tensor can't be its own gradient");
    if (gradient.sizes() != t.sizes() || gradient.scalar_type() != t.scalar_type() || gradient.device() != t.device())
      throw std::runtime_error("a gradient must have its tensor's shape, dtype and device");
  }
  t.mutable_grad() = gradient;
  return undefined(d.env);
}

static napi_value setRequiresGrad(Door& d, Args& args) {
  auto& t = toTensor(d, args[0]);
  const bool on = toBool(d.env, args[1]);
  if (!t.is_leaf() && !on) throw std::runtime_error("only a leaf can stop requiring a gradient; detach() gives one");
  t.set_requires_grad(on);
  return undefined(d.env);
}
static napi_value requiresGrad(Door& d, Args& args) { return boolean(d.env, toTensor(d, args[0]).requires_grad()); }
static napi_value isLeaf(Door& d, Args& args) { return boolean(d.env, toTensor(d, args[0]).is_leaf()); }
static napi_value retainGrad(Door& d, Args& args) {
  toTensor(d, args[0]).retain_grad();
  return undefined(d.env);
}

void defineAutograd(napi_env env, napi_value exports) {
  define(env, exports, "setGradMode", setGradMode);
  define(env, exports, "backward", backward);
  define(env, exports, "grad", grad);
  define(env, exports, "getGrad", getGrad);
  define(env, exports, "setGrad", setGrad);
  define(env, exports, "requiresGrad", requiresGrad);
  define(env, exports, "setRequiresGrad", setRequiresGrad);
  define(env, exports, "isLeaf", isLeaf);
  define(env, exports, "retainGrad", retainGrad);
}

}  // namespace anneal

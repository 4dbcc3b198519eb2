#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <memory>
#include <thread>

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

// Calls a function of JavaScript when the gradient of a leaf is whole, while backward goes on.
struct Hooks {
  napi_env env;
  napi_ref function = nullptr;
  std::thread::id thread = std::this_thread::get_id();
  bool failed = false;
  std::vector<decltype(torch::autograd::impl::grad_accumulator(at::Tensor()))> nodes;  // a leaf does not own its node
};
struct GradientHook : torch::autograd::FunctionPostHook {
  GradientHook(std::weak_ptr<Hooks> hooks, uint32_t number) : hooks_(std::move(hooks)), number_(number) {}
  torch::autograd::variable_list operator()(const torch::autograd::variable_list& outputs,
                                            const torch::autograd::variable_list&) override {
    const auto h = hooks_.lock();
    // The gradients of a GPU are computed on other threads, where no JavaScript may run.
    if (!h || h->failed || std::this_thread::get_id() != h->thread) return outputs;
    napi_handle_scope scope;
    if (napi_open_handle_scope(h->env, &scope) != napi_ok) return outputs;
    napi_value function, receiver, argument;
    // An exception stays pending until backward has returned.
    if (napi_get_reference_value(h->env, h->function, &function) != napi_ok ||
        napi_get_undefined(h->env, &receiver) != napi_ok || napi_create_uint32(h->env, number_, &argument) != napi_ok ||
        napi_call_function(h->env, receiver, function, 1, &argument, nullptr) != napi_ok)
      h->failed = true;
    napi_close_handle_scope(h->env, scope);
    return outputs;
  }

 private:
  const std::weak_ptr<Hooks> hooks_;
  const uint32_t number_;
};

// onGradients(leaves, function): calls function(number of the leaf) whenever backward has added to its gradient. Returns a
// function that ends this.
static napi_value onGradients(Door& d, Args& args) {
  const auto leaves = toTensors(d, args[0]);
  auto hooks = std::make_shared<Hooks>();
  hooks->env = d.env;
  for (uint32_t i = 0; i < leaves.size(); i++) {
    if (!leaves[i].is_leaf() || !leaves[i].requires_grad()) throw std::runtime_error("only a leaf that requires a gradient can be waited for");
    auto node = torch::autograd::impl::grad_accumulator(leaves[i]);
    node->add_post_hook(std::make_unique<GradientHook>(hooks, i));
    hooks->nodes.push_back(std::move(node));
  }
  check(d.env, napi_create_reference(d.env, args[1], 1, &hooks->function));
  auto* held = new std::shared_ptr<Hooks>(std::move(hooks));
  const auto end = [](napi_env env, napi_callback_info info) -> napi_value {
    void* data;
    napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
    auto& held = *static_cast<std::shared_ptr<Hooks>*>(data);
    if (held) napi_delete_reference(env, held->function);
    held.reset();
    return nullptr;
  };
  napi_value out;
  check(d.env, napi_create_function(d.env, "end", NAPI_AUTO_LENGTH, end, held, &out));
  check(d.env, napi_add_finalizer(d.env, out, held, [](napi_env, void* data, void*) { delete static_cast<std::shared_ptr<Hooks>*>(data); }, nullptr, nullptr));
  return out;
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
  define(env, exports, "onGradients", onGradients);
}

}  // namespace anneal

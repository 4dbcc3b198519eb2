// The noise of dropout, drawn as libtorch draws it.
#include <torch/library.h>

#include <ATen/CPUGeneratorImpl.h>

#include <mutex>

#include "ops.h"

namespace anneal::kernels {
namespace {

void draw(const Tensor& out, double p, at::Generator from) {
  auto* generator = at::check_generator<at::CPUGeneratorImpl>(from);
  const std::lock_guard<std::mutex> lock(generator->mutex_);
  auto engine = generator->engine().data();
  int at = engine.left_ == 1 ? kTwister : static_cast<int>(engine.next_);
  use<float>().bernoulli(engine.state_.data(), &at, p, out.numel(), data<float>(out));
  engine.next_ = at, engine.left_ = kTwister + 1 - at;
  at::mt19937 after;
  after.set_data(engine);
  generator->set_engine(after);
}
// Whether libtorch draws the same numbers on this processor: on Intel's it uses MKL, which has numbers of its own.
bool drawsAlike() {
  static const bool alike = [] {
    Tensor own = at::empty({256}), theirs = at::empty({256});
    draw(own, 0.3, at::detail::createCPUGenerator(7));
    return own.equal(theirs.bernoulli_(0.3, at::detail::createCPUGenerator(7)));
  }();
  return alike;
}

// The factors of dropout: 1 / kept with probability `kept`, else 0. The same draws of the default generator as libtorch's dropout.
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

}  // namespace

TORCH_LIBRARY_FRAGMENT(anneal, m) {
  m.def("dropout_noise(Tensor x, float kept) -> Tensor", dropoutNoise);
}

}  // namespace anneal::kernels

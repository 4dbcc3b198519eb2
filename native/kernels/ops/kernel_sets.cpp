// Which kernels this processor has, which of them a thread uses, and how often each operator ran.
#include <torch/library.h>

#include "../amx_selftest.h"
#include "ops.h"

namespace anneal::kernels {

// AMX, if it computes what AVX-512 computes
const Kernels<Half16>* amx() {
  static const Kernels<Half16>* const found = [] {
    const auto* tiled = forAmx();
    if (!tiled || amxSelftest(*tiled, *forAvx512Bf16())) return tiled;
    TORCH_WARN("AMX gives wrong products on this machine, so AVX-512 serves; please report it with the processor's name");
    return decltype(tiled)(nullptr);
  }();
  return found;
}

InUse& inUse() {
  static thread_local InUse set;
  return set;
}

const Kernels<float>& floatKernels() { return use<float>(); }

namespace {

// All sets of this processor, the best one of a type first
std::vector<std::string> sets() {
  std::vector<std::string> out;
  if (forAvx512()) out.push_back("avx512");
  if (forAvx2()) out.push_back("avx2");
  if (forNeon()) out.push_back("neon");
  if (amx()) out.push_back("amx");
  if (forAvx512Bf16()) out.push_back("avx512_bf16");
  if (forNeonBf16()) out.push_back("neon_bf16");
  return out;
}
void useSet(const std::string& name) {
  const auto* wide = name == "avx512" ? forAvx512() : name == "avx2" ? forAvx2() : name == "neon" ? forNeon() : nullptr;
  const auto* half = name == "amx" ? amx() : name == "avx512_bf16" ? forAvx512Bf16() : name == "neon_bf16" ? forNeonBf16() : nullptr;
  TORCH_CHECK(wide || half, "there are no kernels \"", name, "\" here; there are ", c10::Join(", ", sets()));
  if (wide) inUse().wide = wide;
  if (half) inUse().half = half;
}
// The set in use for each type that has one; float32's comes first
std::vector<std::string> setsInUse() {
  std::vector<std::string> out;
  if (inUse().wide) out.emplace_back(kSetNames[static_cast<size_t>(setOf(inUse().wide))]);
  if (inUse().half) out.emplace_back(kSetNames[static_cast<size_t>(setOf(inUse().half))]);
  return out;
}

// How often an operator ran (all if "") in a set (all if "")
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

}  // namespace

TORCH_LIBRARY(anneal, m) {
  m.def("kernel_sets() -> str[]", sets);
  m.def("use_kernel_set(str name) -> ()", useSet);
  m.def("kernel_sets_in_use() -> str[]", setsInUse);
  m.def("kernel_calls(str op=\"\", str set=\"\") -> int", kernelCalls);
}

}  // namespace anneal::kernels

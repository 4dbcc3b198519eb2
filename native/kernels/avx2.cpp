// Compiled with the instructions of its name (CMakeLists.txt).
#include "kernels.h"
#if defined(__AVX2__) && defined(__FMA__)
#include "avx2.h"
#include "table.h"
#endif

namespace anneal::kernels {

const Kernels<float>* forAvx2() {
#if defined(__AVX2__) && defined(__FMA__)
  static const auto table = tableOf<float>();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &table : nullptr;
#else
  return nullptr;
#endif
}

}  // namespace anneal::kernels

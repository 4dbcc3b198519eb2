// Compiled with the instructions of its name (CMakeLists.txt).
#include "kernels.h"
#ifdef __AVX512BF16__
#include "avx512.h"
#include "table.h"
#endif

namespace anneal::kernels {

const Kernels<Half16>* forAvx512Bf16() {
#ifdef __AVX512BF16__
  static const auto table = tableOf<Half16>();
  return forAvx512() && __builtin_cpu_supports("avx512bf16") ? &table : nullptr;
#else
  return nullptr;
#endif
}

}  // namespace anneal::kernels

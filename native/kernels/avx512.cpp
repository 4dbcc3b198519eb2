// Compiled with the instructions of its name (CMakeLists.txt).
#include "kernels.h"
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
#define ANNEAL_AVX512
#include "avx512.h"
#include "table.h"
#endif

namespace anneal::kernels {

const Kernels<float>* forAvx512() {
#ifdef ANNEAL_AVX512
  static const auto table = tableOf<float>();
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                 __builtin_cpu_supports("avx512dq")
             ? &table
             : nullptr;
#else
  return nullptr;
#endif
}

}  // namespace anneal::kernels

// Compiled with the instructions of its name (CMakeLists.txt).
#include "kernels.h"
#if defined(__AVX512BF16__)
#define ANNEAL_HERE
#define ANNEAL_ISA avx512bf16
#include "avx512.h"
#include "dispatch.h"
#endif

namespace anneal::kernels::tables {

#ifdef ANNEAL_HERE
const Kernels<Half16>* const avx512bf16 = &table<Half16>;
#else
const Kernels<Half16>* const avx512bf16 = nullptr;
#endif

}  // namespace anneal::kernels::tables

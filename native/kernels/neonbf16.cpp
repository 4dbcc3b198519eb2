// Compiled with the instructions of its name (CMakeLists.txt).
#include "kernels.h"
#if defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
#define ANNEAL_HERE
#define ANNEAL_ISA neonbf16
#include "neon.h"
#include "dispatch.h"
#endif

namespace anneal::kernels::tables {

#ifdef ANNEAL_HERE
const Kernels<Half16>* const neonbf16 = &table<Half16>;
#else
const Kernels<Half16>* const neonbf16 = nullptr;
#endif

}  // namespace anneal::kernels::tables

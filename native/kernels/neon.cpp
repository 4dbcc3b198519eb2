// Compiled with the instructions of its name (CMakeLists.txt).
#include "kernels.h"
#if defined(__aarch64__)
#define ANNEAL_HERE
#define ANNEAL_ISA neon
#include "neon.h"
#include "dispatch.h"
#endif

namespace anneal::kernels::tables {

#ifdef ANNEAL_HERE
const Kernels<float>* const neon = &table<float>;
#else
const Kernels<float>* const neon = nullptr;
#endif

}  // namespace anneal::kernels::tables

// Compiled with the instructions of its name (CMakeLists.txt).
#include "kernels.h"
#if defined(__AVX2__) && defined(__FMA__)
#define ANNEAL_HERE
#define ANNEAL_ISA avx2
#include "avx2.h"
#include "dispatch.h"
#endif

namespace anneal::kernels::tables {

#ifdef ANNEAL_HERE
const Kernels<float>* const avx2 = &table<float>;
#else
const Kernels<float>* const avx2 = nullptr;
#endif

}  // namespace anneal::kernels::tables

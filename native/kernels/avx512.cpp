// Compiled with the instructions of its name (CMakeLists.txt).
#include "kernels.h"
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
#define ANNEAL_HERE
#define ANNEAL_ISA avx512
#include "avx512.h"
#include "dispatch.h"
#endif

namespace anneal::kernels::tables {

#ifdef ANNEAL_HERE
const Kernels<float>* const avx512 = &table<float>;
#else
const Kernels<float>* const avx512 = nullptr;
#endif

}  // namespace anneal::kernels::tables

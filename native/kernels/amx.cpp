// Compiled with the instructions of its name (CMakeLists.txt).
#include "kernels.h"
#if defined(__AVX512BF16__) && (defined(__AMX_BF16__) && defined(__linux__) || defined(ANNEAL_SOFTWARE_TILES))
#define ANNEAL_HERE
#define ANNEAL_ISA amx
#include "avx512.h"
#include "tiles.h"
#include "dispatch.h"
#endif

namespace anneal::kernels::tables {

#ifdef ANNEAL_HERE
const Kernels<Half16>* const amx = &table<Half16>;
#else
const Kernels<Half16>* const amx = nullptr;
#endif

}  // namespace anneal::kernels::tables

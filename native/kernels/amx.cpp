// Compiled with the instructions of its name (CMakeLists.txt).
#include "kernels.h"
#if defined(__AVX512BF16__) && (defined(__AMX_BF16__) && defined(__linux__) || defined(ANNEAL_SOFTWARE_TILES))
#define ANNEAL_AMX
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "avx512.h"
#include "tiles.h"
#include "table.h"
#endif

namespace anneal::kernels {

#ifdef ANNEAL_AMX
static bool granted() {
#ifndef ANNEAL_SOFTWARE_TILES
  constexpr unsigned bf16AndTile = 5u << 22, configAndData = 3u << 17;
  constexpr int requestPermission = 0x1023, tileData = 18;  // of arch_prctl, for the whole process
  unsigned a, b, c, d, low, high;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & bf16AndTile) != bf16AndTile) return false;
  asm("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & configAndData) == configAndData && syscall(SYS_arch_prctl, requestPermission, tileData) == 0;
#else
  return true;
#endif
}
#endif

const Kernels<Half16>* forAmx() {
#ifdef ANNEAL_AMX
  static const auto table = tableOf<Half16>();
  static const bool here = forAvx512Bf16() && granted();
  return here ? &table : nullptr;
#else
  return nullptr;
#endif
}

}  // namespace anneal::kernels

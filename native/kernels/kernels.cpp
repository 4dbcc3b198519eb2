// What the kernels of all instruction sets share. It is compiled for any processor: nothing that needs an instruction set
// runs before this has asked for it.
#include "kernels.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace anneal::kernels {

static thread_local int asked = 1;
int threads() { return asked; }
void useThreads(int count) { asked = std::max(1, count); }

void noMemory(size_t bytes) {
  throw std::runtime_error("out of memory: a kernel needs " + std::to_string((bytes >> 20) + 1) +
                           " MiB to work in; a smaller batch or fewer threads need less");
}
void slotTaken(int slot) {
  throw std::logic_error("scratch slot " + std::to_string(slot) + " (common.h) is in use: two kernels at work share it");
}

#if defined(__x86_64__)
const Kernels<float>* forAvx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? tables::avx2 : nullptr;
}
static bool hasAvx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq");
}
const Kernels<float>* forAvx512() { return hasAvx512() ? tables::avx512 : nullptr; }
const Kernels<Half16>* forAvx512Bf16() {
  unsigned a, b, c, d;  // g++ 9 knows no name for it
  const bool here = __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 5);
  return here && hasAvx512() ? tables::avx512bf16 : nullptr;
}

// Whether the processor has AMX and the system lets this process use it
static bool granted() {
#if defined(ANNEAL_SOFTWARE_TILES)
  return true;
#elif defined(__linux__)
  constexpr unsigned bf16AndTile = 5u << 22, configAndData = 3u << 17;
  constexpr int requestPermission = 0x1023, tileData = 18;  // of arch_prctl, for the whole process
  unsigned a, b, c, d, low, high;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & bf16AndTile) != bf16AndTile) return false;
  asm("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & configAndData) == configAndData && syscall(SYS_arch_prctl, requestPermission, tileData) == 0;
#else
  return false;
#endif
}
const Kernels<Half16>* forAmx() {
  static const bool here = tables::amx && forAvx512Bf16() && granted();
  return here ? tables::amx : nullptr;
}
#else
const Kernels<float>* forAvx2() { return nullptr; }
const Kernels<float>* forAvx512() { return nullptr; }
const Kernels<Half16>* forAvx512Bf16() { return nullptr; }
const Kernels<Half16>* forAmx() { return nullptr; }
#endif

#if defined(__aarch64__)
// Whether the processor has the products of bfloat16 that Armv8.6 added
static bool hasBfloat16() {
#if defined(__linux__)
  constexpr unsigned long bfloat16 = 1ul << 14;  // HWCAP2_BF16; older headers have no name for it
  return getauxval(AT_HWCAP2) & bfloat16;
#elif defined(__APPLE__)
  int has = 0;
  size_t size = sizeof has;
  return sysctlbyname("hw.optional.arm.FEAT_BF16", &has, &size, nullptr, 0) == 0 && has;
#else
  return false;
#endif
}
const Kernels<float>* forNeon() { return tables::neon; }
const Kernels<Half16>* forNeonBf16() {
  static const bool here = tables::neonbf16 && hasBfloat16();
  return here ? tables::neonbf16 : nullptr;
}
#else
const Kernels<float>* forNeon() { return nullptr; }
const Kernels<Half16>* forNeonBf16() { return nullptr; }
#endif

}  // namespace anneal::kernels

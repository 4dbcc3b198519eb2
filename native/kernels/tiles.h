// AMX: eight tiles of 16 rows of 16 words each; strides are in words. With ANNEAL_SOFTWARE_TILES the same in plain C++, so that
// tests run this code on processors without tiles.
#pragma once
#include "kernels.h"
#define ANNEAL_TILES

#ifdef ANNEAL_SOFTWARE_TILES
#include <cmath>
#include <cstring>
#endif

namespace anneal::kernels {
inline namespace ANNEAL_ISA {
namespace {

#ifndef ANNEAL_SOFTWARE_TILES

struct alignas(64) TileShapes {
  uint8_t palette = 1, start = 0, reserved[14] = {};
  uint16_t rowBytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
constexpr TileShapes shapes{};
// Configures the tiles while it lives: for one thread, within one kernel, since libtorch configures them differently.
struct Tiles {
  Tiles() { asm volatile("ldtilecfg %0" ::"m"(shapes)); }
  ~Tiles() { asm volatile("tilerelease"); }
};
// Not the intrinsics: GCC 12's do not tell the compiler that they access memory, and do not accept a template argument.
template <int D>
inline void tileLoad(const float* p, long stride) {
  asm volatile("tileloadd (%0,%1), %%tmm%c2" ::"r"(p), "r"(stride * 4), "i"(D) : "memory");
}
template <int D>
inline void tileStore(float* p, long stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1)" ::"r"(p), "r"(stride * 4), "i"(D) : "memory");
}
template <int D>
inline void tileZero() {
  asm volatile("tilezero %%tmm%c0" ::"i"(D));
}
// D += A B for rows of pairs of bfloat16 in A, pairs of rows in B
template <int D, int A, int B>
inline void tileDot() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(D), "i"(A), "i"(B));
}

#else

thread_local uint32_t tiles[8][16][16];
thread_local bool shaped = false;
using Tile = uint32_t[16][16];
inline Tile& tileOf(int i) {
  if (!shaped) __builtin_trap();  // as the processor does
  return tiles[i];
}
struct Tiles {
  Tiles() { memset(tiles, 0, sizeof tiles), shaped = true; }
  ~Tiles() { shaped = false; }
};
template <int D>
void tileLoad(const float* p, long stride) {
  for (int r = 0; r < 16; r++) memcpy(tileOf(D)[r], p + r * stride, 64);
}
template <int D>
void tileStore(float* p, long stride) {
  for (int r = 0; r < 16; r++) memcpy(p + r * stride, tileOf(D)[r], 64);
}
template <int D>
void tileZero() {
  memset(tileOf(D), 0, sizeof(Tile));
}
inline float flushed(float x) { return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.f, x) : x; }
inline float asFloat(uint32_t bits) {
  float x;
  memcpy(&x, &bits, 4);
  return flushed(x);
}
// Intel's pseudocode: the first values of the pairs are summed apart from the second ones, and subnormal numbers count as zeros.
template <int D, int A, int B>
void tileDot() {
  Tile &d = tileOf(D), &a = tileOf(A), &b = tileOf(B);
  for (int m = 0; m < 16; m++)
    for (int n = 0; n < 16; n++) {
      float first = 0, second = 0;
      for (int k = 0; k < 16; k++) {
        first = flushed(std::fma(asFloat(a[m][k] << 16), asFloat(b[k][n] << 16), first));
        second = flushed(std::fma(asFloat(a[m][k] & 0xffff0000), asFloat(b[k][n] & 0xffff0000), second));
      }
      const float sum = flushed(asFloat(d[m][n]) + flushed(first + second));
      memcpy(&d[m][n], &sum, 4);
    }
}

#endif

}  // namespace
}  // namespace ANNEAL_ISA
}  // namespace anneal::kernels

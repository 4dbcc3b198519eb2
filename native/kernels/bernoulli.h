// Draws of ones and zeros, the same as those of libtorch's `bernoulli_` with its generator, a Mersenne Twister (Matsumoto &
// Nishimura 1998). A whole state is computed at a time, in loops that the compiler vectorises.
#pragma once
#include <cmath>

#include "common.h"

namespace anneal::kernels {
inline namespace ANNEAL_ISA {
namespace {

constexpr int kFar = 397;

inline void twist(uint32_t* s) {
  const auto next = [](uint32_t u, uint32_t v) { return (((u & 0x80000000u) | (v & 0x7fffffffu)) >> 1) ^ (-(v & 1) & 0x9908b0dfu); };
  for (int i = 0; i < kTwister - kFar; i++) s[i] = s[i + kFar] ^ next(s[i], s[i + 1]);
  for (int i = kTwister - kFar; i < kTwister - 1; i++) s[i] = s[i + kFar - kTwister] ^ next(s[i], s[i + 1]);
  s[kTwister - 1] = s[kFar - 1] ^ next(s[kTwister - 1], s[0]);
}
inline uint32_t tempered(uint32_t y) {
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680u;
  y ^= (y << 15) & 0xefc60000u;
  return y ^ (y >> 18);
}

// A draw is a double of 53 bits, made of two words; the high word comes first.
inline void bernoulli(uint32_t* state, int* at, double p, long count, float* out) {
  const auto below = static_cast<int64_t>(std::ceil(p * 9007199254740992.0));  // 2^53
  constexpr long kEach = 512;
  uint32_t words[2 * kEach];
  for (long from = 0; from < count; from += kEach) {
    const int n = static_cast<int>(std::min(kEach, count - from));
    for (int done = 0; done < 2 * n;) {
      if (*at == kTwister) twist(state), *at = 0;
      const int some = std::min(2 * n - done, kTwister - *at);
      for (int i = 0; i < some; i++) words[done + i] = tempered(state[*at + i]);
      *at += some, done += some;
    }
    for (int i = 0; i < n; i++)
      out[from + i] = static_cast<int64_t>((words[2 * i] & 0x1fffffull) << 32 | words[2 * i + 1]) < below ? 1.f : 0.f;
  }
}

}  // namespace
}  // namespace ANNEAL_ISA
}  // namespace anneal::kernels

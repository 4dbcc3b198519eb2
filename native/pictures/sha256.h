// SHA-256 (FIPS 180-4) by the processor's own instructions; where it has none, who asks has another way.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#define ANNEAL_SHA __attribute__((target("sha,sse4.1")))
#elif defined(__aarch64__) && (defined(__linux__) || defined(__APPLE__))
#include <arm_neon.h>
#if defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif
#if defined(__ARM_FEATURE_SHA2)
#define ANNEAL_SHA
#else
#define ANNEAL_SHA __attribute__((target("+crypto")))
#endif
#endif

namespace anneal::pictures {

#if defined(ANNEAL_SHA)
inline bool hasSha256() {
#if defined(__x86_64__)
  static const bool has = [] {
    unsigned a, b, c, d;
    const bool sse41 = __get_cpuid(1, &a, &b, &c, &d) && (c >> 19 & 1);
    return sse41 && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1);
  }();
  return has;
#elif defined(__linux__)
  return getauxval(AT_HWCAP) & HWCAP_SHA2;
#else
  return true;  // every Mac with an Arm processor has them
#endif
}

class Sha256 {
 public:
  void add(const uint8_t* p, size_t n) {
    length_ += n;
    if (held_) {
      const size_t take = n < 64 - held_ ? n : 64 - held_;
      memcpy(tail_ + held_, p, take);
      held_ += take, p += take, n -= take;
      if (held_ < 64) return;
      blocks(tail_, 1);
    }
    blocks(p, n / 64);
    held_ = n % 64;
    memcpy(tail_, p + n - held_, held_);
  }
  // 64 hexadecimal digits; nothing may be added any more.
  std::string digits() {
    const uint64_t bits = __builtin_bswap64(length_ * 8);
    tail_[held_++] = 0x80;
    memset(tail_ + held_, 0, 64 - held_);
    if (held_ > 56) {
      blocks(tail_, 1);
      memset(tail_, 0, 64);
    }
    memcpy(tail_ + 56, &bits, 8);
    blocks(tail_, 1);
    std::string out;
    for (const uint32_t word : state_)
      for (int shift = 28; shift >= 0; shift -= 4) out += "0123456789abcdef"[word >> shift & 15];
    return out;
  }

 private:
  alignas(16) static constexpr uint32_t k[64] = {
      0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
      0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
      0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
      0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
      0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
      0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
      0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
      0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
#if defined(__x86_64__)
  ANNEAL_SHA void blocks(const uint8_t* p, size_t count) {
    const __m128i bigEndian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i* const state = reinterpret_cast<__m128i*>(state_);
    // The instructions take the words a b e f and c d g h, each from the right.
    const __m128i ba = _mm_shuffle_epi32(_mm_loadu_si128(state), 0xb1);
    const __m128i he = _mm_shuffle_epi32(_mm_loadu_si128(state + 1), 0x1b);
    __m128i abef = _mm_alignr_epi8(ba, he, 8), cdgh = _mm_blend_epi16(he, ba, 0xf0);
    for (; count > 0; count--, p += 64) {
      const __m128i abefBefore = abef, cdghBefore = cdgh;
      __m128i w[4];
      for (int i = 0; i < 4; i++)
        w[i] = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p) + i), bigEndian);
#pragma GCC unroll 16
      for (int i = 0; i < 16; i++) {
        const __m128i sum = _mm_add_epi32(w[i & 3], _mm_load_si128(reinterpret_cast<const __m128i*>(k) + i));
        cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
        abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
        if (i >= 12) continue;
        const __m128i &next = w[(i + 1) & 3], &third = w[(i + 2) & 3], &last = w[(i + 3) & 3];
        const __m128i made = _mm_add_epi32(_mm_sha256msg1_epu32(w[i & 3], next), _mm_alignr_epi8(last, third, 4));
        w[i & 3] = _mm_sha256msg2_epu32(made, last);
      }
      abef = _mm_add_epi32(abef, abefBefore), cdgh = _mm_add_epi32(cdgh, cdghBefore);
    }
    const __m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128(state, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128(state + 1, _mm_alignr_epi8(dchg, feba, 8));
  }
#else
  ANNEAL_SHA void blocks(const uint8_t* p, size_t count) {
    uint32x4_t abcd = vld1q_u32(state_), efgh = vld1q_u32(state_ + 4);
    for (; count > 0; count--, p += 64) {
      const uint32x4_t abcdBefore = abcd, efghBefore = efgh;
      uint32x4_t w[4];
      for (int i = 0; i < 4; i++) w[i] = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(p + 16 * i)));
      for (int i = 0; i < 16; i++) {
        const uint32x4_t sum = vaddq_u32(w[i & 3], vld1q_u32(k + 4 * i)), last = abcd;
        const uint32x4_t &next = w[(i + 1) & 3], &third = w[(i + 2) & 3], &fourth = w[(i + 3) & 3];
        abcd = vsha256hq_u32(abcd, efgh, sum);
        efgh = vsha256h2q_u32(efgh, last, sum);
        w[i & 3] = vsha256su1q_u32(vsha256su0q_u32(w[i & 3], next), third, fourth);
      }
      abcd = vaddq_u32(abcd, abcdBefore), efgh = vaddq_u32(efgh, efghBefore);
    }
    vst1q_u32(state_, abcd), vst1q_u32(state_ + 4, efgh);
  }
#endif

  uint32_t state_[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  uint64_t length_ = 0;
  size_t held_ = 0;
  uint8_t tail_[64];
};
#else
inline bool hasSha256() { return false; }
struct Sha256 {
  void add(const uint8_t*, size_t) {}
  std::string digits() { return {}; }
};
#endif

}  // namespace anneal::pictures

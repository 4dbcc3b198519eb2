// Antialiased resizing of RGB bytes, as PIL and torchvision do it: a triangle or a cubic (a = -0.5) as wide as the
// step between pixels, cut off at the edges and brought to a sum of one. Sums are float, rounded once at the end.
// Multiplications and sums stay apart (-ffp-contract=off), so that every instruction set gives the same bits.
#pragma once
#include "jpeg.h"

namespace anneal::pictures {
namespace {

typedef float F4 __attribute__((vector_size(16)));
typedef float F8 __attribute__((vector_size(32)));

inline F8 floats(const uint8_t* p) { return __builtin_convertvector(widen(p), F8); }

inline double filter(double x, bool cubic) {
  x = x < 0 ? -x : x;
  if (!cubic) return x < 1 ? 1 - x : 0;
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

// For each pixel of `to` the first of `from` that it is made of, and the weights of it and the next; zeros at the end.
struct Taps {
  int most, used;  // room for weights, and the most that a pixel has
  int* first;
  float* weight;  // [to][most]

  // `whole` is what `from` pixels stand for, a little less where a JPEG was decoded smaller.
  bool make(int from, double whole, int to, bool cubic, Room<char>& room) {
    const double step = whole / to, wide = step > 1 ? step : 1;
    const double support = (cubic ? 2 : 1) * wide;
    most = static_cast<int>(std::ceil(support)) * 2 + 1;
    used = 0;
    char* p = room.get(static_cast<size_t>(to) * (4 + 4 * most));
    if (!p) return false;
    first = reinterpret_cast<int*>(p), weight = reinterpret_cast<float*>(first + to);
    memset(weight, 0, static_cast<size_t>(to) * most * 4);
    for (int i = 0; i < to; i++) {
      const double centre = step * (i + 0.5);
      const int low = pictures::most(0, static_cast<int>(centre - support + 0.5));
      const int n = least(most, least(from, static_cast<int>(centre + support + 0.5)) - low);
      float* w = weight + static_cast<size_t>(i) * most;
      double sum = 0;
      for (int k = 0; k < n; k++) sum += filter((k + low - centre + 0.5) / wide, cubic);
      for (int k = 0; k < n; k++) w[k] = static_cast<float>(filter((k + low - centre + 0.5) / wide, cubic) / sum);
      first[i] = low;
      used = pictures::most(used, n);
    }
    return true;
  }
};

// out [toDown, to, 3] of in [fromDown, from, 3]; `in` may be read kBeyond bytes beyond its end.
constexpr int kBeyond = 32;
inline bool resize(const uint8_t* in, int from, int fromDown, double whole, double wholeDown, uint8_t* out, int to,
                   int toDown, bool cubic) {
  static thread_local Room<char> acrossRoom, downRoom;
  static thread_local Room<float> rowRoom;
  Taps across, down;
  if (!across.make(from, whole, to, cubic, acrossRoom) || !down.make(fromDown, wholeDown, toDown, cubic, downRoom))
    return false;
  const int n = 3 * from;
  float* row = rowRoom.get(n + kBeyond + 3 * across.used);
  if (!row) return false;
  memset(row + n, 0, sizeof(float) * (kBeyond + 3 * across.used));  // its weights are zero
  for (int y = 0; y < toDown; y++) {
    const float* w = down.weight + static_cast<size_t>(y) * down.most;
    const uint8_t* rows = in + static_cast<size_t>(down.first[y]) * n;
    const int taps = least(down.used, fromDown - down.first[y]);
    for (int i = 0; i < n; i += 32) {
      F8 a{}, b{}, c{}, d{};
      const uint8_t* p = rows + i;
      for (int k = 0; k < taps; k++, p += n) {
        a += floats(p) * w[k], b += floats(p + 8) * w[k];
        c += floats(p + 16) * w[k], d += floats(p + 24) * w[k];
      }
      const F8 sums[4] = {a, b, c, d};
      memcpy(row + i, sums, sizeof sums);
    }
    uint8_t* o = out + static_cast<size_t>(y) * to * 3;
    for (int x = 0; x < to; x++, o += 3) {
      const float* w = across.weight + static_cast<size_t>(x) * across.most;
      const float* source = row + 3 * across.first[x];
      F4 sum{};
      for (int k = 0; k < across.used; k++, source += 3) {
        F4 pixel;
        memcpy(&pixel, source, 16);
        sum += pixel * w[k];
      }
      sum = sum < 0 ? F4{} : sum + 0.5f;
#if defined(__SSE2__)
      const __m128i words = _mm_packs_epi32(_mm_cvttps_epi32((__m128)sum), __m128i{});
      const int bytes = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
      if (x + 1 < to || y + 1 < toDown)
        memcpy(o, &bytes, 4);  // what follows is written next
      else
        memcpy(o, &bytes, 3);
#elif defined(__aarch64__)
      const uint16x4_t words = vqmovun_s32(vcvtq_s32_f32((float32x4_t)sum));
      const uint8x8_t bytes = vqmovn_u16(vcombine_u16(words, words));
      memcpy(o, &bytes, x + 1 < to || y + 1 < toDown ? 4 : 3);  // what follows is written next
#else
      for (int c = 0; c < 3; c++) o[c] = clip(static_cast<int>(sum[c]));
#endif
    }
  }
  acrossRoom.settle(), downRoom.settle(), rowRoom.settle();
  return true;
}

}  // namespace
}  // namespace anneal::pictures

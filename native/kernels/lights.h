// What happens to a row of sampled pixels: lighting as src/data/augment/lighting.ts says, then normalising.
#pragma once
#include <cmath>

#include "common.h"
#include "kernels.h"

namespace anneal::kernels {
inline namespace ANNEAL_ISA {
namespace {

ANNEAL_INLINE int bitsOf(float x) {
  int i;
  memcpy(&i, &x, 4);
  return i;
}
ANNEAL_INLINE float ofBits(int i) {
  float x;
  memcpy(&x, &i, 4);
  return x;
}
// Logarithm and exponential of ordinary numbers as Cephes approximates them: loops over them become vectors.
ANNEAL_INLINE float logOf(float x) {
  const int bits = bitsOf(x) - 0x3f3504f3;  // of sqrt(0.5): the mantissa lies around 1
  const float e = static_cast<float>(bits >> 23), m = ofBits((bits & 0x7fffff) + 0x3f3504f3) - 1.f, z = m * m;
  float y = 7.0376836292e-2f;
  y = y * m - 1.1514610310e-1f, y = y * m + 1.1676998740e-1f, y = y * m - 1.2420140846e-1f;
  y = y * m + 1.4249322787e-1f, y = y * m - 1.6668057665e-1f, y = y * m + 2.0000714765e-1f;
  y = y * m - 2.4999993993e-1f, y = y * m + 3.3333331174e-1f;
  return y * m * z - 2.12194440e-4f * e - 0.5f * z + m + 0.693359375f * e;
}
ANNEAL_INLINE float expOf(float x) {
  x = std::min(std::max(x, -87.f), 88.f);
  const float k = std::floor(x * 1.44269504f + 0.5f), r = x - k * 0.693359375f + k * 2.12194440e-4f;
  float y = 1.9875691500e-4f;
  y = y * r + 1.3981999507e-3f, y = y * r + 8.3334519073e-3f, y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f, y = y * r + 5.0000001201e-1f;
  return (y * r * r + r + 1.f) * ofBits((static_cast<int>(k) + 127) << 23);
}

ANNEAL_INLINE float clipped(float x) { return std::min(std::max(x, 0.f), 255.f); }

struct Finish {
  const View& v;
  int n, channels;
  const float *scale, *shift;  // a row of them

  // From a row as sampled, of the picture's channels, by way of `row` to `out`, of the batch's.
  void operator()(const float* from, float* row, float still, float* out) const {
    const int line = n * channels;
    if (v.channels < channels) {
      for (int j = n - 1; j >= 0; j--) row[3 * j + 2] = row[3 * j + 1] = row[3 * j] = from[j];
      from = row;
    }
    if (v.gain != 1 || v.add != 0) {
      const auto gain = static_cast<float>(v.gain);
      for (int i = 0; i < line; i++) row[i] = clipped(still + gain * from[i]);
      from = row;
    }
    if (v.coloured && channels == 3) {
      const float* m = v.colour;
      for (int j = 0; j < n; j++) {
        const float r = from[3 * j], g = from[3 * j + 1], b = from[3 * j + 2];
        row[3 * j] = clipped(m[0] * r + m[1] * g + m[2] * b);
        row[3 * j + 1] = clipped(m[3] * r + m[4] * g + m[5] * b);
        row[3 * j + 2] = clipped(m[6] * r + m[7] * g + m[8] * b);
      }
      from = row;
    }
    if (v.logitShift != 0 || v.logitGain != 1) {
      const auto by = static_cast<float>(v.logitShift), gain = static_cast<float>(v.logitGain);
      for (int i = 0; i < line; i++) {
        const float x = std::min(std::max(from[i] * (1.f / 255), 1e-7f), 1.f - 1e-7f);
        row[i] = 255.f / (1.f + expOf((logOf(x / (1.f - x)) + by) * -gain));
      }
      from = row;
    }
    for (int i = 0; i < line; i++) out[i] = from[i] * scale[i] + shift[i];
  }
};

}  // namespace
}  // namespace ANNEAL_ISA
}  // namespace anneal::kernels

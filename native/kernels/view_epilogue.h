// The last steps of a row of sampled pixels: the matrix and the tone curve of src/vision/augment/lighting.ts, then normalisation.
#pragma once
#include <cmath>

#include "common.h"
#include "kernels.h"

namespace anneal::kernels {
inline namespace ANNEAL_ISA {
namespace {

ANNEAL_INLINE float clipped(float x) { return std::min(std::max(x, 0.f), 255.f); }

// row[i] = the tone curve at from[i], for i < n; values are 0 to 255. The look-up is a loop of its own, so the other two vectorise.
inline void toned(const float* from, int n, const float* curve, float* row) {
  constexpr int kEach = 64;
  int below[kEach];
  float rest[kEach], low[kEach], high[kEach];
  for (int i = 0; i < n; i += kEach) {
    const int count = std::min(kEach, n - i);
    for (int k = 0; k < count; k++) {
      const float at = clipped(from[i + k]) * ((kCurvePoints - 1) / 255.f);
      below[k] = std::min(static_cast<int>(at), kCurvePoints - 2);
      rest[k] = at - static_cast<float>(below[k]);
    }
    for (int k = 0; k < count; k++) low[k] = curve[below[k]], high[k] = curve[below[k] + 1];
    for (int k = 0; k < count; k++) row[i + k] = 255.f * (low[k] + rest[k] * (high[k] - low[k]));
  }
}

struct Epilogue {
  const View& v;
  int n, channels;
  const float *scale, *shift;  // a row of them

  // `from` is a row as it was sampled, with the picture's channels; `row` is memory for a row with the batch's channels, `out` the
  // row of the batch. `mean` is the mean of the crop, 0 where the matrix does not need it.
  void operator()(const float* from, float* row, float mean, float* out) const {
    const int line = n * channels;
    if (v.channels < channels) {
      for (int j = n - 1; j >= 0; j--) row[3 * j + 2] = row[3 * j + 1] = row[3 * j] = from[j];
      from = row;
    }
    if (v.matrix == Matrix::alike) {
      const float gain = v.colour[0][0], add = v.add[0] + v.mean[0] * mean;
      for (int i = 0; i < line; i++) row[i] = clipped(add + gain * from[i]);
      from = row;
    } else if (v.matrix == Matrix::mixed) {
      const auto& m = v.colour;
      float add[3];
      for (int k = 0; k < 3; k++) add[k] = v.add[k] + v.mean[k] * mean;
      for (int j = 0; j < n; j++) {
        const float r = from[3 * j], g = from[3 * j + 1], b = from[3 * j + 2];
        row[3 * j] = clipped(m[0][0] * r + m[0][1] * g + m[0][2] * b + add[0]);
        row[3 * j + 1] = clipped(m[1][0] * r + m[1][1] * g + m[1][2] * b + add[1]);
        row[3 * j + 2] = clipped(m[2][0] * r + m[2][1] * g + m[2][2] * b + add[2]);
      }
      from = row;
    }
    if (v.curve) {
      toned(from, line, v.curve, row);
      from = row;
    }
    for (int i = 0; i < line; i++) out[i] = from[i] * scale[i] + shift[i];
  }
};

}  // namespace
}  // namespace ANNEAL_ISA
}  // namespace anneal::kernels

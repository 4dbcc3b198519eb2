// x + a (f(x) - x): an activation f that each unit takes a share a of, and its gradients. Of libtorch's operators, tanh and log1p of Mish
// take most of the time. Here it is a rational function of one exponential.
#pragma once
#include "common.h"

namespace anneal::kernels {
inline namespace ANNEAL_ISA {
namespace {

// e^x for -87 <= x <= 88, within 2 units of the last place: 2^n e^r, with a polynomial for |r| <= ln 2 / 2 (Cephes, expf)
ANNEAL_INLINE V exponential(V x) {
  const V shifted = fma(x, all(1.44269504f), all(12582912.f));  // 1.5 * 2^23: the last bits are n = x / ln 2, rounded
  const V n = sub(shifted, all(12582912.f));
  const V r = fma(n, all(2.12194440e-4f), fma(n, all(-0.693359375f), x));
  V p = fma(r, all(1.9875691500e-4f), all(1.3981999507e-3f));
  p = fma(p, r, all(8.3334519073e-3f)), p = fma(p, r, all(4.1665795894e-2f));
  p = fma(p, r, all(1.6666665459e-1f)), p = fma(p, r, all(5.0000001201e-1f));
  return mul(fma(p, mul(r, r), add(r, all(1.f))), twoTo(shifted));
}
// NaN stays NaN.
ANNEAL_INLINE V between(V x, float least, float most) {
  return sub(zero(), larger(sub(zero(), larger(x, all(least))), all(-most)));
}

// Mish, x tanh(ln(1 + e^x)) (Misra 2019, arXiv:1908.08681): tanh is n / (n + 2) with n = e^x (e^x + 2). From 20 on it is x.
struct Mish {
  static ANNEAL_INLINE V value(V x) {
    const V e = exponential(between(x, -87, 20)), n = mul(e, add(e, all(2.f)));
    return mul(x, quotient(n, add(n, all(2.f))));
  }
  static ANNEAL_INLINE V valueAndSlope(V x, V* slope) {
    const V e = exponential(between(x, -87, 20)), n = mul(e, add(e, all(2.f)));
    const V by = quotient(all(1.f), add(n, all(2.f))), tanh = mul(n, by);
    *slope = fma(mul(x, mul(mul(all(4.f), mul(e, by)), add(e, all(1.f)))), by, tanh);
    return mul(x, tanh);
  }
};
// SELU, scale (x or alpha (e^x - 1)) (Klambauer et al. 2017, arXiv:1706.02515)
struct Selu {
  static constexpr float kScale = 1.0507009873554805f, kAlpha = 1.6732632423543772f;
  static ANNEAL_INLINE V value(V x) {
    V slope;
    return valueAndSlope(x, &slope);
  }
  static ANNEAL_INLINE V valueAndSlope(V x, V* slope) {
    const V e = exponential(between(x, -87, 0));  // 1 above 0
    *slope = fma(e, all(kScale * kAlpha), positive(x, all(kScale - kScale * kAlpha)));
    return fma(relu(x), all(kScale), mul(sub(e, all(1.f)), all(kScale * kAlpha)));
  }
};

// Calls f(member, first unit) for 64 units of each member at a time
template <class F>
void overUnits(int members, int width, F f) {
  const int each = (width + 63) / 64;
#pragma omp parallel for num_threads(threads()) schedule(static)
  for (int item = 0; item < members * each; item++) f(item / each, item % each * 64);
}

template <class Function>
void shareOf(const float* x, const float* a, int members, int rows, int width, float* y) {
  overUnits(members, width, [&](int m, int first) {
    for (int r = 0; r < rows; r++)
      for (int k = first; k < std::min(width, first + 64); k += 16) {
        const M mask = tail(width - k);
        const size_t at = (static_cast<size_t>(m) * rows + r) * width + k;
        const V v = load(x + at, mask);
        const V share = load(a + static_cast<size_t>(m) * width + k, mask);
        // a f + (1 - a) x, since f - x loses f far from zero
        store(y + at, mask, fma(share, Function::value(v), fma(sub(zero(), share), v, v)));
      }
  });
}
template <class Function>
void shareGradOf(const float* x, const float* a, const float* g, int members, int rows, int width, float* gx, float* ga) {
  overUnits(members, width, [&](int m, int first) {
    V sums[4] = {zero(), zero(), zero(), zero()};
    for (int r = 0; r < rows; r++)
      for (int k = first, i = 0; k < std::min(width, first + 64); k += 16, i++) {
        const M mask = tail(width - k);
        const size_t at = (static_cast<size_t>(m) * rows + r) * width + k;
        const V v = load(x + at, mask), back = load(g + at, mask);
        V slope;
        const V value = Function::valueAndSlope(v, &slope);
        store(gx + at, mask, mul(back, fma(load(a + static_cast<size_t>(m) * width + k, mask), sub(slope, all(1.f)), all(1.f))));
        sums[i] = fma(back, sub(value, v), sums[i]);
      }
    for (int k = first, i = 0; k < std::min(width, first + 64); k += 16, i++)
      store(ga + static_cast<size_t>(m) * width + k, tail(width - k), sums[i]);
  });
}

inline void activationShare(Curve f, const float* x, const float* a, int members, int rows, int width, float* y) {
  f == Curve::mish ? shareOf<Mish>(x, a, members, rows, width, y) : shareOf<Selu>(x, a, members, rows, width, y);
}
inline void activationShareGrad(Curve f, const float* x, const float* a, const float* g, int members, int rows, int width, float* gx,
                                float* ga) {
  f == Curve::mish ? shareGradOf<Mish>(x, a, g, members, rows, width, gx, ga)
                   : shareGradOf<Selu>(x, a, g, members, rows, width, gx, ga);
}

}  // namespace
}  // namespace ANNEAL_ISA
}  // namespace anneal::kernels

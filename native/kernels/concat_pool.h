// The maximum and the mean of every channel, and their gradient.
#pragma once
#include "common.h"

namespace anneal::kernels {
inline namespace ANNEAL_ISA {
namespace {

// y [n][2 c]: for each channel of x [n][pixels][c] its maximum, then its mean
template <class T>
void concatPool(const T* x, int n, int pixels, int c, T* y) {
#pragma omp parallel for num_threads(threads()) schedule(static)
  for (int i = 0; i < n; i++) {
    const T* const picture = x + static_cast<size_t>(i) * pixels * c;
    T* const out = y + static_cast<size_t>(i) * 2 * c;
    for (int k = 0; k < c; k += 16) {
      const M mask = tail(c - k);
      V most = load(picture + k, mask), sum = most;
      for (int p = 1; p < pixels; p++) {
        const V v = load(picture + static_cast<size_t>(p) * c + k, mask);
        most = larger(most, v), sum = add(sum, v);
      }
      store(out + k, mask, most);
      store(out + c + k, mask, mul(sum, all(1.f / pixels)));
    }
  }
}

// gx from g, the gradient of y. Pixels that share the maximum share its gradient.
template <class T>
void concatPoolGrad(const T* x, const T* y, const T* g, int n, int pixels, int c, T* gx) {
#pragma omp parallel for num_threads(threads()) schedule(static)
  for (int i = 0; i < n; i++) {
    const size_t picture = static_cast<size_t>(i) * pixels * c, out = static_cast<size_t>(i) * 2 * c;
    for (int k = 0; k < c; k += 16) {
      const M mask = tail(c - k);
      const V most = load(y + out + k, mask), mean = mul(load(g + out + c + k, mask), all(1.f / pixels));
      V count = zero();
      for (int p = 0; p < pixels; p++)
        count = add(count, whereEqual(load(x + picture + static_cast<size_t>(p) * c + k, mask), most, all(1.f)));
      const V each = quotient(load(g + out + k, mask), count);
      for (int p = 0; p < pixels; p++) {
        const size_t at = picture + static_cast<size_t>(p) * c + k;
        store(gx + at, mask, add(mean, whereEqual(load(x + at, mask), most, each)));
      }
    }
  }
}

}  // namespace
}  // namespace ANNEAL_ISA
}  // namespace anneal::kernels

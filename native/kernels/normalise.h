// BatchNorm's own passes, where nothing else could carry them.
#pragma once
#include "common.h"

namespace anneal::kernels {
namespace {

// f(thread, first row, last row, channel, which of sixteen), sixteen rows at a time
template <class F>
void byRows(long m, int c, F f) {
#pragma omp parallel num_threads(threads)
  {
    const int t = omp_get_thread_num();
    long from, to;
    share(m, t, &from, &to);
    for (long r = from; r < to; r += 16)
      for (int i = 0; i < c; i += 16) f(t, r, std::min(to, r + 16), i, tail(c - i));
  }
}

template <class T>
void normalise(const T* z, Norm norm, const T* plus, bool clip, T* y, long m, int c) {
  byRows(m, c, [&](int, long from, long to, int i, M mask) {
    const V a = L(norm.a + i), b = L(norm.b + i);
    for (long r = from; r < to; r++) {
      V v = fma(load(z + r * c + i, mask), a, b);
      if (clip) v = relu6(v);
      if (plus) v = add(v, load(plus + r * c + i, mask));
      store(y + r * c + i, mask, v);
    }
  });
}

template <class T>
void normaliseSums(const T* g, const T* z, Norm norm, bool clip, long m, int c, Sums out) {
  ThreadSums sums(c);
  byRows(m, c, [&](int t, long from, long to, int i, M mask) {
    const V a = L(norm.a + i), b = L(norm.b + i), mean = L(norm.mean + i);
    V s = zero(), q = zero();
    for (long r = from; r < to; r++) {
      const V v = load(z + r * c + i, mask);
      V d = load(g + r * c + i, mask);
      if (clip) d = through(fma(v, a, b), d);
      s = add(s, d);
      q = fma(d, sub(v, mean), q);
    }
    addTo(sums.first(t) + i, s);
    addTo(sums.second(t) + i, q);
  });
  sums.into(out);
}

template <class T>
void clipGrad(const T* g, const T* z, Norm norm, T* out, long m, int c) {
  byRows(m, c, [&](int, long from, long to, int i, M mask) {
    const V a = L(norm.a + i), b = L(norm.b + i);
    for (long r = from; r < to; r++)
      store(out + r * c + i, mask, through(fma(load(z + r * c + i, mask), a, b), load(g + r * c + i, mask)));
  });
}

}  // namespace
}  // namespace anneal::kernels

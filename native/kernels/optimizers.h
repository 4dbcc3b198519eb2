// Updates of the weights in one pass over memory each: the optimizer's step, and the moving average.
#pragma once
#include <cmath>

#include "common.h"

namespace anneal::kernels {
inline namespace ANNEAL_ISA {
namespace {

constexpr long kPiece = 1 << 13;  // numbers that a thread takes at a time

// Calls f(piece, first, mask) in parallel for every 16 values of every piece
template <class F>
void overPieces(const Weights* weights, int count, F f) {
  struct Piece {
    int weights;
    long from;
  };
  long n = 0;
  for (int i = 0; i < count; i++) n += (weights[i].count + kPiece - 1) / kPiece;
  Array<Piece> pieces(n);
  long made = 0;
  for (int i = 0; i < count; i++)
    for (long at = 0; at < weights[i].count; at += kPiece) pieces[made++] = {i, at};
#pragma omp parallel for num_threads(threads()) schedule(static)
  for (long p = 0; p < n; p++) {
    const Weights& w = weights[pieces[p].weights];
    const long from = pieces[p].from, to = std::min(w.count, from + kPiece);
    for (long i = from; i < to; i += 16) f(w, i, tail(static_cast<int>(to - i)));
  }
}

// Kingma & Ba 2014 (arXiv:1412.6980); `decoupled`: Loshchilov & Hutter 2017 (arXiv:1711.05101)
inline void adam(const Weights* weights, int count, const AdamNumbers& n) {
  const V shrink = all(n.decoupled ? 1 - n.lr * n.decay : 1), decay = all(n.decoupled ? 0 : n.decay);
  const V one = all(1 - n.beta1), beta2 = all(n.beta2), two = all(1 - n.beta2), eps = all(n.eps);
  const V root = all(static_cast<float>(1 / std::sqrt(1 - std::pow(static_cast<double>(n.beta2), n.step))));
  const V rate = all(static_cast<float>(-n.lr / (1 - std::pow(static_cast<double>(n.beta1), n.step))));
  overPieces(weights, count, [&](const Weights& w, long i, M mask) __attribute__((always_inline)) {
    V p = load(w.values + i, mask);
    const V g = fma(p, decay, load(w.grad + i, mask));
    const V mean = load(w.first + i, mask), m = fma(one, sub(g, mean), mean);
    const V v = fma(mul(two, g), g, mul(beta2, load(w.second + i, mask)));
    p = fma(rate, quotient(m, fma(rootOf(v), root, eps)), mul(p, shrink));
    store(w.first + i, mask, m), store(w.second + i, mask, v), store(w.values + i, mask, p);
  });
}

// Without momentum if `first` is null
inline void sgd(const Weights* weights, int count, const SgdNumbers& n) {
  const V decay = all(n.decay), momentum = all(n.momentum), rate = all(-n.lr);
  overPieces(weights, count, [&](const Weights& w, long i, M mask) __attribute__((always_inline)) {
    const V p = load(w.values + i, mask), g = fma(p, decay, load(w.grad + i, mask));
    V direction = g;
    if (w.first) {
      const V v = store(w.first + i, mask, fma(momentum, load(w.first + i, mask), g));
      direction = n.nesterov ? fma(momentum, v, g) : v;
    }
    store(w.values + i, mask, fma(rate, direction, p));
  });
}

// values = share values + (1 - share) grad
inline void blend(const Weights* weights, int count, double share) {
  const V a = all(static_cast<float>(share)), b = all(static_cast<float>(1 - share));
  overPieces(weights, count, [&](const Weights& w, long i, M mask) __attribute__((always_inline)) {
    store(w.values + i, mask, fma(a, load(w.values + i, mask), mul(b, load(w.grad + i, mask))));
  });
}

}  // namespace
}  // namespace ANNEAL_ISA
}  // namespace anneal::kernels

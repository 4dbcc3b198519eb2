// The passes over memory of BatchNorm alone, where no convolution does them on the way.
#pragma once
#include <type_traits>

#include "common.h"

namespace anneal::kernels {
inline namespace ANNEAL_ISA {
namespace {

// N vectors of channels of a row: full, or cut off at the last channel.
template <int N>
struct Whole {
  static constexpr int n = N;
  template <class T>
  ANNEAL_INLINE V get(const T* p) const {
    return L(p);
  }
  template <bool Around, class T>
  ANNEAL_INLINE void put(T* p, V v) const {
    if constexpr (Around)
      stream(p, v);
    else
      S(p, v);
  }
};
struct Some {
  static constexpr int n = 1;
  M mask;
  template <class T>
  ANNEAL_INLINE V get(const T* p) const {
    return load(p, mask);
  }
  template <bool, class T>
  ANNEAL_INLINE void put(T* p, V v) const {
    store(p, mask, v);
  }
};
#define ANNEAL_EACH ANNEAL_UNROLL for (int v = 0; v < lanes.n; v++)
// The factors of the channels of each vector
template <class Lanes>
struct Numbers {
  V at[Lanes::n];
  explicit Numbers(V all) { ANNEAL_UNROLL for (int v = 0; v < Lanes::n; v++) at[v] = all; }
  explicit Numbers(const float* from) { ANNEAL_UNROLL for (int v = 0; v < Lanes::n; v++) at[v] = L(from + v * 16); }
  ANNEAL_INLINE V& operator[](int v) { return at[v]; }
};

// The sums of a thread: float over some rows, double over all of them.
class RowSums {
 public:
  // `room` has 2 c zeros, c a multiple of 32; c is 0 if there are no sums.
  RowSums(ThreadSums* all, int t, int c, float* room)
      : first_(all ? all->first(t) : nullptr), second_(all ? all->second(t) : nullptr), of_(room), c_(c) {}
  // Adds to the sums of 16 channels from i on
  ANNEAL_INLINE void more(int i, V s, V q) {
    S(of_ + i, add(L(of_ + i), s)), S(of_ + c_ + i, add(L(of_ + c_ + i), q));
  }
  void flush() {
    for (int i = 0; i < c_; i += 16) {
      addTo(first_ + i, L(of_ + i)), addTo(second_ + i, L(of_ + c_ + i));
      S(of_ + i, zero()), S(of_ + c_ + i, zero());
    }
  }

 private:
  double *first_, *second_;
  float* of_;
  int c_;
};

// Calls f(first row, last row, channel, vectors from there, sums). Long rows are taken a few at a time, so that memory is read in
// its order.
template <class F>
void byRows(long m, int c, ThreadSums* all, F f) {
  constexpr long kFloat = 32;  // rows whose sums are float
  const int members = all ? all->members() : threads(), sumsOf = all ? up(c, 32) : 0;
  const Scratch<float> rowSums(Slot::rowSums, 2 * static_cast<size_t>(sumsOf), members);
#pragma omp parallel num_threads(members)
  {
    const Team member = team();
    const long rows = c <= 16 * kLanes ? 32 : std::clamp((m * c > (2 << 20) ? 256 : 2048) / c, 1, 32);
    long from, to;
    member.share(m, &from, &to);
    RowSums sums(all, member.rank, sumsOf, rowSums.zeroed(member.rank));
    for (long r = from; r < to; r += rows) {
      const long end = std::min(to, r + rows);
      int i = 0;
      for (; i + 16 * kLanes <= c; i += 16 * kLanes) f(r, end, i, Whole<kLanes>{}, sums);
      for (; i + 16 <= c; i += 16) f(r, end, i, Whole<1>{}, sums);
      if (i < c) f(r, end, i, Some{tail(c - i)}, sums);
      if (all && (end == to || (end - from) % kFloat < rows)) sums.flush();
    }
    settle();  // for what went around the caches
  }
}
// Calls f(whether to write past the caches)
template <class F>
void withAround(bool around, F f) {
  around ? f(std::true_type()) : f(std::false_type());
}

template <Act A>
using ActOf = std::integral_constant<Act, A>;
template <class F>
void withAct(Act act, F f) {
  if (act == Act::relu) return f(ActOf<Act::relu>{});
  if (act == Act::relu6) return f(ActOf<Act::relu6>{});
  f(ActOf<Act::none>{});
}
template <Act A>
ANNEAL_INLINE V acted(ActOf<A>, V y) {
  if constexpr (A == Act::relu) return relu(y);
  if constexpr (A == Act::relu6) return relu6(y);
  return y;
}
// The gradient v of the activation at y: v where it passes gradients on, else 0
template <Act A>
ANNEAL_INLINE V reluBackward(ActOf<A>, V y, V v) {
  if constexpr (A == Act::relu) return positive(y, v);
  if constexpr (A == Act::relu6) return through(y, v);
  return v;
}

// Sums the differences from the first row, so that no digits are lost if the mean is far from 0.
template <class T>
void moments(const T* z, long m, int c, Sums out) {
  ThreadSums sums(c);
  byRows(m, c, &sums, [&](long from, long to, int i, auto lanes, RowSums& into) {
    using N = Numbers<decltype(lanes)>;
    N origin(zero()), s(zero()), q(zero());
    ANNEAL_EACH origin[v] = lanes.get(z + i + v * 16);
    for (long r = from; r < to; r++) ANNEAL_EACH {
      const V d = sub(lanes.get(z + r * c + i + v * 16), origin[v]);
      s[v] = add(s[v], d);
      q[v] = fma(d, d, q[v]);
    }
    ANNEAL_EACH into.more(i + v * 16, s[v], q[v]);
  });
  sums.into(out);
  for (int i = 0; i < c; i += 16) {
    float origin[16];
    S(origin, load(z + i, tail(c - i)));
    for (int j = 0; j < std::min(16, c - i); j++) {
      const double o = origin[j];
      out.second[i + j] += 2 * o * out.first[i + j] + m * o * o;
      out.first[i + j] += m * o;
    }
  }
}

template <class T>
void normalise(const T* z, Norm norm, const T* plus, Act act, T* y, long m, int c) {
  withAround(beyondCache(m * c * sizeof(T), c), [&](auto around) {
    withAct(act, [&](auto kind) {
      byRows(m, c, nullptr, [&](long from, long to, int i, auto lanes, RowSums&) {
        using N = Numbers<decltype(lanes)>;
        N a(norm.a + i), b(norm.b + i);
        for (long r = from; r < to; r++) ANNEAL_EACH {
          const long at = r * c + i + v * 16;
          V sum = fma(lanes.get(z + at), a[v], b[v]);
          if (plus) sum = add(sum, lanes.get(plus + at));
          lanes.template put<around.value>(y + at, acted(kind, sum));
        }
      });
    });
  });
}

template <class T>
void normaliseSums(const T* g, const T* z, const T* y, Norm norm, Act act, T* masked, T* dz, long m, int c, Sums out) {
  ThreadSums sums(c);
  withAround(beyondCache(m * c * sizeof(T), c), [&](auto around) {
    withAct(act, [&](auto kind) {
      byRows(m, c, &sums, [&](long from, long to, int i, auto lanes, RowSums& into) {
        using N = Numbers<decltype(lanes)>;
        N a(norm.a + i), b(norm.b + i), mean(norm.mean + i), s(zero()), q(zero());
        for (long r = from; r < to; r++) ANNEAL_EACH {
          const long at = r * c + i + v * 16;
          const V x = lanes.get(z + at);
          const V d = reluBackward(kind, y ? lanes.get(y + at) : fma(x, a[v], b[v]), lanes.get(g + at));
          if (masked) lanes.template put<around.value>(masked + at, d);
          if (dz) lanes.template put<around.value>(dz + at, mul(a[v], d));
          s[v] = add(s[v], d);
          q[v] = fma(d, sub(x, mean[v]), q[v]);
        }
        ANNEAL_EACH into.more(i + v * 16, s[v], q[v]);
      });
    });
  });
  sums.into(out);
}

template <class T>
void normaliseGrad(const T* g, const T* z, NormGrad grad, Norm norm, Act act, T* dz, long m, int c) {
  withAround(beyondCache(m * c * sizeof(T), c), [&](auto around) {
    withAct(act, [&](auto kind) {
      byRows(m, c, nullptr, [&](long from, long to, int i, auto lanes, RowSums&) {
        using N = Numbers<decltype(lanes)>;
        N a(norm.a + i), b(norm.b + i), A(grad.A + i), B(grad.B + i), C(grad.C + i);
        for (long r = from; r < to; r++) ANNEAL_EACH {
          const long at = r * c + i + v * 16;
          const V x = lanes.get(z + at);
          const V d = reluBackward(kind, fma(x, a[v], b[v]), lanes.get(g + at));
          lanes.template put<around.value>(dz + at, fma(A[v], d, fma(B[v], x, C[v])));
        }
      });
    });
  });
}

#undef ANNEAL_EACH

}  // namespace
}  // namespace ANNEAL_ISA
}  // namespace anneal::kernels

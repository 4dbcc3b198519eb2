// Convolutions of few channels, as the first one of a net. All values under a row of the kernel are neighbours in a row of the
// picture, so each row of the kernel is one product, whose rows overlap.
#pragma once
#include "normalise.h"
#include "gemm.h"

namespace anneal::kernels {
inline namespace ANNEAL_ISA {
namespace {

template <class T>
void convStem(const ConvStem& s, const T* x, const float* w, const float* scale, const float* bias, Act act, T* y) {
  constexpr int P = kPerWord<T>;
  const int K = s.k * s.c, outs = up(s.outs, 16), rows = up(s.ow, kRows);
  const size_t each = packedSize<T>(K, outs);
  Array<float> scaled(static_cast<size_t>(s.outs) * s.k * K);
  for (int i = 0; i < s.outs; i++)
    for (int j = 0; j < s.k * K; j++) {
      const size_t at = static_cast<size_t>(i) * s.k * K + j;
      scaled[at] = scale ? w[at] * scale[i] : w[at];
    }
  const Scratch<T> packs(Slot::packed, each * s.k);
  T* const packed = packs.get();
  for (int i = 0; i < s.k; i++) pack<T>(scaled.data() + i * K, 1, static_cast<long>(s.k) * K, K, s.outs, packed + i * each);
  const size_t inside = static_cast<size_t>(s.w) * s.c;
  const size_t line = up(std::max((rows - 1) * s.stride + s.k, s.w + 2 * s.pad) * s.c + P, 32);
  const int members = threads();
  const Scratch<T> inputs(Slot::inputs, line * (s.k + 1), members);
  const Scratch<float> products(Slot::products, static_cast<size_t>(rows) * outs, members);
  withAct(act, [&](auto kind) {
#pragma omp parallel num_threads(members)
    {
      ahead.clear();
      const Team member = team();
      // Rows of a picture, padded with zeros; and one row of zeros
      T* const lines = inputs.zeroed(member.rank);
      float* const sums = products.at(member.rank);
      long from, to;
      member.share(static_cast<long>(s.n) * s.oh, &from, &to, 1);
      for (long r = from; r < to; r++) {
        const long n = r / s.oh;
        const int top = static_cast<int>(r - n * s.oh) * s.stride - s.pad;
        for (int i = 0; i < s.k; i++) {
          const bool there = top + i >= 0 && top + i < s.h;
          T* const row = lines + line * (there ? i : s.k);
          const T* const source = x + (n * s.h + top + i) * static_cast<long>(inside);
          if (there) memcpy(row + static_cast<size_t>(s.pad) * s.c, source, inside * sizeof(T));
          gemm<T>(words(row), s.stride * s.c / P, 1, rows, words(packed + i * each), 16, 16L * up(K, 32) / P,
                     (K + P - 1) / P, outs / 16, sums, outs, i > 0);
        }
        T* const out = y + static_cast<size_t>(r) * s.ow * s.outs;
        for (int p = 0; p < s.ow; p++)
          for (int i = 0; i < s.outs; i += 16) {
            const M some = tail(s.outs - i);
            const V v = add(L(sums + static_cast<size_t>(p) * outs + i), bias ? load(bias + i, some) : zero());
            store(out + static_cast<size_t>(p) * s.outs + i, some, acted(kind, v));
          }
      }
    }
  });
}

}  // namespace
}  // namespace ANNEAL_ISA
}  // namespace anneal::kernels

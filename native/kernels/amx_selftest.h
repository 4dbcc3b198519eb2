// A self-test of the AMX kernels: few processors with AMX have run them, so each process checks some products before it uses them.
#pragma once
#include <array>
#include <cstring>
#include <vector>

#include "kernels.h"

namespace anneal::kernels {

// Whether two sets of kernels give the same bits, on whole numbers so small that no sum is rounded.
inline bool amxSelftest(const Kernels<Half16>& one, const Kernels<Half16>& other) {
  uint32_t state = 1;
  const auto next = [&] {
    state = state * 1664525 + 1013904223;
    return static_cast<float>(static_cast<int>(state >> 24) % 9 - 4);
  };
  const auto halves = [&](size_t count) {
    std::vector<Half16> out(count);
    for (auto& h : out) {
      const float x = next();
      uint32_t bits;
      memcpy(&bits, &x, 4);
      h.bits = static_cast<uint16_t>(bits >> 16);
    }
    return out;
  };
  struct Threads {
    const int before = threads();
    Threads() { useThreads(2); }  // a thread of its own has tiles of its own
    ~Threads() { useThreads(before); }
  } const two;
  bool same = true;
  for (const auto& [m, k, n] : {std::array{70, 40, 72}, {300, 96, 24}, {33, 3, 130}}) {
    const auto x = halves(m * k), g = halves(m * n);
    std::vector<float> w(n * k);
    for (auto& v : w) v = next();
    std::vector<char> made[2];
    const auto keep = [&](int i, const auto& values) {
      const auto* p = reinterpret_cast<const char*>(values.data());
      made[i].insert(made[i].end(), p, p + values.size() * sizeof values[0]);
    };
    for (int i = 0; i < 2; i++) {
      const auto& kernels = i ? other : one;
      std::vector<Half16> z(m * n), gx(m * k);
      std::vector<float> dw(n * k);
      std::vector<double> first(n), second(n);
      kernels.conv1x1(x.data(), nullptr, {}, m, k, n, w.data(), nullptr, z.data(), {first.data(), second.data()});
      kernels.conv1x1Grad(g.data(), nullptr, {}, x.data(), nullptr, {}, m, k, n, w.data(), nullptr, gx.data(),
                            dw.data(), {});
      keep(i, z), keep(i, first), keep(i, second), keep(i, gx), keep(i, dw);
    }
    same = same && made[0] == made[1];
  }
  return same;
}

}  // namespace anneal::kernels

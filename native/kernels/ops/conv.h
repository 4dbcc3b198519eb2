// What our convolutions of 3 x 3 need, for the operators that run them (conv.cpp, conv_by.cpp).
#pragma once
#include "ops.h"

namespace anneal::kernels {

template <class T>
struct OwnConv {
  static Conv3 shapeOf(const Tensor& x, const Tensor& w) {
    const auto size = [&](int i) { return static_cast<int>(x.size(i)); };
    return {size(0), size(2), size(3), size(1), static_cast<int>(w.size(0))};
  }
  static bool isGrouped(const Tensor& x, const Tensor& w) { return w.size(3) < x.size(1); }
  static Grouped groupsOf(const Tensor& x, const Tensor& w, int64_t stride) {
    const auto s = shapeOf(x, w);
    const int by = static_cast<int>(stride);
    return {s.n, s.h, s.w, s.c, static_cast<int>(w.size(3)), by, (s.h - 1) / by + 1, (s.w - 1) / by + 1};
  }
  // How many values the packed weights have
  static int64_t sizeOf(const Tensor& x, const Tensor& w) { return w.numel() / 9 * (isGrouped(x, w) ? 9 : 16); }
  static void pack(const Tensor& x, const Tensor& w, const Tensor& scale, bool back, T* into) {
    const int k = static_cast<int>(w.size(0)), c = static_cast<int>(w.size(3));
    if (isGrouped(x, w))
      convolutions<T>().groupedPack(data<float>(w), data<float>(scale), k, c, back, into);
    else
      convolutions<T>().conv3Pack(data<float>(w), data<float>(scale), c, k, back, into);
  }
  static Tensor packed(const Tensor& x, const Tensor& w, const Tensor& scale, bool back) {
    const Tensor out = at::empty({sizeOf(x, w)}, kType<T>);
    pack(x, w, scale, back, data<T>(out));
    return out;
  }
  static Tensor made(const Tensor& x, const Tensor& w, const Tensor& weights, const Tensor& bias, const Tensor& plus, Act act,
                     int64_t stride) {
    ranConvolution<T>(Op::conv3x3);
    if (isGrouped(x, w)) {
      const auto s = groupsOf(x, w, stride);
      const Tensor y = image(s.n, s.c, s.oh, s.ow, kType<T>);
      convolutions<T>().grouped(s, data<T>(x), data<T>(weights), false, data<float>(bias), data<T>(plus), act, data<T>(y));
      return y;
    }
    const Tensor y = image(x.size(0), w.size(0), x.size(2), x.size(3), kType<T>);
    convolutions<T>().conv3(shapeOf(x, w), data<T>(x), data<T>(weights), data<float>(bias), data<T>(plus), act, data<T>(y));
    return y;
  }
};

// Rows of pixels: a view of [N, C, H, W] in channels_last
inline Tensor rowsOf(const Tensor& t) { return t.permute({0, 2, 3, 1}).reshape({-1, t.size(1)}); }

// One number for each output, or none
inline Tensor vectorOf(const char* name, const c10::optional<Tensor>& t, int64_t outputs) {
  if (!t || !t->defined()) return {};
  checkNumbers("", name, *t, outputs);
  return t->contiguous();
}
inline c10::optional<Tensor> maybe(const Tensor& t) { return t.defined() ? c10::optional<Tensor>(t) : c10::nullopt; }

}  // namespace anneal::kernels

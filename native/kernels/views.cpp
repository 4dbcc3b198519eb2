// `anneal::view_batch`: a batch of uint8 pictures as the net takes them, by one call.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/library.h>

#include "kernels.h"
#include "calls.h"
#include "checks.h"

namespace anneal::kernels {
namespace {

using at::Tensor;
constexpr double kMostNumber = 1e9;    // of a view; whole numbers among them are kept as int
constexpr int64_t kMostSide = 1 << 14;  // of a batch's pictures

// A row of `views`, in src/data/augment/kernel.ts's order
View viewOf(const Tensor& picture, const double* at, int64_t rows) {
  if (!isPlain(picture) || picture.dim() != 3 || picture.scalar_type() != at::kByte || !picture.is_contiguous() ||
      picture.numel() == 0 || picture.numel() > kMostValues)
    refuse("pictures", picture, "uint8 [height, width, channels] without gaps, on the CPU, of 1 to ", kMostValues, " values");
  for (int i = 0; i < kViewNumbers; i++) checkRange("views", at[i], -kMostNumber, kMostNumber);
  View v{};
  const auto whole = [&] { return static_cast<int>(*at++); };
  v.pixels = static_cast<const uint8_t*>(picture.data_ptr());
  v.h = static_cast<int>(picture.size(0)), v.w = static_cast<int>(picture.size(1));
  v.channels = static_cast<int>(picture.size(2));
  v.row = whole();
  v.plain = whole() != 0, v.top = whole(), v.left = whole();
  for (double& m : v.map) m = *at++;
  v.ky = whole(), v.kx = whole(), v.pad = whole();
  v.add = *at++, v.gain = *at++;
  v.coloured = whole() != 0;
  for (float& m : v.colour) m = static_cast<float>(*at++);
  v.logitShift = *at++, v.logitGain = *at++;
  TORCH_CHECK(v.row >= 0 && v.row < rows, "there is no row ", v.row, " of ", rows);
  TORCH_CHECK(v.ky >= 1 && v.kx >= 1 && v.ky <= v.h && v.kx <= v.w && v.pad >= kZeros && v.pad <= kReflection,
              "views: expected blocks no larger than the picture, ", v.h, " x ", v.w, ", and a padding from 0 to 2, got ", v.ky, " x ",
              v.kx, " and ", v.pad);
  return v;
}

void viewBatch(const Tensor& out, const std::vector<Tensor>& pictures, const Tensor& views, const Tensor& scale,
               const Tensor& shift) {
  const auto plain = [](const char* name, const Tensor& t, at::ScalarType type) {
    if (!isPlain(t) || t.scalar_type() != type || !t.is_contiguous()) refuse(name, t, typeName(type), " without gaps, on the CPU");
  };
  plain("out", out, at::kFloat), plain("views", views, at::kDouble);
  const auto count = static_cast<int64_t>(pictures.size());
  if (out.dim() != 4 || out.size(1) != out.size(2) || (out.size(3) != 1 && out.size(3) != 3) || out.size(1) > kMostSide)
    refuse("out", out, "a batch [N, size, size, 1 or 3], size at most ", kMostSide);
  if (views.sizes() != at::IntArrayRef{count, kViewNumbers})
    refuse("views", views, "a row for each picture, ", at::IntArrayRef{count, kViewNumbers});
  if (count == 0 || out.size(1) == 0) return;
  const auto size = out.size(1), channels = out.size(3);
  checkNumbers("", "scale", scale, channels, true), checkNumbers("", "shift", shift, channels, true);
  std::vector<View> made;
  made.reserve(pictures.size());
  const auto* at = static_cast<const double*>(views.data_ptr());
  for (const auto& picture : pictures) {
    made.push_back(viewOf(picture, at, out.size(0)));
    const auto& v = made.back();
    at += kViewNumbers;
    TORCH_CHECK(v.channels == channels || v.channels == 1, "a picture has ", v.channels, " channels, the batch ", channels);
    TORCH_CHECK(!v.plain || (v.top >= 0 && v.left >= 0 && v.top + size <= v.h && v.left + size <= v.w),
                "a crop of ", size, " at ", v.top, ", ", v.left, " is not inside ", v.h, " x ", v.w);
  }
  const auto& kernels = floatKernels();
  counted(Op::view_batch, setOf(&kernels));
  kernels.views(made.data(), static_cast<int>(count), static_cast<int>(size), static_cast<int>(channels),
                       static_cast<const float*>(scale.data_ptr()), static_cast<const float*>(shift.data_ptr()),
                       static_cast<float*>(out.data_ptr()));
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(anneal, m) {
  m.def("view_batch(Tensor(a!) out, Tensor[] pictures, Tensor views, Tensor scale, Tensor shift) -> ()", viewBatch);
}

}  // namespace anneal::kernels

// `anneal::view_batch`: makes a batch of uint8 pictures in one call.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/library.h>

#include <algorithm>
#include <type_traits>

#include "../calls.h"
#include "../checks.h"
#include "../kernels.h"

namespace anneal::kernels {
namespace {

using at::Tensor;
constexpr double kMostNumber = 1e9;     // of a map, a matrix, a curve
constexpr int64_t kMostSide = 1 << 14;  // of a batch's pictures

// The arguments of the operator. Each has the values of one picture after another.
struct Given {
  const int *rows, *corners, *blocks, *paddings, *curveOf;
  const double* maps;
  const float *colours, *curves;
  int64_t curveCount;
};

template <class T>
const T* checked(const char* name, const Tensor& t, at::ScalarType type, at::IntArrayRef sizes) {
  if (!isPlain(t) || t.scalar_type() != type || t.sizes() != sizes || !t.is_contiguous())
    refuse(name, t, typeName(type), " ", sizes, " without gaps, on the CPU");
  const auto* values = static_cast<const T*>(t.data_ptr());
  if constexpr (!std::is_same_v<T, int>)
    for (int64_t i = 0; i < t.numel(); i++) checkRange(name, values[i], -kMostNumber, kMostNumber);
  return values;
}

// rows: [channels, channels + 2] of a picture
void setMatrix(View& v, const float* rows, int64_t channels) {
  bool none = true, alike = true;
  for (int64_t i = 0; i < channels; i++, rows += channels + 2) {
    for (int64_t j = 0; j < channels; j++) {
      v.colour[i][j] = rows[j];
      none = none && rows[j] == (i == j ? 1 : 0);
      alike = alike && rows[j] == (i == j ? v.colour[0][0] : 0);
    }
    v.mean[i] = rows[channels], v.add[i] = rows[channels + 1] * 255;
    none = none && v.mean[i] == 0 && v.add[i] == 0;
    alike = alike && v.mean[i] == v.mean[0] && v.add[i] == v.add[0];
  }
  v.matrix = none ? Matrix::none : alike ? Matrix::alike : Matrix::mixed;
}

View viewOf(const Given& given, int64_t i, const Tensor& picture, const Tensor& out) {
  if (!isPlain(picture) || picture.dim() != 3 || picture.scalar_type() != at::kByte || !picture.is_contiguous() ||
      picture.numel() == 0 || picture.numel() > kMostValues)
    refuse("pictures", picture, "uint8 [height, width, channels] without gaps, on the CPU, of 1 to ", kMostValues, " values");
  const int64_t size = out.size(1), channels = out.size(3);
  View v{};
  v.pixels = static_cast<const uint8_t*>(picture.data_ptr());
  v.h = static_cast<int>(picture.size(0)), v.w = static_cast<int>(picture.size(1));
  v.channels = static_cast<int>(picture.size(2));
  if (v.channels != channels && v.channels != 1) refuse("pictures", picture, channels, " channels, as the batch has, or 1");
  v.row = given.rows[i];
  TORCH_CHECK(v.row >= 0 && v.row < out.size(0), "rows: expected 0 to ", out.size(0) - 1, ", got ", v.row);
  v.top = given.corners[2 * i], v.left = given.corners[2 * i + 1];
  v.plain = v.top != -1 || v.left != -1;
  TORCH_CHECK(!v.plain || (v.top >= 0 && v.left >= 0 && v.top + size <= v.h && v.left + size <= v.w), "corners: expected a crop of ",
              size, " x ", size, " inside ", v.h, " x ", v.w, ", or -1 and -1 for none, got one from ", v.top, ", ", v.left);
  std::copy_n(given.maps + 9 * i, 9, v.map);
  v.ky = given.blocks[2 * i], v.kx = given.blocks[2 * i + 1];
  TORCH_CHECK(v.ky >= 1 && v.kx >= 1 && v.ky <= v.h && v.kx <= v.w, "blocks: expected 1 x 1 to ", v.h, " x ", v.w, ", got ", v.ky,
              " x ", v.kx);
  v.pad = given.paddings[i];
  TORCH_CHECK(v.pad >= kZeros && v.pad <= kReflection, "paddings: expected 0 to 2, got ", v.pad);
  setMatrix(v, given.colours + i * channels * (channels + 2), channels);
  const int curve = given.curveOf[i];
  TORCH_CHECK(curve >= -1 && curve < given.curveCount, "curve_of: expected -1 to ", given.curveCount - 1, ", got ", curve);
  v.curve = curve < 0 ? nullptr : given.curves + static_cast<int64_t>(curve) * kCurvePoints;
  return v;
}

void viewBatch(const Tensor& out, const std::vector<Tensor>& pictures, const Tensor& rows, const Tensor& corners, const Tensor& maps,
               const Tensor& blocks, const Tensor& paddings, const Tensor& colours, const Tensor& curveOf, const Tensor& curves,
               const Tensor& scale, const Tensor& shift) {
  if (!isPlain(out) || out.scalar_type() != at::kFloat || !out.is_contiguous() || out.dim() != 4 || out.size(1) != out.size(2) ||
      (out.size(3) != 1 && out.size(3) != 3) || out.size(1) > kMostSide)
    refuse("out", out, "float32 [N, size, size, 1 or 3] without gaps, on the CPU, size at most ", kMostSide);
  const auto count = static_cast<int64_t>(pictures.size()), size = out.size(1), channels = out.size(3);
  if (curves.dim() != 2) refuse("curves", curves, "float32 [curves, ", kCurvePoints, "]");
  const Given given{checked<int>("rows", rows, at::kInt, count),
                    checked<int>("corners", corners, at::kInt, {count, 2}),
                    checked<int>("blocks", blocks, at::kInt, {count, 2}),
                    checked<int>("paddings", paddings, at::kInt, count),
                    checked<int>("curve_of", curveOf, at::kInt, count),
                    checked<double>("maps", maps, at::kDouble, {count, 9}),
                    checked<float>("colours", colours, at::kFloat, {count, channels, channels + 2}),
                    checked<float>("curves", curves, at::kFloat, {curves.size(0), kCurvePoints}),
                    curves.size(0)};
  checkNumbers("", "scale", scale, channels, true), checkNumbers("", "shift", shift, channels, true);
  if (count == 0 || size == 0) return;
  std::vector<View> made;
  made.reserve(pictures.size());
  for (int64_t i = 0; i < count; i++) made.push_back(viewOf(given, i, pictures[static_cast<size_t>(i)], out));
  const auto& kernels = floatKernels();
  counted(Op::view_batch, setOf(&kernels));
  kernels.views(made.data(), static_cast<int>(count), static_cast<int>(size), static_cast<int>(channels),
                static_cast<const float*>(scale.data_ptr()), static_cast<const float*>(shift.data_ptr()),
                static_cast<float*>(out.data_ptr()));
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(anneal, m) {
  m.def(
      "view_batch(Tensor(a!) out, Tensor[] pictures, Tensor rows, Tensor corners, Tensor maps, Tensor blocks, Tensor paddings, "
      "Tensor colours, Tensor curve_of, Tensor curves, Tensor scale, Tensor shift) -> ()",
      viewBatch);
}

}  // namespace anneal::kernels

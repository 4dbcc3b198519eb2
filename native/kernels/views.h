// Makes the pictures of a batch: each is sampled through its projective map, lit and normalised. Plain loops, which the compiler
// vectorises for the instruction set that includes this file.
//
// Coordinates are computed as libtorch's grid_sampler does (align_corners false), step by step in float, so that they are equal.
// One thread makes a picture, or several share its rows: its bits do not depend on anything else.
#pragma once
#include "view_epilogue.h"

namespace anneal::kernels {
inline namespace ANNEAL_ISA {
namespace {

typedef float F4 __attribute__((vector_size(16)));
typedef int I4 __attribute__((vector_size(16)));

// For each coordinate: its left neighbour `first`, and the weights of this one and of the next. Both are inside.
struct Places {
  explicit Places(int n) : first(n), a(n), b(n) {}
  Array<int> first;
  Array<float> a, b;
};

template <int pad>
ANNEAL_INLINE float inside(float x, int size) {
  if constexpr (pad == kReflection) {
    // A product instead of a quotient: one reflection more or less at an edge gives the same edge.
    const float span = 2.f * size, turn = 1.f / span, in = std::fabs(x + 0.5f), rest = in - std::trunc(in * turn) * span;
    x = std::min(rest, span - rest) - 0.5f;
  }
  if constexpr (pad != kZeros) x = std::min(std::max(x, 0.f), size - 1.f);
  return x;
}

// at: coordinates in [-1, 1] of an axis of `size` pixels, of which memory holds `held`, at least 2.
template <int pad>
void place(const float* at, int n, int size, int held, Places& out) {
  int* __restrict first = out.first.data();
  float *__restrict a = out.a.data(), *__restrict b = out.b.data();
  const float half = size / 2.f, other = size > 1 ? 1.f : 0.f;
  const int last = held - 2;
  for (int i = 0; i < n; i++) {
    const float x = inside<pad>((at[i] + 1.f) * half - 0.5f, size);
    const int from = std::min(std::max(static_cast<int>(x), 0), last);
    const auto left = static_cast<float>(from);
    first[i] = from;
    a[i] = std::max(1.f - std::fabs(x - left), 0.f);
    b[i] = std::max(other - std::fabs(x - left - 1.f), 0.f);
  }
}
inline void place(int pad, const float* at, int n, int size, int held, Places& out) {
  if (pad == kZeros) return place<kZeros>(at, n, size, held, out);
  if (pad == kBorder) return place<kBorder>(at, n, size, held, out);
  place<kReflection>(at, n, size, held, out);
}

// What is sampled: bytes, `step` 1 or 3 for each pixel; or means of blocks, floats, 1 or 4 for each pixel (of which 3 count).
// Memory is at least 2 pixels wide.
template <class T>
struct Source {
  const T* at;
  int h, w, held, step;
  const T* row(int y) const { return at + static_cast<size_t>(std::min(std::max(y, 0), h - 1)) * held * step; }
};

// Four bytes as floats; the compiler does not vectorise a loop this short.
ANNEAL_INLINE F4 four(const uint8_t* p) {
#ifdef __SSE4_1__
  int bytes;
  memcpy(&bytes, p, 4);
  return _mm_cvtepi32_ps(_mm_cvtepu8_epi32(_mm_cvtsi32_si128(bytes)));
#elif defined(__aarch64__)
  uint32_t bytes;
  memcpy(&bytes, p, 4);
  return (F4)vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(bytes)))));
#else
  return F4{float(p[0]), float(p[1]), float(p[2]), float(p[3])};
#endif
}
// Two neighbouring pixels of 3 channels; reads no byte outside them.
ANNEAL_INLINE void pair(const uint8_t* p, F4& left, F4& right) { left = four(p), right = four(p + 2); }
ANNEAL_INLINE void pair(const float* p, F4& left, F4& right) { memcpy(&left, p, 16), memcpy(&right, p + 4, 16); }
// Moves the three channels of the right pixel to the front
template <class T>
ANNEAL_INLINE F4 aligned(F4 right) {
#ifdef __clang__
  if constexpr (sizeof(T) == 1) return __builtin_shufflevector(right, right, 1, 2, 3, 3);
#else
  if constexpr (sizeof(T) == 1) return __builtin_shuffle(right, I4{1, 2, 3, 3});
#endif
  return right;
}

// One row of the crop, n pixels of 1 or 3 channels; `out` has room for one float more. `at` is scratch, 2 n.
template <class T>
void sampleRow(const Source<T>& s, const Places& xs, const Places& ys, int n, int* __restrict at, float* __restrict out) {
  const int *x = xs.first.data(), *y = ys.first.data(), line = s.held * s.step, last = s.h - 1, step = s.step;
  for (int j = 0; j < n; j++) {
    at[j] = y[j] * line + x[j] * step;
    at[n + j] = at[j] + (y[j] < last ? line : 0);
  }
  const float *left = xs.a.data(), *right = xs.b.data(), *up = ys.a.data(), *down = ys.b.data();
  const T* from = s.at;
  if (step == 1) {
    for (int j = 0; j < n; j++) {
      const T *upper = from + at[j], *lower = from + at[n + j];
      out[j] = left[j] * (up[j] * upper[0] + down[j] * lower[0]) + right[j] * (up[j] * upper[1] + down[j] * lower[1]);
    }
    return;
  }
  for (int j = 0; j < n; j++) {
    F4 ul, ur, ll, lr;
    pair(from + at[j], ul, ur), pair(from + at[n + j], ll, lr);
    const F4 v = left[j] * (up[j] * ul + down[j] * ll) + right[j] * aligned<T>(up[j] * ur + down[j] * lr);
    memcpy(out + 3 * j, &v, 16);
  }
}

// For maps that keep rows horizontal and columns vertical: interpolates between two rows first, then between their columns.
template <class T>
class Straight {
 public:
  Straight(const Source<T>& s, const Places& xs, int n)
      : s_(s), xs_(xs), n_(n), from_(ends(xs, n, false) * s.step),
        count_((ends(xs, n, true) + 2) * s.step - from_), columns_(n), mixed_(count_ + 4) {
    for (int j = 0; j < n; j++) columns_[j] = xs.first[j] * s.step - from_;
  }
  void row(int y, float up, float down, float* out) {
    const T *upper = s_.row(y) + from_, *lower = s_.row(y + 1) + from_;
    float* mixed = mixed_.data();
    if (down == 0)
      for (int i = 0; i < count_; i++) mixed[i] = up * upper[i];
    else
      for (int i = 0; i < count_; i++) mixed[i] = up * upper[i] + down * lower[i];
    const float *a = xs_.a.data(), *b = xs_.b.data();
    const int* columns = columns_.data();
    if (s_.step == 1)
      for (int j = 0; j < n_; j++) out[j] = a[j] * mixed[columns[j]] + b[j] * mixed[columns[j] + 1];
    else
      for (int j = 0; j < n_; j++) {
        F4 left, right;
        memcpy(&left, mixed + columns[j], 16), memcpy(&right, mixed + columns[j] + s_.step, 16);
        const F4 v = a[j] * left + b[j] * right;
        memcpy(out + 3 * j, &v, 16);
      }
  }

 private:
  const Source<T>& s_;
  const Places& xs_;
  const int n_, from_, count_;
  Array<int> columns_;
  Array<float> mixed_;

  static int ends(const Places& xs, int n, bool last) {
    int end = xs.first[0];
    for (int j = 1; j < n; j++) end = last ? std::max(end, xs.first[j]) : std::min(end, xs.first[j]);
    return end;
  }
};

// Makes rows [from, to) of the crop; a row needs room for one float more.
template <class T, class Take>
void sample(const Source<T>& s, const View& v, int n, int from, int to, Take take) {
  const int planes = v.map[6] == 0 && v.map[7] == 0 ? 2 : 3;
  Array<float> across(3 * n), down(3 * n), at(n);
  for (int p = 0; p < planes; p++)
    for (int i = 0; i < n; i++) {
      const double x = (2. * i + 1) / n - 1;
      across[p * n + i] = static_cast<float>(v.map[3 * p] * x + v.map[3 * p + 2]);
      down[p * n + i] = static_cast<float>(v.map[3 * p + 1] * x);
    }
  Places xs(n), ys(n);
  const int rows = std::max(2, s.h);
  if (planes == 2 && v.map[1] == 0 && v.map[3] == 0) {
    place(v.pad, across.data(), n, s.w, s.held, xs);
    for (int i = 0; i < n; i++) at[i] = across[n] + down[n + i];
    place(v.pad, at.data(), n, s.h, rows, ys);
    Straight<T> straight(s, xs, n);
    for (int i = from; i < to; i++) take(i, [&](float* out) { straight.row(ys.first[i], ys.a[i], ys.b[i], out); });
    return;
  }
  const auto line = [&](int p, int i, float* at) {
    const float *share = &across[p * n], by = down[p * n + i];
    for (int j = 0; j < n; j++) at[j] = share[j] + by;
  };
  Array<float> x(n), y(n), w(n);
  Array<int> scratch(2 * n);
  for (int i = from; i < to; i++) {
    line(0, i, x.data()), line(1, i, y.data());
    if (planes == 3) {
      line(2, i, w.data());
      for (int j = 0; j < n; j++) x[j] /= w[j], y[j] /= w[j];
    }
    place(v.pad, x.data(), n, s.w, s.held, xs);
    place(v.pad, y.data(), n, s.h, rows, ys);
    take(i, [&](float* out) { sampleRow(s, xs, ys, n, scratch.data(), out); });
  }
}

// Means of blocks of ky x kx pixels; the blocks at the edge are smaller.
struct Blocks {
  int step, h, w, held;
  explicit Blocks(const View& v)
      : step(v.channels == 3 ? 4 : 1), h((v.h + v.ky - 1) / v.ky), w((v.w + v.kx - 1) / v.kx), held(std::max(2, w)) {}
  size_t room() const { return static_cast<size_t>(h) * held * step + 4; }
};
inline Source<float> blocks(const View& v, float* memory) {
  const auto [step, h, w, held] = Blocks(v);
  const int c = v.channels, line = v.w * c;
  memset(memory, 0, Blocks(v).room() * sizeof(float));
  Array<int> sums(line);
  for (int y = 0; y < h; y++) {
    const int top = y * v.ky, rows = std::min(v.ky, v.h - top);
    memset(sums.data(), 0, sums.size() * sizeof(int));
    for (int r = 0; r < rows; r++) {
      const uint8_t* from = v.pixels + static_cast<size_t>(top + r) * line;
      for (int i = 0; i < line; i++) sums[i] += from[i];
    }
    for (int x = 0; x < w; x++) {
      const int left = x * v.kx, columns = std::min(v.kx, v.w - left);
      float* to = memory + (static_cast<size_t>(y) * held + x) * step;
      for (int k = 0; k < c; k++) {
        int sum = 0;
        for (int i = 0; i < columns; i++) sum += sums[(left + i) * c + k];
        to[k] = static_cast<float>(sum) / (rows * columns);
      }
    }
  }
  return {memory, h, w, held, step};
}

// Memory of a thread: a whole crop, and the means of blocks
struct ViewRoom {
  float *whole, *blocks;
};

template <class Take>
void rowsOf(const View& v, int n, int from, int to, const ViewRoom& room, Take take) {
  if (v.plain) {
    const int line = n * v.channels;
    for (int i = from; i < to; i++) {
      const uint8_t* at = v.pixels + (static_cast<size_t>(v.top + i) * v.w + v.left) * v.channels;
      take(i, [&](float* out) {
        for (int k = 0; k < line; k++) out[k] = at[k];
      });
    }
  } else if (v.kx > 1 || v.ky > 1) {
    sample(blocks(v, room.blocks), v, n, from, to, take);
  } else if (v.w == 1) {  // beside each pixel one that counts nothing
    Array<uint8_t> wide(static_cast<size_t>(v.h) * 2 * v.channels);
    for (int i = 0; i < v.h * v.channels; i++) wide[i / v.channels * 2 * v.channels + i % v.channels] = v.pixels[i];
    sample(Source<uint8_t>{wide.data(), v.h, 1, 2, v.channels}, v, n, from, to, take);
  } else {
    sample(Source<uint8_t>{v.pixels, v.h, v.w, v.w, v.channels}, v, n, from, to, take);
  }
}

// Whether the matrix needs the mean of the crop
inline bool needsMean(const View& v) {
  return v.matrix != Matrix::none && (v.mean[0] != 0 || (v.matrix == Matrix::mixed && (v.mean[1] != 0 || v.mean[2] != 0)));
}
// Whether no row of the crop can be made without the whole picture: for the mean of the crop, or for the means of blocks
inline bool isWhole(const View& v) { return needsMean(v) || v.kx > 1 || v.ky > 1; }

// out: [n, n, channels], of which rows [from, to) are made; all of them if the picture `isWhole`
inline void viewPicture(const View& v, int n, int channels, const float* scale, const float* shift, int from, int to,
                        const ViewRoom& room, float* out) {
  const int line = n * channels, seen = n * v.channels;
  Array<float> row(std::max(line, seen) + 4);
  const Epilogue epilogue{v, n, channels, scale, shift};
  if (!needsMean(v)) return rowsOf(v, n, from, to, room, [&](int i, auto fill) {
    fill(row.data());
    epilogue(row.data(), row.data(), 0, out + static_cast<size_t>(i) * line);
  });
  // The whole crop is sampled first, for its mean.
  float* const whole = room.whole;
  double sum = 0;
  rowsOf(v, n, 0, n, room, [&](int i, auto fill) {
    float* to = whole + static_cast<size_t>(i) * seen;
    fill(to);
    float part = 0;
#pragma omp simd reduction(+ : part)
    for (int k = 0; k < seen; k++) part += to[k];
    sum += part;
  });
  const auto mean = static_cast<float>(sum / (static_cast<double>(n) * seen));
  for (int i = 0; i < n; i++)
    epilogue(whole + static_cast<size_t>(i) * seen, row.data(), mean, out + static_cast<size_t>(i) * line);
}

inline void viewBatch(const View* views, int count, int n, int channels, const float* scale, const float* shift, float* out) {
  Array<float> scales(static_cast<size_t>(n) * channels), shifts(scales.size());
  for (size_t i = 0; i < scales.size(); i++) scales[i] = scale[i % channels], shifts[i] = shift[i % channels];
  const size_t each = static_cast<size_t>(n) * n * channels;
  bool whole = false;
  size_t most = 0, ofBlocks = 0;
  for (int i = 0; i < count; i++) {
    const View& v = views[i];
    whole = whole || isWhole(v);
    if (needsMean(v)) most = std::max(most, static_cast<size_t>(n) * n * v.channels + 4);
    if (v.kx > 1 || v.ky > 1) ofBlocks = std::max(ofBlocks, Blocks(v).room());
  }
  const int asked = threads(), shares = count >= asked || whole ? 1 : asked;  // of each picture
  const int members = std::min(asked, std::max(1, count * shares));
  const Scratch<float> wholes(Slot::shared, most, members), means(Slot::sharedToo, ofBlocks, members);
  bool failed = false;
#pragma omp parallel for schedule(dynamic) num_threads(members) if (count * shares > 1)
  for (int i = 0; i < count * shares; i++) {
    const View& v = views[i / shares];
    const int t = team().rank, from = n * (i % shares) / shares, to = n * (i % shares + 1) / shares;
    try {
      const ViewRoom room{wholes.at(t), means.at(t)};
      viewPicture(v, n, channels, scales.data(), shifts.data(), from, to, room, out + v.row * each);
    } catch (...) {  // of no memory: no exception may leave the region
#pragma omp atomic write
      failed = true;
    }
  }
  if (failed) noMemory(each * sizeof(float));
}

}  // namespace
}  // namespace ANNEAL_ISA
}  // namespace anneal::kernels

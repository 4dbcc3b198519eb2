// The whole way of one picture; included by a file for each instruction set.
#pragma once
#include "jpeg.h"
#include "resize.h"

namespace anneal::pictures {
namespace {

// All rows as RGB, [height, width, 3] at 1 / shrink.
inline bool toRgb(Reader& jpeg, int width, int height, uint8_t* rgb) {
  static thread_local Room<uint8_t> rowRoom;
  const Component& y = jpeg.parts[0];
  const Component& chroma = jpeg.parts[1];
  const bool wide = jpeg.count == 3 && y.stride == 2 * chroma.stride;
  const bool tall = wide && y.across == 2 && y.down == 2;
  if (wide && chroma.width <= 2) return false;
  const int padded = (width + 31) / 16 * 16;  // colourRow goes by sixteens
  uint8_t* rows = rowRoom.get(static_cast<size_t>(padded) * 7);
  if (!rows) return false;
  uint16_t* sums = reinterpret_cast<uint16_t*>(rows + 2 * padded);
  uint8_t* last = rows + 4 * padded;
  for (int line = 0; line < height; line++, rgb += static_cast<size_t>(width) * 3) {
    const uint8_t* luma = y.plane + static_cast<size_t>(line) * y.stride;
    if (jpeg.count == 1) {
      for (int x = 0; x < width; x++) rgb[3 * x] = rgb[3 * x + 1] = rgb[3 * x + 2] = luma[x];
      continue;
    }
    const uint8_t* planes[2];
    for (int i = 0; i < 2; i++) {
      const Component& c = jpeg.parts[1 + i];
      if (!wide) {
        planes[i] = c.plane + static_cast<size_t>(line) * c.stride;
        continue;
      }
      uint8_t* to = rows + padded * i;
      planes[i] = to;
      if (tall) {
        const int near = line >> 1;
        const int far = most(0, least(c.height - 1, line & 1 ? near + 1 : near - 1));
        upsample<2>(c.plane + static_cast<size_t>(near) * c.stride, c.plane + static_cast<size_t>(far) * c.stride,
                    c.width, sums, to);
        continue;
      }
      const uint8_t* from = c.plane + static_cast<size_t>(line) * c.stride;
      if (y.block > 1)
        upsample<1>(from, from, c.width, sums, to);
      else
        for (int x = 0; x < width; x++) to[x] = from[x >> 1];
    }
    // What is written beyond a row, the next rows write over; the last ones have no such room.
    uint8_t* to = static_cast<size_t>(height - line) * width >= static_cast<size_t>(padded) ? rgb : last;
    colourRow(luma, planes[0], planes[1], width, to);
    if (to == last) memcpy(rgb, last, static_cast<size_t>(width) * 3);
  }
  rowRoom.settle();
  return true;
}

inline void centre(int width, int height, int most, int* left, int* top, int* outWidth, int* outHeight) {
  *outWidth = least(width, most), *outHeight = least(height, most);
  *left = (width - *outWidth) >> 1, *top = (height - *outHeight) >> 1;
}

// As planFit of src/vision/decode/resize.ts; what that cuts before it resizes is not done here.
inline bool planOf(const Reader& jpeg, const Fit& fit, Plan* p) {
  p->width = jpeg.width, p->height = jpeg.height, p->orientation = jpeg.orientation;
  if (static_cast<double>(jpeg.width) * jpeg.height > fit.limit) return false;
  const bool swapped = p->orientation >= 5;
  int w = swapped ? jpeg.height : jpeg.width, h = swapped ? jpeg.width : jpeg.height;  // upright
  const auto longest = [&] { return most(1, static_cast<int>(std::fmin(std::floor(least(w, h) * fit.aspect), 65535))); };
  if (most(w, h) > 4 * longest()) return false;
  const int narrow = least(w, h);
  p->shrink = 1;
  if (fit.shortSide > 0 && fit.shortSide < narrow) {
    const int wide = w, high = h;
    const auto fitted = [&](int side) { return static_cast<int>(static_cast<int64_t>(fit.shortSide) * side / narrow); };
    w = fitted(wide), h = fitted(high);
    // A quarter at least is left to the resizing, which then is within 1/255 of resizing the whole, on average of photos.
    const double by = std::fmin(static_cast<double>(wide) / w, static_cast<double>(high) / h);
    while (p->shrink < 8 && by >= 2.5 * p->shrink) p->shrink *= 2;
  }
  p->across = swapped ? h : w, p->down = swapped ? w : h;
  const int kept = longest();
  if (most(w, h) > kept)
    centre(w, h, kept, &p->left, &p->top, &p->outWidth, &p->outHeight);
  else
    p->left = p->top = 0, p->outWidth = w, p->outHeight = h;
  return true;
}

// Turns `from` [down, across, 3] by its EXIF orientation and keeps what the plan asks for.
inline void orient(const Plan& plan, const uint8_t* from, uint8_t* out) {
  const int o = plan.orientation;
  const bool swapped = o >= 5, right = o == 2 || o == 3 || o == 7 || o == 8, bottom = o == 3 || o == 4 || o == 6 || o == 7;
  for (int y = 0; y < plan.outHeight; y++)
    for (int x = 0; x < plan.outWidth; x++, out += 3) {
      int u = x + plan.left, v = y + plan.top;
      if (swapped) {
        const int t = u;
        u = v, v = t;
      }
      if (right) u = plan.across - 1 - u;
      if (bottom) v = plan.down - 1 - v;
      memcpy(out, from + 3 * (static_cast<size_t>(v) * plan.across + u), 3);
    }
}

inline bool planHere(const uint8_t* bytes, size_t length, const Fit& fit, Plan* plan) {
  Reader jpeg(bytes, length);
  return jpeg.header() && planOf(jpeg, fit, plan);
}

inline bool decodeHere(const uint8_t* bytes, size_t length, const Fit& fit, Plan* plan, uint8_t* out, size_t room) {
  static thread_local Room<uint8_t> planeRoom, rgbRoom, resizedRoom;
  Reader jpeg(bytes, length);
  if (!jpeg.header() || !planOf(jpeg, fit, plan) || plan->bytes() > room) return false;
  const int width = ceilDiv(plan->width, plan->shrink), height = ceilDiv(plan->height, plan->shrink);
  const int across = plan->across, down = plan->down;
  const bool same = width == across && height == down;
  const bool plain = plan->orientation == 1 && plan->outWidth == across && plan->outHeight == down;
  if (!jpeg.planes(plan->shrink, planeRoom)) return false;
  uint8_t* rgb = same && plain ? out : rgbRoom.get(static_cast<size_t>(width) * height * 3 + kBeyond);
  if (!rgb || !toRgb(jpeg, width, height, rgb)) return false;
  if (!same) {
    uint8_t* to = plain ? out : resizedRoom.get(static_cast<size_t>(across) * down * 3);
    const double n = plan->shrink;
    if (!to || !resize(rgb, width, height, plan->width / n, plan->height / n, to, across, down, fit.cubic)) return false;
    rgb = to;
  }
  if (!plain) orient(*plan, rgb, out);
  planeRoom.settle(), rgbRoom.settle(), resizedRoom.settle();
  return true;
}

}  // namespace
}  // namespace anneal::pictures

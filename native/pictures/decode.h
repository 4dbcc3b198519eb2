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

// Turns `from` [down, across, 3] by its EXIF orientation and keeps what the job asks for.
inline void orient(const Job& job, const uint8_t* from, int across, int down) {
  const int o = job.orientation;
  const bool swapped = o >= 5, right = o == 2 || o == 3 || o == 7 || o == 8 ? true : false;
  const bool bottom = o == 3 || o == 4 || o == 6 || o == 7;
  // Of the picture as it lies in the file, the pixel that comes to (x, y): 5 to 8 take y across and x down.
  for (int y = 0; y < job.outHeight; y++)
    for (int x = 0; x < job.outWidth; x++) {
      int u = x + job.left, v = y + job.top;
      if (swapped) {
        const int t = u;
        u = v, v = t;
      }
      if (right) u = across - 1 - u;
      if (bottom) v = down - 1 - v;
      memcpy(job.out + 3 * (static_cast<size_t>(y) * job.outWidth + x), from + 3 * (static_cast<size_t>(v) * across + u), 3);
    }
}

inline bool decodeHere(const Job& job) {
  static thread_local Room<uint8_t> planeRoom, rgbRoom, resizedRoom;
  Reader jpeg(job.bytes, job.length);
  if (!jpeg.header() || jpeg.width != job.width || jpeg.height != job.height) return false;
  const int width = ceilDiv(job.width, job.shrink), height = ceilDiv(job.height, job.shrink);
  const bool swapped = job.orientation >= 5, same = width == job.across && height == job.down;
  const bool plain = job.orientation == 1 && job.left == 0 && job.top == 0 && job.outWidth == job.across &&
                     job.outHeight == job.down;
  if (job.left + job.outWidth > (swapped ? job.down : job.across) ||
      job.top + job.outHeight > (swapped ? job.across : job.down))
    return false;
  if (!jpeg.planes(job.shrink, planeRoom)) return false;
  uint8_t* rgb = same && plain ? job.out : rgbRoom.get(static_cast<size_t>(width) * height * 3 + kBeyond);
  if (!rgb || !toRgb(jpeg, width, height, rgb)) return false;
  planeRoom.settle();
  if (!same) {
    uint8_t* to = plain ? job.out : resizedRoom.get(static_cast<size_t>(job.across) * job.down * 3);
    if (!to || !resize(rgb, width, height, to, job.across, job.down, job.cubic)) return false;
    rgb = to;
  }
  if (!plain) orient(job, rgb, job.across, job.down);
  rgbRoom.settle(), resizedRoom.settle();
  return true;
}

}  // namespace
}  // namespace anneal::pictures

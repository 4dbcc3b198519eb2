// From the bytes of a JPEG file to pixels at the size kept, in one go on a thread of its own.
//
// Nothing of libtorch or Node is included here: these files are compiled once for each instruction set (CMakeLists.txt),
// and every one of them gives the same bits.
#pragma once
#include <cstddef>
#include <cstdint>

namespace anneal::pictures {

// What is asked of a picture. `width` and `height` are the header's; the JPEG is decoded at 1 / shrink (1, 2, 4 or 8) of
// them, resized to `across` x `down` where that differs, turned by its EXIF orientation (1 to 8), and what lies at
// (left, top) of that is kept.
struct Job {
  const uint8_t* bytes;
  size_t length;
  int width, height, shrink, across, down;
  bool cubic;
  int orientation, left, top, outWidth, outHeight;
  uint8_t* out;  // [outHeight, outWidth, 3]
};

// False for what is not done here, wholly or at all: JPEG that is progressive, arithmetic, of 12 bits, not of YCbCr or
// grey, or sampled in a rare way, and any that breaks the format in the least. Who asks has another decoder, which
// knows the rest and can say what is wrong. Then `out` holds anything.
using Decode = bool (*)(const Job& job);

bool decodePlain(const Job& job);
extern const Decode decodeAvx2;  // null where the compiler could not make it

}  // namespace anneal::pictures

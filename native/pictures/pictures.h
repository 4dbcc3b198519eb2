// From the bytes of a JPEG file to pixels at the size kept, in one go on a thread of its own.
//
// Nothing of libtorch or Node is included here: these files are compiled once for each instruction set (CMakeLists.txt),
// and every one of them gives the same bits.
#pragma once
#include <cstddef>
#include <cstdint>

namespace anneal::pictures {

// How a picture is brought to the size kept (src/vision/decode/resize.ts has the same for other formats).
struct Fit {
  int shortSide;  // larger ones are resized to it, antialiased; 0: none is
  double aspect;  // the longest side kept, in short sides
  bool cubic;
  double limit;   // of pixels
};

// What becomes of a picture of `width` x `height`: it is decoded at 1 / shrink (1, 2, 4 or 8), resized to `across` x `down`
// where that differs, turned by its EXIF orientation (1 to 8), and what lies at (left, top) of that is kept.
struct Plan {
  int width, height, shrink, across, down, orientation, left, top, outWidth, outHeight;
  size_t bytes() const { return static_cast<size_t>(outWidth) * outHeight * 3; }
};

// False for what is not done here, wholly or at all: JPEG that is progressive, arithmetic, of 12 bits, not of YCbCr or
// grey, or sampled in a rare way, and any that breaks the format in the least. Who asks has another decoder, which
// knows the rest and can say what is wrong.
struct Decoder {
  bool (*plan)(const uint8_t* jpeg, size_t length, const Fit& fit, Plan* plan);
  // Fills out [outHeight, outWidth, 3] where it has as many as `room` bytes; on failure it holds anything.
  bool (*decode)(const uint8_t* jpeg, size_t length, const Fit& fit, Plan* plan, uint8_t* out, size_t room);
};

extern const Decoder plainDecoder;
extern const Decoder* const avx2Decoder;  // null where the compiler could not make it

}  // namespace anneal::pictures

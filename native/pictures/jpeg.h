// A decoder of baseline JPEG (ITU T.81) with the arithmetic of libjpeg: its slow integer IDCT, whole or reduced
// (jidctint.c, jidctred.c), its "fancy" upsampling (jdsample.c) and its colours (jdcolor.c). The pixels are libjpeg's to the bit.
//
// libjpeg draws whatever wrong bits say. Here the entropy-coded data must keep their grammar: a bit error makes Huffman
// decoding lose step, and soon a block runs over its 64 coefficients, meets a code that no symbol has, or the data end
// too early or too late (F.2). All reads are bounded by the file, all writes by what the header gave.
#pragma once
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "pictures.h"
#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(__clang__) || __GNUC__ >= 12
#define ANNEAL_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define ANNEAL_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (__typeof__((a) + (a))){__VA_ARGS__})
#endif

namespace anneal::pictures {
namespace {

typedef int32_t I8 __attribute__((vector_size(32)));
typedef uint8_t B16 __attribute__((vector_size(16)));
typedef uint16_t Pair __attribute__((aligned(1), may_alias));

inline int least(int a, int b) { return a < b ? a : b; }
inline int most(int a, int b) { return a > b ? a : b; }
inline uint8_t clip(int v) { return static_cast<uint8_t>(most(0, least(255, v))); }
inline I8 widen(const uint8_t* p) {
#if defined(__AVX2__)
  return (I8)_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
#elif defined(__aarch64__)
  const uint16x8_t words = vmovl_u8(vld1_u8(p));
  const uint32x4_t wide[2] = {vmovl_u16(vget_low_u16(words)), vmovl_high_u16(words)};
  I8 out;
  memcpy(&out, wide, sizeof out);
  return out;
#else
  return I8{p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]};
#endif
}
inline B16 narrow(I8 a, I8 b) {  // to 0 .. 255
#if defined(__SSE2__)
  __m128i v[4];
  memcpy(v, &a, 32);
  memcpy(v + 2, &b, 32);
  return (B16)_mm_packus_epi16(_mm_packs_epi32(v[0], v[1]), _mm_packs_epi32(v[2], v[3]));
#elif defined(__aarch64__)
  int32x4_t v[4];
  memcpy(v, &a, 32);
  memcpy(v + 2, &b, 32);
  const int16x8_t words[2] = {vqmovn_high_s32(vqmovn_s32(v[0]), v[1]), vqmovn_high_s32(vqmovn_s32(v[2]), v[3])};
  return (B16)vqmovun_high_s16(vqmovun_s16(words[0]), words[1]);
#else
  B16 out;
  for (int i = 0; i < 8; i++) out[i] = clip(a[i]), out[i + 8] = clip(b[i]);
  return out;
#endif
}
// r g b r g b ... of 16 pixels
inline void interleave(B16 r, B16 g, B16 b, uint8_t* out) {
  const B16 v[3] = {
      ANNEAL_SHUFFLE(ANNEAL_SHUFFLE(r, g, 0, 16, 0, 1, 17, 0, 2, 18, 0, 3, 19, 0, 4, 20, 0, 5), b, 0, 1, 16, 3, 4, 17, 6, 7, 18, 9, 10, 19, 12, 13, 20, 15),
      ANNEAL_SHUFFLE(ANNEAL_SHUFFLE(r, g, 21, 0, 6, 22, 0, 7, 23, 0, 8, 24, 0, 9, 25, 0, 10, 26), b, 0, 21, 2, 3, 22, 5, 6, 23, 8, 9, 24, 11, 12, 25, 14, 15),
      ANNEAL_SHUFFLE(ANNEAL_SHUFFLE(r, g, 0, 11, 27, 0, 12, 28, 0, 13, 29, 0, 14, 30, 0, 15, 31, 0), b, 26, 1, 2, 27, 4, 5, 28, 7, 8, 29, 10, 11, 30, 13, 14, 31)};
  memcpy(out, v, 48);
}
inline int ceilDiv(int a, int b) { return (a + b - 1) / b; }

// Memory of a thread, kept from picture to picture up to a size that pictures usually have.
template <class T>
class Room {
 public:
  ~Room() { free(p_); }
  T* get(size_t count) {
    if (count > count_) {
      free(p_);
      p_ = static_cast<T*>(malloc(count * sizeof(T) + 64));
      count_ = p_ ? count : 0;
    }
    return p_;
  }
  void settle() {
    if (count_ * sizeof(T) <= (size_t(8) << 20)) return;
    free(p_);
    p_ = nullptr;
    count_ = 0;
  }

 private:
  T* p_ = nullptr;
  size_t count_ = 0;
};

constexpr int kQuick = 10;
constexpr uint8_t kZigzag[64] = {0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48,
                                 41, 34, 27, 20, 13, 6,  7,  14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23,
                                 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};
// Where the values of a block lie, in zigzag order: row i beside row i + 4, value by value.
struct Places {
  uint8_t at[64] = {};
  constexpr Places() {
    for (int k = 0; k < 64; k++) at[k] = (kZigzag[k] >> 3 & 3) * 16 + (kZigzag[k] & 7) * 2 + (kZigzag[k] >> 5);
  }
};
constexpr Places kPlaces;

struct Huffman {
  bool given = false;
  uint16_t quick[1 << kQuick];  // length << 8 | symbol; 0: a longer code
  // Of AC: value << 8 | zeros before it << 4 | length of code and value together; 0: more bits, a larger value or none.
  int16_t whole[1 << kQuick];
  int32_t limit[17];            // the last code of a length, or -1
  int32_t first[17];            // added to a code: where its symbol stands
  uint8_t symbols[256];
};

// Of brightness and of colour: how many codes of 1 to 16 bits, and their symbols.
struct StandardAc {
  uint8_t counts[16], symbols[162];
};
constexpr StandardAc kStandardAc[2] = {
    {{0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125},
     {
        0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71,
        0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0, 0x24, 0x33, 0x62, 0x72,
        0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x34, 0x35, 0x36, 0x37,
        0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59,
        0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83,
        0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3,
        0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3,
        0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2,
        0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa}},
    {{0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119},
     {
        0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22,
        0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0, 0x15, 0x62, 0x72, 0xd1,
        0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x35, 0x36,
        0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58,
        0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a,
        0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a,
        0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba,
        0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda,
        0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa}}};

struct Component {
  int id, across, down;  // sampling factors
  int quantiser;
  const Huffman *dc, *ac;
  int last;              // the DC before
  int block;             // its blocks come out as block x block pixels
  int width, height;     // in pixels that mean something
  int stride;            // of its plane
  uint8_t* plane;
};

inline int extended(int value, int size) {  // F.2.2.1
  return value >= 1 << (size - 1) ? value : value - (1 << size) + 1;
}

// Bits from the left; zeros beyond the end, counted as padding.
struct Bits {
  const uint8_t *at, *end;
  uint64_t held = 0;
  int count = 0, padded = 0;

  void fill() {  // to more than 56
    if (end - at >= 8) {
      uint64_t next;
      memcpy(&next, at, 8);
      const uint64_t inverted = ~next;  // a zero byte where `next` has 0xff
      if (!((inverted - 0x0101010101010101u) & ~inverted & 0x8080808080808080u)) {
        held |= __builtin_bswap64(next) >> count;
        const int bytes = (63 - count) >> 3;
        at += bytes;
        count += 8 * bytes;
        return;
      }
    }
    while (count <= 56) {
      uint64_t byte = 0;
      if (at < end && (*at != 0xff || (at + 1 < end && at[1] == 0))) {
        byte = *at;
        at += *at == 0xff ? 2 : 1;
      } else {
        padded += 8;
      }
      held |= byte << (56 - count);
      count += 8;
    }
  }
  void drop(int n) {
    held <<= n;
    count -= n;
  }
  // The next symbol, or -1. Takes up to 16 bits.
  int symbol(const Huffman& table) {
    if (count < 32) fill();
    const unsigned quick = table.quick[held >> (64 - kQuick)];
    if (quick) {
      drop(quick >> 8);
      return quick & 255;
    }
    for (int length = kQuick + 1; length <= 16; length++) {
      const int code = static_cast<int>(held >> (64 - length));
      if (code <= table.limit[length]) {
        drop(length);
        return table.symbols[(code + table.first[length]) & 255];
      }
    }
    return -1;
  }
  // A number of 1 to 15 bits; `symbol` has left that many.
  int number(int size) {
    const int value = static_cast<int>(held >> (64 - size));
    drop(size);
    return extended(value, size);
  }
};

class Reader {
 public:
  Reader(const uint8_t* bytes, size_t length) : at_(bytes), end_(bytes + length) {}

  // Up to the scan's data.
  bool header() {
    if (end_ - at_ < 4 || at_[0] != 0xff || at_[1] != 0xd8) return false;
    at_ += 2;
    for (;;) {
      while (end_ - at_ >= 2 && at_[0] == 0xff && at_[1] == 0xff) at_++;
      if (end_ - at_ < 4 || at_[0] != 0xff) return false;
      const int marker = at_[1], length = word(at_ + 2);
      if (length < 2 || end_ - at_ < 2 + length) return false;
      const uint8_t* body = at_ + 4;
      at_ += 2 + length;
      if (marker == 0xda) return scan(body, length - 2);
      if (!segment(marker, body, length - 2)) return false;
    }
  }

  int width = 0, height = 0, count = 0;
  int orientation = 1;
  Component parts[3];

  // The planes, at 1 / shrink; memory for them is taken from `room`.
  bool planes(int shrink, Room<uint8_t>& room) {
    across_ = parts[0].across, down_ = parts[0].down;
    if (count == 1) across_ = down_ = parts[0].across = parts[0].down = 1;
    const int unitsAcross = ceilDiv(width, 8 * across_), unitsDown = ceilDiv(height, 8 * down_);
    size_t bytes = 0;
    for (int i = 0; i < count; i++) {
      Component& c = parts[i];
      // What is sampled less often keeps more of its coefficients instead of being upsampled (jdmaster.c).
      c.block = 8 / shrink;
      while (c.block < 8 && across_ * (8 / shrink) % (c.across * c.block * 2) == 0 &&
             down_ * (8 / shrink) % (c.down * c.block * 2) == 0)
        c.block *= 2;
      c.width = ceilDiv(width * c.across * c.block, across_ * 8);
      c.height = ceilDiv(height * c.down * c.block, down_ * 8);
      c.stride = unitsAcross * c.across * c.block;
      bytes += static_cast<size_t>(c.stride) * unitsDown * c.down * c.block;
    }
    uint8_t* plane = room.get(bytes + 64);
    if (!plane) return false;
    for (int i = 0; i < count; i++) {
      Component& c = parts[i];
      c.plane = plane;
      plane += static_cast<size_t>(c.stride) * unitsDown * c.down * c.block;
    }
    return data(unitsAcross, unitsDown);
  }

 private:
  static int word(const uint8_t* p) { return p[0] << 8 | p[1]; }

  bool segment(int marker, const uint8_t* body, int length) {
    if (marker == 0xdb) return quantisers(body, length);
    if (marker == 0xc4) return huffman(body, length);
    if (marker == 0xc0 || marker == 0xc1) return frame(body, length);
    if (marker == 0xdd) {
      if (length != 2) return false;
      interval_ = word(body);
      return true;
    }
    if (marker == 0xe0 && length >= 14 && !memcmp(body, "JFIF", 5)) jfif_ = true;  // of any version, as libjpeg
    if (marker == 0xe1 && length >= 6 && !memcmp(body, "Exif\0", 6)) return exif(body + 6, length - 6);
    if (marker == 0xee && length >= 12 && !memcmp(body, "Adobe", 5)) adobe_ = body[11];
    return marker >= 0xe0 ? marker <= 0xef || marker == 0xfe : false;  // application data and comments
  }

  // Tag 0x0112 of the first directory (TIFF 6.0).
  bool exif(const uint8_t* tiff, int length) {
    if (exif_ || length < 14 || (memcmp(tiff, "II*", 4) && memcmp(tiff, "MM\0*", 4))) return false;
    exif_ = true;
    const bool little = tiff[0] == 'I';
    const auto half = [&](long at) { return little ? tiff[at] | tiff[at + 1] << 8 : word(tiff + at); };
    const auto whole = [&](long at) {
      const long a = half(at), b = half(at + 2);
      return little ? a | b << 16 : a << 16 | b;
    };
    const long first = whole(4);
    if (first + 2 > length) return false;
    const int entries = half(first);
    if (first + 2 + 12L * entries > length) return false;
    for (long at = first + 2, i = 0; i < entries; i++, at += 12) {
      if (half(at) != 0x0112) continue;
      if (half(at + 2) != 3 || whole(at + 4) != 1) return false;
      const int value = half(at + 8);
      orientation = value >= 1 && value <= 8 ? value : 1;
      break;
    }
    return true;
  }

  bool quantisers(const uint8_t* body, int length) {
    for (; length >= 65; body += 65, length -= 65) {
      if (body[0] > 3) return false;  // of 16 bits, or no such table
      for (int i = 0; i < 64; i++) quantiser_[body[0]][i] = body[1 + i];
      quantised_ |= 1 << body[0];
    }
    return length == 0;
  }

  bool huffman(const uint8_t* body, int length) {
    while (length >= 17) {
      if ((body[0] & ~0x13) != 0) return false;
      Huffman& table = tables_[body[0] >> 4][body[0] & 3];
      int total = 0;
      for (int i = 1; i <= 16; i++) total += body[i];
      if (total > 256 || length < 17 + total) return false;
      table = Huffman{};
      memcpy(table.symbols, body + 17, total);
      for (int i = 0; i < total; i++)
        if (body[0] < 16 && table.symbols[i] > 15) return false;  // of DC: numbers of bits
      for (int size = 1, code = 0, index = 0; size <= 16; size++, code <<= 1) {
        table.first[size] = index - code;
        const int n = body[size];
        if (code + n >= 1 << size) return false;  // no code is all ones
        for (int i = 0; i < n; i++, code++, index++)
          if (size <= kQuick)
            for (int k = code << (kQuick - size); k < (code + 1) << (kQuick - size); k++)
              table.quick[k] = size << 8 | table.symbols[index];
        table.limit[size] = n > 0 ? code - 1 : -1;
      }
      if (body[0] >= 16) together(table);
      table.given = true;
      body += 17 + total;
      length -= 17 + total;
    }
    return length == 0;
  }

  static void together(Huffman& table) {
    for (int bits = 0; bits < 1 << kQuick; bits++) {
      const int length = table.quick[bits] >> 8, zeros = table.quick[bits] >> 4 & 15, size = table.quick[bits] & 15;
      if (!length || !size || length + size > kQuick) continue;
      const int value = extended(bits >> (kQuick - length - size) & ((1 << size) - 1), size);
      if (value >= -128 && value < 128) table.whole[bits] = static_cast<int16_t>(value * 256 + zeros * 16 + length + size);
    }
  }

  bool frame(const uint8_t* body, int length) {
    if (count || length < 6 || body[0] != 8) return false;
    height = word(body + 1), width = word(body + 3), count = body[5];
    if (!width || !height || (count != 1 && count != 3) || length != 6 + 3 * count) return false;
    for (int i = 0; i < count; i++) {
      const uint8_t* p = body + 6 + 3 * i;
      parts[i] = Component{p[0], p[1] >> 4, p[1] & 15, p[2], nullptr, nullptr, 0, 0, 0, 0, 0, nullptr};
      if (p[2] > 3 || parts[i].across < 1 || parts[i].across > 4 || parts[i].down < 1 || parts[i].down > 4) return false;
    }
    if (count == 1) return true;
    const Component& y = parts[0];
    const bool usual = (y.across == 1 && y.down == 1) || (y.across == 2 && y.down <= 2);
    return usual && parts[1].across == 1 && parts[1].down == 1 && parts[2].across == 1 && parts[2].down == 1;
  }

  bool scan(const uint8_t* body, int length) {
    if (!count || length != 4 + 2 * count || body[0] != count) return false;
    for (int i = 0; i < count; i++) {
      Component& c = parts[i];
      const int tables = body[2 + 2 * i];
      if (body[1 + 2 * i] != c.id || (tables & ~0x33) != 0 || !(quantised_ >> c.quantiser & 1)) return false;
      c.dc = table(0, tables >> 4);
      c.ac = table(1, tables & 3);
      if (!c.dc || !c.ac) return false;
    }
    // Which coefficients it has says nothing in a sequential file: some phones write 0 to 0, and libjpeg ignores it.
    if (count == 1) return true;
    if (jfif_) return true;
    if (adobe_ >= 0) return adobe_ == 1;
    return parts[0].id == 1 && parts[1].id == 2 && parts[2].id == 3;
  }

  // Frames of motion JPEG leave out the tables of annex K (K.3 to K.6), which are meant then (jstdhuff.c).
  const Huffman* table(int kind, int slot) {
    if (!tables_[kind][slot].given && slot < 2) {
      uint8_t body[17 + 162] = {static_cast<uint8_t>(kind << 4 | slot)};
      int symbols = 12;
      if (kind == 0) {
        memcpy(body + 1, slot == 0 ? "\0\1\5\1\1\1\1\1\1\0\0\0\0\0\0" : "\0\3\1\1\1\1\1\1\1\1\1\0\0\0\0", 16);
        for (int i = 0; i < symbols; i++) body[17 + i] = i;
      } else {
        symbols = 162;
        memcpy(body + 1, kStandardAc[slot].counts, 16);
        memcpy(body + 17, kStandardAc[slot].symbols, symbols);
      }
      if (!huffman(body, 17 + symbols)) return nullptr;
    }
    return tables_[kind][slot].given ? &tables_[kind][slot] : nullptr;
  }

  bool data(int unitsAcross, int unitsDown) {
    Bits bits{at_, end_};
    int left = interval_ ? interval_ : -1, restarts = 0;
    for (int y = 0; y < unitsDown; y++)
      for (int x = 0; x < unitsAcross; x++) {
        if (left == 0) {
          if (!over(bits)) return false;
          const uint8_t* p = bits.at;
          if (end_ - p < 2 || p[1] != 0xd0 + (restarts++ & 7)) return false;
          bits = Bits{p + 2, end_};
          for (int i = 0; i < count; i++) parts[i].last = 0;
          left = interval_;
        }
        left--;
        for (int i = 0; i < count; i++) {
          Component& c = parts[i];
          for (int v = 0; v < c.down; v++)
            for (int h = 0; h < c.across; h++) {
              uint8_t* to = c.plane + static_cast<size_t>(y * c.down + v) * c.block * c.stride + (x * c.across + h) * c.block;
              if (!block(bits, c, to)) return false;
            }
        }
        if (bits.padded > bits.count) return false;
      }
    return over(bits) && end_ - bits.at >= 2 && bits.at[1] == 0xd9;
  }

  // Whether nothing is left over before a marker.
  static bool over(const Bits& bits) {
    return (bits.count - bits.padded) >> 3 == 0 && bits.at < bits.end && *bits.at == 0xff;
  }

  bool block(Bits& bits, Component& c, uint8_t* to) {
    const uint8_t* quantiser = quantiser_[c.quantiser];
    const int size = bits.symbol(*c.dc);
    if (size < 0 || size > 11) return false;
    if (size) c.last += bits.number(size);
    if (c.last < -2048 || c.last > 2047) return false;
    bool flat = true;
    int reach = 0;
    const Huffman& ac = *c.ac;
    for (int k = 1; k < 64; k++) {
      if (bits.count < 32) bits.fill();
      const int whole = ac.whole[bits.held >> (64 - kQuick)];
      int value;
      if (whole) {
        bits.drop(whole & 15);
        k += whole >> 4 & 15;
        value = whole >> 8;
      } else {
        const int code = bits.symbol(ac), size = code & 15;
        if (code < 0 || size > 10) return false;
        k += code >> 4;
        if (size == 0) {
          if (code != 0xf0) break;  // the end of the block, however it is written
          if (k > 63) return false;
          continue;
        }
        value = bits.number(size);
      }
      if (k > 63) return false;
      if (flat) {
        for (I8& four : values_) four = I8{};
        flat = false;
      }
      value *= quantiser[k];
      put(kPlaces.at[k], value);
      reach |= value ^ value >> 31;
    }
    const int dc = c.last * quantiser[0];
    reach |= dc ^ dc >> 31;
    if (reach >= 2048) return false;  // twice what any picture of 8 bits has
    if (flat || c.block == 1) {
      const uint8_t grey = clip(((dc + 4) >> 3) + 128);
      for (int y = 0; y < c.block; y++) memset(to + static_cast<size_t>(y) * c.stride, grey, c.block);
      return true;
    }
    put(0, dc);
#ifdef __AVX2__
    if (reach < 1024 && c.block >= 4) {  // else the first pass could leave 16 bits
      c.block == 8 ? quick8(to, c.stride) : quick4(to, c.stride);
      return true;
    }
#endif
    c.block == 8 ? whole(to, c.stride) : reduced(to, c.stride, c.block);
    return true;
  }

  void put(int place, int value) {
    const int16_t v = static_cast<int16_t>(value);
    memcpy(reinterpret_cast<char*>(values_) + 2 * place, &v, 2);
  }
  void rows(I8 x[8]) const {
    for (int i = 0; i < 4; i++) x[i] = (values_[i] << 16) >> 16, x[i + 4] = values_[i] >> 16;
  }

  static I8 odd(I8 x7, I8 x5, I8 x3, I8 x1, int a, int b, int c, int d) { return x7 * a + x5 * b + x3 * c + x1 * d; }

  // One pass of the IDCT over eight columns at once; constants are of 13 bits (jidctint.c).
  static void pass(I8 x[8], int shift) {
    const int half = 1 << (shift - 1);
    I8 z1 = (x[2] + x[6]) * 4433;
    const I8 t2 = z1 - x[6] * 15137, t3 = z1 + x[2] * 6270;
    const I8 t0 = ((x[0] + x[4]) << 13) + half, t1 = ((x[0] - x[4]) << 13) + half;
    const I8 e0 = t0 + t3, e3 = t0 - t3, e1 = t1 + t2, e2 = t1 - t2;
    I8 z2 = x[5] + x[3], z3 = x[7] + x[3], z4 = x[5] + x[1];
    z1 = x[7] + x[1];
    const I8 z5 = (z3 + z4) * 9633;
    z1 *= -7373, z2 *= -20995, z3 = z3 * -16069 + z5, z4 = z4 * -3196 + z5;
    const I8 o0 = x[7] * 2446 + z1 + z3, o1 = x[5] * 16819 + z2 + z4;
    const I8 o2 = x[3] * 25172 + z2 + z3, o3 = x[1] * 12299 + z1 + z4;
    x[0] = (e0 + o3) >> shift, x[7] = (e0 - o3) >> shift;
    x[1] = (e1 + o2) >> shift, x[6] = (e1 - o2) >> shift;
    x[2] = (e2 + o1) >> shift, x[5] = (e2 - o1) >> shift;
    x[3] = (e3 + o0) >> shift, x[4] = (e3 - o0) >> shift;
  }
  // The same to four rows (jidctred.c).
  static void pass4(I8 x[8], int shift) {
    const int half = 1 << (shift - 1);
    const I8 t0 = (x[0] << 14) + half, t2 = x[2] * 15137 - x[6] * 6270;
    const I8 a = odd(x[7], x[5], x[3], x[1], -1730, 11893, -17799, 8697);
    const I8 b = odd(x[7], x[5], x[3], x[1], -4176, -4926, 7373, 20995);
    x[0] = (t0 + t2 + b) >> shift, x[3] = (t0 + t2 - b) >> shift;
    x[1] = (t0 - t2 + a) >> shift, x[2] = (t0 - t2 - a) >> shift;
  }
  // And to two.
  static void pass2(I8 x[8], int shift) {
    const I8 t0 = (x[0] << 15) + (1 << (shift - 1));
    const I8 a = odd(x[7], x[5], x[3], x[1], -5906, 6967, -10426, 29692);
    x[0] = (t0 + a) >> shift, x[1] = (t0 - a) >> shift;
  }
  static void transpose(I8 x[8]) {
    I8 a[8], b[8];
    for (int i = 0; i < 4; i++) {
      a[2 * i] = ANNEAL_SHUFFLE(x[2 * i], x[2 * i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
      a[2 * i + 1] = ANNEAL_SHUFFLE(x[2 * i], x[2 * i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
    }
    for (int i = 0; i < 8; i += 4)
      for (int j = 0; j < 2; j++) {
        b[i + j] = ANNEAL_SHUFFLE(a[i + j], a[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
        b[i + j + 2] = ANNEAL_SHUFFLE(a[i + j], a[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
      }
    for (int i = 0; i < 4; i++) {
      x[i] = ANNEAL_SHUFFLE(b[i], b[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
      x[i + 4] = ANNEAL_SHUFFLE(b[i], b[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
  }
  void whole(uint8_t* to, int stride) {
    I8 x[8];
    rows(x);
    pass(x, 11);
    transpose(x);
    pass(x, 18);
    transpose(x);
    for (int y = 0; y < 8; y += 2) {
      const B16 rows = narrow(x[y] + 128, x[y + 1] + 128);
      memcpy(to + static_cast<size_t>(y) * stride, &rows, 8);
      memcpy(to + static_cast<size_t>(y + 1) * stride, reinterpret_cast<const char*>(&rows) + 8, 8);
    }
  }
  void reduced(uint8_t* to, int stride, int n) {
    I8 x[8];
    rows(x);
    n == 4 ? pass4(x, 12) : pass2(x, 13);
    for (int y = n; y < 8; y++) x[y] = I8{};
    transpose(x);
    n == 4 ? pass4(x, 19) : pass2(x, 20);
    for (int y = n; y < 8; y++) x[y] = I8{};
    transpose(x);
    for (int y = 0; y < n; y++) {
      const B16 row = narrow(x[y] + 128, x[y]);
      memcpy(to + static_cast<size_t>(y) * stride, &row, n);
    }
  }

#ifdef __AVX2__
  // The same by products of 16 bits, two and their sum at once: to the bit, where no value leaves those.
  using V = __m256i;
  static V constant(int a, int b) { return _mm256_set1_epi32((a & 65535) | b << 16); }
  static I8 sum(V values, int a, int b) { return (I8)_mm256_madd_epi16(values, constant(a, b)); }
  static V twice(__m128i v) { return _mm256_broadcastsi128_si256(v); }

  // Rows i beside i + 4 to rows, as `pass`.
  static void quickPass(const V v[4], I8 x[8], int shift, int half) {
    const I8 t0 = sum(v[0], 8192, 8192) + half, t1 = sum(v[0], 8192, -8192) + half;
    const I8 t2 = sum(v[2], 4433, 4433 - 15137), t3 = sum(v[2], 4433 + 6270, 4433);
    const I8 e0 = t0 + t3, e3 = t0 - t3, e1 = t1 + t2, e2 = t1 - t2;
    constexpr int a = 9633, b = a - 16069, c = a - 3196;
    const I8 o0 = sum(v[1], a - 7373, a) + sum(v[3], b, b + 2446 - 7373);
    const I8 o1 = sum(v[1], c, c + 16819 - 20995) + sum(v[3], a - 20995, a);
    const I8 o2 = sum(v[1], a, a - 20995) + sum(v[3], b + 25172 - 20995, b);
    const I8 o3 = sum(v[1], c + 12299 - 7373, c) + sum(v[3], a, a - 7373);
    x[0] = (e0 + o3) >> shift, x[7] = (e0 - o3) >> shift;
    x[1] = (e1 + o2) >> shift, x[6] = (e1 - o2) >> shift;
    x[2] = (e2 + o1) >> shift, x[5] = (e2 - o1) >> shift;
    x[3] = (e3 + o0) >> shift, x[4] = (e3 - o0) >> shift;
  }
  // Two rows of eight, column i beside i + 4: four pairs of the first, four of the second.
  static V pairs(I8 first, I8 second) {
    const V words = _mm256_permute4x64_epi64(_mm256_packs_epi32((V)first, (V)second), 0xd8);
    return _mm256_shuffle_epi8(words, twice(_mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15)));
  }
  static __m128i turned() { return _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15); }  // 4 x 4 bytes

  void quick8(uint8_t* to, int stride) const {
    V v[4], p[4], q[4];
    memcpy(v, values_, sizeof v);
    I8 x[8];
    quickPass(v, x, 11, 1 << 10);
    for (int i = 0; i < 4; i++) p[i] = pairs(x[i], x[i + 4]);
    for (int i = 0; i < 4; i += 2)
      q[i] = _mm256_unpacklo_epi32(p[i], p[i + 1]), q[i + 1] = _mm256_unpackhi_epi32(p[i], p[i + 1]);
    for (int i = 0; i < 2; i++)
      v[2 * i] = _mm256_unpacklo_epi64(q[i], q[i + 2]), v[2 * i + 1] = _mm256_unpackhi_epi64(q[i], q[i + 2]);
    quickPass(v, x, 18, (1 << 17) + (128 << 18));
    V half[2];  // four columns, of rows 0 to 3 and 4 to 7
    for (int i = 0; i < 2; i++) {
      const I8* y = x + 4 * i;
      const V words[2] = {_mm256_packs_epi32((V)y[0], (V)y[1]), _mm256_packs_epi32((V)y[2], (V)y[3])};
      half[i] = _mm256_shuffle_epi8(_mm256_packus_epi16(words[0], words[1]), twice(turned()));
    }
    // Rows 0 1 4 5 and 2 3 6 7.
    const V rows[2] = {_mm256_unpacklo_epi32(half[0], half[1]), _mm256_unpackhi_epi32(half[0], half[1])};
    for (int y = 0; y < 8; y++, to += stride)
      memcpy(to, reinterpret_cast<const char*>(rows + (y >> 1 & 1)) + 16 * (y >> 2) + 8 * (y & 1), 8);
  }
  // As pass4 twice.
  void quick4(uint8_t* to, int stride) const {
    V v[4];
    memcpy(v, values_, sizeof v);
    const I8 t0 = sum(v[0], 16384, 0) + (1 << 11), t2 = sum(v[2], 15137, -6270);
    const I8 a = sum(v[1], 8697, 11893) + sum(v[3], -17799, -1730), b = sum(v[1], 20995, -4926) + sum(v[3], 7373, -4176);
    const V p = pairs((t0 + t2 + b) >> 12, (t0 - t2 - a) >> 12), q = pairs((t0 - t2 + a) >> 12, (t0 + t2 - b) >> 12);
    const V low = _mm256_permute4x64_epi64(_mm256_unpacklo_epi32(p, q), 0xd8);   // columns 0 | 1
    const V high = _mm256_permute4x64_epi64(_mm256_unpackhi_epi32(p, q), 0xd8);  // columns 2 | 3
    const auto sums = [](V values, int a, int b, int c, int d) {
      return _mm256_madd_epi16(values, _mm256_blend_epi32(constant(a, b), constant(c, d), 0xf0));
    };
    // t0 + t2 | a and t0 - t2 | b
    const V plus = _mm256_add_epi32(sums(low, 16384, 0, 8697, 11893), sums(high, 15137, -6270, -17799, -1730));
    const V minus = _mm256_add_epi32(sums(low, 16384, 0, 20995, -4926), sums(high, -15137, 6270, 7373, -4176));
    const auto low4 = [](V v) { return _mm256_castsi256_si128(v); };
    const auto high4 = [](V v) { return _mm256_extracti128_si256(v, 1); };
    const __m128i half = _mm_set1_epi32((1 << 18) + (128 << 19));
    const __m128i s = _mm_add_epi32(low4(plus), half), d = _mm_add_epi32(low4(minus), half);
    const __m128i e = high4(plus), f = high4(minus);
    const __m128i y[4] = {_mm_add_epi32(s, f), _mm_add_epi32(d, e), _mm_sub_epi32(d, e), _mm_sub_epi32(s, f)};
    const __m128i first = _mm_packs_epi32(_mm_srai_epi32(y[0], 19), _mm_srai_epi32(y[1], 19));
    const __m128i last = _mm_packs_epi32(_mm_srai_epi32(y[2], 19), _mm_srai_epi32(y[3], 19));
    const __m128i bytes = _mm_packus_epi16(first, last);
    const __m128i block = _mm_shuffle_epi8(bytes, turned());
    for (int y = 0; y < 4; y++, to += stride) memcpy(to, reinterpret_cast<const char*>(&block) + 4 * y, 4);
  }
#endif

  const uint8_t *at_, *end_;
  int interval_ = 0, across_ = 1, down_ = 1;
  bool jfif_ = false, exif_ = false;
  int adobe_ = -1;
  unsigned quantised_ = 0;
  uint8_t quantiser_[4][64];
  Huffman tables_[2][4];
  I8 values_[4];
};

// --- from planes to rows of RGB


// One row of chroma becomes twice as wide, each value three parts its own and one its neighbour's (jdsample.c): the sums
// of `near` and `far` rows where there are two (Rows = 2), which then count three to one themselves.
template <int Rows>
inline void upsample(const uint8_t* near, const uint8_t* far, int n, uint16_t* __restrict sums, uint8_t* __restrict out) {
  constexpr int shift = Rows == 2 ? 4 : 2, left = Rows == 2 ? 8 : 1, right = Rows == 2 ? 7 : 2;
  for (int i = 0; i < n; i++) sums[i] = static_cast<uint16_t>(Rows == 2 ? near[i] * 3 + far[i] : near[i]);
  out[0] = static_cast<uint8_t>((sums[0] * 4 + left) >> shift);
  out[2 * n - 1] = static_cast<uint8_t>((sums[n - 1] * 4 + right) >> shift);
  Pair* __restrict pairs = reinterpret_cast<Pair*>(out + 1);
  for (int i = 0; i < n - 1; i++) {
    const uint16_t a = sums[i], b = sums[i + 1], first = a * 3 + b + right, second = b * 3 + a + left;
    pairs[i] = static_cast<uint16_t>(first >> shift | second >> shift << 8);  // little-endian
  }
}

// Rounded fixed point of 16 bits (jdcolor.c). Rows are read and written up to 15 pixels beyond their end.
inline void colourRow(const uint8_t* ys, const uint8_t* cbs, const uint8_t* crs, int n, uint8_t* out) {
  for (int i = 0; i < n; i += 16, out += 48) {
    I8 red[2], green[2], blue[2];
    for (int half = 0; half < 2; half++) {
      const int at = i + 8 * half;
      const I8 y = widen(ys + at), cb = widen(cbs + at) - 128, cr = widen(crs + at) - 128;
      red[half] = y + ((cr * 91881 + 32768) >> 16);
      green[half] = y + ((cb * -22554 + cr * -46802 + 32768) >> 16);
      blue[half] = y + ((cb * 116130 + 32768) >> 16);
    }
    interleave(narrow(red[0], red[1]), narrow(green[0], green[1]), narrow(blue[0], blue[1]), out);
  }
}

}  // namespace
}  // namespace anneal::pictures

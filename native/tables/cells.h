// Cells of text files as numbers and dates: what src/tabular/read/cells-of-bytes.ts reads, bit by bit, but for rare forms. Those it
// leaves to that file by returning false.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace anneal::tables {

inline bool isDigit(uint8_t byte) { return byte >= '0' && byte <= '9'; }

// value · 10^exponent, rounded to the nearest float64 (ties to even). value > 0; exponent from -19 to 19.
inline double scaled(uint64_t value, int exponent) {
  uint64_t power = 1;
  for (int i = exponent < 0 ? -exponent : exponent; i > 0; i--) power *= 10;
  // The result is (high + a rest) · 2^shift, with 63 to 65 bits in `high`.
  unsigned __int128 high;
  bool rest = false;
  int shift = 0;
  if (exponent < 0) {
    const int up = __builtin_clzll(value), down = __builtin_clzll(power);
    const unsigned __int128 numerator = static_cast<unsigned __int128>(value << up) << 63;
    const uint64_t divisor = power << down;
    high = numerator / divisor;
    rest = numerator % divisor != 0;
    shift = down - up - 63;
  } else {
    high = static_cast<unsigned __int128>(value) * power;
  }
  // To 53 bits: the half below decides, the rest breaks its tie.
  const uint64_t top = static_cast<uint64_t>(high >> 64);
  const int bits = top ? 128 - __builtin_clzll(top) : 64 - __builtin_clzll(static_cast<uint64_t>(high));
  const int drop = bits - 53;
  if (drop > 0) {
    const unsigned __int128 half = static_cast<unsigned __int128>(1) << (drop - 1);
    const unsigned __int128 below = high & ((half << 1) - 1);
    high >>= drop;
    shift += drop;
    if (below > half || (below == half && (rest || (high & 1)))) high++;
  }
  return std::ldexp(static_cast<double>(static_cast<uint64_t>(high)), shift);
}

// The number in these bytes; false for all that is no number, and for names made of digits, infinities, more than 19 digits, and
// exponents beyond 10^19.
inline bool numberIn(const uint8_t* from, const uint8_t* to, double* out) {
  static constexpr double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  const uint8_t* p = from;
  const bool negative = *p == '-';
  if (negative || *p == '+') p++;
  const uint8_t* const first = p;
  uint64_t value = 0;
  for (; p < to && isDigit(*p); p++) value = 10 * value + (*p - '0');
  const ptrdiff_t whole = p - first;
  ptrdiff_t fraction = 0;
  if (p < to && *p == '.') {
    const uint8_t* const point = ++p;
    for (; p < to && isDigit(*p); p++) value = 10 * value + (*p - '0');
    fraction = p - point;
  }
  const ptrdiff_t digits = whole + fraction;
  if (digits == 0 || digits > 19 || (whole > 1 && *first == '0')) return false;
  double found;
  if (p == to && digits <= 15) {
    found = static_cast<double>(value) / powers[fraction];  // both are exact (Clinger 1990)
  } else {
    if (p == to && fraction == 0) return false;
    int exponent = 0;
    if (p < to) {
      if ((*p | 0x20) != 'e' || ++p == to) return false;
      const bool down = *p == '-';
      if (down || *p == '+') p++;
      const uint8_t* const start = p;
      for (; p < to && isDigit(*p) && p - start < 3; p++) exponent = 10 * exponent + (*p - '0');
      if (p < to || p == start) return false;
      if (down) exponent = -exponent;
    }
    exponent -= static_cast<int>(fraction);
    if (exponent < -19 || exponent > 19) return false;
    found = value == 0 ? 0.0 : scaled(value, exponent);
  }
  *out = negative ? -found : found;
  return true;
}

// Days since 1970 of a day in the Gregorian calendar (Hinnant's `days_from_civil`).
inline int64_t daysOf(int year, int month, int day) {
  const int y = month <= 2 ? year - 1 : year;
  const int era = (y >= 0 ? y : y - 399) / 400;
  const int yearOfEra = y - 400 * era;
  const int dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int dayOfEra = 365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100 + dayOfYear;
  return int64_t{146097} * era + dayOfEra - 719468;
}

inline int monthLength(int year, int month) {
  static constexpr int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : lengths[month - 1];
}

// So many digits as a number; -1 where others stand there, or the cell ends.
inline int digitsAt(const uint8_t* p, const uint8_t* to, int count) {
  if (to - p < count) return -1;
  int value = 0;
  for (int i = 0; i < count; i++) {
    if (!isDigit(p[i])) return -1;
    value = 10 * value + (p[i] - '0');
  }
  return value;
}

// Seconds east of Greenwich: nothing, `Z`, `+02`, `+0200` or `+02:00`.
inline bool zoneIn(const uint8_t* p, const uint8_t* to, int* seconds) {
  *seconds = 0;
  if (p == to || (*p == 'Z' && p + 1 == to)) return true;
  const int sign = *p == '+' ? 1 : *p == '-' ? -1 : 0;
  const int colon = to - p > 3 && p[3] == ':' ? 1 : 0;
  if (sign == 0 || (to != p + 3 && to != p + 5 + colon)) return false;
  const int hours = digitsAt(p + 1, to, 2);
  const int minutes = to == p + 3 ? 0 : digitsAt(p + 3 + colon, to, 2);
  *seconds = sign * (3600 * hours + 60 * minutes);
  return hours >= 0 && hours <= 15 && minutes >= 0 && minutes <= 59;
}

// The rest of a date behind its day: `T03:04`, ` 03:04:05.678`, and a zone.
inline bool timeIn(const uint8_t* p, const uint8_t* to, int64_t midnight, double* out) {
  if ((*p != ' ' && *p != 'T') || to - p < 6 || p[3] != ':') return false;
  const int hour = digitsAt(p + 1, to, 2), minute = digitsAt(p + 4, to, 2);
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59) return false;
  p += 6;
  int64_t seconds = midnight + 3600 * hour + 60 * minute;
  int64_t micros = 0;
  if (p < to && *p == ':') {
    const int second = digitsAt(p + 1, to, 2);
    if (second < 0 || second > 59) return false;
    seconds += second;
    p += 3;
    if (p < to && *p == '.') {
      const uint8_t* const first = ++p;
      for (; p < to && isDigit(*p) && p - first < 7; p++) micros = 10 * micros + (*p - '0');
      if (p == first || p - first > 6) return false;
      for (ptrdiff_t digits = p - first; digits < 6; digits++) micros *= 10;
    }
  }
  int zone;
  if (!zoneIn(p, to, &zone)) return false;
  *out = (1e6 * static_cast<double>(seconds - zone) + static_cast<double>(micros)) / 1e6;
  return true;
}

// Seconds since 1970 in UTC of a date with the year in front: `2020-01-31` or `2020/1/31`, and a time of day.
inline bool dateIn(const uint8_t* from, const uint8_t* to, double* out) {
  if (to - from < 8 || (from[4] != '-' && from[4] != '/')) return false;
  const uint8_t sign = from[4];
  const int year = digitsAt(from, to, 4);
  const int monthDigits = from[6] == sign ? 1 : 2;
  const int month = digitsAt(from + 5, to, monthDigits);
  const uint8_t* p = from + 6 + monthDigits;
  if (year < 0 || month < 1 || month > 12 || p[-1] != sign || p >= to) return false;
  const int dayDigits = p + 1 < to && isDigit(p[1]) ? 2 : 1;
  const int day = digitsAt(p, to, dayDigits);
  if (day < 1 || day > monthLength(year, month)) return false;
  const int64_t midnight = 86400 * daysOf(year, month, day);
  p += dayDigits;
  if (p < to) return timeIn(p, to, midnight, out);
  *out = static_cast<double>(midnight);
  return true;
}

}  // namespace anneal::tables

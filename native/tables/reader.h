// Rows of text files into typed columns. src/tabular/read/pass-columns.ts says what a row means; a row with anything unusual is left
// to it, and both give the same columns.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "cells.h"

namespace anneal::tables {

// What a column is so far: the numbers of pass-columns.ts.
enum Kind : uint8_t { kSkipped, kOpen, kNumber, kDate, kWords, kDone };

// The different words of a column: the arrays of src/tabular/read/words-of-bytes.ts.
struct Words {
  uint8_t* pool = nullptr;
  uint32_t* starts = nullptr;
  int32_t *hashes = nullptr, *slots = nullptr, *size = nullptr;
  size_t poolLength = 0, startsLength = 0, slotsLength = 0;

  static constexpr int32_t kNone = -1;
  // The number of a word, or kNone if it is new and `most` words are there or an array is full.
  int32_t code(const uint8_t* from, const uint8_t* to, int32_t most) {
    uint32_t hash = 0x811c9dc5u;
    for (const uint8_t* p = from; p < to; p++) hash = (hash ^ *p) * 0x01000193u;
    hash ^= hash >> 15;
    const size_t mask = slotsLength - 1, length = to - from;
    for (size_t slot = hash & mask;; slot = (slot + 1) & mask) {
      const int32_t found = slots[slot] - 1;
      if (found < 0) return add(from, length, hash, slot, most);
      const uint32_t start = starts[found];
      if (hashes[found] == static_cast<int32_t>(hash) && starts[found + 1] - start == length &&
          std::memcmp(pool + start, from, length) == 0)
        return found;
    }
  }

 private:
  int32_t add(const uint8_t* from, size_t length, uint32_t hash, size_t slot, int32_t most) {
    const int32_t word = *size;
    const size_t start = starts[word], after = static_cast<size_t>(word) + 1;
    if (word >= most || after >= startsLength || 2 * after > slotsLength || start + length > poolLength) return kNone;
    std::memcpy(pool + start, from, length);
    starts[after] = static_cast<uint32_t>(start + length);
    hashes[word] = static_cast<int32_t>(hash);
    slots[slot] = word + 1;
    *size = word + 1;
    return word;
  }
};

// What the cells at one place of a row go into. `words` are all words of a column of words; else the known ones for a missing value,
// and `counts` how often they were there.
struct Cells {
  Kind kind = kSkipped;
  double* values = nullptr;
  int32_t* codes = nullptr;
  Words words;
  int32_t* counts = nullptr;
};

constexpr uint32_t kArrays = 7;  // of a cell: values or codes, pool, starts, hashes, slots, size, counts

struct Reader {
  const uint8_t* end;
  uint8_t delimiter, quote;
  size_t row, room;
  int32_t most;
  std::vector<Cells> cells;
  std::array<bool, 256> ends{};  // bytes that end a cell, and the quote
  std::vector<int32_t*> missed;  // counts of the row that is read

  // Reads whole rows, and returns where the first one begins that it does not take.
  const uint8_t* read(const uint8_t* at) {
    ends[delimiter] = ends[quote] = ends['\n'] = ends['\r'] = true;
    while (at < end && row < room) {
      const uint8_t* const next = readRow(at);
      if (!next) break;
      for (int32_t* count : missed) ++*count;
      row++;
      at = next;
    }
    return at;
  }

 private:
  // Where the next row begins; null for a row that it does not take.
  const uint8_t* readRow(const uint8_t* at) {
    missed.clear();
    const size_t width = cells.size();
    for (size_t cell = 0; cell < width; cell++) {
      if (at == end) return nullptr;
      const uint8_t *from = at, *to, *after;
      if (*at == quote) {
        from++;
        to = static_cast<const uint8_t*>(std::memchr(from, quote, end - from));
        if (!to) return nullptr;
        after = to + 1;
      } else {
        for (to = at; to < end && !ends[*to];) to++;
        after = to;
      }
      if (after >= end) return nullptr;
      const uint8_t byte = *after;
      const bool isLast = byte == '\n' || byte == '\r';
      if (byte != delimiter && !isLast) return nullptr;
      // A line without a sign may be no row.
      if (isLast ? cell + 1 != width || (width == 1 && after == at) : cell + 1 == width) return nullptr;
      if (!put(cells[cell], from, to)) return nullptr;
      at = after + 1;
      if (byte == '\r' && at < end && *at == '\n') at++;
    }
    return at;
  }

  bool put(Cells& cell, const uint8_t* from, const uint8_t* to) {
    if (cell.kind == kSkipped || cell.kind == kDone) return true;
    while (from < to && (*from == ' ' || *from == '\t')) from++;
    while (from < to && (to[-1] == ' ' || to[-1] == '\t')) to--;
    const bool empty = from == to;
    if (cell.kind == kOpen) return empty;
    if (cell.kind == kWords) {
      if (!empty) return (cell.codes[row] = cell.words.code(from, to, most)) != Words::kNone;
      cell.codes[row] = -1;
      return true;
    }
    double& value = cell.values[row];
    if (empty) {
      value = std::numeric_limits<double>::quiet_NaN();
      return true;
    }
    if (cell.kind == kNumber ? numberIn(from, to, &value) : dateIn(from, to, &value)) return true;
    if (!cell.counts) return false;
    const int32_t known = cell.words.code(from, to, 0);
    if (known == Words::kNone) return false;
    value = std::numeric_limits<double>::quiet_NaN();
    missed.push_back(cell.counts + known);
    return true;
  }
};

}  // namespace anneal::tables

// Rows of text files into typed columns. src/tabular/read/pass-columns.ts says what a row means; a row with anything unusual is left
// to it, and both give the same columns.
#include "rows.h"

#include <array>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "cells.h"

namespace anneal {
namespace {

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
    if (cell.kind == kNumber ? tables::numberIn(from, to, &value) : tables::dateIn(from, to, &value)) return true;
    if (!cell.counts) return false;
    const int32_t known = cell.words.code(from, to, 0);
    if (known == Words::kNone) return false;
    value = std::numeric_limits<double>::quiet_NaN();
    missed.push_back(cell.counts + known);
    return true;
  }
};

void check(napi_env env, napi_status status) {
  if (status == napi_ok) return;
  const napi_extended_error_info* info = nullptr;
  napi_get_last_error_info(env, &info);
  throw std::runtime_error(info && info->error_message ? info->error_message : "Node-API call failed");
}
void needs(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(std::string("readRows: expected ") + what);
}
double toNumber(napi_env env, napi_value value) {
  double number;
  check(env, napi_get_value_double(env, value, &number));
  return number;
}

template <napi_typedarray_type Type, class T>
T* elements(napi_env env, napi_value array, size_t* length) {
  napi_typedarray_type type;
  void* data;
  napi_value buffer;
  size_t offset;
  check(env, napi_get_typedarray_info(env, array, &type, length, &data, &buffer, &offset));
  needs(type == Type, "another typed array");
  return static_cast<T*>(data);
}
// An array of the list, or null where it has none there.
template <napi_typedarray_type Type, class T>
T* arrayAt(napi_env env, napi_value list, uint32_t at, size_t* length) {
  napi_value array;
  napi_valuetype kind;
  check(env, napi_get_element(env, list, at, &array));
  check(env, napi_typeof(env, array, &kind));
  *length = 0;
  return kind == napi_undefined ? nullptr : elements<Type, T>(env, array, length);
}

Cells cellsAt(napi_env env, napi_value arrays, uint32_t at, Kind kind, size_t room) {
  Cells cells;
  cells.kind = kind;
  if (kind != kNumber && kind != kDate && kind != kWords) return cells;
  size_t length, hashes, size, counts;
  if (kind == kWords) cells.codes = arrayAt<napi_int32_array, int32_t>(env, arrays, at, &length);
  else cells.values = arrayAt<napi_float64_array, double>(env, arrays, at, &length);
  needs(length >= room, "a column with room for the rows");
  Words& words = cells.words;
  words.pool = arrayAt<napi_uint8_array, uint8_t>(env, arrays, at + 1, &words.poolLength);
  words.starts = arrayAt<napi_uint32_array, uint32_t>(env, arrays, at + 2, &words.startsLength);
  words.hashes = arrayAt<napi_int32_array, int32_t>(env, arrays, at + 3, &hashes);
  words.slots = arrayAt<napi_int32_array, int32_t>(env, arrays, at + 4, &words.slotsLength);
  words.size = arrayAt<napi_int32_array, int32_t>(env, arrays, at + 5, &size);
  cells.counts = arrayAt<napi_int32_array, int32_t>(env, arrays, at + 6, &counts);
  if (kind != kWords && !words.size) {
    cells.counts = nullptr;
    return cells;
  }
  const size_t slots = words.slotsLength;
  needs(slots > 0 && (slots & (slots - 1)) == 0 && hashes >= words.startsLength && size == 1, "the arrays of words");
  const size_t used = static_cast<size_t>(*words.size);
  needs(used < words.startsLength && 2 * used <= slots && words.starts[used] <= words.poolLength, "words that fit their arrays");
  needs(kind == kWords || (cells.counts && counts >= used), "a count for each word");
  return cells;
}

void readRows(napi_env env, const napi_value* args) {
  size_t length, two, width;
  const uint8_t* bytes = elements<napi_uint8_array, uint8_t>(env, args[0], &length);
  double* place = elements<napi_float64_array, double>(env, args[1], &two);
  const double end = toNumber(env, args[2]);
  needs(two == 2 && place[0] >= 0 && place[0] <= end && end <= static_cast<double>(length), "a place inside the bytes");
  Reader reader;
  reader.end = bytes + static_cast<size_t>(end);
  reader.delimiter = static_cast<uint8_t>(toNumber(env, args[3]));
  reader.quote = static_cast<uint8_t>(toNumber(env, args[4]));
  reader.row = static_cast<size_t>(place[1]);
  reader.room = static_cast<size_t>(toNumber(env, args[5]));
  reader.most = static_cast<int32_t>(toNumber(env, args[6]));
  const uint8_t* kinds = elements<napi_uint8_array, uint8_t>(env, args[7], &width);
  needs(width > 0 && place[1] >= 0 && reader.row <= reader.room, "a cell in each row, and room for the row");
  for (uint32_t i = 0; i < width; i++) needs(kinds[i] <= kDone, "kinds of columns");
  for (uint32_t i = 0; i < width; i++)
    reader.cells.push_back(cellsAt(env, args[8], kArrays * i, static_cast<Kind>(kinds[i]), reader.room));
  place[0] = static_cast<double>(reader.read(bytes + static_cast<size_t>(place[0])) - bytes);
  place[1] = static_cast<double>(reader.row);
}

}  // namespace

napi_value readRows(napi_env env, napi_callback_info info) {
  constexpr size_t most = 9;
  size_t count = most;
  napi_value args[most];
  try {
    check(env, napi_get_cb_info(env, info, &count, args, nullptr, nullptr));
    needs(count >= most, "nine arguments");
    readRows(env, args);
  } catch (const std::exception& error) {
    bool pending = false;
    napi_is_exception_pending(env, &pending);
    if (!pending) napi_throw_error(env, nullptr, error.what());
  }
  return nullptr;
}

}  // namespace anneal

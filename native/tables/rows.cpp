// The door of the reader of rows.
#include "rows.h"

#include <string>

#include "../napi.h"
#include "reader.h"

namespace anneal {
namespace {

using namespace tables;

void needs(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(std::string("readRows: expected ") + what);
}
double toNumber(napi_env env, napi_value value) {
  double number;
  check(env, napi_get_value_double(env, value, &number));
  return number;
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
  const uint8_t* bytes = elements(env, args[0], &length);
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
  const uint8_t* kinds = elements(env, args[7], &width);
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
  } catch (const PendingException&) {
  } catch (const std::exception& error) {
    napi_throw_error(env, nullptr, error.what());
  }
  return nullptr;
}

}  // namespace anneal

// The reader of rows on random bytes, in buffers without a byte to spare, for tools/sanitize.ts.
#include "../../native/tables/reader.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>

using namespace anneal::tables;

namespace {

const char* const parts[] = {"1", "2.5", "-3", "NA", "red", "\"q\"", "\"a,b\"", "\"x\"\"y\"", "2020-01-02", "2020-01-02T03:04:05",
                             "2020-1-2", "", ",", ",", ",", " ", "\n", "\n", "\r\n", "\r", "\"", "20", "-", "+02:00",
                             "2020-01-02T03:04", "1e", "1e+", "0.12345678901234567", "12345678901234567890"};

template <class T>
T* array(std::vector<std::shared_ptr<void>>& kept, size_t length) {
  auto own = std::shared_ptr<T[]>(new T[length]());
  kept.emplace_back(own, own.get());
  return own.get();
}

}  // namespace

int main() {
  std::mt19937 random(3);
  size_t rows = 0;
  for (int round = 0; round < 100000; round++) {
    std::string text;
    for (unsigned i = random() % 30; i > 0; i--) text += parts[random() % (sizeof parts / sizeof *parts)];
    if (random() % 2) text += '\n';
    std::vector<std::shared_ptr<void>> kept;
    uint8_t* bytes = array<uint8_t>(kept, text.size());
    for (size_t i = 0; i < text.size(); i++) bytes[i] = static_cast<uint8_t>(text[i]);
    Reader reader;
    reader.end = bytes + text.size();
    reader.delimiter = ',';
    reader.quote = '"';
    reader.row = 0;
    reader.room = 4;
    reader.most = 100;
    for (unsigned width = 1 + random() % 3; width > 0; width--) {
      Cells cells;
      cells.kind = static_cast<Kind>(random() % (kDone + 1));
      cells.values = array<double>(kept, reader.room);
      cells.codes = array<int32_t>(kept, reader.room);
      Words& words = cells.words;
      words.pool = array<uint8_t>(kept, words.poolLength = 6);
      words.starts = array<uint32_t>(kept, words.startsLength = 4);
      words.hashes = array<int32_t>(kept, words.startsLength);
      words.slots = array<int32_t>(kept, words.slotsLength = 8);
      words.size = array<int32_t>(kept, 1);
      if (random() % 2) cells.counts = array<int32_t>(kept, words.startsLength);
      reader.cells.push_back(cells);
    }
    const uint8_t* const at = reader.read(bytes);
    if (at < bytes || at > reader.end || reader.row > reader.room) {
      std::printf("wrong place after %s\n", text.c_str());
      return 1;
    }
    rows += reader.row;
  }
  std::printf("%zu rows\n", rows);
  return rows > 1000 ? 0 : 1;
}

// Pictures from their files, told and decoded on Node's threads while JavaScript and training go on.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <thread>

#include "../door.h"
#include "../system.h"
#include "jobs.h"
#include "sha256.h"

namespace anneal {

using pictures::begin;
using pictures::decoder;
using pictures::Fit;
using pictures::Job;
using pictures::Plan;

namespace {

Fit fitOf(Door& d, Args& args, int at) {
  const double side = toNumber(d.env, args[at]);
  if (!(side >= 0 && side <= 65535)) throw std::runtime_error("a short side is out of range");
  return {static_cast<int>(side), toNumber(d.env, args[at + 1]), toBool(d.env, args[at + 2]), toNumber(d.env, args[at + 3])};
}
napi_value numbers(napi_env env, std::initializer_list<double> values) {
  napi_value out;
  check(env, napi_create_array_with_length(env, values.size(), &out));
  uint32_t i = 0;
  for (const double value : values) check(env, napi_set_element(env, out, i++, number(env, value)));
  return out;
}
napi_value sizeOf(napi_env env, bool done, const Plan& plan) {  // or null
  return done ? numbers(env, {double(plan.outHeight), double(plan.outWidth)}) : null(env);
}

// Node has few threads, four unless told otherwise: on more cores each calls helpers. No exception may leave `each`.
template <class F>
void inThreads(size_t threads, size_t count, F&& each) {
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t i; (i = next++) < count;) each(i);
  };
  std::vector<std::thread> helpers;
  try {
    while (helpers.size() + 1 < std::min(threads, count)) helpers.emplace_back(work);
  } catch (const std::exception&) {  // no more threads: fewer do it
  }
  work();
  for (auto& helper : helpers) helper.join();
}

// A file that was told before by its stamp (src/data/hashes.ts).
struct Stamped {
  std::string path, stamp;
};

std::string pathOf(napi_env env, napi_value path) {  // text or bytes
  if (typeOf(env, path) == napi_string) return toText(env, path);
  size_t length;
  const uint8_t* bytes = elements(env, path, &length);
  return {bytes, bytes + length};
}
std::vector<Stamped> stamped(napi_env env, napi_value paths, napi_value stamps) {
  uint32_t count = 0;
  check(env, napi_get_array_length(env, paths, &count));
  std::vector<Stamped> out(count);
  for (uint32_t i = 0; i < count; i++) {
    napi_value path, stamp;
    check(env, napi_get_element(env, paths, i, &path));
    check(env, napi_get_element(env, stamps, i, &stamp));
    out[i].stamp = toText(env, stamp);
    out[i].path = pathOf(env, path);
  }
  return out;
}
template <class T, class F>
napi_value listOf(napi_env env, const std::vector<T>& values, F&& f) {
  napi_value out;
  check(env, napi_create_array_with_length(env, values.size(), &out));
  for (size_t i = 0; i < values.size(); i++) check(env, napi_set_element(env, out, i, f(values[i])));
  return out;
}

#ifdef ANNEAL_FILES
// A regular file that is still the one of its stamp, any of an empty one; closed at the end.
class Opened {
 public:
  explicit Opened(const Stamped& file) : file_(open(file.path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {
    struct stat s;
    if (file_ < 0 || fstat(file_, &s) != 0 || !S_ISREG(s.st_mode)) return;
    const auto times = system::timesOf(s);
    same = file.stamp.empty() || file.stamp == std::to_string(s.st_size) + ' ' + std::to_string(s.st_ino) + ' ' +
                                                   std::to_string(times.modified) + ' ' + std::to_string(times.changed);
    size = s.st_size;
  }
  ~Opened() {
    if (file_ >= 0) close(file_);
  }
  Opened(const Opened&) = delete;
  bool next(uint8_t* to, size_t count) const { return read(file_, to, count) == static_cast<ssize_t>(count); }
  bool same = false;
  size_t size = 0;

 private:
  const int file_;
};
#endif

struct Hashing : Job {
  std::vector<Stamped> files;
  size_t threads;
  std::vector<std::string> hashes;  // empty where there is none

  void run() override {
#ifdef ANNEAL_FILES
    if (!pictures::hasSha256()) return;
    inThreads(threads, files.size(), [&](size_t i) {
      try {
        hashOne(files[i], &hashes[i]);
      } catch (const std::exception&) {
      }
    });
#endif
  }
  napi_value result(napi_env env) override {
    return listOf(env, hashes, [&](const std::string& hash) { return hash.empty() ? null(env) : text(env, hash); });
  }

#ifdef ANNEAL_FILES
 private:
  static void hashOne(const Stamped& which, std::string* hash) {
    constexpr size_t most = 128 << 10;
    static thread_local std::vector<uint8_t> part(most);
    const Opened file(which);
    if (!file.same) return;
    pictures::Sha256 sum;
    size_t left = file.size;
    while (left > 0 && file.next(part.data(), std::min(left, most))) {
      sum.add(part.data(), std::min(left, most));
      left -= std::min(left, most);
    }
    if (left == 0) *hash = sum.digits();
  }
#endif
};

struct Decoding : Job {
  const uint8_t* in;
  size_t length, room;
  Fit fit;
  uint8_t* out;
  Plan plan;
  bool done = false;

  void run() override { done = decoder().decode(in, length, fit, &plan, out, room); }
  napi_value result(napi_env env) override { return sizeOf(env, done, plan); }
};

struct DecodingFile : Decoding {
  Stamped file;
  size_t most = SIZE_MAX;  // bytes of it, else nothing is done

  void run() override {
#ifdef ANNEAL_FILES
    static thread_local std::vector<uint8_t> content;
    const Opened opened(file);
    if (!opened.same || opened.size > most) return;
    content.resize(opened.size);
    in = content.data(), length = content.size();
    if (opened.next(content.data(), length)) Decoding::run();
    if (content.capacity() > (size_t(8) << 20)) std::vector<uint8_t>().swap(content);
#endif
  }
};

struct DecodingFiles : Job {
  std::vector<Stamped> files;
  Fit fit;
  int to;
  int64_t* end;
  size_t threads;
  struct Made {
    bool done = false;
    Plan plan{};
    int64_t offset = 0;
  };
  std::vector<Made> made;

  void run() override {
#ifdef ANNEAL_FILES
    inThreads(threads, files.size(), [&](size_t i) {
      try {
        made[i].done = decodeOne(files[i], &made[i]);
      } catch (const std::exception&) {
      }
    });
#endif
  }
  napi_value result(napi_env env) override {
    return listOf(env, made, [&](const Made& m) {
      return m.done ? numbers(env, {double(m.plan.outHeight), double(m.plan.outWidth), double(m.offset)}) : null(env);
    });
  }

#ifdef ANNEAL_FILES
 private:
  bool decodeOne(const Stamped& which, Made* m) {
    static thread_local std::vector<uint8_t> content, pixels;
    {
      const Opened file(which);
      if (!file.same) return false;
      content.resize(file.size);
      if (!file.next(content.data(), file.size)) return false;
    }
    const auto decode = [&] {
      return decoder().decode(content.data(), content.size(), fit, &m->plan, pixels.data(), pixels.size());
    };
    bool done = decode();
    if (!done && m->plan.bytes() > pixels.size()) {
      pixels.resize(m->plan.bytes());
      done = decode();
    }
    done = done && append(pixels.data(), m->plan.bytes(), &m->offset);
    for (auto* memory : {&content, &pixels})
      if (memory->capacity() > (size_t(8) << 20)) std::vector<uint8_t>().swap(*memory);
    return done;
  }
  bool append(const uint8_t* data, size_t size, int64_t* offset) {
    *offset = __atomic_fetch_add(end, static_cast<int64_t>(size), __ATOMIC_SEQ_CST);
    for (size_t at = 0; at < size;) {
      const ssize_t n = pwrite(to, data + at, size - at, *offset + at);
      if (n <= 0) return false;
      at += n;
    }
    // Whole parts go on to the disk at once, so that little is waited for at the end.
    constexpr int64_t part = 8 << 20;
    const int64_t whole = (*offset + static_cast<int64_t>(size)) / part * part;
    if (whole > *offset && whole >= part) system::writeSoon(to, whole - part, part);
    return true;
  }
#endif
};

// planJpeg(bytes, short, aspect, cubic, limit): [height, width] of what decodeJpeg would make of it, or null.
napi_value planJpeg(Door& d, Args& args) {
  size_t length;
  const uint8_t* in = elements(d.env, args[0], &length);
  Plan plan;
  return sizeOf(d.env, decoder().plan(in, length, fitOf(d, args, 1), &plan), plan);
}

// decodeJpeg(bytes, short, aspect, cubic, limit, out): a promise of [height, width] of the picture that `out` now begins
// with, or of null: use another decoder (pictures.h). A short side of 0 resizes nothing.
napi_value decodeJpeg(Door& d, Args& args) {
  auto job = std::make_unique<Decoding>();
  job->in = elements(d.env, args[0], &job->length);
  job->fit = fitOf(d, args, 1);
  job->out = elements(d.env, args[5], &job->room);
  job->keep(d.env, args[0]);
  job->keep(d.env, args[5]);
  return begin(d.env, std::move(job));
}

// decodeJpegFile(path, short, aspect, cubic, limit, out, most): the same of the file that is there. One of up to `most`
// bytes is decoded at once, and what would be promised is returned: a thread would take longer to wake.
napi_value decodeJpegFile(Door& d, Args& args) {
  auto job = std::make_unique<DecodingFile>();
  job->file.path = pathOf(d.env, args[0]);
  job->fit = fitOf(d, args, 1);
  job->out = elements(d.env, args[5], &job->room);
  job->most = static_cast<size_t>(toNumber(d.env, args[6]));
  if (job->most > 0) {
    job->run();
    if (job->done) return job->result(d.env);
    job->most = SIZE_MAX;
  }
  job->keep(d.env, args[5]);
  return begin(d.env, std::move(job));
}

// decodeJpegFiles(paths, stamps, short, aspect, cubic, limit, to, end, threads): a promise of [height, width, offset] of
// each picture, or of null: it is not the regular file of that stamp, or use another way. Paths are text or bytes. The
// pixels are written to the open file `to`, from where `end`, a BigInt64Array of one, says; others may move it too.
napi_value decodeJpegFiles(Door& d, Args& args) {
  auto job = std::make_unique<DecodingFiles>();
  job->files = stamped(d.env, args[0], args[1]);
  job->made.resize(job->files.size());
  job->fit = fitOf(d, args, 2);
  job->to = static_cast<int>(toNumber(d.env, args[6]));
  size_t length;
  job->end = elements<napi_bigint64_array, int64_t>(d.env, args[7], &length);
  if (length != 1) throw std::runtime_error("expected an array of one");
  job->threads = static_cast<size_t>(toNumber(d.env, args[8]));
  job->keep(d.env, args[7]);
  return begin(d.env, std::move(job));
}

// hashFiles(paths, stamps, threads): a promise of the sha256 of each file, as hexadecimal digits, or null as above.
napi_value hashFiles(Door& d, Args& args) {
  auto job = std::make_unique<Hashing>();
  job->files = stamped(d.env, args[0], args[1]);
  job->hashes.resize(job->files.size());
  job->threads = static_cast<size_t>(toNumber(d.env, args[2]));
  return begin(d.env, std::move(job));
}

}  // namespace

void definePictures(napi_env env, napi_value exports) {
  define(env, exports, "planJpeg", planJpeg);
  define(env, exports, "decodeJpeg", decodeJpeg);
  define(env, exports, "decodeJpegFile", decodeJpegFile);
  define(env, exports, "decodeJpegFiles", decodeJpegFiles);
  define(env, exports, "hashFiles", hashFiles);
}

}  // namespace anneal

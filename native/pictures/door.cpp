// Pictures from their files, decoded on Node's threads while JavaScript and training go on.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>

#include "../door.h"
#include "pictures.h"

namespace anneal {

using pictures::Fit;
using pictures::Plan;

namespace {

const pictures::Decoder& decoder() {
#if defined(__x86_64__) || defined(__i386__)
  if (pictures::avx2Decoder && __builtin_cpu_supports("avx2")) return *pictures::avx2Decoder;
#endif
  return pictures::plainDecoder;
}

struct Work {
  Fit fit;
  const uint8_t* in = nullptr;  // the file's bytes, or null:
  size_t length = 0;
  std::string path, stamp;
  uint8_t* out = nullptr;
  size_t room = 0;
  Plan plan;
  bool done = false;
  napi_deferred deferred = nullptr;
  napi_async_work work = nullptr;
  napi_ref keep[2] = {};  // the arrays, until then
};

uint8_t* bytes(napi_env env, napi_value array, size_t* length) {
  napi_typedarray_type type;
  void* data;
  napi_value buffer;
  size_t offset;
  check(env, napi_get_typedarray_info(env, array, &type, length, &data, &buffer, &offset));
  if (type != napi_uint8_array) throw std::runtime_error("expected a Uint8Array");
  return static_cast<uint8_t*>(data);
}
Fit fitOf(Door& d, Args& args, int at) {
  const double side = toNumber(d.env, args[at]);
  if (!(side >= 0 && side <= 65535)) throw std::runtime_error("a short side is out of range");
  return {static_cast<int>(side), toNumber(d.env, args[at + 1]), toBool(d.env, args[at + 2]), toNumber(d.env, args[at + 3])};
}
// [height, width], or null
napi_value sizeOf(napi_env env, bool done, const Plan& plan) {
  if (!done) return null(env);
  napi_value out;
  check(env, napi_create_array_with_length(env, 2, &out));
  check(env, napi_set_element(env, out, 0, number(env, plan.outHeight)));
  check(env, napi_set_element(env, out, 1, number(env, plan.outWidth)));
  return out;
}

#if defined(__linux__)
// The bytes of a regular file of that stamp (src/data/hashes.ts; of any where it is empty), in memory of this thread; empty
// for any other.
std::vector<uint8_t>& contentOf(const Work& work) {
  static thread_local std::vector<uint8_t> content;
  content.clear();
  const int file = open(work.path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  struct stat s;
  if (file < 0) return content;
  if (fstat(file, &s) == 0 && S_ISREG(s.st_mode)) {
    const auto nanoseconds = [](const timespec& t) { return std::to_string(t.tv_sec * 1000000000LL + t.tv_nsec); };
    const auto stamp = std::to_string(s.st_size) + ' ' + std::to_string(s.st_ino) + ' ' + nanoseconds(s.st_mtim) + ' ' +
                       nanoseconds(s.st_ctim);
    if (work.stamp.empty() || stamp == work.stamp) {
      content.resize(s.st_size);
      if (read(file, content.data(), content.size()) != s.st_size) content.clear();
    }
  }
  close(file);
  return content;
}
#endif

void run(napi_env, void* data) {
  auto& work = *static_cast<Work*>(data);
  try {
#if defined(__linux__)
    if (!work.in) {
      auto& content = contentOf(work);
      work.done = decoder().decode(content.data(), content.size(), work.fit, &work.plan, work.out, work.room);
      if (content.capacity() > (size_t(8) << 20)) std::vector<uint8_t>().swap(content);
      return;
    }
#endif
    work.done = work.in && decoder().decode(work.in, work.length, work.fit, &work.plan, work.out, work.room);
  } catch (const std::exception&) {  // no memory: whoever asked has another way
  }
}

void complete(napi_env env, napi_status status, void* data) {
  const std::unique_ptr<Work> work(static_cast<Work*>(data));
  try {
    napi_resolve_deferred(env, work->deferred, sizeOf(env, work->done && status == napi_ok, work->plan));
  } catch (...) {  // the environment is going away
  }
  for (const auto ref : work->keep)
    if (ref) napi_delete_reference(env, ref);
  napi_delete_async_work(env, work->work);
}

napi_value begin(Door& d, std::unique_ptr<Work> work, napi_value in, napi_value out) {
  work->out = bytes(d.env, out, &work->room);
  napi_value promise, name = text(d.env, "anneal.decodeJpeg");
  check(d.env, napi_create_async_work(d.env, nullptr, name, run, complete, work.get(), &work->work));
  if (work->in) check(d.env, napi_create_reference(d.env, in, 1, &work->keep[0]));
  check(d.env, napi_create_reference(d.env, out, 1, &work->keep[1]));
  check(d.env, napi_create_promise(d.env, &work->deferred, &promise));
  check(d.env, napi_queue_async_work(d.env, work->work));
  work.release();
  return promise;
}

// planJpeg(bytes, short, aspect, cubic, limit): [height, width] of what decodeJpeg would make of it, or null.
napi_value planJpeg(Door& d, Args& args) {
  size_t length;
  const uint8_t* in = bytes(d.env, args[0], &length);
  Plan plan;
  return sizeOf(d.env, decoder().plan(in, length, fitOf(d, args, 1), &plan), plan);
}

// decodeJpeg(bytes, short, aspect, cubic, limit, out): a promise of [height, width] of the picture that `out` now begins
// with, or of null: use another decoder (pictures.h). A short side of 0 resizes nothing.
napi_value decodeJpeg(Door& d, Args& args) {
  auto work = std::make_unique<Work>();
  work->in = bytes(d.env, args[0], &work->length);
  work->fit = fitOf(d, args, 1);
  return begin(d, std::move(work), args[0], args[5]);
}

// decodeJpegFile(path, stamp, short, aspect, cubic, limit, out): the same of a file; null too where it is not the regular
// file of that stamp; an empty one is any file's. The path is text or bytes.
napi_value decodeJpegFile(Door& d, Args& args) {
  auto work = std::make_unique<Work>();
  if (typeOf(d.env, args[0]) == napi_string) {
    work->path = toText(d.env, args[0]);
  } else {
    size_t length;
    const uint8_t* path = bytes(d.env, args[0], &length);
    work->path.assign(path, path + length);
  }
  work->stamp = toText(d.env, args[1]);
  work->fit = fitOf(d, args, 2);
  return begin(d, std::move(work), nullptr, args[6]);
}

}  // namespace

void definePictures(napi_env env, napi_value exports) {
  define(env, exports, "planJpeg", planJpeg);
  define(env, exports, "decodeJpeg", decodeJpeg);
  define(env, exports, "decodeJpegFile", decodeJpegFile);
}

}  // namespace anneal

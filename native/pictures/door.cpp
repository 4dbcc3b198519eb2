// Pictures from their files' bytes, decoded on Node's threads while JavaScript and training go on.
#include "../door.h"
#include "pictures.h"

namespace anneal {

using pictures::Job;

namespace {

struct Work {
  Job job;
  bool done = false;
  napi_deferred deferred = nullptr;
  napi_async_work work = nullptr;
  napi_ref in = nullptr, out = nullptr;  // the arrays, kept until then
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

void run(napi_env, void* data) {
  auto& work = *static_cast<Work*>(data);
#if defined(__x86_64__) || defined(__i386__)
  static const auto decode =
      pictures::decodeAvx2 && __builtin_cpu_supports("avx2") ? pictures::decodeAvx2 : pictures::decodePlain;
#else
  static const auto decode = pictures::decodePlain;
#endif
  work.done = decode(work.job);
}

void complete(napi_env env, napi_status status, void* data) {
  auto* work = static_cast<Work*>(data);
  napi_value done;
  if (napi_get_boolean(env, work->done && status == napi_ok, &done) == napi_ok)
    napi_resolve_deferred(env, work->deferred, done);
  napi_delete_reference(env, work->in);
  napi_delete_reference(env, work->out);
  napi_delete_async_work(env, work->work);
  delete work;
}

// decodeJpeg(bytes, [width, height, shrink, across, down, cubic, orientation, left, top, outWidth, outHeight], out): a
// promise of whether `out` holds the picture now, [outHeight, outWidth, 3]; false: use another decoder (pictures.h).
napi_value decodeJpeg(Door& d, Args& args) {
  size_t length, room;
  const uint8_t* in = bytes(d.env, args[0], &length);
  const auto n = toInts(d.env, args[1]);
  uint8_t* out = bytes(d.env, args[2], &room);
  if (n.size() != 11) throw std::runtime_error("expected 11 numbers");
  for (const auto v : n)
    if (v < 0 || v > 65535) throw std::runtime_error("a size is out of range");
  const auto at = [&](int i) { return static_cast<int>(n[i]); };
  const Job job{in, length, at(0), at(1), at(2), at(3), at(4), at(5) != 0, at(6), at(7), at(8), at(9), at(10), out};
  const bool shrinks = job.shrink == 1 || job.shrink == 2 || job.shrink == 4 || job.shrink == 8;
  if (!shrinks || job.orientation < 1 || job.orientation > 8 || !job.across || !job.down)
    throw std::runtime_error("a size is out of range");
  if (room != static_cast<size_t>(job.outWidth) * job.outHeight * 3)
    throw std::runtime_error("the picture needs another length of the array");
  auto work = std::make_unique<Work>();
  work->job = job;
  napi_value promise, name = text(d.env, "anneal.decodeJpeg");
  check(d.env, napi_create_async_work(d.env, nullptr, name, run, complete, work.get(), &work->work));
  check(d.env, napi_create_reference(d.env, args[0], 1, &work->in));
  check(d.env, napi_create_reference(d.env, args[2], 1, &work->out));
  check(d.env, napi_create_promise(d.env, &work->deferred, &promise));
  check(d.env, napi_queue_async_work(d.env, work->work));
  work.release();
  return promise;
}

}  // namespace

void definePictures(napi_env env, napi_value exports) { define(env, exports, "decodeJpeg", decodeJpeg); }

}  // namespace anneal

// The decoder for this processor, and work on Node's threads, for both addons. Without libtorch.
#pragma once
#include <memory>
#include <vector>

#include "../napi.h"
#include "pictures.h"

namespace anneal::pictures {

inline const Decoder& decoder() {
#if defined(__x86_64__) || defined(__i386__)
  if (avx2Decoder && __builtin_cpu_supports("avx2")) return *avx2Decoder;
#endif
  return plainDecoder;
}

// What is done on a thread of Node's, and the promise of it.
struct Job {
  virtual ~Job() = default;
  virtual void run() = 0;
  virtual napi_value result(napi_env env) = 0;
  void keep(napi_env env, napi_value value) {  // until then
    kept.emplace_back();
    check(env, napi_create_reference(env, value, 1, &kept.back()));
  }
  std::vector<napi_ref> kept;
  napi_deferred deferred = nullptr;
  napi_async_work work = nullptr;
};

inline napi_value begin(napi_env env, std::unique_ptr<Job> job) {
  const auto run = [](napi_env, void* data) {
    try {
      static_cast<Job*>(data)->run();
    } catch (const std::exception&) {  // no memory: whoever asked has another way
    }
  };
  const auto complete = [](napi_env env, napi_status, void* data) {
    const std::unique_ptr<Job> job(static_cast<Job*>(data));
    try {
      check(env, napi_resolve_deferred(env, job->deferred, job->result(env)));
    } catch (...) {  // the environment is going away
    }
    for (const auto reference : job->kept) napi_delete_reference(env, reference);
    napi_delete_async_work(env, job->work);
  };
  napi_value promise, name;
  check(env, napi_create_string_utf8(env, "anneal.pictures", NAPI_AUTO_LENGTH, &name));
  check(env, napi_create_async_work(env, nullptr, name, run, complete, job.get(), &job->work));
  check(env, napi_create_promise(env, &job->deferred, &promise));
  check(env, napi_queue_async_work(env, job->work));
  job.release();
  return promise;
}

}  // namespace anneal::pictures

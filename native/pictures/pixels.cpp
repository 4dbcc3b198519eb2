// The door of the decoder in the addon without libtorch.
#include "pixels.h"

#include "jobs.h"

namespace anneal {
namespace {

using namespace pictures;

// Nothing is resized or cut.
Fit wholeOf(napi_env env, napi_value limit) {
  double pixels;
  check(env, napi_get_value_double(env, limit, &pixels));
  return {0, 65535, false, pixels};
}
napi_value boolean(napi_env env, bool value) {
  napi_value out;
  check(env, napi_get_boolean(env, value, &out));
  return out;
}

struct Decoding : Job {
  const uint8_t* in;
  size_t length, room;
  Fit fit;
  uint8_t* out;
  bool done = false;

  void run() override {
    Plan plan;
    done = decoder().decode(in, length, fit, &plan, out, room) && plan.bytes() == room;
  }
  napi_value result(napi_env env) override { return boolean(env, done); }
};

// Calls `function` with the `N` arguments of a call; its exceptions become those of JavaScript.
template <size_t N, class F>
napi_value called(napi_env env, napi_callback_info info, F&& function) {
  size_t count = N;
  napi_value args[N];
  try {
    check(env, napi_get_cb_info(env, info, &count, args, nullptr, nullptr));
    return function(args);
  } catch (const PendingException&) {
  } catch (const std::exception& error) {
    napi_throw_error(env, nullptr, error.what());
  }
  return nullptr;
}

}  // namespace

napi_value planPixels(napi_env env, napi_callback_info info) {
  return called<2>(env, info, [&](const napi_value* args) {
    size_t length;
    const uint8_t* in = elements(env, args[0], &length);
    Plan plan;
    napi_value out;
    if (!decoder().plan(in, length, wholeOf(env, args[1]), &plan)) {
      check(env, napi_get_null(env, &out));
      return out;
    }
    check(env, napi_create_array_with_length(env, 2, &out));
    const int sides[] = {plan.outHeight, plan.outWidth};
    for (uint32_t i = 0; i < 2; i++) {
      napi_value side;
      check(env, napi_create_int32(env, sides[i], &side));
      check(env, napi_set_element(env, out, i, side));
    }
    return out;
  });
}

napi_value decodePixels(napi_env env, napi_callback_info info) {
  return called<4>(env, info, [&](const napi_value* args) {
    auto job = std::make_unique<Decoding>();
    job->in = elements(env, args[0], &job->length);
    job->fit = wholeOf(env, args[1]);
    job->out = elements(env, args[2], &job->room);
    bool atOnce;
    check(env, napi_get_value_bool(env, args[3], &atOnce));
    if (atOnce) {
      job->run();
      return job->result(env);
    }
    job->keep(env, args[0]);
    job->keep(env, args[2]);
    return begin(env, std::move(job));
  });
}

}  // namespace anneal

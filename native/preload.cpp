// Loads a library on a thread of its own, so that whoever needs it later finds it loaded: libtorch registers its operators
// for a tenth of a second. An addon without libtorch, built beside the other; it also reads rows of text files, and decodes JPEG
// files for the server.
#include <dlfcn.h>
#include <node_api.h>

#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "pictures/pixels.h"
#include "tables/rows.h"

namespace {

std::mutex mutex;  // workers may call too
std::thread loading;

// load(path): begins.
napi_value load(napi_env env, napi_callback_info info) {
  size_t count = 1, length = 0;
  napi_value path;
  char text[4096];
  const std::lock_guard<std::mutex> lock(mutex);
  if (napi_get_cb_info(env, info, &count, &path, nullptr, nullptr) != napi_ok || count < 1 || loading.joinable() ||
      napi_get_value_string_utf8(env, path, text, sizeof text, &length) != napi_ok) {
    napi_throw_error(env, nullptr, "expected the path of a library, once");
    return nullptr;
  }
  loading = std::thread([path = std::string(text, length)] { dlopen(path.c_str(), RTLD_LAZY); });
  return nullptr;
}

// wait(): until it is loaded. A process must not end in the midst of it.
napi_value wait(napi_env, napi_callback_info) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (loading.joinable()) loading.join();
  return nullptr;
}

}  // namespace

NAPI_MODULE_INIT() {
  const std::pair<const char*, napi_callback> functions[] = {
      {"load", load}, {"wait", wait}, {"readRows", anneal::readRows}, {"planPixels", anneal::planPixels}, {"decodePixels", anneal::decodePixels}};
  for (const auto& [name, callback] : functions) {
    napi_value function;
    if (napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function) == napi_ok)
      napi_set_named_property(env, exports, name, function);
  }
  return exports;
}

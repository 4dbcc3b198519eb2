// JPEG files as pixels, for preload.cpp. Without libtorch.
#pragma once
#include <node_api.h>

namespace anneal {

// planPixels(bytes, limit): [height, width] of the upright picture, or null: use another decoder (pictures.h), or it has more pixels
// than the limit.
napi_value planPixels(napi_env env, napi_callback_info info);
// decodePixels(bytes, limit, out, atOnce): fills `out` [height, width, 3]. Whether that went well, or the promise of it unless `atOnce`.
napi_value decodePixels(napi_env env, napi_callback_info info);

}  // namespace anneal

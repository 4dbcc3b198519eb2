// Rows of text files into typed columns, for preload.cpp. Without libtorch.
#pragma once
#include <node_api.h>

namespace anneal {

// (bytes, place: [at, row], end, delimiter, quote, room, most words of a column, kinds of the cells, 7 arrays of each cell): moves the
// place behind the rows that were read.
napi_value readRows(napi_env env, napi_callback_info info);

}  // namespace anneal

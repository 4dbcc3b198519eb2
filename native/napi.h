// Node-API without libtorch, for both addons: errors and typed arrays.
#pragma once
#include <node_api.h>

#include <stdexcept>

namespace anneal {

// Thrown after Node-API has already raised a JavaScript exception: unwind and let it through.
struct PendingException {};

inline void check(napi_env env, napi_status status) {
  if (status == napi_ok) return;
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (pending) throw PendingException{};
  const napi_extended_error_info* info = nullptr;
  napi_get_last_error_info(env, &info);
  throw std::runtime_error(info && info->error_message ? info->error_message : "Node-API call failed");
}

// Where the elements of a typed array of this type lie, and how many there are
template <napi_typedarray_type Type = napi_uint8_array, class T = uint8_t>
T* elements(napi_env env, napi_value array, size_t* length) {
  napi_typedarray_type type;
  void* data;
  napi_value buffer;
  size_t offset;
  check(env, napi_get_typedarray_info(env, array, &type, length, &data, &buffer, &offset));
  if (type != Type) throw std::runtime_error("expected another typed array");
  return static_cast<T*>(data);
}

}  // namespace anneal

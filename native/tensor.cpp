// What is no operator: what a tensor is (shape, dtype, device), and bytes in and out.
#include <cstring>

#include "door.h"

namespace anneal {

static const struct {
  const char* name;
  at::ScalarType dtype;
  int array;  // the typed array that shows its bytes; -1: none
} kDtypes[] = {
    {"uint8", at::kByte, napi_uint8_array},       {"int8", at::kChar, napi_int8_array},
    {"int16", at::kShort, napi_int16_array},      {"int32", at::kInt, napi_int32_array},
    {"int64", at::kLong, napi_bigint64_array},    {"float16", at::kHalf, napi_uint16_array},
    {"bfloat16", at::kBFloat16, napi_uint16_array}, {"float32", at::kFloat, napi_float32_array},
    {"float64", at::kDouble, napi_float64_array}, {"bool", at::kBool, napi_uint8_array},
    {"complex64", at::kComplexFloat, -1},         {"complex128", at::kComplexDouble, -1},
};

const char* dtypeName(at::ScalarType dtype) {
  for (const auto& d : kDtypes)
    if (d.dtype == dtype) return d.name;
  return c10::toString(dtype);
}
bool parseDtype(const std::string& name, at::ScalarType* dtype) {
  for (const auto& d : kDtypes)
    if (name == d.name) return *dtype = d.dtype, true;
  return false;
}

static napi_value ints(napi_env env, at::IntArrayRef values) {
  napi_value out;
  check(env, napi_create_array_with_length(env, values.size(), &out));
  for (size_t i = 0; i < values.size(); i++)
    check(env, napi_set_element(env, out, static_cast<uint32_t>(i), number(env, static_cast<double>(values[i]))));
  return out;
}

static napi_value shape(Door& d, Args& args) { return ints(d.env, toTensor(d, args[0]).sizes()); }
static napi_value strides(Door& d, Args& args) { return ints(d.env, toTensor(d, args[0]).strides()); }
static napi_value dtype(Door& d, Args& args) { return text(d.env, dtypeName(toTensor(d, args[0]).scalar_type())); }
static napi_value device(Door& d, Args& args) { return text(d.env, toTensor(d, args[0]).device().str()); }
static napi_value byteLength(Door& d, Args& args) {
  auto& t = toTensor(d, args[0]);
  return number(d.env, t.layout() == at::kStrided ? static_cast<double>(t.nbytes()) : 0);
}

// item(tensor): its one element as a number.
static napi_value item(Door& d, Args& args) {
  auto& t = toTensor(d, args[0]);
  if (t.numel() != 1)
    throw std::runtime_error("item() takes a tensor of one element, got " + std::to_string(t.numel()));
  return number(d.env, t.scalar_type() == at::kBool ? t.item<bool>() : t.to(at::kDouble).item<double>());
}

struct Bytes {
  uint8_t* data;
  size_t length;
  napi_value buffer;
};
static Bytes bytesOf(napi_env env, napi_value array) {
  bool typed = false;
  check(env, napi_is_typedarray(env, array, &typed));
  if (!typed) throw std::runtime_error("expected a typed array");
  napi_typedarray_type type;
  size_t length, offset;
  void* data;
  napi_value buffer;
  check(env, napi_get_typedarray_info(env, array, &type, &length, &data, &buffer, &offset));
  static const size_t widths[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 2};  // in the order of napi_typedarray_type
  if (type >= sizeof(widths) / sizeof(*widths)) throw std::runtime_error("a typed array of an unknown kind");
  return {static_cast<uint8_t*>(data), length * widths[type], buffer};
}

// fromBytes(typedArray, shape, dtype, copy): without a copy the array's buffer is kept alive as long as the tensor.
static napi_value fromBytes(Door& d, Args& args) {
  const auto bytes = bytesOf(d.env, args[0]);
  const auto sizes = toInts(d.env, args[1]);
  at::ScalarType type;
  const auto name = toText(d.env, args[2]);
  if (!parseDtype(name, &type)) throw std::runtime_error("unknown dtype \"" + name + "\"");
  int64_t count = 1;
  for (const auto s : sizes) {
    if (s < 0) throw std::runtime_error("a shape has no negative sizes");
    if (s && count > INT64_MAX / 16 / s) throw std::runtime_error("the shape is too large");
    count *= s;
  }
  const auto need = static_cast<size_t>(count) * at::elementSize(type);
  if (need != bytes.length)
    throw std::runtime_error("the shape needs " + std::to_string(need) + " bytes, the array has " +
                             std::to_string(bytes.length));
  if (toBool(d.env, args[3]) || need == 0) {
    auto t = at::empty(sizes, at::TensorOptions().dtype(type));
    if (need) std::memcpy(t.data_ptr(), bytes.data, need);
    return fromTensor(d, t);
  }
  napi_ref ref;
  check(d.env, napi_create_reference(d.env, bytes.buffer, 1, &ref));
  auto lent = d.lent;
  const auto release = [lent, ref](void*) {  // may run on any thread, or after the environment is gone
    std::lock_guard<std::mutex> guard(lent->mutex);
    if (lent->open) lent->dead.push_back(ref);
  };
  return fromTensor(d, at::from_blob(bytes.data, sizes, release, at::TensorOptions().dtype(type)));
}

static napi_value typedArray(Door& d, const at::Tensor& t, napi_value buffer) {
  int kind = -1;
  for (const auto& row : kDtypes)
    if (row.dtype == t.scalar_type()) kind = row.array;
  if (kind < 0) throw std::runtime_error(std::string("a ") + dtypeName(t.scalar_type()) + " tensor has no typed array");
  napi_value out;
  check(d.env, napi_create_typedarray(d.env, static_cast<napi_typedarray_type>(kind), t.numel(), buffer, 0, &out));
  return out;
}

// toBytes(tensor): a copy of its elements, row-major; bfloat16 and float16 as their 16 bits.
static napi_value toBytes(Door& d, Args& args) {
  const auto t = toTensor(d, args[0]).detach().to(at::kCPU).contiguous();
  void* data = nullptr;
  napi_value buffer;
  check(d.env, napi_create_arraybuffer(d.env, t.nbytes(), &data, &buffer));
  if (t.nbytes()) std::memcpy(data, t.data_ptr(), t.nbytes());
  return typedArray(d, t, buffer);
}

// viewBytes(tensor): its own memory, no copy; the array keeps the tensor alive. It must be contiguous and on the CPU.
static napi_value viewBytes(Door& d, Args& args) {
  auto& t = toTensor(d, args[0]);
  if (!t.device().is_cpu() || !t.is_contiguous())
    throw std::runtime_error("only a contiguous tensor on the CPU can be viewed");
  auto* keep = new at::Tensor(t.detach());
  napi_value buffer;
  const auto status = napi_create_external_arraybuffer(
      d.env, keep->data_ptr(), keep->nbytes(), [](napi_env, void*, void* hint) { delete static_cast<at::Tensor*>(hint); },
      keep, &buffer);
  if (status != napi_ok) delete keep;
  check(d.env, status);
  return typedArray(d, t, buffer);
}

void defineTensor(napi_env env, napi_value exports) {
  define(env, exports, "shape", shape);
  define(env, exports, "strides", strides);
  define(env, exports, "dtype", dtype);
  define(env, exports, "device", device);
  define(env, exports, "byteLength", byteLength);
  define(env, exports, "item", item);
  define(env, exports, "fromBytes", fromBytes);
  define(env, exports, "toBytes", toBytes);
  define(env, exports, "viewBytes", viewBytes);
}

}  // namespace anneal

#include "door.h"

namespace anneal {

static constexpr double kGeneration = 16777216.0;  // 2^24 slots
// A handle is a double: above 2^53 it would lose its slot. A slot used half a billion times starts over.
static constexpr uint32_t kGenerations = (1u << 29) - 1;

double Handles::put(IValue value) {
  uint32_t slot;
  if (!empty_.empty()) {
    slot = empty_.back();
    empty_.pop_back();
  } else {
    slot = static_cast<uint32_t>(slots_.size());
    if (slot >= 16777216u) throw std::runtime_error("more than 16,777,216 live tensors: free some, or use a scope");
    slots_.emplace_back();
  }
  auto& s = slots_[slot];
  s.value = std::move(value);
  s.used = true;
  live_++;
  return s.generation * kGeneration + slot;
}

IValue* Handles::find(double id) {
  if (!(id >= kGeneration)) return nullptr;
  const auto whole = static_cast<uint64_t>(id);
  const auto slot = whole % 16777216u;
  if (slot >= slots_.size()) return nullptr;
  auto& s = slots_[slot];
  return s.used && s.generation == whole / 16777216u ? &s.value : nullptr;
}

IValue& Handles::get(double id) {
  auto* value = find(id);
  if (!value) throw std::runtime_error("a tensor was used after it was freed");
  return *value;
}

bool Handles::free(double id) {
  auto* value = find(id);
  if (!value) return false;
  const auto slot = static_cast<uint32_t>(static_cast<uint64_t>(id) % 16777216u);
  auto& s = slots_[slot];
  IValue dying = std::move(s.value);  // its destructor may run arbitrary code: leave the table consistent first
  s.value = IValue();
  s.used = false;
  s.generation = s.generation % kGenerations + 1;
  live_--;
  empty_.push_back(slot);
  return true;
}

void Door::drain() {
  std::vector<napi_ref> dead;
  {
    std::lock_guard<std::mutex> guard(lent->mutex);
    if (lent->dead.empty()) return;
    dead.swap(lent->dead);
  }
  for (auto ref : dead) napi_delete_reference(env, ref);
}

Door::~Door() {
  freeOperators(*this);
  std::lock_guard<std::mutex> guard(lent->mutex);
  lent->open = false;
}

Door& door(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return *static_cast<Door*>(data);
}

napi_value number(napi_env env, double value) {
  napi_value out;
  check(env, napi_create_double(env, value, &out));
  return out;
}
napi_value text(napi_env env, const std::string& value) {
  napi_value out;
  check(env, napi_create_string_utf8(env, value.data(), value.size(), &out));
  return out;
}
napi_value boolean(napi_env env, bool value) {
  napi_value out;
  check(env, napi_get_boolean(env, value, &out));
  return out;
}
napi_value undefined(napi_env env) {
  napi_value out;
  check(env, napi_get_undefined(env, &out));
  return out;
}
napi_value null(napi_env env) {
  napi_value out;
  check(env, napi_get_null(env, &out));
  return out;
}
napi_valuetype typeOf(napi_env env, napi_value value) {
  napi_valuetype type;
  check(env, napi_typeof(env, value, &type));
  return type;
}
bool isArray(napi_env env, napi_value value) {
  bool is = false;
  check(env, napi_is_array(env, value, &is));
  return is;
}
double toNumber(napi_env env, napi_value value) {
  double out = 0;
  if (napi_get_value_double(env, value, &out) != napi_ok) throw std::runtime_error("expected a number");
  return out;
}
bool toBool(napi_env env, napi_value value) {
  bool out = false;
  if (napi_get_value_bool(env, value, &out) != napi_ok) throw std::runtime_error("expected true or false");
  return out;
}
std::string toText(napi_env env, napi_value value) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok)
    throw std::runtime_error("expected a string");
  std::string out(length, '\0');
  check(env, napi_get_value_string_utf8(env, value, &out[0], length + 1, &length));
  return out;
}
std::vector<int64_t> toInts(napi_env env, napi_value value) {
  if (!isArray(env, value)) throw std::runtime_error("expected an array of whole numbers");
  uint32_t length = 0;
  check(env, napi_get_array_length(env, value, &length));
  std::vector<int64_t> out(length);
  for (uint32_t i = 0; i < length; i++) {
    napi_value element;
    check(env, napi_get_element(env, value, i, &element));
    const double x = toNumber(env, element);
    if (!isWhole(x)) throw std::runtime_error("expected whole numbers");
    out[i] = static_cast<int64_t>(x);
  }
  return out;
}

double handleOf(Door& d, napi_value value) {
  napi_value key, id;
  check(d.env, napi_get_reference_value(d.env, d.idKey, &key));
  if (napi_get_property(d.env, value, key, &id) != napi_ok) return 0;
  double out = 0;
  if (napi_get_value_double(d.env, id, &out) != napi_ok) return 0;
  if (out == 0) throw std::runtime_error("a tensor was used after it was freed");
  return out;
}

at::Tensor& toTensor(Door& d, napi_value value) {
  const double id = handleOf(d, value);
  if (id == 0) throw std::runtime_error("expected a Tensor");
  auto& found = d.handles.get(id);
  if (!found.isTensor()) throw std::runtime_error("expected a Tensor, got a " + found.tagKind());
  return found.toTensor();
}

std::vector<at::Tensor> toTensors(Door& d, napi_value value) {
  uint32_t length = 0;
  if (!isArray(d.env, value)) throw std::runtime_error("expected an array of tensors");
  check(d.env, napi_get_array_length(d.env, value, &length));
  std::vector<at::Tensor> out;
  out.reserve(length);
  for (uint32_t i = 0; i < length; i++) {
    napi_value element;
    check(d.env, napi_get_element(d.env, value, i, &element));
    out.push_back(typeOf(d.env, element) == napi_object ? toTensor(d, element) : at::Tensor());
  }
  return out;
}

static napi_value construct(Door& d, napi_ref classRef, IValue value) {
  napi_value ctor, id, out;
  check(d.env, napi_get_reference_value(d.env, classRef, &ctor));
  const double handle = d.handles.put(std::move(value));
  id = number(d.env, handle);
  const auto status = napi_new_instance(d.env, ctor, 1, &id, &out);
  if (status != napi_ok) d.handles.free(handle);
  check(d.env, status);
  return out;
}

napi_value fromTensor(Door& d, at::Tensor tensor) {
  if (!tensor.defined()) return null(d.env);
  return construct(d, d.tensorClass, IValue(std::move(tensor)));
}
napi_value fromGenerator(Door& d, at::Generator generator) {
  return construct(d, d.generatorClass, IValue(std::move(generator)));
}

// Calls a Function with the environment's door; whatever it throws becomes a JavaScript Error, never a crash.
static napi_value trampoline(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  Args args;
  std::string message;
  try {
    check(env, napi_get_cb_info(env, info, &args.count, args.at, nullptr, &data));
    if (args.count > Args::kMost)
      throw std::runtime_error("too many arguments: at most " + std::to_string(Args::kMost));
    auto& d = door(env);
    d.drain();
    return reinterpret_cast<Function>(data)(d, args);
  } catch (const PendingException&) {
    return nullptr;
  } catch (const c10::Error& e) {
    message = e.what_without_backtrace();
  } catch (const std::bad_alloc&) {
    message = "out of memory";
  } catch (const std::exception& e) {
    message = e.what();
  } catch (...) {
    message = "unknown C++ exception";
  }
  napi_throw_error(env, nullptr, message.c_str());
  return nullptr;
}

void define(napi_env env, napi_value exports, const char* name, Function function) {
  napi_value fn;
  check(env, napi_create_function(env, name, NAPI_AUTO_LENGTH, trampoline, reinterpret_cast<void*>(function), &fn));
  check(env, napi_set_named_property(env, exports, name, fn));
}

// setClasses(Tensor, Generator, key): the JavaScript classes that results are wrapped in, each constructed with a handle,
// and the symbol under which their objects hold it.
static napi_value setClasses(Door& d, Args& args) {
  if (d.tensorClass) napi_delete_reference(d.env, d.tensorClass);
  if (d.generatorClass) napi_delete_reference(d.env, d.generatorClass);
  if (d.idKey) napi_delete_reference(d.env, d.idKey);
  check(d.env, napi_create_reference(d.env, args[0], 1, &d.tensorClass));
  check(d.env, napi_create_reference(d.env, args[1], 1, &d.generatorClass));
  check(d.env, napi_create_reference(d.env, args[2], 1, &d.idKey));
  return undefined(d.env);
}

// free(id): whether the handle was live.
static napi_value freeHandle(Door& d, Args& args) { return boolean(d.env, d.handles.free(toNumber(d.env, args[0]))); }

static napi_value liveHandles(Door& d, Args&) { return number(d.env, static_cast<double>(d.handles.live())); }

void defineHandles(napi_env env, napi_value exports) {
  define(env, exports, "setClasses", setClasses);
  define(env, exports, "free", freeHandle);
  define(env, exports, "live", liveHandles);
}

}  // namespace anneal

NAPI_MODULE_INIT() {
  using namespace anneal;
  auto* d = new Door();
  d->env = env;
  if (napi_set_instance_data(env, d, [](napi_env, void* data, void*) { delete static_cast<Door*>(data); }, nullptr) !=
      napi_ok) {
    delete d;
    return nullptr;
  }
  try {
    defineHandles(env, exports);
    defineDispatch(env, exports);
    defineTensor(env, exports);
    defineAutograd(env, exports);
    defineState(env, exports);
    definePictures(env, exports);
    defineRanks(env, exports);
  } catch (const std::exception& e) {
    napi_throw_error(env, nullptr, e.what());
  } catch (const PendingException&) {
  }
  return exports;
}

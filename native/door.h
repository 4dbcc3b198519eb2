// What the files of the door share. No operator is named here or in any of them.
#pragma once
#include <ATen/ATen.h>
#include <torch/version.h>

#include <cmath>
#include <mutex>
#include <string>
#include <vector>

#include "napi.h"

#define ANNEAL_TORCH_2 (TORCH_VERSION_MAJOR >= 2)
#define ANNEAL_TORCH_2_9 (TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 9))

namespace anneal {

using c10::IValue;

// The values that one JavaScript environment holds. A handle is slot + generation * 2^24, so that a freed handle is
// told from the live one that took its slot.
class Handles {
 public:
  double put(IValue value);
  IValue& get(double id);
  IValue* find(double id);
  bool free(double id);
  size_t live() const { return live_; }

 private:
  struct Slot {
    IValue value;
    uint32_t generation = 1;
    bool used = false;
  };
  std::vector<Slot> slots_;
  std::vector<uint32_t> empty_;
  size_t live_ = 0;
};

struct Operator;  // dispatch.cpp

// Per environment (main thread or worker). Buffers lent to tensors are released on this environment's own thread:
// `dead` collects those whose tensor died elsewhere, and the next call drains it.
struct Door {
  napi_env env = nullptr;
  Handles handles;
  napi_ref tensorClass = nullptr;
  napi_ref generatorClass = nullptr;
  napi_ref idKey = nullptr;
  std::vector<Operator*> operators;
  struct Lent {
    std::mutex mutex;
    std::vector<napi_ref> dead;
    bool open = true;
  };
  std::shared_ptr<Lent> lent = std::make_shared<Lent>();
  void drain();
  ~Door();
};

Door& door(napi_env env);

// --- values
napi_value number(napi_env env, double value);
napi_value text(napi_env env, const std::string& value);
napi_value boolean(napi_env env, bool value);
napi_value undefined(napi_env env);
napi_value null(napi_env env);
double toNumber(napi_env env, napi_value value);
bool toBool(napi_env env, napi_value value);
std::string toText(napi_env env, napi_value value);
napi_valuetype typeOf(napi_env env, napi_value value);
bool isArray(napi_env env, napi_value value);
// Whether an int64 holds `x` exactly, as far as JavaScript can say.
inline bool isWhole(double x) { return x == std::floor(x) && std::abs(x) <= 9007199254740992.0; }
std::vector<int64_t> toInts(napi_env env, napi_value value);

// The handle of a Tensor or Generator object, or 0 where the value is none.
double handleOf(Door& d, napi_value value);
at::Tensor& toTensor(Door& d, napi_value value);
std::vector<at::Tensor> toTensors(Door& d, napi_value value);
// A new JavaScript Tensor that owns `tensor`; null where it is undefined.
napi_value fromTensor(Door& d, at::Tensor tensor);
napi_value fromGenerator(Door& d, at::Generator generator);

const char* dtypeName(at::ScalarType dtype);
bool parseDtype(const std::string& name, at::ScalarType* dtype);

// --- functions
struct Args {
  static constexpr size_t kMost = 32;
  napi_value at[kMost];
  size_t count = kMost;  // in: how many fit; out: how many there are
  napi_value operator[](size_t i) const { return at[i]; }
};
using Function = napi_value (*)(Door& d, Args& args);
void define(napi_env env, napi_value exports, const char* name, Function function);

void defineHandles(napi_env env, napi_value exports);
void defineDispatch(napi_env env, napi_value exports);
void defineTensor(napi_env env, napi_value exports);
void defineAutograd(napi_env env, napi_value exports);
void defineState(napi_env env, napi_value exports);
void definePictures(napi_env env, napi_value exports);
void defineRanks(napi_env env, napi_value exports);
void freeOperators(Door& d);

}  // namespace anneal

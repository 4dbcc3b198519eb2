// Operators by schema. `resolve("add")` gives a number for all of add's overloads, `resolve("add.Tensor")` for one;
// `call(operator, options, ...args)` picks the first overload whose schema the arguments fit.
#include <ATen/core/dispatch/Dispatcher.h>

#include <mutex>
#include <sstream>
#include <unordered_map>

#include "door.h"

namespace anneal {

using c10::TypeKind;

struct Operator {
  std::string name;
  std::vector<c10::OperatorHandle> overloads;
};

void freeOperators(Door& d) {
  for (auto* op : d.operators) delete op;
  d.operators.clear();
}

static bool isOut(const c10::FunctionSchema& schema) {
  for (const auto& a : schema.arguments())
    if (a.is_out()) return true;
  return false;
}

// "conv2d", "add.Tensor" or "anneal::name.overload"; the namespace is aten unless given.
static void split(const std::string& full, std::string* name, std::string* overload) {
  const auto space = full.find("::");
  const auto dot = full.find('.', space == std::string::npos ? 0 : space + 2);
  *name = full.substr(0, dot);
  *overload = dot == std::string::npos ? "" : full.substr(dot + 1);
  if (space == std::string::npos) *name = "aten::" + *name;
}

// Libtorch lists some thousand operators in a millisecond or less: once, and again where a name is not found.
static std::vector<std::string> overloadsOf(const std::string& name) {
  static std::mutex mutex;
  static std::unordered_map<std::string, std::vector<std::string>> known;
  const std::lock_guard<std::mutex> lock(mutex);
  if (!known.count(name)) {
    known.clear();
    for (const auto& op : c10::Dispatcher::singleton().getAllOpNames()) known[op.name].push_back(op.overload_name);
  }
  const auto found = known.find(name);
  return found == known.end() ? std::vector<std::string>() : found->second;
}

// resolve(name): the operator's number. Without an overload name all overloads are taken that do not write to `out`,
// those with tensors in the place of numbers first.
static napi_value resolve(Door& d, Args& args) {
  const auto full = toText(d.env, args[0]);
  std::string name, overload;
  split(full, &name, &overload);
  auto op = std::make_unique<Operator>();
  op->name = full;
  auto& dispatcher = c10::Dispatcher::singleton();
  if (full.find('.', full.find("::") == std::string::npos ? 0 : full.find("::") + 2) != std::string::npos) {
    const auto found = dispatcher.findSchema({name, overload});
    if (found) op->overloads.push_back(*found);
  } else {
    for (const auto& o : overloadsOf(name)) {
      const auto found = dispatcher.findSchema({name, o});
      if (found && !isOut(found->schema())) op->overloads.push_back(*found);
    }
    const auto rank = [](const c10::OperatorHandle& h) {
      int numbers = 0, names = 0;
      for (const auto& a : h.schema().arguments()) {
        if (a.kwarg_only()) continue;
        if (a.type()->kind() == TypeKind::NumberType) numbers++;
        if (a.type()->str().find("str") != std::string::npos) names++;
      }
      return names * 100 + numbers;
    };
    std::stable_sort(op->overloads.begin(), op->overloads.end(), [&](const auto& a, const auto& b) {
      const int ra = rank(a), rb = rank(b);
      if (ra != rb) return ra < rb;
      return a.schema().overload_name() < b.schema().overload_name();
    });
  }
  if (op->overloads.empty()) {
    std::string others;
    for (const auto& o : overloadsOf(name)) others += (others.empty() ? "" : ", ") + name + (o.empty() ? "" : "." + o);
    throw std::runtime_error("this libtorch has no operator \"" + full + "\"" +
                             (others.empty() ? "" : "; it has " + others));
  }
  d.operators.push_back(op.release());
  return number(d.env, static_cast<double>(d.operators.size() - 1));
}

// schemas(): every schema of the dispatcher as text, out variants included.
static napi_value schemas(Door& d, Args&) {
  napi_value out;
  check(d.env, napi_create_array(d.env, &out));
  uint32_t i = 0;
  for (const auto& op : c10::Dispatcher::singleton().getAllOpNames()) {
    const auto found = c10::Dispatcher::singleton().findSchema(op);
    if (!found) continue;
    std::ostringstream line;
    line << found->schema();
    check(d.env, napi_set_element(d.env, out, i++, text(d.env, line.str())));
  }
  return out;
}

// schemasOf(operator): the overloads that a call chooses from, in that order.
static napi_value schemasOf(Door& d, Args& args) {
  napi_value out;
  check(d.env, napi_create_array(d.env, &out));
  uint32_t i = 0;
  for (const auto& overload : d.operators.at(static_cast<size_t>(toNumber(d.env, args[0])))->overloads) {
    std::ostringstream line;
    line << overload.schema();
    check(d.env, napi_set_element(d.env, out, i++, text(d.env, line.str())));
  }
  return out;
}

// --- arguments

static bool parseEnum(const std::string& s, int64_t* out) {
  at::ScalarType dtype;
  if (parseDtype(s, &dtype)) return *out = static_cast<int64_t>(dtype), true;
  if (s == "contiguous_format") return *out = static_cast<int64_t>(at::MemoryFormat::Contiguous), true;
  if (s == "preserve_format") return *out = static_cast<int64_t>(at::MemoryFormat::Preserve), true;
  if (s == "channels_last") return *out = static_cast<int64_t>(at::MemoryFormat::ChannelsLast), true;
  if (s == "channels_last_3d") return *out = static_cast<int64_t>(at::MemoryFormat::ChannelsLast3d), true;
  if (s == "strided") return *out = static_cast<int64_t>(at::Layout::Strided), true;
  if (s == "sparse_coo") return *out = static_cast<int64_t>(at::Layout::Sparse), true;
  return false;
}

static bool missing(napi_env env, napi_value v) {
  const auto t = typeOf(env, v);
  return t == napi_undefined || t == napi_null;
}

static napi_value element(napi_env env, napi_value array, uint32_t i) {
  napi_value out;
  check(env, napi_get_element(env, array, i, &out));
  return out;
}
static uint32_t lengthOf(napi_env env, napi_value array) {
  uint32_t n = 0;
  check(env, napi_get_array_length(env, array, &n));
  return n;
}

// Converts `v` to `out` by the schema's type; false where it does not fit (the next overload is tried).
static bool convert(Door& d, napi_value v, const c10::TypePtr& type, c10::optional<int32_t> n, IValue* out) {
  const auto env = d.env;
  switch (type->kind()) {
    case TypeKind::OptionalType:
      if (missing(env, v)) return *out = IValue(), true;
      return convert(d, v, type->castRaw<c10::OptionalType>()->getElementType(), n, out);
    case TypeKind::TensorType: {
      const double id = handleOf(d, v);
      if (id == 0) return false;
      auto& value = d.handles.get(id);
      if (!value.isTensor()) return false;
      return *out = value, true;
    }
    case TypeKind::GeneratorType: {
      const double id = handleOf(d, v);
      if (id == 0) return false;
      auto& value = d.handles.get(id);
      if (!value.isGenerator()) return false;
      return *out = value, true;
    }
    case TypeKind::IntType:
    case TypeKind::SymIntType: {
      const auto t = typeOf(env, v);
      if (t == napi_string) {
        int64_t parsed;
        if (!parseEnum(toText(env, v), &parsed)) return false;
        return *out = IValue(parsed), true;
      }
      if (t == napi_bigint) {
        int64_t big;
        bool lossless;
        check(env, napi_get_value_bigint_int64(env, v, &big, &lossless));
        return lossless ? (*out = IValue(big), true) : false;
      }
      if (t != napi_number) return false;
      const double x = toNumber(env, v);
      if (!isWhole(x)) return false;
      return *out = IValue(static_cast<int64_t>(x)), true;
    }
    case TypeKind::FloatType:
    case TypeKind::SymFloatType:
      if (typeOf(env, v) != napi_number) return false;
      return *out = IValue(toNumber(env, v)), true;
    case TypeKind::BoolType:
      if (typeOf(env, v) != napi_boolean) return false;
      return *out = IValue(toBool(env, v)), true;
    case TypeKind::NumberType: {
      const auto t = typeOf(env, v);
      if (t == napi_boolean) return *out = IValue(toBool(env, v)), true;
      if (t == napi_bigint) {
        int64_t big;
        bool lossless;
        check(env, napi_get_value_bigint_int64(env, v, &big, &lossless));
        return lossless ? (*out = IValue(big), true) : false;
      }
      if (t != napi_number) return false;
      const double x = toNumber(env, v);
      // A whole number is an integer, as Python writes it: `mul(counts, 2)` keeps an integer dtype.
      if (isWhole(x)) return *out = IValue(static_cast<int64_t>(x)), true;
      return *out = IValue(x), true;
    }
    case TypeKind::AnyType:  // names of operations and groups are the only ones that are given
    case TypeKind::StringType:
      if (typeOf(env, v) != napi_string) return false;
      return *out = IValue(toText(env, v)), true;
    case TypeKind::DeviceObjType:
      if (typeOf(env, v) != napi_string) return false;
      return *out = IValue(c10::Device(toText(env, v))), true;
    case TypeKind::ListType: {
      const auto inner = type->castRaw<c10::ListType>()->getElementType();
      const bool array = isArray(env, v);
      if (!array && !(n && typeOf(env, v) != napi_object)) return false;  // int[2] takes one number for both
      const uint32_t length = array ? lengthOf(env, v) : static_cast<uint32_t>(*n);
      const auto at = [&](uint32_t i) { return array ? element(env, v, i) : v; };
      c10::impl::GenericList list(inner);
      list.reserve(length);
      for (uint32_t i = 0; i < length; i++) {
        IValue item;
        if (!convert(d, at(i), inner, {}, &item)) return false;
        list.push_back(std::move(item));
      }
      while (n && length == 1 && static_cast<int32_t>(list.size()) < *n) list.push_back(list.get(0));
      return *out = IValue(std::move(list)), true;
    }
    default:
      return false;
  }
}

// Fills the stack by the schema from positional arguments, then options by name, then defaults. On failure `why` says
// which argument did not fit.
static bool fill(Door& d, const c10::FunctionSchema& schema, Args& args, size_t first, napi_value options,
                 torch::jit::Stack* stack, std::string* why) {
  const auto& wanted = schema.arguments();
  size_t position = first, used = 0;
  stack->clear();
  for (const auto& a : wanted) {
    napi_value v = nullptr;
    if (!a.kwarg_only() && position < args.count) {
      v = args[position++];
    } else if (options) {
      bool has = false;
      napi_value key = text(d.env, a.name());
      check(d.env, napi_has_property(d.env, options, key, &has));
      if (has) {
        check(d.env, napi_get_property(d.env, options, key, &v));
        used++;
      }
    }
    if (v && typeOf(d.env, v) == napi_undefined) v = nullptr;
    if (v) {
      IValue value;
      if (!convert(d, v, a.type(), a.N(), &value)) {
        *why = "argument \"" + a.name() + "\" must be " + a.type()->str();
        return false;
      }
      stack->push_back(std::move(value));
    } else if (a.default_value()) {
      stack->push_back(*a.default_value());
    } else if (a.type()->kind() == TypeKind::OptionalType) {
      stack->emplace_back();
    } else {
      *why = "argument \"" + a.name() + "\" (" + a.type()->str() + ") is missing";
      return false;
    }
  }
  while (position < args.count && typeOf(d.env, args[position]) == napi_undefined) position++;
  if (position < args.count) {
    *why = "too many arguments: it takes " + std::to_string(position - first) + ", got " +
           std::to_string(args.count - first);
    return false;
  }
  if (options) {
    napi_value names;
    check(d.env, napi_get_property_names(d.env, options, &names));
    const uint32_t given = lengthOf(d.env, names);
    if (used < given) {
      for (uint32_t i = 0; i < given; i++) {
        const auto name = toText(d.env, element(d.env, names, i));
        bool known = false;
        for (const auto& a : wanted) known = known || a.name() == name;
        if (!known) *why = "it has no option \"" + name + "\"";
      }
      if (why->empty()) *why = "an option repeats a positional argument";
      return false;
    }
  }
  return true;
}

static napi_value result(Door& d, const IValue& v) {
  if (v.isTensor()) return fromTensor(d, v.toTensor());
  if (v.isNone()) return null(d.env);
  if (v.isDouble()) return number(d.env, v.toDouble());
  if (v.isInt()) return number(d.env, static_cast<double>(v.toInt()));
  if (v.isBool()) return boolean(d.env, v.toBool());
  if (v.isString()) return text(d.env, v.toStringRef());
  if (v.isDevice()) return text(d.env, v.toDevice().str());
  if (v.isScalar()) return number(d.env, v.toScalar().to<double>());
  if (v.isList()) {
    const auto list = v.toList();
    napi_value out;
    check(d.env, napi_create_array_with_length(d.env, list.size(), &out));
    for (size_t i = 0; i < list.size(); i++)
      check(d.env, napi_set_element(d.env, out, static_cast<uint32_t>(i), result(d, list.get(i))));
    return out;
  }
  throw std::runtime_error("a result of type " + v.tagKind() + " can't be given to JavaScript");
}

// call(operator, options | undefined, ...args): the result, or an array of them.
static napi_value call(Door& d, Args& args) {
  const auto& op = *d.operators.at(static_cast<size_t>(toNumber(d.env, args[0])));
  napi_value options = args.count > 1 && typeOf(d.env, args[1]) == napi_object ? args[1] : nullptr;
  torch::jit::Stack stack;
  std::vector<std::string> refused;
  for (const auto& overload : op.overloads) {
    std::string why;
    if (!fill(d, overload.schema(), args, 2, options, &stack, &why)) {
      refused.push_back(std::move(why));
      continue;
    }
    overload.callBoxed(&stack);
    if (stack.empty()) return undefined(d.env);
    if (stack.size() == 1) return result(d, stack[0]);
    napi_value out;
    check(d.env, napi_create_array_with_length(d.env, stack.size(), &out));
    for (size_t i = 0; i < stack.size(); i++)
      check(d.env, napi_set_element(d.env, out, static_cast<uint32_t>(i), result(d, stack[i])));
    return out;
  }
  std::ostringstream message;
  message << "the arguments do not fit";
  for (size_t i = 0; i < refused.size(); i++) message << "\n  " << op.overloads[i].schema() << ": " << refused[i];
  throw std::runtime_error(message.str());
}

void defineDispatch(napi_env env, napi_value exports) {
  define(env, exports, "resolve", resolve);
  define(env, exports, "call", call);
  define(env, exports, "schemas", schemas);
  define(env, exports, "schemasOf", schemasOf);
}

}  // namespace anneal

// The state of the library, not of a tensor: threads, random numbers, autocast, devices, memory.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/autocast_mode.h>
#include <torch/cuda.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

#include "door.h"
#include "system.h"
#if ANNEAL_TORCH_2
#include <torch/mps.h>
#endif
#if ANNEAL_TORCH_2_9
#include <ATen/DeviceAccelerator.h>
#endif

extern "C" {  // of OpenMP, whose header not every compiler brings
int omp_get_thread_limit(void);
int omp_get_max_active_levels(void);
void omp_set_dynamic(int on);
}

namespace anneal {

// setThreads(n): of the calling thread; fewer where OpenMP's settings allow no more. Some of libtorch's convolutions wait
// without end for threads that they asked for and were not given, by OMP_THREAD_LIMIT or OMP_DYNAMIC.
static napi_value setThreads(Door& d, Args& args) {
  const int most = omp_get_max_active_levels() > 0 ? omp_get_thread_limit() : 1;
  omp_set_dynamic(0);
  at::get_num_threads();  // a thread's first question takes the number that any thread set last
  at::set_num_threads(std::min(static_cast<int>(toNumber(d.env, args[0])), most));
  return undefined(d.env);
}
static napi_value threads(Door& d, Args&) { return number(d.env, at::get_num_threads()); }
static napi_value version(Door& d, Args&) { return text(d.env, TORCH_VERSION); }
// cpuCapability(): the instructions that the library's own kernels were chosen for: DEFAULT, AVX2, AVX512.
static napi_value cpuCapability(Door& d, Args&) {
  const auto config = at::show_config();
  const std::string label = "CPU capability usage: ";
  const auto from = config.find(label);
  if (from == std::string::npos) return text(d.env, "unknown");
  const auto start = from + label.size();
  return text(d.env, config.substr(start, config.find('\n', start) - start));
}
static napi_value cudaDevices(Door& d, Args&) {
  return number(d.env, static_cast<double>(torch::cuda::is_available() ? torch::cuda::device_count() : 0));
}
// freeMemory(device): bytes that are free on it; null where that is not known.
static napi_value freeMemory(Door& d, Args& args) {
#if ANNEAL_TORCH_2_9
  const c10::Device device(toText(d.env, args[0]));
  if (device.is_cuda()) {
    const auto index = device.has_index() ? device.index() : c10::DeviceIndex(0);
    return number(d.env, static_cast<double>(at::accelerator::getMemoryInfo(index).first));
  }
#endif
  return null(d.env);
}
// mpsAvailable(): whether libtorch can compute on the GPU of a Mac.
static bool hasMps() {
#if ANNEAL_TORCH_2
  return torch::mps::is_available();
#else
  return false;
#endif
}
static napi_value mpsAvailable(Door& d, Args&) { return boolean(d.env, hasMps()); }
static napi_value synchronize(Door& d, Args&) {
  if (torch::cuda::is_available()) torch::cuda::synchronize();
#if ANNEAL_TORCH_2
  if (hasMps()) torch::mps::synchronize();
#endif
  return undefined(d.env);
}

// keepMemory(): from now on large buffers stay with the process instead of going back to the kernel at each free, which
// would pay the page faults again at each step. Whether the C library can. Training asks for it; loading the addon does not.
static std::atomic<bool> kept{false};
static napi_value keepMemory(Door& d, Args&) {
  if (system::keepBuffers()) kept = true;
  return boolean(d.env, kept);
}
// keepsMemory(): whether keepMemory has been called in this process, by any thread.
static napi_value keepsMemory(Door& d, Args&) { return boolean(d.env, kept); }
// pinLibraries(): what is loaded now stays loaded. A worker that ends unloads the addons that it loaded, with the code of
// threads that they have started and that outlive it (OpenMP's, libvips').
static napi_value pinLibraries(Door& d, Args&) {
  system::keepLoaded();
  return undefined(d.env);
}
// adjustMemory(bytes): tells the collector how much a tensor outside every scope holds.
static napi_value adjustMemory(Door& d, Args& args) {
  int64_t total = 0;
  check(d.env, napi_adjust_external_memory(d.env, static_cast<int64_t>(toNumber(d.env, args[0])), &total));
  return number(d.env, static_cast<double>(total));
}

// manualSeed(seed): every default generator, on every device.
static napi_value manualSeed(Door& d, Args& args) {
  at::manual_seed(static_cast<uint64_t>(toNumber(d.env, args[0])));
  return undefined(d.env);
}
// newGenerator(seed): a generator of its own, on the CPU.
static napi_value newGenerator(Door& d, Args& args) {
  return fromGenerator(d, at::detail::createCPUGenerator(static_cast<uint64_t>(toNumber(d.env, args[0]))));
}
static napi_value defaultGenerator(Door& d, Args& args) {
  const c10::Device device(toText(d.env, args[0]));
  return fromGenerator(d, at::globalContext().defaultGenerator(device));
}
static at::Generator generator(Door& d, napi_value v) {
  const double id = handleOf(d, v);
  if (id == 0 || !d.handles.get(id).isGenerator()) throw std::runtime_error("expected a Generator");
  return d.handles.get(id).toGenerator();
}
static napi_value generatorState(Door& d, Args& args) {
  auto g = generator(d, args[0]);
  std::lock_guard<std::mutex> guard(g.mutex());
  return fromTensor(d, g.get_state());
}
static napi_value setGeneratorState(Door& d, Args& args) {
  auto g = generator(d, args[0]);
  std::lock_guard<std::mutex> guard(g.mutex());
  g.set_state(toTensor(d, args[1]));
  return undefined(d.env);
}

static napi_value setDeterministic(Door& d, Args& args) {
  const bool on = toBool(d.env, args[0]);
  at::globalContext().setDeterministicAlgorithms(on, true);
  at::globalContext().setBenchmarkCuDNN(!on);
  return undefined(d.env);
}

// autocast(deviceType, on, dtype): what it was before, [on, dtype].
static napi_value autocast(Door& d, Args& args) {
  const auto type = c10::Device(toText(d.env, args[0])).type();
  const bool on = toBool(d.env, args[1]);
  at::ScalarType dtype;
  const auto name = toText(d.env, args[2]);
  if (!parseDtype(name, &dtype)) throw std::runtime_error("unknown dtype \"" + name + "\"");
#if ANNEAL_TORCH_2
  const bool before = at::autocast::is_autocast_enabled(type);
  const auto dtypeBefore = at::autocast::get_autocast_dtype(type);
  at::autocast::set_autocast_enabled(type, on);
  at::autocast::set_autocast_dtype(type, dtype);
#else
  const bool cuda = type == c10::DeviceType::CUDA;
  const bool before = cuda ? at::autocast::is_enabled() : at::autocast::is_cpu_enabled();
  const auto dtypeBefore = cuda ? at::autocast::get_autocast_gpu_dtype() : at::autocast::get_autocast_cpu_dtype();
  if (cuda) {
    at::autocast::set_enabled(on);
    at::autocast::set_autocast_gpu_dtype(dtype);
  } else {
    at::autocast::set_cpu_enabled(on);
    at::autocast::set_autocast_cpu_dtype(dtype);
  }
#endif
  if (on && !before) at::autocast::increment_nesting();
  if (!on && before && at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  napi_value out;
  check(d.env, napi_create_array_with_length(d.env, 2, &out));
  check(d.env, napi_set_element(d.env, out, 0, boolean(d.env, before)));
  check(d.env, napi_set_element(d.env, out, 1, text(d.env, dtypeName(dtypeBefore))));
  return out;
}

void defineState(napi_env env, napi_value exports) {
  define(env, exports, "setThreads", setThreads);
  define(env, exports, "threads", threads);
  define(env, exports, "version", version);
  define(env, exports, "cpuCapability", cpuCapability);
  define(env, exports, "cudaDevices", cudaDevices);
  define(env, exports, "mpsAvailable", mpsAvailable);
  define(env, exports, "freeMemory", freeMemory);
  define(env, exports, "synchronize", synchronize);
  define(env, exports, "keepMemory", keepMemory);
  define(env, exports, "keepsMemory", keepsMemory);
  define(env, exports, "pinLibraries", pinLibraries);
  define(env, exports, "adjustMemory", adjustMemory);
  define(env, exports, "manualSeed", manualSeed);
  define(env, exports, "newGenerator", newGenerator);
  define(env, exports, "defaultGenerator", defaultGenerator);
  define(env, exports, "generatorState", generatorState);
  define(env, exports, "setGeneratorState", setGeneratorState);
  define(env, exports, "setDeterministic", setDeterministic);
  define(env, exports, "autocast", autocast);
}

}  // namespace anneal

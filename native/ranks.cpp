// A group of processes that train one net together: it joins them, and watches that all of them are alive. What they
// compute together are operators of libtorch, `_c10d_functional::…`, which find the group by its name.
#include "ranks.h"

#if ANNEAL_RANKS
#define USE_C10D_GLOO
#include <ATen/core/dispatch/Dispatcher.h>
#include <arpa/inet.h>
#include <c10/util/Logging.h>
#include <net/if.h>
#include <netdb.h>
#include <sys/socket.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/distributed/c10d/GroupRegistry.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <torch/library.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <future>
#include <memory>
#include <thread>
#include <utility>
#endif

namespace anneal {
namespace {

#if ANNEAL_RANKS
using std::chrono::milliseconds;
using StorePtr = c10::intrusive_ptr<c10d::Store>;

constexpr auto kBeat = milliseconds(300);   // a rank says this often that it is alive
constexpr auto kLong = std::chrono::hours(24);  // how long an operator may take; the watch ends it before
constexpr int kSoon = 2500;  // milliseconds of silence that are enough where a connection broke

struct Address {
  std::string host;
  int port;
};

std::string textOf(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }
std::vector<uint8_t> bytesOf(const std::string& text) { return {text.begin(), text.end()}; }

// Tells the others that this process lives, and looks whether they do, on a thread and a connection of its own.
class Watch {
 public:
  Watch(StorePtr store, int rank, int size, int silence)
      : store_(std::move(store)), rank_(rank), size_(size), silence_(silence), thread_([this] { run(); }) {}
  ~Watch() { stop(); }

  // Why the group can't go on; empty while it can. RANK, KIND and TEXT, with tabs between them; rank −1: that of the store.
  std::string trouble() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return trouble_;
  }
  // Called about every `passed` milliseconds while something is waited for: finds a store that no longer answers.
  void waited(int passed) {
    const auto now = rounds_.load();
    if (now != seen_) seen_ = now, quiet_ = 0;
    else if ((quiet_ += passed) >= silence_) say("-1\tsilent\t" + std::to_string(quiet_ / 1000));
  }
  // A connection broke: a short silence is enough now.
  void suspect() { suspicious_ = true; }
  void stop() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!open_) return;
      open_ = false;
    }
    wake_.notify_all();
    // A store that no longer answers would be waited for without end.
    if (trouble().empty()) thread_.join();
    else thread_.detach();
  }

 private:
  void run() {
    std::vector<std::string> keys;
    for (int r = 0; r < size_; r++) keys.push_back("beat/" + std::to_string(r));
    std::vector<std::string> last(size_);
    std::vector<int> still(size_, 0);
    std::vector<bool> ended(size_, false);
    try {
      for (int64_t beat = 0; isOpen(); beat++) {
        store_->set("beat/" + std::to_string(rank_), bytesOf(std::to_string(beat)));
        const bool any = store_->add("ends", 0) > 0;
        const auto beats = store_->multiGet(keys);
        for (int r = 0; r < size_; r++) {
          if (r == rank_ || ended[r]) continue;
          const auto end = "end/" + std::to_string(r);
          if (any && store_->check({end})) {
            ended[r] = true;
            const auto text = textOf(store_->get(end));
            if (text.rfind("done", 0) != 0) say(std::to_string(r) + '\t' + text);
            continue;
          }
          const auto now = textOf(beats[r]);
          if (now != last[r]) last[r] = now, still[r] = 0;
          else still[r] += static_cast<int>(kBeat.count());
          if (still[r] >= (suspicious_ ? std::min(kSoon, silence_) : silence_))
            say(std::to_string(r) + "\tsilent\t" + std::to_string(still[r] / 1000));
        }
        rounds_++;
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait_for(lock, kBeat, [&] { return !open_; });
      }
    } catch (const std::exception& e) {
      if (isOpen()) say(std::string("-1\tgone\t") + e.what());
    }
  }
  bool isOpen() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return open_;
  }
  void say(const std::string& trouble) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (trouble_.empty()) trouble_ = trouble;
  }

  const StorePtr store_;
  const int rank_, size_, silence_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool open_ = true;
  std::string trouble_;
  std::atomic<bool> suspicious_{false};
  std::atomic<int64_t> rounds_{0};
  int64_t seen_ = -1;
  int quiet_ = 0;
  std::thread thread_;
};

// A process has one group. It is never destroyed at exit: Gloo would wait for operators that no longer end.
struct Group {
  Address at;
  int rank = 0, size = 1;
  std::string name;
  StorePtr store;
  milliseconds timeout{0};  // of a store that does not answer, until there is a watch
  c10::intrusive_ptr<c10d::ProcessGroup> group;
  std::unique_ptr<Watch> watch;
  std::atomic<int64_t> waited{0};  // microseconds that this process waited for others
  std::atomic<int64_t> sent{0};    // bytes that were given to operators
};
Group*& current() {
  static Group* group = nullptr;
  return group;
}
Group& joined() {
  if (!current()) throw std::runtime_error("this process is in no group");
  return *current();
}

// An operator in progress. Waiting for it ends when the group is in trouble.
class GuardedWork : public c10d::Work {
 public:
  GuardedWork(c10::intrusive_ptr<c10d::Work> inner, c10d::OpType type) : Work(-1, type), inner_(std::move(inner)) {}
  bool isCompleted() override { return inner_->isCompleted(); }
  bool isSuccess() const override { return inner_->isSuccess(); }
  std::exception_ptr exception() const override { return inner_->exception(); }
  std::vector<at::Tensor> result() override { return inner_->result(); }
  void synchronize() override { inner_->synchronize(); }
  c10::intrusive_ptr<c10::ivalue::Future> getFuture() override { return inner_->getFuture(); }
  bool wait(milliseconds) override {
    auto& g = joined();
    const auto began = std::chrono::steady_clock::now();
    constexpr int slice = 200;
    std::string broke;
    bool again = false;
    for (int since = 0;;) {
      try {
        if (broke.empty()) {
          inner_->wait(milliseconds(slice));
          g.waited += std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - began).count();
          return true;
        }
        std::this_thread::sleep_for(milliseconds(slice));
        since += slice;
      } catch (const std::exception& e) {
        if (!inner_->isCompleted()) {
          // Not yet.
        } else if (!inner_->exception() && !again) {
          again = true;  // it ended well just after this wait had run out
        } else {
          broke = e.what();
          broke = broke.substr(0, broke.find('\n'));
          if (g.watch) g.watch->suspect();
        }
      }
      if (g.watch) {
        g.watch->waited(slice);
        const auto trouble = g.watch->trouble();
        if (!trouble.empty()) throw std::runtime_error("ranks\t" + trouble);
      }
      if (!broke.empty() && since > 3 * kSoon) throw std::runtime_error("ranks\t-1\tbroke\t" + broke);
    }
  }

 private:
  const c10::intrusive_ptr<c10d::Work> inner_;
};

// Gloo, whose operators are waited for as long as the group is well.
class Gloo : public c10d::ProcessGroupGloo {
 public:
  using ProcessGroupGloo::ProcessGroupGloo;
  c10::intrusive_ptr<c10d::Work> allreduce(std::vector<at::Tensor>& tensors, const c10d::AllreduceOptions& options) override {
    auto own = options;
    own.timeout = kLong;
    joined().sent += static_cast<int64_t>(tensors[0].nbytes());
    return c10::make_intrusive<GuardedWork>(ProcessGroupGloo::allreduce(tensors, own), c10d::OpType::ALLREDUCE);
  }
  c10::intrusive_ptr<c10d::Work> broadcast(std::vector<at::Tensor>& tensors, const c10d::BroadcastOptions& options) override {
    auto own = options;
    own.timeout = kLong;
    joined().sent += static_cast<int64_t>(tensors[0].nbytes());
    return c10::make_intrusive<GuardedWork>(ProcessGroupGloo::broadcast(tensors, own), c10d::OpType::BROADCAST);
  }
  void setTimeout(milliseconds timeout) override { getOptions()->timeout = timeout; }
};

// The sockets of addresses that a name stands for, the first that `use` takes.
template <class F>
void eachAddress(const std::string& host, int port, int type, bool passive, F&& use) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = type;
  hints.ai_flags = passive ? AI_PASSIVE : 0;
  if (const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found))
    throw std::runtime_error("name\t" + std::string(gai_strerror(error)));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> all(found, freeaddrinfo);
  for (auto* one = found; one; one = one->ai_next)
    if (use(*one)) return;
}

// A socket that listens at this address alone.
int listenAt(const std::string& host, int port) {
  int made = -1, error = 0;
  eachAddress(host, port, SOCK_STREAM, true, [&](const addrinfo& a) {
    const int s = socket(a.ai_family, a.ai_socktype | SOCK_CLOEXEC, a.ai_protocol);
    if (s < 0) return error = errno, false;
    const int on = 1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(s, a.ai_addr, a.ai_addrlen) == 0 && listen(s, 1024) == 0) return made = s, true;
    error = errno;
    close(s);
    return false;
  });
  if (made < 0)
    throw std::runtime_error(std::string(error == EADDRINUSE      ? "taken"
                                         : error == EADDRNOTAVAIL ? "foreign"
                                         : error == EACCES        ? "forbidden"
                                                                  : "listen") +
                             '\t' + std::strerror(error));
  return made;
}

// The address of this machine from which packets go to `at`. Nothing is sent.
std::string addressTowards(const Address& at) {
  std::string out;
  eachAddress(at.host, at.port, SOCK_DGRAM, false, [&](const addrinfo& a) {
    const int s = socket(a.ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_storage own{};
    socklen_t length = sizeof own;
    char text[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];
    const bool done = s >= 0 && connect(s, a.ai_addr, a.ai_addrlen) == 0 &&
                      getsockname(s, reinterpret_cast<sockaddr*>(&own), &length) == 0 &&
                      getnameinfo(reinterpret_cast<sockaddr*>(&own), length, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0;
    if (s >= 0) close(s);
    if (done) out = text;
    return done;
  });
  if (out.empty()) throw std::runtime_error("route\tno way leads to " + at.host);
  return out;
}

c10::intrusive_ptr<c10d::TCPStore> connectTo(const Address& at, milliseconds timeout, int socket = -1) {
  c10d::TCPStoreOptions o;
  o.port = static_cast<uint16_t>(at.port);
  o.isServer = socket >= 0;
  o.waitWorkers = false;
  o.timeout = timeout;
  if (socket >= 0) o.masterListenFd = socket;
  return c10::make_intrusive<c10d::TCPStore>(at.host, o);
}

// --- work on a thread of Node's, and the promise of it
struct Job {
  virtual ~Job() = default;
  virtual void run() = 0;
  std::string error, result;
  napi_deferred deferred = nullptr;
  napi_async_work work = nullptr;
};
napi_value begin(napi_env env, std::unique_ptr<Job> job) {
  const auto run = [](napi_env, void* data) {
    auto* job = static_cast<Job*>(data);
    try {
      job->run();
    } catch (const c10::Error& e) {
      job->error = e.what_without_backtrace();
    } catch (const std::exception& e) {
      job->error = e.what();
    }
  };
  const auto complete = [](napi_env env, napi_status, void* data) {
    const std::unique_ptr<Job> job(static_cast<Job*>(data));
    try {
      if (job->error.empty()) check(env, napi_resolve_deferred(env, job->deferred, text(env, job->result)));
      else {
        napi_value error;
        check(env, napi_create_error(env, nullptr, text(env, job->error), &error));
        check(env, napi_reject_deferred(env, job->deferred, error));
      }
    } catch (...) {  // the environment is going away
    }
    napi_delete_async_work(env, job->work);
  };
  napi_value promise;
  check(env, napi_create_async_work(env, nullptr, text(env, "anneal.ranks"), run, complete, job.get(), &job->work));
  check(env, napi_create_promise(env, &job->deferred, &promise));
  check(env, napi_queue_async_work(env, job->work));
  job.release();
  return promise;
}

StorePtr below(const std::string& prefix, StorePtr store) {
  if (prefix.empty()) return store;
  return c10::make_intrusive<c10d::PrefixStore>(prefix, std::move(store));
}

// libtorch warns of each connection that breaks, with the addresses of its functions. What it means is said in one line, by
// whoever catches the error. TORCH_CPP_LOG_LEVEL, if it is set, shows the warnings.
void hush() {
#ifndef C10_USE_GLOG
  if (!std::getenv("TORCH_CPP_LOG_LEVEL")) FLAGS_caffe2_log_level = 2;  // errors
#endif
}

struct Opening : Job {
  Address at;
  std::string listen, prefix;
  int rank, size;
  bool server;
  milliseconds timeout{0};
  void run() override {
    hush();
    auto g = std::make_unique<Group>();
    g->at = at, g->rank = rank, g->size = size, g->timeout = timeout;
    StorePtr store;
    if (server) {
      const int s = listenAt(listen, at.port);
      sockaddr_storage own{};
      socklen_t length = sizeof own;
      getsockname(s, reinterpret_cast<sockaddr*>(&own), &length);
      g->at.port = ntohs(reinterpret_cast<sockaddr*>(&own)->sa_family == AF_INET6
                             ? reinterpret_cast<sockaddr_in6*>(&own)->sin6_port
                             : reinterpret_cast<sockaddr_in*>(&own)->sin_port);
      store = connectTo(g->at, timeout, s);
    } else {
      store = connectTo(at, timeout);
    }
    g->store = below(prefix, store);
    result = std::to_string(g->at.port);
    current() = g.release();
  }
};

struct Joining : Job {
  std::string name, listen, prefix;
  int silence;
  milliseconds timeout{0};
  void run() override {
    auto& g = joined();
    g.store->set("anneal/beat/" + std::to_string(g.rank), bytesOf("0"));  // there before anybody looks
    const auto address = listen.empty() ? addressTowards(g.at) : listen;
    auto options = c10d::ProcessGroupGloo::Options::create(timeout);
    options->devices = {if_nametoindex(address.c_str()) > 0 ? c10d::ProcessGroupGloo::createDeviceForInterface(address)
                                                            : c10d::ProcessGroupGloo::createDeviceForHostname(address)};
    options->group_name = name;
    // The names that a process of PyTorch uses (init_process_group), which can be a member too.
    const StorePtr all = c10::make_intrusive<c10d::PrefixStore>("default_pg", g.store);
    const StorePtr first = c10::make_intrusive<c10d::PrefixStore>("0/", all);
    const StorePtr own = c10::make_intrusive<c10d::PrefixStore>("cpu/", first);
    g.group = c10::make_intrusive<c10d::ProcessGroup>(first, g.rank, g.size);
    g.group->setDefaultBackend(c10d::ProcessGroup::BackendType::GLOO);
    g.group->setBackend(at::kCPU, c10d::ProcessGroup::BackendType::GLOO,
                        c10::make_intrusive<Gloo>(own, g.rank, g.size, options));
    g.group->setGroupName(name);
    g.name = name;
    c10d::register_process_group(name, g.group);
    if (silence > 0) {
      const StorePtr watched = below("anneal", below(prefix, connectTo(g.at, timeout)));
      g.watch = std::make_unique<Watch>(watched, g.rank, g.size, silence);
    }
    result = address;
  }
};

// openStore(host, port, rank, size, server, listen, prefix, timeout): a promise of the port. `server`: this process
// listens at the address `listen`, at a free port if `port` is 0; if not, it connects to host and port.
napi_value openStore(Door& d, Args& args) {
  if (current()) throw std::runtime_error("this process is in a group already");
  auto job = std::make_unique<Opening>();
  job->at = {toText(d.env, args[0]), static_cast<int>(toNumber(d.env, args[1]))};
  job->rank = static_cast<int>(toNumber(d.env, args[2]));
  job->size = static_cast<int>(toNumber(d.env, args[3]));
  job->server = toBool(d.env, args[4]);
  job->listen = toText(d.env, args[5]);
  job->prefix = toText(d.env, args[6]);
  job->timeout = milliseconds(static_cast<int64_t>(toNumber(d.env, args[7])));
  return begin(d.env, std::move(job));
}
// joinGroup(name, listen, prefix, silence, timeout): a promise of the address that this process listens at. Each operator
// then finds the group by its name. `silence`: milliseconds after which a rank that says nothing is lost; 0: no watch.
napi_value joinGroup(Door& d, Args& args) {
  joined();
  auto job = std::make_unique<Joining>();
  job->name = toText(d.env, args[0]);
  job->listen = toText(d.env, args[1]);
  job->prefix = toText(d.env, args[2]);
  job->silence = static_cast<int>(toNumber(d.env, args[3]));
  job->timeout = milliseconds(static_cast<int64_t>(toNumber(d.env, args[4])));
  return begin(d.env, std::move(job));
}
// leaveGroup(): also of one that is not whole. After trouble nothing of it is freed: Gloo would wait without end.
napi_value leaveGroup(Door& d, Args&) {
  auto* g = current();
  if (!g) return undefined(d.env);
  current() = nullptr;
  const bool well = !g->watch || g->watch->trouble().empty();
  if (g->watch) g->watch->stop();
  if (!g->name.empty()) c10d::unregister_process_group(g->name);
  if (well) delete g;
  return undefined(d.env);
}
// groupTrouble(passed): RANK, KIND and TEXT with tabs between them; empty while all is well. `passed`: milliseconds since the
// last such question.
napi_value groupTrouble(Door& d, Args& args) {
  auto& g = joined();
  if (!g.watch) return text(d.env, "");
  g.watch->waited(static_cast<int>(toNumber(d.env, args[0])));
  return text(d.env, g.watch->trouble());
}
// groupWork(): [seconds that this process waited for others in operators, bytes that it gave to them].
napi_value groupWork(Door& d, Args&) {
  auto& g = joined();
  napi_value out;
  check(d.env, napi_create_array_with_length(d.env, 2, &out));
  check(d.env, napi_set_element(d.env, out, 0, number(d.env, static_cast<double>(g.waited) / 1e6)));
  check(d.env, napi_set_element(d.env, out, 1, number(d.env, static_cast<double>(g.sent))));
  return out;
}
// What `use` returns of the store that all ranks see. A store whose process is stopped does not answer, and libtorch waits for
// it without end: so another thread asks, and this one waits as long as the group is well.
template <class F>
auto askStore(F use) -> decltype(use(std::declval<c10d::Store&>())) {
  using Answer = decltype(use(std::declval<c10d::Store&>()));
  auto& g = joined();
  auto task = std::make_shared<std::packaged_task<Answer()>>([store = g.store, use] { return use(*store); });
  auto answer = task->get_future();
  std::thread([task] { (*task)(); }).detach();
  constexpr int slice = 200;
  for (int since = 0; answer.wait_for(milliseconds(slice)) != std::future_status::ready;) {
    since += slice;
    if (g.watch) g.watch->waited(slice);
    const auto trouble = g.watch                          ? g.watch->trouble()
                         : since >= g.timeout.count() ? "-1\tsilent\t" + std::to_string(since / 1000)
                                                          : std::string();
    if (!trouble.empty()) throw std::runtime_error("ranks\t" + trouble);
  }
  return answer.get();
}
// storeSet(key, text), storeGet(key): text or null, storeAdd(key, n): the sum. Of the store that all ranks see.
napi_value storeSet(Door& d, Args& args) {
  const auto key = toText(d.env, args[0]), value = toText(d.env, args[1]);
  askStore([=](c10d::Store& store) { return store.set(key, bytesOf(value)), true; });
  return undefined(d.env);
}
napi_value storeGet(Door& d, Args& args) {
  const auto key = toText(d.env, args[0]);
  const auto [found, value] = askStore([=](c10d::Store& store) {
    const bool there = store.check({key});
    return std::pair(there, there ? textOf(store.get(key)) : std::string());
  });
  return found ? text(d.env, value) : null(d.env);
}
napi_value storeAdd(Door& d, Args& args) {
  const auto key = toText(d.env, args[0]);
  const auto n = static_cast<int64_t>(toNumber(d.env, args[1]));
  return number(d.env, static_cast<double>(askStore([=](c10d::Store& store) { return store.add(key, n); })));
}

// --- an operator: the sum over all ranks, with its gradient, which is the sum of the gradients of all ranks
at::Tensor summed(const at::Tensor& x, const std::string& group) {
  static const auto reduce = c10::Dispatcher::singleton().findSchemaOrThrow("_c10d_functional::all_reduce_", "");
  static const auto wait = c10::Dispatcher::singleton().findSchemaOrThrow("_c10d_functional::wait_tensor", "");
  const at::NoGradGuard guard;
  torch::jit::Stack stack{x.detach().clone(at::MemoryFormat::Contiguous), std::string("sum"), group};
  reduce.callBoxed(&stack);
  wait.callBoxed(&stack);
  return stack[0].toTensor();
}
struct SumOverRanks : torch::autograd::Function<SumOverRanks> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, const std::string& group) {
    context->saved_data["group"] = group;
    return summed(x, group);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list grads) {
    return {summed(grads[0], context->saved_data["group"].toStringRef()), at::Tensor()};
  }
};
at::Tensor sumOverRanks(const at::Tensor& x, const std::string& group) { return SumOverRanks::apply(x, group); }

TORCH_LIBRARY_FRAGMENT(anneal, m) {
  m.def("sum_over_ranks(Tensor x, str group) -> Tensor", sumOverRanks);
}

#else
napi_value refuse(Door&, Args&) {
  throw std::runtime_error("training over ranks needs Linux and libtorch 2.9 or newer, which brings Gloo; this is libtorch " TORCH_VERSION);
}
constexpr Function openStore = refuse, joinGroup = refuse, groupTrouble = refuse, groupWork = refuse, storeSet = refuse,
                   storeGet = refuse, storeAdd = refuse;
napi_value leaveGroup(Door& d, Args&) { return undefined(d.env); }
#endif

}  // namespace

void defineRanks(napi_env env, napi_value exports) {
  define(env, exports, "openStore", openStore);
  define(env, exports, "joinGroup", joinGroup);
  define(env, exports, "leaveGroup", leaveGroup);
  define(env, exports, "groupTrouble", groupTrouble);
  define(env, exports, "groupWork", groupWork);
  define(env, exports, "storeSet", storeSet);
  define(env, exports, "storeGet", storeGet);
  define(env, exports, "storeAdd", storeAdd);
}

}  // namespace anneal

// libtorch brings Gloo's code without its headers. These stubs are what ProcessGroupGloo.hpp needs to be compiled; nothing
// of them is made or called here.
#pragma once
#include <chrono>
namespace gloo {
class Context {  // only ever pointed to; the layout is not this one
 public:
  void setTimeout(std::chrono::milliseconds);
};
}  // namespace gloo

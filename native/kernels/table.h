#pragma once
#include "depthwise.h"
#include "normalise.h"
#include "pointwise.h"

namespace anneal::kernels {
namespace {

template <class T>
Kernels<T> tableOf() {
  return {pointwise<T>, pointwiseGrad<T>, depthwise<T>,     depthwiseGrad<T>,
          moments<T>,   normalise<T>,     normaliseSums<T>, normaliseGrad<T>};
}

}  // namespace
}  // namespace anneal::kernels

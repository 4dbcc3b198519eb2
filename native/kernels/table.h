#pragma once
#include "depthwise.h"
#include "normalise.h"
#include "pointwise.h"
#include "views.h"

namespace anneal::kernels {
namespace {

template <class T>
Kernels<T> tableOf() {
  return {pointwise<T>, pointwiseGrad<T>, depthwise<T>,     depthwiseGrad<T>,
          moments<T>,   normalise<T>,     normaliseSums<T>, normaliseGrad<T>, sizeof(T) == 4 ? viewBatch : nullptr};
}

}  // namespace
}  // namespace anneal::kernels

#pragma once
#include "body.h"
#include "coins.h"
#include "depthwise.h"
#include "normalise.h"
#include "pointwise.h"
#include "views.h"

namespace anneal::kernels {
namespace {

template <class T>
Kernels<T> tableOf() {
  constexpr bool wide = sizeof(T) == 4;
  return {packedSize<T>, packWeights<T>, pointwise<T>,     pointwiseGrad<T>, depthwise<T>,               depthwiseGrad<T>,
          moments<T>,    normalise<T>,   normaliseSums<T>, normaliseGrad<T>, body<T>,                    wide ? viewBatch : nullptr, wide ? coins : nullptr};
}

}  // namespace
}  // namespace anneal::kernels

#pragma once
#include "body.h"
#include "coins.h"
#include "depthwise.h"
#include "few.h"
#include "grouped.h"
#include "mobile-batch.h"
#include "mobile.h"
#include "normalise.h"
#include "pool.h"
#include "pointwise.h"
#include "update.h"
#include "views.h"
#include "winograd.h"

namespace anneal::kernels {
namespace {

template <class T>
Kernels<T> tableOf() {
  constexpr bool wide = sizeof(T) == 4;
  return {packedSize<T>,
          packWeights<T>,
          pointwise<T>,
          pointwiseGrad<T>,
          depthwise<T>,
          depthwiseGrad<T>,
          moments<T>,
          normalise<T>,
          normaliseSums<T>,
          normaliseGrad<T>,
          kTiled ? nullptr : conv3Pack<T>,
          kTiled ? nullptr : conv3<T>,
          kTiled ? nullptr : conv3Grad<T>,
          kTiled ? nullptr : groupedPack<T>,
          kTiled ? nullptr : grouped<T>,
          kTiled ? nullptr : groupedGrad<T>,
          kTiled ? nullptr : convFew<T>,
          kTiled ? nullptr : mobileBlock<T>,
          kTiled ? nullptr : mobileBlockGrad<T>,
          kTiled ? nullptr : mobileStatistics<T>,
          kTiled ? nullptr : mobileProject<T>,
          kTiled ? nullptr : mobileProjectGrad<T>,
          kTiled ? nullptr : mobileFinish<T>,
          concatPool<T>,
          concatPoolGrad<T>,
          body<T>,
          wide ? viewBatch : nullptr,
          wide ? coins : nullptr,
          wide ? adam : nullptr,
          wide ? sgd : nullptr,
          wide ? blend : nullptr};
}

}  // namespace
}  // namespace anneal::kernels

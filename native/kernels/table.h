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
inline namespace ANNEAL_ISA {
namespace {

template <class T>
constexpr Kernels<T> tableOf() {
  Kernels<T> k{};
  k.packedSize = packedSize<T>;
  k.pack = packWeights<T>;
  k.pointwise = pointwise<T>;
  k.pointwiseGrad = pointwiseGrad<T>;
  k.depthwise = depthwise<T>;
  k.depthwiseGrad = depthwiseGrad<T>;
  k.moments = moments<T>;
  k.normalise = normalise<T>;
  k.normaliseSums = normaliseSums<T>;
  k.normaliseGrad = normaliseGrad<T>;
  k.concatPool = concatPool<T>;
  k.concatPoolGrad = concatPoolGrad<T>;
  k.body = body<T>;
  if constexpr (!kTiled) {
    k.conv3Pack = conv3Pack<T>;
    k.conv3 = conv3<T>;
    k.conv3Grad = conv3Grad<T>;
    k.groupedPack = groupedPack<T>;
    k.grouped = grouped<T>;
    k.groupedGrad = groupedGrad<T>;
    k.convFew = convFew<T>;
    k.mobileBlock = mobileBlock<T>;
    k.mobileBlockGrad = mobileBlockGrad<T>;
    k.mobileStatistics = mobileStatistics<T>;
    k.mobileProject = mobileProject<T>;
    k.mobileProjectGrad = mobileProjectGrad<T>;
    k.mobileFinish = mobileFinish<T>;
  }
  if constexpr (sizeof(T) == 4) {
    k.views = viewBatch;
    k.coins = coins;
    k.adam = adam;
    k.sgd = sgd;
    k.blend = blend;
  }
  return k;
}
template <class T>
constexpr Kernels<T> table = tableOf<T>();

}  // namespace
}  // namespace ANNEAL_ISA
}  // namespace anneal::kernels

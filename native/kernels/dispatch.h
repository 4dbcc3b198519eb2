#pragma once
#include "inference_chain.h"
#include "bernoulli.h"
#include "depthwise.h"
#include "conv_stem.h"
#include "conv3x3_grouped.h"
#include "conv_places.h"
#include "mobile-batch.h"
#include "mobile.h"
#include "normalise.h"
#include "concat_pool.h"
#include "activations.h"
#include "conv1x1.h"
#include "optimizers.h"
#include "views.h"
#include "conv3x3_winograd.h"

namespace anneal::kernels {
inline namespace ANNEAL_ISA {
namespace {

template <class T>
constexpr Kernels<T> tableOf() {
  Kernels<T> k{};
  k.packedSize = packedSize<T>;
  k.pack = packWeights<T>;
  k.conv1x1 = conv1x1<T>;
  k.conv1x1Grad = conv1x1Grad<T>;
  k.depthwise = depthwise<T>;
  k.depthwiseGrad = depthwiseGrad<T>;
  k.moments = moments<T>;
  k.normalise = normalise<T>;
  k.normaliseSums = normaliseSums<T>;
  k.normaliseGrad = normaliseGrad<T>;
  k.concatPool = concatPool<T>;
  k.concatPoolGrad = concatPoolGrad<T>;
  k.inferenceChain = inferenceChain<T>;
  if constexpr (!kTiled) {
    k.conv3Pack = conv3Pack<T>;
    k.conv3 = conv3<T>;
    k.conv3Grad = conv3Grad<T>;
    k.groupedPack = groupedPack<T>;
    k.grouped = grouped<T>;
    k.groupedGrad = groupedGrad<T>;
    k.convStem = convStem<T>;
  }
  k.mobileBlock = mobileBlock<T>;
  k.mobileBlockGrad = mobileBlockGrad<T>;
  k.mobileStatistics = mobileStatistics<T>;
  k.mobileProject = mobileProject<T>;
  k.mobileProjectGrad = mobileProjectGrad<T>;
  k.mobileFinish = mobileFinish<T>;
#ifdef ANNEAL_TILES
  k.tilesPack = tilesPack, k.tilesConv = tilesConv, k.tilesGrad = tilesGrad;
#endif
  if constexpr (sizeof(T) == 4) {
    k.activationShare = activationShare;
    k.activationShareGrad = activationShareGrad;
    k.views = viewBatch;
    k.bernoulli = bernoulli;
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

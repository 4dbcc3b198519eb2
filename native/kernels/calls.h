// Counts how often each operator ran one of our kernels, by instruction set. Tests use it, and `kernelCalls` of anneal/torch. The
// gradient of an operator is counted under its name with `.backward`.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>

#include "kernels.h"

namespace anneal::kernels {

enum class Op {
  inverted_residual,
  inverted_residual_backward,
  stem_block,
  stem_block_backward,
  pointwise_relu6,
  pointwise_relu6_backward,
  mobile_body,
  conv3x3,
  conv3x3_backward,
  conv_by,
  conv_by_backward,
  concat_pool,
  concat_pool_backward,
  activation_share,
  activation_share_backward,
  norm_act,
  norm_act_backward,
  adam,
  sgd,
  blend,
  dropout_noise,
  view_batch,
  count
};
constexpr const char* kOpNames[] = {
    "inverted_residual", "inverted_residual.backward",
    "stem_block",        "stem_block.backward",
    "pointwise_relu6",   "pointwise_relu6.backward",
    "mobile_body",       "conv3x3",
    "conv3x3.backward",  "conv_by",
    "conv_by.backward",  "concat_pool",
    "concat_pool.backward", "activation_share",
    "activation_share.backward", "norm_act",
    "norm_act.backward", "adam_",
    "sgd_",              "blend",
    "dropout_noise",     "view_batch",
};
static_assert(std::size(kOpNames) == static_cast<size_t>(Op::count), "every operator has a name");

// `none`: libtorch's convolutions and products, which conv_by may be asked for.
enum class Set { avx512, avx2, neon, amx, avx512_bf16, neon_bf16, none, count };
constexpr const char* kSetNames[] = {"avx512", "avx2", "neon", "amx", "avx512_bf16", "neon_bf16", "none"};
static_assert(std::size(kSetNames) == static_cast<size_t>(Set::count), "every set has a name");

inline std::array<std::array<std::atomic<int64_t>, static_cast<size_t>(Set::count)>, static_cast<size_t>(Op::count)> calls{};
inline void counted(Op op, Set set) {
  calls[static_cast<size_t>(op)][static_cast<size_t>(set)].fetch_add(1, std::memory_order_relaxed);
}
// The set that these kernels belong to
template <class K>
Set setOf(const K* kernels) {
  const void* k = kernels;
  if (k == forAvx512()) return Set::avx512;
  if (k == forAvx2()) return Set::avx2;
  if (k == forNeon()) return Set::neon;
  if (k == forAvx512Bf16()) return Set::avx512_bf16;
  return k == forNeonBf16() ? Set::neon_bf16 : Set::amx;
}

}  // namespace anneal::kernels

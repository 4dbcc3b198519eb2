// Operators on blocks of mobile nets that other operators call too. They check their arguments.
#pragma once
#include "ops.h"

namespace anneal::kernels {

// y of a block: `first` is the 1 x 1 convolution that expands x or, with `isStem`, the 3 x 3 convolution of pictures.
Tensor mobileBlock(Tensor x, const Layer& first, const Layer& second, const Layer& third, int64_t stride, bool same, bool residual,
                   bool isStem, bool half, Statistics statistics);
Tensor pointwiseRelu6(const Tensor& x, std::vector<Tensor> layer, bool half, bool training, double eps, double momentum);

}  // namespace anneal::kernels

/** Tensors, autograd, modules and optimizers: libtorch from TypeScript.
 *
 *  @module anneal/torch */

export type { DTypeName, StoredTensor } from '../weights/stored-tensor.ts'
export { call, TorchError } from './call.ts'
export * from './create.ts'
export type { DType, MemoryFormat, Scalar } from './dtypes.ts'
export * as F from './functional.ts'
export { autocast, enableGrad, type GradOptions, grad, noGrad } from './grad.ts'
export { type GroupOptions, group, onGradients, type StoreOptions } from './group.ts'
export type { TensorHandle } from './handle.ts'
export {
  hasOwnKernels,
  type Kernels,
  kernelCalls,
  kernelSetInUse,
  kernelSets,
  kernelsInUse,
  useKernelSet,
  useKernels,
  withKernelSet,
  withKernels,
} from './kernels.ts'
export * from './library.ts'
export type { TensorArray } from './native.ts'
export {
  decodeJpeg,
  decodeJpegFile,
  decodeJpegFiles,
  hashFiles,
  type JpegFit,
  type Rgb,
  type StampedFile,
  type WrittenRgb,
} from './native-jpeg.ts'
export * as nn from './nn/index.ts'
export type { Aten } from './ops.generated.ts'
export * as optim from './optim/index.ts'
export { defaultGenerator, generator, manualSeed } from './random.ts'
export { keep, liveTensors, scope, tensors } from './scope.ts'
export {
  aten,
  type BackwardOptions,
  fromArray,
  Generator,
  type HoldsTensors,
  type Layer,
  type NestedScalars,
  Tensor,
  tensor,
} from './tensor.ts'

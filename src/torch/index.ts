/** Tensors, autograd, modules and optimizers: libtorch from TypeScript. */
export { aten } from './aten.ts'
export { call, TorchError } from './call.ts'
export * from './create.ts'
export * as F from './functional.ts'
export { autocast, enableGrad, grad, noGrad } from './grad.ts'
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
export * as nn from './nn/index.ts'
export * as optim from './optim/index.ts'
export {
  decodeJpeg,
  decodeJpegFile,
  decodeJpegFiles,
  hashFiles,
  type JpegFit,
  type Rgb,
  type StampedFile,
  type WrittenRgb,
} from './pictures.ts'
export { defaultGenerator, generator, manualSeed } from './random.ts'
export { type HoldsTensors, keep, liveTensors, scope, tensors } from './scope.ts'
export type { BackwardOptions, DType, Layer, MemoryFormat, Scalar } from './tensor.ts'
export { fromArray, Generator, Tensor, tensor } from './tensor.ts'

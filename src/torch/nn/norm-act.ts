import { call } from '../call.ts'
import { relu, relu_, relu6, relu6_ } from '../functional.ts'
import { ownKernels } from '../kernels.ts'
import { aten, type Layer, type Tensor } from '../tensor.ts'
import type { Module } from './module.ts'
import { syncedNorm, syncedOver } from './synced-norm.ts'

/** An activation that a BatchNorm can compute in its own pass. */
export type Act = 'none' | 'relu' | 'relu6'

const acts = new Map<Layer, Act>([
  [relu, 'relu'],
  [relu_, 'relu'],
  [relu6, 'relu6'],
  [relu6_, 'relu6'],
])
/** The activation that a layer is; undefined for other layers. */
export const actOf = (layer: Layer): Act | undefined => acts.get(layer)

/** The operations in a BatchNorm's pass over x: act(BatchNorm(x) + residual). */
export interface NormPass {
  eps: number
  momentum: number
  act?: Act | undefined
  residual?: Tensor | undefined
}

/** act(BatchNorm(x) + residual), by one own kernel if there is one for this processor, type and layout. */
export function normAct(bn: Module, x: Tensor, { eps, momentum, act = 'none', residual }: NormPass): Tensor {
  const { weight, bias } = bn.own.parameters
  const { running_mean, running_var } = bn.own.buffers
  const tensors = [weight!, bias!, running_mean!, running_var!] as const
  const over = bn.training ? syncedOver() : undefined
  if (!over && serves(x, weight!))
    return call('anneal::norm_act', x, ...tensors, residual, act, bn.training, eps, momentum)
  const y = over
    ? syncedNorm(bn, x, over, { eps, momentum })
    : aten.batch_norm(x, ...tensors, bn.training, momentum, eps, true)
  if (residual) y.add_(residual)
  return act === 'none' ? y : act === 'relu' ? relu_(y) : relu6_(y)
}

/** Whether the kernel takes x: it must be in channels_last, and of a size for which the kernel is faster. */
function serves(x: Tensor, weight: Tensor): boolean {
  if (!ownKernels(x.dtype) || weight.dtype !== 'float32' || x.device !== 'cpu') return false
  const [n = 0, , h = 0, w = 0] = x.shape
  return n * h * w >= 64 && isChannelsLast(x)
}

/** Whether x is [N, C, H, W] with the channels of a pixel next to each other in memory. Strides of dimensions of size 1
 *  are ignored. */
export function isChannelsLast(x: Tensor): boolean {
  const { shape, strides } = x
  const [, c = 0, h = 0, w = 0] = shape
  const lies = (i: number, apart: number) => shape[i] === 1 || strides[i] === apart
  return shape.length === 4 && lies(1, 1) && lies(3, c) && lies(2, w * c) && lies(0, h * w * c)
}

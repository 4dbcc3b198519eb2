import { call } from '../call.ts'
import { aten, type Tensor } from '../tensor.ts'
import { type GroupOptions, type Optimizer, optimizer } from './optimizer.ts'

/** Options of Adam, with torch's defaults. */
export interface AdamOptions {
  lr?: number
  /** β₁, β₂. */
  betas?: readonly [number, number]
  eps?: number
  weightDecay?: number
}

/** Adam (Kingma & Ba 2014, arXiv:1412.6980), as torch.optim.Adam: weight decay is part of the gradient. */
export const adam = (params: readonly Tensor[] | readonly GroupOptions[], options: AdamOptions = {}): Optimizer =>
  build(params, options, false)

/** Adam with decoupled weight decay (Loshchilov & Hutter 2017, arXiv:1711.05101), as torch.optim.AdamW. */
export const adamw = (params: readonly Tensor[] | readonly GroupOptions[], options: AdamOptions = {}): Optimizer =>
  build(params, { weightDecay: 0.01, ...options }, true)

function build(
  params: readonly Tensor[] | readonly GroupOptions[],
  { lr = 1e-3, betas: [firstBeta, beta2] = [0.9, 0.999], eps = 1e-8, weightDecay = 0 }: AdamOptions,
  decoupled: boolean,
): Optimizer {
  return optimizer(
    params,
    { lr, momentum: firstBeta, weightDecay },
    ['mean', 'square'],
    ({ group, params, grads, slots, step }) => {
      const mean = slots.mean!
      const square = slots.square!
      const { momentum: beta1, weightDecay: decay } = group
      const numbers = { lr: group.lr, beta1, beta2, eps, decay, decoupled, step }
      if (call('anneal::adam_', params, grads, mean, square, numbers)) return
      let g = grads
      if (group.weightDecay && decoupled) aten._foreach_mul_(params, 1 - group.lr * group.weightDecay)
      else if (group.weightDecay) g = aten._foreach_add(grads, params, { alpha: group.weightDecay })
      aten._foreach_mul_(mean, group.momentum)
      aten._foreach_add_(mean, g, { alpha: 1 - group.momentum })
      aten._foreach_mul_(square, beta2)
      aten._foreach_addcmul_(square, g, g, { value: 1 - beta2 })
      const root = aten._foreach_sqrt(square)
      aten._foreach_div_(root, Math.sqrt(1 - beta2 ** step))
      aten._foreach_add_(root, eps)
      aten._foreach_addcdiv_(params, mean, root, { value: -group.lr / (1 - group.momentum ** step) })
    },
  )
}

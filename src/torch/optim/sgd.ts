import { call } from '../call.ts'
import { aten, type Tensor } from '../tensor.ts'
import { type GroupOptions, type Optimizer, optimizer } from './optimizer.ts'

/** Stochastic gradient descent with momentum, as torch.optim.SGD: v ← μv + g + λp; p ← p − ηv (or η(g + μv) with
 *  `nesterov`). Weight decay λ is coupled: part of the gradient. */
export function sgd(
  params: readonly Tensor[] | readonly GroupOptions[],
  {
    lr = 1e-3,
    momentum = 0.9,
    weightDecay = 0,
    nesterov = false,
  }: { lr?: number; momentum?: number; weightDecay?: number; nesterov?: boolean } = {},
): Optimizer {
  return optimizer(params, { lr, momentum, weightDecay }, ['momentum'], ({ group, params, grads, slots }) => {
    const { momentum } = group
    const numbers = { lr: group.lr, momentum, decay: group.weightDecay, nesterov }
    if (call('anneal::sgd_', params, grads, momentum ? slots.momentum! : [], numbers)) return
    const decayed = group.weightDecay ? aten._foreach_add(grads, params, { alpha: group.weightDecay }) : grads
    const velocity = slots.momentum!
    if (group.momentum) {
      aten._foreach_mul_(velocity, group.momentum)
      aten._foreach_add_(velocity, decayed, { alpha: 1 })
    }
    const direction = !group.momentum
      ? decayed
      : nesterov
        ? aten._foreach_add(decayed, velocity, { alpha: group.momentum })
        : velocity
    aten._foreach_add_(params, direction, { alpha: -group.lr })
  })
}

/** An optimizer of your own: a function from parameter groups to an optimizer. `optim.optimizer` makes one of a single
 *  update rule and keeps its state (here one tensor per parameter), also for checkpoints. `aten._foreach_…` changes all
 *  parameters of a group in one call.
 *  Run: node --import tsx examples/20-optimizer.ts */
import { Learner, type OptimizerFunction } from '../src/index.ts'
import { aten, optim } from '../src/torch/index.ts'
import { data, ringNet } from './data/rings.ts'

/** Lion (Chen et al. 2023, arXiv:2302.06675): the sign of a mean of gradients, with decoupled weight decay. */
const lion: OptimizerFunction = groups =>
  optim.optimizer(groups, { lr: 1e-4, momentum: 0.9, weightDecay: 0 }, ['mean'], ({ group, params, grads, slots }) => {
    const mean = slots.mean!
    const direction = aten._foreach_mul(mean, group.momentum)
    aten._foreach_add_(direction, grads, { alpha: 1 - group.momentum })
    aten._foreach_sign_(direction)
    aten._foreach_mul_(params, 1 - group.lr * group.weightDecay)
    aten._foreach_add_(params, direction, { alpha: -group.lr })
    aten._foreach_mul_(mean, 0.99)
    aten._foreach_add_(mean, grads, { alpha: 0.01 })
  })

/** RMSprop (Tieleman & Hinton 2012): gradients over the root of their mean square. */
const rmsprop: OptimizerFunction = groups =>
  optim.optimizer(groups, { lr: 1e-2, momentum: 0, weightDecay: 0 }, ['square'], ({ group, params, grads, slots }) => {
    const square = slots.square!
    aten._foreach_mul_(square, 0.99)
    aten._foreach_addcmul_(square, grads, grads, { value: 0.01 })
    const root = aten._foreach_sqrt(square)
    aten._foreach_add_(root, 1e-8)
    aten._foreach_addcdiv_(params, grads, root, { value: -group.lr })
  })

for (const [name, optimizer] of Object.entries({ lion, rmsprop })) {
  const learn = new Learner(ringNet(), { ...data, optimizer })
  const history = await learn.fit(5, { lr: 3e-3 })
  console.log(`${name}: valid accuracy ${(100 * history.at(-1)!.accuracy).toFixed(1)} %`)
}

/** Callbacks hear every part of a step, and change it: gradient accumulation, gradient clipping and MixUp in some ten lines
 *  each. The loop is shown with who hears what.
 *  Run: node --import tsx examples/22-callbacks.ts */
import { type Callback, Learner } from '../src/index.ts'
import { aten, F, noGrad, type Tensor } from '../src/torch/index.ts'
import { data, ringNet } from './data/rings.ts'

/** One optimizer step for every `parts` batches, by the mean of their gradients. */
const accumulate = (parts: number): Callback => ({
  name: `accumulate ${parts} batches`,
  afterLoss(batch) {
    batch.loss = batch.loss.div(parts)
  },
  beforeStep: ({ number, of }) => (number % parts === 0 || number === of ? undefined : 'skip batch'),
})

/** Scales all gradients where their norm is above `most`. */
const clip = (most: number): Callback => ({
  name: `clip to ${most}`,
  beforeStep(_, { network }) {
    const grads = network.net.parameters().flatMap(p => p.grad ?? [])
    const norm = Math.sqrt(grads.reduce((sum, g) => sum + g.mul(g).sum().item(), 0))
    if (norm > most) noGrad(() => aten._foreach_mul_(grads, most / norm))
  },
})

/** MixUp (Zhang et al. 2017, arXiv:1710.09412): each input is mixed with another one of its batch, and so is the loss. */
function mixUp(share: number): Callback {
  let other: Tensor
  return {
    name: 'MixUp',
    beforeBatch(batch) {
      const turned = (t: Tensor) => aten.roll(t, [1], { dims: 0 })
      other = turned(batch.y)
      batch.x = batch.x.mul(share).add(turned(batch.x).mul(1 - share))
    },
    afterLoss(batch) {
      batch.loss = batch.loss.mul(share).add(F.crossEntropy(batch.prediction, other).mul(1 - share))
    },
  }
}

const learn = new Learner(ringNet(), { ...data, batchSize: 16, callbacks: [mixUp(0.9), accumulate(2), clip(1)] })
console.log(learn.showTrainingLoop())
for (const { epoch, accuracy } of await learn.fit(4, { lr: 1e-2 }))
  console.log(`epoch ${epoch}: valid accuracy ${(100 * accuracy).toFixed(1)} %`)

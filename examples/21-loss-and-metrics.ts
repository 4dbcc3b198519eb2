/** A loss of your own, and metrics of your own beside the task's: plain functions.
 *  Run: node --import tsx examples/21-loss-and-metrics.ts */
import { Learner, type LossFunction, type MetricFunction } from '../src/index.ts'
import { F } from '../src/torch/index.ts'
import { data, ringNet } from './data/rings.ts'

/** Cross-entropy, and a price on certainty (Pereyra et al. 2017, arXiv:1701.06548). */
const modest: LossFunction = (outputs, targets, options) => {
  const p = outputs.softmax(1)
  const certainty = p.mul(p.add(1e-7).log()).sum(1)
  const price = options.reduction === 'none' ? certainty : certainty.mean()
  return F.crossEntropy(outputs, targets, options).add(price.mul(0.1))
}

/** By how many rings an answer is wrong, on average. outputs: probabilities [N × columns]. */
const ringsOff: MetricFunction = (outputs, targets, columns) => {
  let off = 0
  for (let i = 0; i < targets.length; i++) {
    const row = outputs.subarray(i * columns, (i + 1) * columns)
    off += Math.abs(row.indexOf(Math.max(...row)) - targets[i]!)
  }
  return off / targets.length
}

const learn = new Learner(ringNet(), {
  ...data,
  loss: modest,
  metrics: { ringsOff: { of: ringsOff, better: 'lower' } },
})
for (const { epoch, validLoss, metrics } of await learn.fit(4, { lr: 1e-2 }))
  console.log(`epoch ${epoch}: loss ${validLoss.toFixed(3)}, ${JSON.stringify(metrics)}`)

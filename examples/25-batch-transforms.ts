/** An augmentation of your own: a function of a training batch. It draws from `random`, a stream that is the same for the
 *  same seed, epoch and samples, so that a resumed fit draws the same.
 *  Run: node --import tsx examples/25-batch-transforms.ts */
import { type BatchTransform, Learner } from '../src/index.ts'
import { fromArray } from '../src/torch/index.ts'
import { data, ringNet } from './data/rings.ts'

/** Turns all points of a batch around the origin: a ring stays a ring. x: [N, 2]; pictures would be [N, C, H, W]. */
const turned: BatchTransform = (x, { random }) => {
  const angle = random.uniform(0, 2 * Math.PI)
  const [c, s] = [Math.cos(angle), Math.sin(angle)]
  return x.matmul(fromArray(Float32Array.of(c, s, -s, c), [2, 2]))
}

for (const [name, batchTransforms] of [
  ['plain', []],
  ['turned', [turned]],
] as const) {
  const few = { ...data, train: { ...data.train, count: 60 } } // so few points that the net learns them by heart
  const learn = new Learner(ringNet(), { ...few, batchTransforms })
  const history = await learn.fit(30, { lr: 1e-2 })
  console.log(`${name}: valid accuracy ${(100 * history.at(-1)!.accuracy).toFixed(1)} %`)
}

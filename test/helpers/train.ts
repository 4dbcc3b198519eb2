import { fromArray, manualSeed, nn } from '../../src/torch/index.ts'
import { Learner, type LearnerOptions } from '../../src/train/learner.ts'
import type { Trainable } from '../../src/train/network.ts'
import type { Source } from '../../src/train/source.ts'
import { hashed } from '../golden/formula.ts'

const side = 8
const pixels = 3 * side * side
export const classes = ['red', 'green', 'blue']

/** Noise with one brighter channel, which is the class. x: [N, 3, 8, 8]. With `fresh` each epoch adds new noise. */
export function source(count: number, { name = 'train', fresh = false } = {}): Source & { labels: number[] } {
  const noise = Float32Array.from(hashed(name, count * pixels))
  const extra = new Map<number, Float64Array>()
  const extraOf = (epoch: number) => {
    if (!extra.has(epoch)) extra.set(epoch, hashed(`${name} ${epoch}`, count * pixels))
    return extra.get(epoch)!
  }
  const labels = Array.from({ length: count }, (_, i) => i % classes.length)
  return {
    count,
    labels,
    batch(samples, epoch) {
      const more = fresh ? extraOf(epoch) : undefined
      const x = new Float32Array(samples.length * pixels)
      samples.forEach((s, row) => {
        for (let i = 0; i < pixels; i++) {
          const bright = Math.floor(i / (side * side)) === labels[s] ? 0.3 : 0
          x[row * pixels + i] = 2 * noise[s * pixels + i]! + bright + 0.2 * (more?.[s * pixels + i] ?? 0)
        }
      })
      return {
        x: fromArray(x, [samples.length, 3, side, side]),
        y: fromArray(
          BigInt64Array.from(samples, s => BigInt(labels[s]!)),
          [samples.length],
        ),
      }
    },
  }
}

const block = (cin: number, cout: number) =>
  nn.sequential(
    nn.conv2d(cin, cout, 3, { padding: 1 }),
    nn.batchNorm2d(cout),
    nn.layer(x => x.relu(), 'ReLU'),
  )

/** Two blocks with BatchNorm and a head with dropout. Layer groups: early, late, head. */
export function net(seed = 1): Trainable {
  manualSeed(seed)
  const m = {
    early: block(3, 6),
    late: block(6, 8),
    head: nn.sequential(nn.dropout(0.2), nn.linear(8, classes.length)),
  }
  return {
    net: nn.module(m, x => m.head(m.late(m.early(x)).mean([2, 3]))),
    groups: Object.entries(m).map(([name, module]) => ({ name, modules: [module] })),
  }
}

export const learner = (options: Partial<LearnerOptions> = {}): Learner => {
  const learn = new Learner(net(), {
    train: source(45, { fresh: true }),
    valid: source(21, { name: 'valid' }),
    classes,
    batchSize: 8,
    seed: 7,
    ...options,
  })
  learn.seed()
  return learn
}

/** The bits of every parameter and statistic. */
export const bits = (learn: Learner): Map<string, string> =>
  new Map(
    Array.from(learn.network.net.stateDict(), ([name, t]) => {
      const data = t.data()
      return [name, Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex')]
    }),
  )

import { purpose, rng, shuffle } from '../base/random.ts'
import { autocast, fromArray, manualSeed, optim, scope, type Tensor } from '../torch/index.ts'
import type { Network, Precision } from './network.ts'
import { byDecay } from './param-groups.ts'
import type { LabelledSource } from './source.ts'
import { turn } from './stop.ts'

/** How a body is trained by pairs. */
export interface PairSettings {
  /** AdamW's highest rate; it rises for a tenth of the steps and then falls to 0, both on straight lines. */
  rate: number
  steps: number
  /** Samples of a batch, from which all pairs are made. */
  samples: number
}

/** Which samples, and how they are computed. */
export interface PairOptions extends PairSettings {
  /** The numbers of the samples in the source. */
  rows: readonly number[]
  precision: Precision
  seed: number
  signal?: AbortSignal | undefined
  onStep?: ((step: number) => void) | undefined
}

/** Classes that a batch holds at most, two samples each. */
const mostClasses = 12

/** Trains a body so that samples of one class become alike: the cosine of the features of two samples goes to 1 where their
 *  classes agree, and to 0 where they differ (SetFit: Tunstall et al. 2022, arXiv:2209.11055; the loss is the
 *  CosineSimilarityLoss of sentence-transformers). SetFit runs the net twice for each pair. Here a batch runs through the net
 *  once, and all pairs in it count: 24 samples make 276 pairs. Pairs that agree weigh as much as those that differ, as in
 *  SetFit, which draws as many of both. The first layer group (the embeddings) stays as it is: it has half of the weights,
 *  and few samples change few of its rows. Single labels alone. The same seed gives the same weights. */
export async function trainPairs(
  network: Network,
  source: LabelledSource,
  { rows, rate, steps, samples, precision, seed, signal, onStep }: PairOptions,
): Promise<void> {
  const { body, groups, net } = network
  const trained = groups.slice(1, -1).flatMap(({ modules }) => modules)
  const all = body.parameters()
  const before = all.map(p => p.requiresGrad)
  for (const p of all) p.requiresGrad = false
  for (const p of trained.flatMap(m => m.parameters())) p.requiresGrad = true
  const { decayed, plain } = byDecay(trained)
  const optimizer = optim.adamw([
    { params: decayed, lr: 0, weightDecay: 0.01 },
    { params: plain, lr: 0, weightDecay: 0 },
  ])
  const draw = batches(rows, source.targets, { samples, seed })
  net.train()
  manualSeed(seed)
  const rising = Math.max(1, Math.round(steps / 10))
  try {
    for (let step = 0; step < steps; step++) {
      const share = step < rising ? (step + 1) / rising : (steps - step) / (steps - rising)
      for (const group of optimizer.groups) group.lr = rate * share
      scope(() => {
        pairLoss(network, source, draw(), precision).backward()
        optimizer.step()
        optimizer.zeroGrad()
      })
      onStep?.(step + 1)
      await turn(signal)
    }
  } finally {
    for (const t of optimizer.state().tensors.values()) t.dispose()
    for (const [i, p] of all.entries()) p.requiresGrad = before[i]!
    net.eval()
  }
}

/** The mean squared error of the cosines of all pairs; those that agree and those that differ weigh half each. */
function pairLoss(network: Network, source: LabelledSource, batch: Uint32Array, precision: Precision): Tensor {
  const { x } = source.batch(batch, 1)
  const features = autocast(precision, () => network.features(x), network).to('float32')
  const length = features.mul(features).sum(1, { keepdim: true }).sqrt()
  const unit = features.div(length.add(1e-12))
  const cosines = unit.matmul(unit.transpose(0, 1))
  const n = batch.length
  const wanted = new Float32Array(n * n)
  let alike = 0
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++)
      if (i !== j && source.targets[batch[i]!] === source.targets[batch[j]!]) {
        wanted[i * n + j] = 1
        alike++
      }
  const differ = n * n - n - alike
  const weights = wanted.map((same, at) => {
    if (at % (n + 1) === 0) return 0 // a sample and itself
    return same ? 0.5 / alike : 0.5 / differ
  })
  const to = (values: Float32Array) => fromArray(values, [n, n]).to('float32', { device: features.device })
  const error = cosines.sub(to(wanted))
  return error.mul(error).mul(to(weights)).sum()
}

/** Draws batches: as many samples of each class, each class in an order of its own that begins anew when it is through. */
function batches(
  rows: readonly number[],
  targets: ArrayLike<number>,
  { samples, seed }: { samples: number; seed: number },
): () => Uint32Array {
  const byClass = new Map<number, number[]>()
  for (const row of rows) byClass.set(targets[row]!, [...(byClass.get(targets[row]!) ?? []), row])
  const numbers = [...byClass.keys()].sort((a, b) => a - b)
  const classes = Math.min(mostClasses, numbers.length)
  const per = Math.max(2, Math.floor(samples / classes))
  let round = 0
  const turns = (list: readonly number[]) => {
    let left: number[] = []
    return () => {
      if (left.length === 0) left = [...shuffle(Uint32Array.from(list), rng(seed, round++, 0, purpose.order))]
      return left.pop()!
    }
  }
  const nextClass = turns(numbers)
  const next = new Map(numbers.map(c => [c, turns(byClass.get(c)!)]))
  return () => {
    const chosen = new Set<number>()
    while (chosen.size < classes) chosen.add(nextClass())
    const batch = new Set<number>()
    for (const c of chosen) {
      const most = Math.min(per, byClass.get(c)!.length)
      // One that is in the batch already comes again in a later one.
      for (let count = 0; count < most; count++) batch.add(next.get(c)!())
    }
    return Uint32Array.from(batch)
  }
}

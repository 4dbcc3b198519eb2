import { targetTensor } from '../data/targets.ts'
import { alone, type Ranks } from '../ranks/ranks.ts'
import { autocast, fromArray, keep, noGrad, scope, type Tensor } from '../torch/index.ts'
import type { Network, Precision } from './network.ts'
import { inOrder, type LabelledSource, type Source } from './source.ts'
import { turn } from './stop.ts'

/** How samples go through the frozen body, and the callbacks. */
export interface FeatureOptions {
  /** The number of views of each sample; view v is epoch v + 1 of the source. */
  views?: number
  batchSize?: number
  precision?: Precision
  signal?: AbortSignal | undefined
  /** The processes that share the batches out; each of them then has all rows. Default: this one computes all. */
  ranks?: Ranks | undefined
  onBatch?: (done: number, total: number) => void
  /** Rows that an earlier process computed, in order and in whole batches. [M × F] */
  known?: Float32Array
  /** Called with the rows of each batch, [samples × F]. */
  onRows?: (rows: Float32Array, count: number) => void
}

/** The pooled features of a source from a frozen body: of every sample in every view, float32 [views × count, F], view
 *  after view. The body runs in inference form: eval mode, BatchNorm folded, no autograd. */
export async function computeFeatures(
  network: Network,
  source: Source,
  {
    views = 1,
    batchSize = 32,
    precision = 'float32',
    signal,
    ranks = alone,
    onBatch,
    known,
    onRows,
  }: FeatureOptions = {},
): Promise<Float32Array> {
  network.net.eval()
  const width = network.body.pooledFeatures
  const total = views * source.count
  const out = new Float32Array(total * width)
  if (known) out.set(known)
  const there = (known?.length ?? 0) / width
  let done = 0
  let number = 0
  // Batches that the ranks compute at the same time: each of them one. Then all have the rows of all.
  let round: { at: number; rows: number }[] = []
  const endRound = () => {
    if (round.length === 0) return
    const [first, last] = [round[0]!, round.at(-1)!]
    ranks.gather(out.subarray(first.at * width, (last.at + last.rows) * width))
    for (const { at, rows } of round) onRows?.(out.subarray(at * width, (at + rows) * width), rows)
    round = []
  }
  for (let view = 0; view < views; view++) {
    for (const samples of inOrder(source.count, batchSize)) {
      if (done + samples.length <= there) {
        done += samples.length
        continue
      }
      if (ranks.takes(number++))
        noGrad(() =>
          scope(() => {
            const { x } = source.batch(samples, view + 1)
            const f = autocast(precision, () => network.features(x), network)
              .to('float32')
              .data() as Float32Array
            out.set(f, done * width)
          }),
        )
      round.push({ at: done, rows: samples.length })
      if (round.length === ranks.size) endRound()
      done += samples.length
      onBatch?.(done, total)
      await turn(signal)
    }
  }
  endRound()
  return out
}

/** Computed features as a source for the head: each epoch shows one view of every sample, in turn. */
export function featureSource(
  features: Float32Array,
  answers: Pick<LabelledSource, 'targets' | 'count' | 'parts'>,
  { views = 1 } = {},
): Source & { dispose(): void } {
  const { count } = answers
  const table: Tensor = keep(fromArray(features, [views * count, features.length / (views * count)], { copy: false }))
  return {
    count,
    parts: answers.parts,
    batch(samples, epoch) {
      const rows = BigInt64Array.from(samples, s => BigInt(((s + epoch) % views) * count + s))
      return { x: table.indexSelect(0, fromArray(rows, [rows.length])), y: targetTensor(samples, answers) }
    },
    dispose: () => table.dispose(),
  }
}

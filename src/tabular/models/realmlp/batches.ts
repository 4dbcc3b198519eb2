import { purpose, rng } from '../../../base/random.ts'
import { aten, fromArray, generator, scope, type Tensor } from '../../../torch/index.ts'
import { flatCosine } from '../../../train/rates/schedule.ts'
import type { TrainedScale } from '../targets.ts'
import type { RealmlpInputs } from './inputs.ts'
import type { InputBatch, RealmlpShape } from './net.ts'

/** All training rows. `targets`: class numbers int64 [N], or standardised values float32 [N, targets]. */
export type TrainRows = InputBatch & { targets: Tensor }

/** An epoch, counted from 0, and the share of the fit that is done in its middle. */
export interface EpochPlace {
  seed: number
  epoch: number
  progress: number
}

const dropout = 0.15
/** Numbers in the pool of dropout, and what a window's start is a multiple of. */
const poolSize = 2 ** 20
const lanes = 16
/** The share of codes that is replaced by that of an unknown word. */
const unknownShare = 0.01

/** Rows by their numbers, of each tensor. */
export function rowsAt<T extends object>(tensors: T, rows: Uint32Array): T {
  return scope(() => {
    const index = fromArray(BigInt64Array.from(rows, BigInt), [rows.length])
    const found = Object.entries(tensors).map(([name, t]: [string, Tensor]) => [name, t.indexSelect(0, index)])
    return Object.fromEntries(found) as T
  })
}

/** The targets of all rows as the loss takes them. */
export function targetTensor(values: Float64Array, scale: TrainedScale | undefined): Tensor {
  if (!scale) return fromArray(BigInt64Array.from(values, BigInt), [values.length])
  const targets = scale.mean.length
  const standard = Float32Array.from(values, (v, i) => (v - scale.mean[i % targets]!) / scale.std[i % targets]!)
  return fromArray(standard, [values.length / targets, targets])
}

/** The rows of an epoch, a hundredth of the codes replaced by that of an unknown word: its embedding is trained too. */
export function withUnknown(rows: TrainRows, { categories }: RealmlpInputs, { seed, epoch }: EpochPlace): TrainRows {
  const embedded = categories.filter(c => c.kind === 'embedding')
  if (embedded.length === 0) return rows
  let offset = 0
  const unknown = embedded.map(({ codes }) => {
    offset += codes
    return offset - codes + 1
  })
  const draw = generator(rng(seed, epoch, 0, purpose.mix).integer(2 ** 48))
  const replaced = aten.bernoulli_(aten.empty(rows.codes.shape), { p: unknownShare, generator: draw }).to('bool')
  const code = fromArray(BigInt64Array.from(unknown, BigInt), [1, unknown.length])
  return { ...rows, codes: aten.where(replaced, code, rows.codes) }
}

/** The pool of an epoch's dropout: factors 0 or 1 / (1 − p), drawn from seed and epoch alone; undefined where p is 0. Steps
 *  take windows of it, since drawing new numbers in each step would take a sixth of its time. */
export function noisePool(
  { members, hidden }: RealmlpShape,
  batchSize: number,
  { seed, epoch, progress }: EpochPlace,
): Tensor | undefined {
  const p = flatCosine(dropout)(progress)
  if (!(p > 1e-4)) return undefined
  const size = Math.max(poolSize, 4 * members * batchSize * Math.max(...hidden))
  const draw = generator(rng(seed, epoch, 0, purpose.dropout).integer(2 ** 48))
  return scope(() => aten.div_(aten.bernoulli_(aten.empty([size]), { p: 1 - p, generator: draw }), 1 - p))
}

/** Windows of the pool for a step, one for each layer, at random places: [members, B, width]. */
export function noiseWindows(
  pool: Tensor,
  { members, hidden }: RealmlpShape,
  batchSize: number,
  { seed, epoch, step }: { seed: number; epoch: number; step: number },
): Tensor[] {
  const random = rng(seed, epoch, step + 1, purpose.dropout)
  return hidden.map(width => {
    const size = members * batchSize * width
    const start = lanes * random.integer(Math.floor((pool.numel - size) / lanes))
    return pool.narrow(0, start, size).reshape(members, batchSize, width)
  })
}

import { fromArray, keep, scope, type Tensor } from '../../torch/index.ts'
import type { FitProgress, Learner, Snapshot } from '../../train/learner.ts'
import type { StoredTensor } from '../../weights/index.ts'
import type { Validated } from './best-weights.ts'

/** A strength of L2 that is done, with the validation results of its optimum. */
export interface TriedHead extends Validated {
  l2: number
}

/** The progress of the frozen phase, for the resume state: the plain data; the tensors are stored apart. */
export interface HeadState {
  kind: 'head'
  lr: number
  learner: { epoch: number; step: number }
  /** The best head so far. */
  best: Validated
  /** The fit in progress; none between two fits. */
  fit?: FitProgress | undefined
  /** Whether the planned cycles are done. */
  cycled: boolean
  /** How many of the last cycles in a row, after the planned ones, improved nothing. */
  idle: number
  /** The strengths of L2 that are done, from the strongest, and whether the search is complete. */
  tried: TriedHead[]
  searched: boolean
  /** Whether the optimum is among the epochs already. */
  optimumKnown: boolean
}

/** A head before its first step. */
export const freshHeadState = (learner: HeadState['learner']): HeadState => ({
  kind: 'head',
  lr: Number.NaN,
  learner,
  best: { score: Number.NEGATIVE_INFINITY, loss: Number.POSITIVE_INFINITY, metrics: {} },
  cycled: false,
  idle: 0,
  tried: [],
  searched: false,
  optimumKnown: false,
})

/** The optimum at a strength of L2, with the weights of that head. */
export type TriedSnapshot = Snapshot & TriedHead & { losses: Float32Array }

/** Results read from JSON, where NaN and infinity are null. */
export const revived = <T extends Validated>(found: T): T => ({
  ...found,
  score: found.score ?? Number.NaN,
  loss: found.loss ?? Number.POSITIVE_INFINITY,
  metrics: Object.fromEntries(Object.entries(found.metrics).map(([k, v]) => [k, v ?? Number.NaN])),
})

/** The tensors, beside the net, that the next step of the head depends on: the optimizer, the random state, the best
 *  head, the optima, and the point from which the search goes on. */
export function headTensors(
  learn: Learner,
  {
    kept,
    tried,
    point,
    fitting,
  }: { kept: Snapshot; tried: readonly TriedSnapshot[]; point: Float64Array | undefined; fitting: boolean },
): Map<string, Tensor> {
  const all = new Map<string, Tensor>()
  const put = (prefix: string, { state, random }: Snapshot) => {
    for (const [name, t] of state) all.set(`${prefix}net.${name}`, t)
    all.set(`${prefix}random`, random)
  }
  put('head.kept.', kept)
  for (const [i, one] of tried.entries()) {
    put(`head.tried.${i}.`, one)
    all.set(`head.tried.${i}.losses`, fromArray(one.losses, [one.losses.length]))
  }
  if (fitting) for (const [name, t] of learn.optimizerTensors()) all.set(`head.optimizer.${name}`, t)
  if (point) all.set('head.point', fromArray(point, [point.length]))
  all.set('head.random', learn.randomState())
  return all
}

/** The tensors whose names begin with `prefix`, under their names without it. */
export const partOf = (stored: ReadonlyMap<string, StoredTensor>, prefix: string): Map<string, Tensor> =>
  new Map(
    Array.from(stored).flatMap(([name, t]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), tensorOf(t)] as const] : [],
    ),
  )

const tensorOf = (t: StoredTensor): Tensor => fromArray(t.data, t.shape, { dtype: t.dtype })

/** A snapshot that `headTensors` stored. */
export function storedSnapshot(
  stored: ReadonlyMap<string, StoredTensor>,
  prefix: string,
  at: { epoch: number; step: number },
): Snapshot {
  return scope(() =>
    keep({ state: partOf(stored, `${prefix}net.`), random: tensorOf(stored.get(`${prefix}random`)!), ...at }),
  )
}

/** A stored list of numbers. */
export function storedNumbers(stored: ReadonlyMap<string, StoredTensor>, name: string): Uint8Array | undefined {
  const found = stored.get(name)
  return found && Uint8Array.from(found.data)
}

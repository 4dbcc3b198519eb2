import { fromArray, keep, scope, type Tensor } from '../../torch/index.ts'
import type { FitProgress, Learner, Snapshot } from '../../train/learner.ts'
import type { StoredTensor } from '../../weights/index.ts'
import type { Validated } from './best-weights.ts'

/** A strength of L2 whose optimum is found, and how it validates. */
export interface TriedHead extends Validated {
  l2: number
}

/** Where the frozen phase stands, for the resume state: plain data beside the tensors. */
export interface HeadState {
  kind: 'head'
  lr: number
  learner: { epoch: number; step: number }
  /** The best head so far. */
  best: Validated
  /** The fit in progress; none between two. */
  fit?: FitProgress | undefined
  /** Whether the planned cycles are done. */
  cycled: boolean
  /** Cycles beyond the planned ones in a row that improved nothing. */
  idle: number
  /** Strengths of L2 that are done, from the strongest, and whether they are all that are looked at. */
  tried: TriedHead[]
  searched: boolean
  /** Whether the optimum stands among the epochs already. */
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

/** The optimum at a strength of L2, with the head as it is then. */
export type TriedSnapshot = Snapshot & TriedHead & { losses: Float32Array }

/** JSON has neither NaN nor infinity: both are null there. */
export const revived = <T extends Validated>(found: T): T => ({
  ...found,
  score: found.score ?? Number.NaN,
  loss: found.loss ?? Number.POSITIVE_INFINITY,
  metrics: Object.fromEntries(Object.entries(found.metrics).map(([k, v]) => [k, v ?? Number.NaN])),
})

/** What the next step of the head depends on beside the net: the optimizer, the random state, the best head, the optima
 *  and the point from which the search goes on. */
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

/** The tensors whose names begin so, without that. */
export const partOf = (stored: ReadonlyMap<string, StoredTensor>, prefix: string): Map<string, Tensor> =>
  new Map(
    Array.from(stored).flatMap(([name, t]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), tensorOf(t)] as const] : [],
    ),
  )

const tensorOf = (t: StoredTensor): Tensor => fromArray(t.data, t.shape, { dtype: t.dtype })

/** A snapshot as `headTensors` put it. */
export function storedSnapshot(
  stored: ReadonlyMap<string, StoredTensor>,
  prefix: string,
  at: { epoch: number; step: number },
): Snapshot {
  return scope(() =>
    keep({ state: partOf(stored, `${prefix}net.`), random: tensorOf(stored.get(`${prefix}random`)!), ...at }),
  )
}

/** A list of numbers as they were stored. */
export function storedNumbers(stored: ReadonlyMap<string, StoredTensor>, name: string): Uint8Array | undefined {
  const found = stored.get(name)
  return found && Uint8Array.from(found.data)
}

import { percent } from '../../base/format.ts'
import { noGrad, scope, type Tensor } from '../../torch/index.ts'
import type { Evaluation } from '../../train/evaluate.ts'
import { computeFeatures } from '../../train/features.ts'
import type { Learner } from '../../train/learner.ts'
import { said } from '../../train/objective.ts'
import { meanOf, type PairedDifference, pairedDifference } from '../../train/paired-losses.ts'
import { dropSnapshot, type Snapshot, snapshotOf } from '../../train/snapshot.ts'
import type { Prepared } from '../prepare/prepared.ts'
import type { Context } from '../run/context.ts'
import { type PathPoint, validated } from './best-weights.ts'
import { calibratedLosses } from './calibrated-losses.ts'
import { refitHead } from './fit-linear-head.ts'

/** The weights that a cycle ended with, and their comparison with those that it began from. */
export interface CycleEnd {
  /** Validated points from the start to the end of the cycle. */
  path: PathPoint[]
  /** The point that was chosen; its weights are in the net. */
  chosen: PathPoint
  evaluation: Evaluation
  /** The loss of the whole net against that of the frozen phase. */
  gain: PairedDifference
}

/** The points that are tried between both ends: fewer where there are many validation samples, since each costs a pass
 *  over them. */
const pointsBetween = (samples: number): number[] => (samples > 2000 ? [0.5] : [0.25, 0.5, 0.75])

/** The strongest L2 at which the last layer is fitted again: the trained body separates the classes better than the
 *  frozen one did, so it needs less. */
export const mostL2 = 0.1

/** The last layer is fitted again only if its search is smaller than this: rows × classes × features. */
const mostNumbers = 3e9

/** Validates the net's weights at the end of a cycle, with the last layer fitted again to the trained body, and the
 *  points on the straight line to the weights `start` of the frozen phase (WiSE-FT, Wortsman et al. 2022,
 *  arXiv:2109.01903). `use` is called with the chosen weights in the net; afterwards the net has the weights that it had
 *  before. `l2`: the strength of L2 at which the last layer is fitted again; undefined: it is not. */
export async function judgeCycle(
  learn: Learner,
  prepared: Prepared,
  { session, signal, progress }: Pick<Context, 'session' | 'signal' | 'progress'>,
  { start, l2, use }: { start: Snapshot['state']; l2: number | undefined; use(end: CycleEnd): Promise<void> | void },
): Promise<void> {
  const { net, objective } = prepared
  const now = { random: learn.randomState(), epoch: learn.epoch, step: learn.step }
  const before = snapshotOf(net.net, now)
  let end: Snapshot | undefined
  try {
    if (l2 !== undefined) await fitHeadAgain(prepared, { l2: Math.min(l2, mostL2), session, signal, progress })
    end = snapshotOf(net.net, now)
    const { state } = end
    const at = async (share: number) => {
      mix(net.net.stateDict(), start, state, share)
      const evaluation = await learn.validate(undefined, { signal })
      const losses = calibratedLosses(objective, evaluation, learn.valid?.parts)
      return { point: { share, calibrated: meanOf(losses), ...validated(evaluation) }, evaluation, losses }
    }
    const tried: Awaited<ReturnType<typeof at>>[] = []
    const shares = [0, ...pointsBetween(learn.valid!.count), 1]
    for (const share of shares) {
      progress('interpolation', tried.length, shares.length)
      tried.push(await at(share))
    }
    progress('', shares.length, shares.length)
    const chosen = choose(tried)
    mix(net.net.stateDict(), start, state, chosen.point.share)
    await use({
      path: tried.map(t => t.point),
      chosen: chosen.point,
      evaluation: chosen.evaluation,
      gain: pairedDifference(tried.at(-1)!.losses, tried[0]!.losses),
    })
  } finally {
    net.net.loadStateDict(before.state)
    dropSnapshot(before)
    if (end) dropSnapshot(end)
  }
}

/** Whether the first of two nets is better by more than the standard error of their difference. */
export const isLower = ({ mean, error }: PairedDifference): boolean => mean < -error

/** A point with the loss of each validation sample. */
export interface TriedPoint {
  point: PathPoint
  losses: Float64Array
}

/** Chooses a point of the path, which leads from the frozen phase to the whole net. It is the whole net, or a point between
 *  that is better by more than one standard error: on most data the whole net gains, and few validation samples make
 *  any point look best by chance. If the whole net looks worse than the frozen phase (its loss is higher by more than a
 *  standard error, or both loss and metric are worse), it is the point with the lowest loss, which may be the frozen
 *  phase itself. */
export function choose<T extends TriedPoint>(tried: readonly T[]): T {
  const [first, last] = [tried[0]!, tried.at(-1)!]
  // A net whose loss is not a number is worse than any other.
  const lossOf = ({ point: { calibrated } }: T) => (Number.isFinite(calibrated) ? calibrated : Number.POSITIVE_INFINITY)
  const lowest = (points: readonly T[], from: T) => points.reduce((a, b) => (lossOf(b) < lossOf(a) ? b : a), from)
  if (looksWorse(last.point, first.point, pairedDifference(last.losses, first.losses))) return lowest(tried, last)
  return lowest(
    tried.slice(1, -1).filter(t => isLower(pairedDifference(t.losses, last.losses))),
    last,
  )
}

/** Whether the whole net looks worse than the frozen phase: clearly by its loss, or by both loss and metric. */
const looksWorse = (whole: PathPoint, frozen: PathPoint, { mean, error }: PairedDifference): boolean =>
  !(mean <= error) || (mean > 0 && whole.score < frozen.score)

/** Fits the last layer to its optimum on the features of the body as it is now: of the plain view and of an augmented
 *  one. */
export async function fitHeadAgain(
  { net, objective, source, precision, batchSize, classWeights }: Prepared,
  { l2, session: { ranks }, signal, progress }: { l2: number } & Pick<Context, 'session' | 'signal' | 'progress'>,
): Promise<void> {
  const answers = source('train')
  if (2 * answers.count * objective.names.length * net.body.pooledFeatures > mostNumbers) return
  const total = 2 * answers.count
  let before = 0
  const onBatch = (done: number) => progress('features of the trained body', before + done, total)
  const how = { batchSize: Math.max(batchSize, 32), precision, signal, onBatch, ranks }
  const plain = await computeFeatures(net, answers, how)
  before = answers.count
  const augmented = await computeFeatures(net, source('train', { augmented: true }), how)
  const train = new Float32Array(plain.length + augmented.length)
  train.set(plain)
  train.set(augmented, plain.length)
  await refitHead(net, objective, { train, views: 1 }, answers, { l2, weights: classWeights, signal })
  ranks.copyFirst(net.head.stateDict().values())
}

/** Writes the weights at a share of the way from `from` to `to` into a net. */
function mix(
  net: ReadonlyMap<string, Tensor>,
  from: ReadonlyMap<string, Tensor>,
  to: ReadonlyMap<string, Tensor>,
  share: number,
): void {
  noGrad(() =>
    scope(() => {
      for (const [name, t] of net) {
        const [a, b] = [from.get(name)!, to.get(name)!]
        if (share === 1 || !t.dtype.startsWith('float')) t.copy_(b)
        else if (share === 0) t.copy_(a)
        else t.copy_(a.mul(1 - share).add(b.mul(share)))
      }
    }),
  )
}

/** Whether training the whole net pays: the point that was chosen is not the frozen phase. */
export const pays = ({ chosen }: Pick<CycleEnd, 'chosen'>): boolean => chosen.share > 0

/** Writes into the log how the weights of a cycle's end compare, and which are kept. */
export function explainEnd(
  session: Pick<Context['session'], 'choice'>,
  { objective, domain }: Prepared,
  { end, isBest, best }: { end: CycleEnd; isBest: boolean; best: number | undefined },
): void {
  const { path, chosen, gain } = end
  const share = (s: number) => percent(s, 0)
  const losses = path.map(p => `${share(p.share)}: ${p.calibrated.toFixed(3)}`).join(', ')
  const why = looksWorse(path.at(-1)!, path[0]!, gain)
    ? 'the whole net looks worse than the frozen phase, so the point with the lowest loss is taken'
    : chosen.share < 1
      ? 'this point is better than the whole net by more than a standard error'
      : 'no point before the whole net is better by more than a standard error'
  const where = chosen.share === 0 ? 'the frozen phase' : `${share(chosen.share)} of the way from the frozen phase`
  session.choice(
    'interpolation',
    chosen.share === 1 ? 'none' : where,
    `validation loss between the weights of the frozen phase (0 %) and of the whole net (100 %), calibrated: ${losses}; ${why}`,
  )
  const against =
    best === undefined
      ? `its validation loss is ${signed(gain.mean)} ± ${gain.error.toFixed(3)} against the frozen phase, over the same ${domain.words.many}`
      : `validation loss ${chosen.calibrated.toFixed(3)}, ${best.toFixed(3)} after the cycles before`
  session.choice('whole net', isBest ? 'kept' : 'not kept', `${said(objective.metric, path.at(-1)!.score)}; ${against}`)
}

const signed = (v: number) => `${v < 0 ? '−' : '+'}${Math.abs(v).toFixed(3)}`

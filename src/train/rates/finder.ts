import { TrainingError } from '../../base/errors.ts'
import type { optim } from '../../torch/index.ts'
import { DebiasedMean } from '../debiased-mean.ts'
import type { Learner } from '../learner.ts'
import { makeOptimizer } from '../optimizer.ts'
import { dropSnapshot } from '../snapshot.ts'
import { turn } from '../stop.ts'
import { type ChosenRate, chooseRate } from './choose.ts'
import { exponential } from './schedule.ts'
import { suggestRate } from './suggest.ts'

/** The options of the finder: the rates rise from `start` to `end`. */
export interface FindOptions {
  start?: number
  end?: number
  /** The most batches. */
  steps?: number
  /** Rates of the groups relative to the head's, earliest first. Default: all 1. */
  shares?: readonly number[]
  signal?: AbortSignal | undefined
  onStep?: (step: number, lr: number, smoothed: number) => void
}

/** The curve of the finder, and the rate chosen from it. */
export interface RateFinding {
  lrs: number[]
  losses: number[]
  smoothed: number[]
  suggestions: { steep: number; valley: number; minimum: number }
  /** The rate to train with: that of the steepest fall, if the fall is real. */
  suggestion: number
  chosen: ChosenRate
  /** Why it ended before `steps`, or undefined. */
  stopped?: 'diverged' | undefined
}

/** The default number of steps of a search over all rates. */
export const usualSteps = 100

/** The learning rate finder (Smith 2015, arXiv:1506.01186; fastai's lr_find): the rate is raised after each batch from
 *  `start` to `end`, and the loss is smoothed; it ends when the smoothed loss is four times its best, or NaN.
 *  Afterwards weights, BatchNorm statistics, random state and counters are restored, also after an error. */
export async function lrFind(
  learn: Learner,
  { start = 1e-7, end = 10, steps = usualSteps, shares, signal, onStep }: FindOptions = {},
): Promise<RateFinding> {
  if (!(start > 0 && end > start && end < Number.POSITIVE_INFINITY && steps >= 1))
    throw new TrainingError(
      `lrFind: expected 0 < start < end and steps from 1, got ${start}, ${end} and ${steps} steps`,
    )
  const planned = Math.max(6, Math.floor(steps))
  const rise = exponential(start, end)
  const lrs: number[] = []
  const losses: number[] = []
  const smoothed: number[] = []
  const smooth = new DebiasedMean()
  const before = learn.snapshot()
  let stopped: RateFinding['stopped']
  let optimizer: optim.Optimizer | undefined
  try {
    const groups = learn.network.groups.flatMap(({ modules }, group) =>
      learn.frozen[group] ? [] : [{ params: modules.flatMap(m => m.parameters()), lr: start, group }],
    )
    optimizer = makeOptimizer(learn.options.optimizer, groups)
    let best = Number.POSITIVE_INFINITY
    let batches: Uint32Array[] = []
    for (let step = 0, epoch = learn.epoch + 1; step < planned; step++) {
      if (batches.length === 0) batches = learn.batches(epoch++)
      const lr = rise(step / (planned - 1))
      for (const [i, g] of optimizer.groups.entries()) g.lr = lr * (shares?.[groups[i]!.group] ?? 1)
      const place = { number: step + 1, of: planned, progress: step / planned }
      const { loss, answers } = learn.trainStep(batches.shift()!, epoch, optimizer, place)
      if (answers.has('stop') || answers.has('cancel')) break
      if (loss === undefined) continue
      lrs.push(lr)
      losses.push(loss)
      smoothed.push(smooth.add(loss))
      onStep?.(step + 1, lr, smooth.value)
      best = Math.min(best, smooth.value)
      if (!Number.isFinite(smooth.value) || smooth.value > 4 * best) {
        stopped = 'diverged'
        break
      }
      await turn(signal)
    }
  } finally {
    for (const t of optimizer?.state().tensors.values() ?? []) t.dispose()
    learn.network.net.zeroGrad()
    learn.restore(before)
    dropSnapshot(before)
  }
  const curve = { lrs, losses: smoothed }
  const at = (rule: 'steep' | 'valley' | 'minimum') => suggestRate(curve, rule, { planned }).lr
  const chosen = chooseRate(curve, { planned })
  return {
    lrs,
    losses,
    smoothed,
    suggestions: { steep: at('steep'), valley: at('valley'), minimum: at('minimum') },
    suggestion: chosen.lr,
    chosen,
    stopped,
  }
}

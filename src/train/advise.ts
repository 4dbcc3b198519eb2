import { percent } from '../base/format.ts'
import type { Task } from '../data/types.ts'

/** The losses of one epoch: the mean over its training batches, and over the whole validation set after it. */
export type EpochLosses = { trainLoss: number; validLoss: number }

/** Advice for the next cycle, from a finished one. At most one of the three is true; if none is, the next cycle has the
 *  same length. `reason` is a line for the reader. */
export type Advice = { grow: boolean; overfits: boolean; stalled: boolean; reason: string }

/** Compares the last cycle of training with the epochs before it (of this phase, or of the one before; empty for none).
 *
 *  - `overfits`: during the whole cycle the validation loss never fell below its best so far, and the training loss
 *    fell further. More training will not help.
 *  - `stalled`: the validation loss did not improve and the training loss did not fall, or a loss is not a number.
 *  - `grow`: the training loss stayed above the validation loss: the net still underfits, so the next cycle should be
 *    longer (fast.ai's rule for `cycleMult`).
 *
 *  `tolerance`: the validation loss improves only if it falls by at least this share. `smoothing`: what label smoothing
 *  adds to the training loss alone (`smoothingLoss`). */
export function advise(
  cycle: readonly EpochLosses[],
  before: readonly EpochLosses[] = [],
  { tolerance = 0, smoothing = 0 } = {},
): Advice {
  const last = cycle.at(-1)
  if (last === undefined) return say('go on', 'there is no epoch to compare with')
  const bad = cycle.find(epoch => !Number.isFinite(epoch.trainLoss) || !Number.isFinite(epoch.validLoss))
  if (bad)
    return say(
      'stalled',
      `a loss is not a number (training ${show(bad.trainLoss)}, validation ${show(bad.validLoss)}): lower the rate`,
    )

  const reference = before.at(-1)
  const lowest = Math.min(...cycle.map(epoch => epoch.validLoss))
  if (reference !== undefined) {
    const best = Math.min(...before.map(epoch => epoch.validLoss))
    if (!(lowest < best - tolerance * Math.abs(best))) {
      const by = tolerance > 0 ? ` by ${percent(tolerance, 0)}` : ''
      const still = `the validation loss did not improve${by} in ${epochs(cycle.length)} (${show(lowest)}, best ${show(best)})`
      const from = show(reference.trainLoss)
      return last.trainLoss < reference.trainLoss
        ? say('overfits', `${still} while the training loss fell from ${from} to ${show(last.trainLoss)}`)
        : say('stalled', `${still}, and the training loss did not fall either (${from} to ${show(last.trainLoss)})`)
    }
  }
  const without = smoothing > 0 ? `, without the ${show(smoothing)} of label smoothing` : ''
  const gap = `${show(last.trainLoss - smoothing)} against ${show(last.validLoss)}${without}`
  return cycle.every(epoch => epoch.trainLoss - smoothing > epoch.validLoss)
    ? say('grow', `the training loss stays above the validation loss (${gap}): it still underfits`)
    : say('go on', `the validation loss still improves (${show(lowest)})`)
}

/** The loss that label smoothing leaves at the best possible outputs: the entropy of a smoothed target, for cross-entropy over
 *  `classes`, or of one smoothed label. Validation losses have no such part. */
export function smoothingLoss(labelSmoothing: number, { task, classes }: { task: Task; classes: number }): number {
  if (labelSmoothing === 0 || task === 'regression') return 0
  const parts = task === 'single' ? classes : 2
  const other = labelSmoothing / parts
  return -(1 - other * (parts - 1)) * Math.log(1 - other * (parts - 1)) - (parts - 1) * other * Math.log(other)
}

const say = (verdict: 'grow' | 'overfits' | 'stalled' | 'go on', reason: string): Advice => ({
  grow: verdict === 'grow',
  overfits: verdict === 'overfits',
  stalled: verdict === 'stalled',
  reason,
})
const show = (loss: number) => (Number.isFinite(loss) ? loss.toFixed(4) : String(loss))
const epochs = (n: number) => (n === 1 ? 'an epoch' : `${n} epochs`)

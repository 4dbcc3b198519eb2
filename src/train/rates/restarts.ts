import { TrainingError } from '../../base/errors.ts'
import { cosine, type Schedule } from './schedule.ts'

/** `cycles` cycles: the first lasts `cycleLen` epochs, each later one `cycleMult` times as long as the one before. */
export type Cycles = { cycles: number; cycleLen?: number; cycleMult?: number }

/** The cycles of a run with `stepsPerEpoch` batches per epoch. */
export type Restarts = Cycles & { stepsPerEpoch: number }

/** The number of whole epochs of the cycles: `cycleLen · (1 + cycleMult + cycleMult² + …)`, rounded up (fastai 0.7's
 *  `sum_geom`). */
export function cycleEpochs({ cycles, cycleLen = 1, cycleMult = 1 }: Cycles): number {
  check({ cycles, cycleLen, cycleMult })
  return Math.ceil(epochsBefore(cycles, cycleLen, cycleMult) - 1e-9)
}

/** The step after the last step of each cycle. A cycle may end within an epoch; the last cycle is stretched to the end
 *  of the last epoch, so that a run always ends at the lowest rate. */
export function cycleEnds({ cycles, cycleLen = 1, cycleMult = 1, stepsPerEpoch }: Restarts): number[] {
  const total = cycleEpochs({ cycles, cycleLen, cycleMult }) * stepsPerEpoch
  const ends = Array.from({ length: cycles }, (_, i) =>
    i === cycles - 1 ? total : Math.round(epochsBefore(i + 1, cycleLen, cycleMult) * stepsPerEpoch),
  )
  if (!Number.isInteger(stepsPerEpoch) || stepsPerEpoch < 1 || ends.some((end, i) => end <= (ends[i - 1] ?? 0)))
    throw new TrainingError(
      `cosineRestarts: ${cycles} cycles of ${cycleLen} epochs with ${stepsPerEpoch} steps per epoch leave a cycle without a step; ` +
        'expected at least one step per cycle: give a longer cycleLen or a smaller batch size',
    )
  return ends
}

/** Cosine annealing with warm restarts (Loshchilov & Hutter 2017, arXiv:1608.03983), per batch: at step k of `n` steps
 *  of a cycle the rate is `max · (1 + cos(πk/n)) / 2`. For step `i` of the run ask for `t = i / cycleEnds(…).at(-1)`.
 *
 *  With `warmUp` the first twentieth of the first cycle has the rate `max / 100` (the cosine then continues as if it
 *  had run from the start), as always in fastai 0.7. It is off by default, as in the paper and in fastai 2, whose
 *  `fit_sgdr` is this schedule with `cycleMult: 2`. */
export function cosineRestarts(max: number, { warmUp = false, ...cycles }: Restarts & { warmUp?: boolean }): Schedule {
  const ends = cycleEnds(cycles)
  const total = ends.at(-1)!
  const warmSteps = warmUp ? ends[0]! / 20 : 0
  const anneal = cosine(max, 0)
  return t => {
    const step = snap(t * total)
    if (step < warmSteps) return max / 100
    const cycle = ends.findIndex(end => step < end)
    if (cycle < 0) return 0
    const start = ends[cycle - 1] ?? 0
    return anneal((step - start) / (ends[cycle]! - start))
  }
}

const epochsBefore = (cycle: number, length: number, mult: number) =>
  mult === 1 ? length * cycle : (length * (mult ** cycle - 1)) / (mult - 1)

// i / total * total may be a little below i. A restart is a jump, so it must not come one step late.
function snap(step: number): number {
  const nearest = Math.round(step)
  return Math.abs(step - nearest) < 1e-6 ? nearest : step
}

function check({ cycles, cycleLen, cycleMult }: Required<Cycles>): void {
  if (!Number.isInteger(cycles) || cycles < 1)
    throw new TrainingError(`cycles: got ${cycles}; expected a whole number of at least 1`)
  if (!(cycleLen > 0) || !Number.isFinite(cycleLen))
    throw new TrainingError(`cycleLen: got ${cycleLen}; expected a number of epochs above 0`)
  if (!(cycleMult >= 1) || !Number.isFinite(cycleMult))
    throw new TrainingError(`cycleMult: got ${cycleMult}; expected at least 1 (1 keeps all cycles of one length)`)
}

import { didYouMean, TrainingError } from '../../base/errors.ts'
import { cosineRestarts, type Restarts } from './restarts.ts'
import { constant, coslog, oneCycle, oneCycleMomentum, type Schedule } from './schedule.ts'

/** The course of rates and momentum over a fit. */
export interface Curves {
  /** The factor of each rate. */
  lr: Schedule
  /** SGD's momentum, Adam's β₁. Default: the optimizer's own. */
  momentum?: Schedule
}

/** The settings of a named schedule. */
export type ScheduleSettings = Restarts & { warmup: number; div: number }

const named = {
  cosine: (settings: ScheduleSettings): Curves => ({ lr: cosineRestarts(1, settings) }),
  'one-cycle': ({ warmup, div }: ScheduleSettings): Curves => ({
    lr: oneCycle(1, { warmup, div }),
    momentum: oneCycleMomentum({ warmup }),
  }),
  coslog4: (): Curves => ({ lr: coslog(1, 4) }),
  constant: (): Curves => ({ lr: constant(1) }),
}
/** The name of a schedule for `fit`. */
export type ScheduleName = keyof typeof named

/** The curves of a fit: from the name of a schedule, or the caller's own. */
export function curvesOf(schedule: ScheduleName | Schedule | Curves, settings: ScheduleSettings): Curves {
  if (typeof schedule === 'function') return { lr: checked('rate', schedule) }
  if (typeof schedule === 'object' && typeof schedule.lr === 'function') {
    const { lr, momentum } = schedule
    return { lr: checked('rate', lr), ...(momentum ? { momentum: checked('momentum', momentum) } : {}) }
  }
  if (Object.hasOwn(named, String(schedule))) return named[schedule as ScheduleName](settings)
  const names = Object.keys(named)
  const got = typeof schedule === 'string' ? `"${schedule}"` : JSON.stringify(schedule)
  throw new TrainingError(
    `schedule: expected ${names.join(', ')}, a function of progress, or { lr, momentum } of functions, got ${got}.${didYouMean(String(schedule), names)}`,
  )
}

/** The schedule with a check: every value must be a number from 0. */
const checked =
  (what: string, schedule: Schedule): Schedule =>
  t => {
    const value = schedule(t)
    if (Number.isFinite(value) && value >= 0) return value
    throw new TrainingError(
      `schedule: the ${what} at progress ${t.toPrecision(3)} must be a number from 0, got ${String(value)}; a rate is a factor of lr`,
    )
  }

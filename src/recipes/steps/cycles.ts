import { TrainingError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { option, setting } from '../../base/options.ts'
import type { Usual } from '../../domain/index.ts'
import type { FitOptions } from '../../train/learner.ts'
import { usualEpochs } from '../../train/usual-plan.ts'
import type { RecipeOptions } from '../options.ts'
import type { Context } from '../run/context.ts'
import type { WholeState } from './types.ts'

/** A cycle that improves the validation loss by less than this share is the last one. */
export const worthACycle = 0.01

/** The schedule of a cycle. Over pretrained weights the rate first rises for a quarter of the cycle: AdamW's first steps
 *  are as large as the rate, whatever the gradient, and would undo the trained head. */
export const shapeOf = (
  { pretrained = true }: RecipeOptions,
  usual?: Usual,
): Pick<FitOptions, 'schedule' | 'warmup'> =>
  pretrained ? { schedule: 'one-cycle', warmup: usual?.warmup ?? 0.25 } : {}

/** The epochs of the first cycle: as asked, or all of the budget in one cycle. */
export const firstCycle = (
  { cycleLen, epochs, pretrained = true }: RecipeOptions,
  samples: number,
  usual?: Usual,
): number => cycleLen ?? (pretrained ? (epochs ?? (usual?.epochs ?? usualEpochs)(samples)) : 2)

/** Why the first cycle has this length. */
export const cycleReason = (
  { cycleLen, epochs, pretrained = true }: RecipeOptions,
  samples: number,
  many: string,
): string =>
  cycleLen !== undefined
    ? 'as asked'
    : !pretrained
      ? 'short cycles over random weights'
      : epochs !== undefined
        ? 'all epochs that were asked for'
        : `the usual length for ${samples.toLocaleString('en-US')} training ${many}`

/** The default budget over random weights: four cycles of two epochs. */
const randomEpochs = 8

/** The epochs of the next cycle; undefined if the budget is used up. Throws if it is used up before the first epoch,
 *  with nothing trained. `until`: the share of the minutes that may be spent by the end of this size. */
export function nextCycle(
  state: WholeState,
  context: Context,
  { until, samples, usual: own }: { until: number; samples: number; usual?: Usual | undefined },
): number | undefined {
  const { session, options } = context
  const usual = options.pretrained === false ? randomEpochs : (own?.epochs ?? usualEpochs)(samples)
  const most = options.epochs ?? (options.minutes === undefined ? usual : Number.POSITIVE_INFINITY)
  const left = most - state.epochsDone
  if (left <= 0) {
    if (state.epochsDone > 0)
      session.choice(
        'stop',
        `after ${plural(state.epochsDone, 'epoch')}`,
        options.epochs === undefined
          ? `the default budget of ${most} epochs is used up; set another with ${option('epochs')} or ${option('minutes')}`
          : `the budget of ${setting('epochs', most)} is used up`,
      )
    return undefined
  }
  const length = Math.min(state.cycleLen, left)
  return options.minutes === undefined
    ? length
    : withinMinutes(length, state, context, { minutes: options.minutes, until })
}

/** The time of the comparisons at the end of a cycle, in epochs. */
const endOfCycle = 0.6

/** The epochs of a cycle that fit into the remaining time. */
function withinMinutes(
  length: number,
  state: WholeState,
  { session }: Context,
  { minutes, until }: { minutes: number; until: number },
): number | undefined {
  const seconds = minutes * 60 * until - session.run.seconds
  const fitting = Math.floor((seconds - 5) / state.slowest - endOfCycle)
  const budget = `${until < 1 ? "this size's share of " : ''}${setting('minutes', minutes)}`
  if (fitting < 1 && !state.best)
    throw new TrainingError(
      `${budget} leaves no time for one epoch, which takes about ${Math.ceil(state.slowest)} s here; give more minutes.`,
    )
  if (fitting < 1) {
    session.choice('stop', `after ${plural(state.epochsDone, 'epoch')}`, `${budget} leaves no time for another epoch`)
    return undefined
  }
  if (fitting < length) session.choice('cycle length', plural(fitting, 'epoch'), `${budget} leaves time for no more`)
  return Math.min(length, fitting)
}

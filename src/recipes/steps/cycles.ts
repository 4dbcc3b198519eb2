import { AnnealError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { option, setting } from '../../base/options.ts'
import type { Context } from '../run/context.ts'
import type { WholeState } from './types.ts'

/** A cycle that improves the validation loss by a smaller share than this is the last. */
export const worthACycle = 0.01

/** The budget of the whole net where none is given: four cycles of two. */
const usualEpochs = 8

/** How many epochs the next cycle has; undefined where the budget is used. An error where it is used before the first
 *  epoch and nothing is trained. `until`: the share of the minutes that are spent at the end of this size. */
export function nextCycle(state: WholeState, context: Context, { until }: { until: number }): number | undefined {
  const { session, options } = context
  const most = options.epochs ?? (options.minutes === undefined ? usualEpochs : Number.POSITIVE_INFINITY)
  const left = most - state.epochsDone
  if (left <= 0) {
    if (state.epochsDone > 0)
      session.choice(
        'stop',
        `after ${plural(state.epochsDone, 'epoch')}`,
        options.epochs === undefined
          ? `the usual budget of ${most} epochs is used up; set another with ${option('epochs')} or ${option('minutes')}`
          : `the budget of ${setting('epochs', most)} is used up`,
      )
    return undefined
  }
  const length = Math.min(state.cycleLen, left)
  return options.minutes === undefined
    ? length
    : withinMinutes(length, state, context, { minutes: options.minutes, until })
}

/** As many epochs of a cycle as there is time for. */
function withinMinutes(
  length: number,
  state: WholeState,
  { session }: Context,
  { minutes, until }: { minutes: number; until: number },
): number | undefined {
  const seconds = minutes * 60 * until - session.run.seconds
  const fitting = Math.floor((seconds - 5) / state.slowest)
  const budget = `${until < 1 ? "this size's share of " : ''}${setting('minutes', minutes)}`
  if (fitting < 1 && !state.best)
    throw new AnnealError(
      `${budget} leaves no time for one epoch, which takes some ${Math.ceil(state.slowest)} s here; give more minutes.`,
    )
  if (fitting < 1) {
    session.choice('stop', `after ${plural(state.epochsDone, 'epoch')}`, `${budget} leaves no time for another epoch`)
    return undefined
  }
  if (fitting < length) session.choice('cycle length', plural(fitting, 'epoch'), `${budget} leaves time for no more`)
  return Math.min(length, fitting)
}

import type { FolderIndex } from '../../data/index.ts'
import type { Work } from '../../train/measure-kernels.ts'
import { usualEpochs } from '../../train/usual-plan.ts'
import type { ImageOptions } from '../domain/options.ts'

/** The time of a run in minutes if no other is asked for: what people wait for while they do something else. */
export const usualMinutes = 3

/** Seconds of a run beside its pictures: the head, the calibration, the report. */
const besides = 8
const usualViews = 4

/** About how long the whole run of a net takes, in seconds: the features of all views, and the epochs of the whole net
 *  with their validation. `rates`: pictures per second at the `measured` size; other sizes take time in proportion to
 *  their pixels. */
export function planSeconds(
  rates: Record<Work, number>,
  { items }: Pick<FolderIndex, 'items'>,
  { options, sizes, measured }: { options: PlanOptions; sizes: readonly number[]; measured: number },
): number {
  const count = (split: string) => items.filter(item => item.split === split).length
  const [train, valid, test] = [count('train'), count('valid'), count('test')]
  const views = options.views ?? (options.augment === 'none' ? 0 : usualViews)
  const epochs = options.epochs ?? usualEpochs(train)
  const features = ((views + 1) * train + valid) / rates.frozen
  const whole = epochs * (train / rates.step + valid / rates.frozen)
  const pixels = sizes.reduce((sum, size) => sum + (size / measured) ** 2, 0)
  return besides + pixels * (features + whole) + (test / rates.frozen) * (sizes.at(-1)! / measured) ** 2
}

/** The options that a plan depends on. */
export type PlanOptions = Pick<ImageOptions, 'epochs' | 'views' | 'augment'>

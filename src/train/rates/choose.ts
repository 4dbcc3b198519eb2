import { rate } from '../../base/format.ts'
import { defaultRate, type RateCurve, type RateRule, rateWindow, suggestRate } from './suggest.ts'

/** A learning rate, the rule that gave it, and the reason as a line for the reader. */
export type ChosenRate = { lr: number; rule: RateRule; reason: string }

/** Chooses the rate that the recipe trains with: that of the steepest fall, if the fall is real.
 *
 *  With small or noisy batches fastai's steepest fall may be any dip of the noise (1e-6 for a curve whose loss falls at
 *  1e-2: `test/golden/schedules.json`). So the curve is smoothed again (centred mean over an eighth of the points), and
 *  slopes are fitted over the same width. The point must be before the lowest loss, with at least a tenth of the fall
 *  before it and a tenth after it. The rate is at most a fifth of that of the lowest loss.
 *
 *  1. The loss falls clearly (by 2 % and by three times the noise of its level at the start): the steepest such point;
 *     if there is none, `valley`, if it is below the rate of the lowest loss; else a tenth of the rate of the lowest
 *     loss.
 *  2. The loss does not fall but rises at the end, as for a net that is trained already: a thirtieth of the last rate
 *     at which it was within a twentieth of its level (a decade lower, and half a decade more because a smoothed loss
 *     lags).
 *  3. Neither: `defaultRate`. */
export function chooseRate(curve: RateCurve, { planned = 100 }: { planned?: number } = {}): ChosenRate {
  const { lrs, losses } = rateWindow(curve, planned, 8)
  if (losses.length < 8) return fallback(`only ${losses.length} of ${curve.losses.length} steps had a finite loss`)
  const half = Math.max(1, Math.round(losses.length / 15))
  const smooth = losses.map((_, i) => mean(around(losses, i, half)))
  const lowest = smooth.indexOf(Math.min(...smooth))
  const opening = smooth.slice(0, Math.max(4, Math.ceil(losses.length / 4)))
  const noise = 1.4826 * median(opening.map(loss => Math.abs(loss - median(opening))))
  // If the loss falls from the first step on, the median of the opening is on the slope, so its first point is the
  // level.
  const level = lowest < opening.length ? smooth[0]! : median(opening)
  const fall = level - smooth[lowest]!
  const clear = Math.max(3 * noise, 0.02 * Math.abs(level))
  if (fall < clear) return beforeRise(curve, level + Math.max(clear, 0.05 * Math.abs(level)))

  const x = lrs.map(Math.log)
  let steepest = -1
  let slope = 0
  for (let i = 0; i <= lowest; i++) {
    const behind = level - smooth[i]!
    const here = fittedSlope(around(x, i, half), around(losses, i, half))
    if (behind >= 0.1 * fall && behind <= 0.9 * fall && here < slope) [steepest, slope] = [i, here]
  }
  const cap = lrs[lowest]! / 5
  if (steepest >= 0) {
    const at = lrs[steepest]!
    return at <= cap
      ? { lr: at, rule: 'steep', reason: 'the loss falls fastest there' }
      : {
          lr: cap,
          rule: 'steep',
          reason: `a fifth of ${rate(lrs[lowest]!)}, where the loss is lowest: it falls fastest just before`,
        }
  }
  const valley = suggestRate(curve, 'valley', { planned }).lr
  if (valley <= cap)
    return { lr: valley, rule: 'valley', reason: 'no steepest fall stands out; the middle of the valley' }
  return {
    lr: lrs[lowest]! / 10,
    rule: 'minimum',
    reason: 'no steepest fall stands out; a tenth of the rate of the lowest loss',
  }
}

// The window leaves out the last steps, where such a curve rises.
function beforeRise({ lrs, losses }: RateCurve, limit: number): ChosenRate {
  const points = Array.from(losses)
  const last = points.findLastIndex(loss => loss <= limit)
  if (last < 0 || last === points.length - 1) return fallback('the loss neither falls nor rises clearly')
  const lr = lrs[last]!
  return {
    lr: lr / 30,
    rule: 'rise',
    reason: `the loss does not fall and rises above ${rate(lr)}; a thirtieth of that`,
  }
}

const fallback = (why: string): ChosenRate => ({ lr: defaultRate, rule: 'default', reason: `${why}; the default rate` })

/** The values at most `half` steps from `i`, the same number on both sides except at the ends. */
function around(values: number[], i: number, half: number): number[] {
  return values.slice(Math.max(0, i - half), i + half + 1)
}

const mean = (values: number[]) => values.reduce((sum, v) => sum + v, 0) / values.length

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

function fittedSlope(x: number[], y: number[]): number {
  const mx = mean(x)
  const my = mean(y)
  let top = 0
  let bottom = 0
  for (let i = 0; i < x.length; i++) {
    top += (x[i]! - mx) * (y[i]! - my)
    bottom += (x[i]! - mx) ** 2
  }
  return bottom > 0 ? top / bottom : 0
}

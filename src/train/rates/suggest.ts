/** The record of the rate finder: the rate of each batch, rising, and the smoothed loss after it. */
export type RateCurve = { lrs: ArrayLike<number>; losses: ArrayLike<number> }

/** The rule that gave a rate. `rise`: well below the rate at which the loss begins to rise. `default`: no rule applies
 *  to the curve. */
export type RateRule = 'steep' | 'valley' | 'minimum' | 'slide' | 'rise' | 'default'

/** A learning rate, the rule that gave it, and in `note` why the requested rule did not work as usual. */
export type Suggestion = { lr: number; rule: RateRule; note?: string }

/** The rate if no rule applies to the curve: fastai's default. */
export const defaultRate = 1e-3

type Rule = { needs: number; read: (lrs: number[], losses: number[]) => number }

/** The points that count: up to the first loss that is not a number, without the first tenth of the `planned` steps and
 *  the last 5, as in fastai 2. If fewer than `needs` remain: all points up to that loss. */
export function rateWindow(curve: RateCurve, planned: number, needs: number) {
  const cut = (from: number, to: number) => {
    const losses = Array.from(curve.losses).slice(from, to)
    const bad = losses.findIndex(loss => !Number.isFinite(loss))
    const end = bad < 0 ? losses.length : bad
    return { lrs: Array.from(curve.lrs).slice(from, from + end), losses: losses.slice(0, end) }
  }
  const length = Math.min(curve.lrs.length, curve.losses.length)
  const usual = cut(Math.floor(planned / 10), Math.max(0, length - 5))
  return usual.losses.length >= needs ? { ...usual, short: false } : { ...cut(0, length), short: true }
}

const rules: Record<'steep' | 'valley' | 'minimum' | 'slide', Rule> = {
  steep: { needs: 2, read: (lrs, losses) => lrs[argmin(slopes(lrs, losses))]! },
  minimum: { needs: 1, read: (lrs, losses) => lrs[argmin(losses)]! / 10 },
  valley: { needs: 2, read: (lrs, losses) => lrs[valleyIndex(losses)]! },
  slide: { needs: 16, read: slide },
}

/** Suggests a rate from a rate finder's curve, by fastai 2.8's rule of the same name. Never throws.
 *
 *  `steep`: where the loss falls fastest over the logarithm of the rate. `valley`: about the middle of the longest
 *  falling subsequence. `minimum`: a tenth of the rate of the lowest loss. `slide`: left of the point where the slope
 *  becomes steady. `planned` is the planned number of steps of the finder (it may have stopped before).
 *
 *  Short runs: if fastai's window has too few points, all points before the first loss that is not a number are used;
 *  if these are too few for the rule, `minimum` is used; without any finite loss, `defaultRate`. `note` says so. */
export function suggestRate(
  curve: RateCurve,
  rule: keyof typeof rules = 'steep',
  { planned = 100 }: { planned?: number } = {},
): Suggestion {
  const { needs, read } = rules[rule]
  const { lrs, losses, short } = rateWindow(curve, planned, needs)
  const points = `${losses.length} of ${curve.losses.length} points have a finite loss`
  if (losses.length >= needs) return { lr: read(lrs, losses), rule, ...(short && { note: `short run: ${points}` }) }
  if (losses.length > 0)
    return { lr: rules.minimum.read(lrs, losses), rule: 'minimum', note: `too short for ${rule}: ${points}` }
  return { lr: defaultRate, rule: 'default', note: `nothing to read: ${points}` }
}

const argmin = (values: ArrayLike<number>) => {
  let best = 0
  for (let i = 1; i < values.length; i++) if (values[i]! < values[best]!) best = i
  return best
}

const slopes = (lrs: number[], losses: number[]) =>
  losses.slice(1).map((loss, i) => (loss - losses[i]!) / Math.log(lrs[i + 1]! / lrs[i]!))

/** About the middle of the longest strictly falling subsequence, counted back from its end by its length. */
function valleyIndex(losses: number[]): number {
  const lengths = losses.map(() => 1)
  let end = 0
  for (let i = 1; i < losses.length; i++) {
    for (let j = 0; j < i; j++)
      if (losses[i]! < losses[j]! && lengths[i]! < lengths[j]! + 1) lengths[i] = lengths[j]! + 1
    if (lengths[end]! < lengths[i]!) end = i
  }
  const start = end === 0 ? 0 : end - lengths[end]!
  const section = (end - start) / 3
  // start is -1 if every loss so far fell; fastai then takes the very last rate, by Python's index -1.
  return Math.max(0, start + Math.floor(section) + Math.floor(section / 2))
}

function slide(lrs: number[], losses: number[]): number {
  const gradient = losses.map((_, i) => {
    const left = Math.max(0, i - 1)
    const right = Math.min(losses.length - 1, i + 1)
    return (losses[right]! - losses[left]!) / (right - left)
  })
  let right = losses.length - 1
  let left = right - 15
  let lr = lrs[left]!
  while (left >= 0 && Math.abs(gradient[right]! - gradient[left]!) > 0.005) {
    lr = lrs[left]!
    right--
    left--
  }
  return lr
}

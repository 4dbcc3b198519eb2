import type { CardCost } from '../../onnx/index.ts'
import { interval } from '../../report/charts/series.ts'
import { bootstrap, take } from '../../train/metrics/bootstrap.ts'
import { labelScores, type Outputs, type Targets } from '../../train/objective.ts'
import { cardObjective, type ModelCard } from '../../train/saved-model.ts'

/** What rounding costs on samples with known labels. */
export interface Verdict {
  loss: CardCost
  metric: CardCost & { name: string }
  /** Share of samples with the same label, of several labels the share of their decisions; 1 for regression. */
  same: number
  samples: number
  /** Whether all three are within their bounds: `loss` and `metric` have the upper end of what they cost at most at `allowed`,
   *  and `same` is at least `leastSame`, but that one sample may differ. */
  holds: boolean
  /** The largest share of its bound that one of the three takes: at most 1 where it holds. */
  strain: number
}

/** The least share of same labels, or of equal decisions, of which most are plain ones. */
export const leastSame = { single: 0.9, multi: 0.95, regression: 1 }

/** A change of a log loss, or of a squared error in standard deviations, that is never too much. */
const smallChange = { single: 0.01, multi: 0.005, regression: 0.001 }

const normal = 1.959964

/** Compares the outputs of two nets for the same samples: paired, so what both find hard does not count. What the change
 *  costs, with 95 % certainty, must not exceed what validation leaves open about the first net: the distance from its loss
 *  to the end of the loss's 95 % interval, and the same for its metric. before, after: [N × C], activated. */
export function verdictOf(before: Outputs, after: Outputs, targets: Targets, card: ModelCard): Verdict {
  const { classes, task = 'single' } = card
  const count = before.length / classes.length
  const losses = [before, after].map(outputs => lossesOf(outputs, targets, card)) as [Float64Array, Float64Array]
  const own = meanOf(losses[0])
  const paired = meanOf(losses[1].map((v, i) => v - losses[0][i]!))
  const loss: CardCost = {
    before: own.mean,
    after: meanOf(losses[1]).mean,
    cost: [paired.mean - paired.half, paired.mean + paired.half],
    allowed: Math.max(own.half, smallChange[task]),
  }
  const metric = metricCost(before, after, targets, card)
  const same = task === 'regression' ? 1 : sameLabels(before, after, card)
  // Counted, since 1 - 8 / 9 is more than 1 / 9.
  const decisions = task === 'multi' ? before.length : count
  const others = Math.round((1 - same) * decisions)
  const mostOthers = Math.max(Math.floor((1 - leastSame[task]) * decisions + 1e-9), decisions / count)
  const strains = [
    loss.cost[1] / loss.allowed,
    // On a few samples there may be no such metric.
    Number.isFinite(metric.before) ? metric.cost[1] / metric.allowed : 0,
    task === 'regression' ? 0 : others / mostOthers,
  ]
  const strain = strains.some(Number.isNaN) ? Number.POSITIVE_INFINITY : Math.max(...strains)
  return { loss, metric, same, samples: count, holds: strain <= 1, strain }
}

/** The loss of each sample: -log p of its class, the mean over the labels, or the mean squared error of the targets in
 *  standard deviations. */
function lossesOf(outputs: Outputs, targets: Targets, { classes, task = 'single', scale }: ModelCard): Float64Array {
  const width = classes.length
  const least = 1e-7
  const one = (i: number) => {
    if (task === 'single') return -Math.log(Math.max(outputs[i * width + targets[i]!]!, least))
    let sum = 0
    for (let c = 0, at = i * width; c < width; c++, at++) {
      const [p, y] = [outputs[at]!, targets[at]!]
      sum += task === 'multi' ? -Math.log(Math.max(y === 1 ? p : 1 - p, least)) : ((p - y) / (scale?.std[c] || 1)) ** 2
    }
    return sum / width
  }
  return Float64Array.from({ length: outputs.length / width }, (_, i) => one(i))
}

/** The mean, and half of its 95 % interval. */
function meanOf(values: Float64Array): { mean: number; half: number } {
  const n = values.length
  const mean = values.reduce((a, b) => a + b, 0) / n
  const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / Math.max(1, n - 1)
  return { mean, half: normal * Math.sqrt(variance / n) }
}

/** What the metric loses. Its intervals are from bootstrap sets; that of an accuracy is Wilson's. */
function metricCost(before: Outputs, after: Outputs, targets: Targets, card: ModelCard): Verdict['metric'] {
  const { classes, task = 'single' } = card
  const width = classes.length
  const count = before.length / width
  const objective = cardObjective(card)
  const name = objective.metric
  const score = (outputs: Outputs, rows: Int32Array): number => {
    const picked = take(outputs, rows, width)
    if (task === 'single') return shareOf(rows.length, i => bestOf(picked, i, width) === targets[rows[i]!])
    if (task === 'multi')
      return labelScores(picked, take(targets, rows, width), width, card.thresholds ?? 0.5)[name as 'mAP']
    return objective.score(picked, take(targets, rows, width))[name]!
  }
  const rounds = 300
  const lost = bootstrap(rows => score(before, rows) - score(after, rows), count, { rounds })
  const own =
    task === 'single'
      ? interval(score(before, all(count)), count)[0]
      : bootstrap(rows => score(before, rows), count, { rounds }).low
  const value = score(before, all(count))
  // A share can't be known better than by one sample.
  const allowed = Math.max(value - own, task === 'regression' ? 0.002 : 1 / count)
  return { name, before: value, after: score(after, all(count)), cost: [lost.low, lost.high], allowed }
}

const all = (n: number) => Int32Array.from({ length: n }, (_, i) => i)

const shareOf = (n: number, holds: (i: number) => boolean): number => {
  let count = 0
  for (let i = 0; i < n; i++) if (holds(i)) count++
  return count / n
}

function bestOf(p: ArrayLike<number>, row: number, width: number): number {
  let best = row * width
  for (let i = best + 1; i < (row + 1) * width; i++) if (p[i]! > p[best]!) best = i
  return best - row * width
}

/** The share of samples with the same best class, or of equal decisions. */
export function sameLabels(
  a: Outputs,
  b: Outputs,
  { classes, task = 'single', thresholds }: Pick<ModelCard, 'classes' | 'task' | 'thresholds'>,
): number {
  const width = classes.length
  if (task === 'single') return shareOf(a.length / width, i => bestOf(a, i, width) === bestOf(b, i, width))
  const given = (p: Outputs, i: number) => p[i]! >= (thresholds?.[i % width] ?? 0.5)
  return shareOf(a.length, i => given(a, i) === given(b, i))
}

/** How far outputs are from those of another net, on samples without labels: the mean divergence of probabilities, or the
 *  mean squared difference of values in standard deviations. */
export function distance(before: Outputs, after: Outputs, { classes, task = 'single', scale }: ModelCard): number {
  const tiny = 1e-9
  const part = (p: number, q: number) => (p > 0 ? p * Math.log(p / Math.max(q, tiny)) : 0)
  let sum = 0
  for (let i = 0; i < before.length; i++) {
    const [p, q] = [before[i]!, after[i]!]
    if (task === 'single') sum += part(p, q)
    else if (task === 'multi') sum += part(p, q) + part(1 - p, 1 - q)
    else sum += ((p - q) / (scale?.std[i % classes.length] || 1)) ** 2
  }
  return sum / (before.length / classes.length)
}

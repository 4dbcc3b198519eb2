import { ModelError } from '../base/errors.ts'
import { percent, plural } from '../base/format.ts'
import { option } from '../base/options.ts'
import type { TargetTable } from '../data/targets.ts'
import type { CardValidation, FileCard, NetCheck, TextFileCard } from '../onnx/index.ts'
import { labelScores, type Outputs } from '../train/objective.ts'
import { cardObjective, type ModelCard } from '../train/saved-model.ts'
import { sameLabels, verdictOf } from './quantize/verdict.ts'
import { type Loaded, load, type RuntimeName, type Value } from './runtimes.ts'

/** The probabilities or values among the outputs. */
export const numbersOf = ({ probabilities, values }: Record<string, Value>): Float32Array =>
  (probabilities ?? values)!.data as Float32Array

/** The largest difference, of regression in standard deviations of the target; NaN where an answer is no number. */
export function largest(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  { classes, scale }: Pick<ModelCard, 'classes' | 'scale'>,
): { by: number } {
  let by = 0
  for (let i = 0; i < a.length; i++) {
    const unit = scale?.std[i % classes.length] || 1
    const off = Math.abs(a[i]! - b[i]!) / unit
    if (Number.isNaN(off)) return { by: Number.NaN }
    if (off > by) by = off
  }
  return { by }
}

/** The largest difference of answers to the probe of a card from those that the card gives. Values of regression are
 *  compared as shares of the target's size, which is the largest value in the probe or the deviation over the validation
 *  samples: float32 has seven digits whatever the unit. NaN where an answer is missing or no number. */
export function probeDifference(
  { task, classes, validation }: Pick<FileCard, 'task' | 'classes'> & { validation?: CardValidation },
  expected: ArrayLike<number>,
  got: ArrayLike<number>,
): number {
  if (got.length !== expected.length) return Number.NaN
  if (task !== 'regression') return largest(expected, got, { classes }).by
  const std = classes.map((_, c) => {
    const values = Array.from(expected).filter((_, i) => i % classes.length === c)
    return Math.max(...values.map(Math.abs), validation?.values?.std[c] ?? 0)
  })
  return largest(expected, got, { classes, scale: { mean: [], std } }).by
}

/** The middle value. */
export const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN

/** The answers of a file in the type of those of the trained net. */
export const typed = ({ task }: Pick<ModelCard, 'task'>, found: Float64Array): Outputs =>
  task === 'regression' ? found : Float32Array.from(found)

/** How the answers of a file compare with those of the trained net to the same samples: [samples × classes]. */
export function compared(
  card: ModelCard,
  targets: TargetTable,
  { trained, exported }: { trained: Outputs; exported: Outputs },
): Pick<NetCheck, 'same' | 'difference' | 'metric' | 'trained' | 'exported'> {
  const { metric, score } = cardObjective(card)
  const { task, classes, thresholds = 0.5 } = card
  const scored = (values: Outputs) =>
    task === 'multi'
      ? labelScores(values, targets, classes.length, thresholds)[metric as 'mAP']
      : score(values, targets)[metric]!
  return {
    same: task === 'regression' ? 1 : sameLabels(trained, exported, card),
    difference: largest(trained, exported, card).by,
    metric,
    trained: scored(trained),
    exported: scored(exported),
  }
}

type Weights = TextFileCard['weights']

/** The bounds of a model of texts or sounds, by how its weights are stored: the least share of same labels, and the largest
 *  difference of a probability, of regression of a value in standard deviations. In fewer bits the net itself is another. */
export const netBounds = (weights: Weights): { same: number; difference: number } => {
  if (weights === 'quantized') return { same: leastQuantized, difference: Number.POSITIVE_INFINITY }
  return weights === 'float32' ? { same: 0.995, difference: 1e-4 } : { same: 0.99, difference: 0.05 }
}

/** The largest difference of an answer to the probe of a card from the one that the card gives. */
export const probeBound = (weights: Weights): number => (weights === 'quantized' ? 0.1 : netBounds(weights).difference)

/** The least share of same labels of a quantised file: a single answer may differ by any amount, and what counts is what the file
 *  costs. */
export const leastQuantized = 0.85

/** Throws if a quantised file costs more in a runtime than validation leaves open about the trained net. When it was
 *  quantised, the upper end of what it costs was within that; here it is what it costs, since the samples may be fewer. */
export function refuseCost(
  { runtime, same, loss }: Pick<NetCheck, 'runtime' | 'same' | 'loss'>,
  { count, noun, what, todo }: { count: number; noun: string; what: string; todo: string },
): void {
  const other = Math.round((1 - same) * count)
  const by = loss ? loss.after - loss.before : 0
  if (tooManyOther(other, count, 1 - leastQuantized) || !(by <= (loss?.allowed ?? 0)))
    throw new ModelError(
      `${what}: in ${runtime} the quantised model answers too differently from the trained net. ${percent(same)} of the labels of ${plural(count, noun)} are the same, expected ${percent(leastQuantized)}; its loss is ${by.toPrecision(2)} higher, expected at most ${(loss?.allowed ?? 0).toPrecision(2)}. ${todo}`,
    )
}

/** Whether more labels differ than chance explains where the share `allowed` of all labels differs: a net with that share
 *  would give as many in fewer than 5 % of such samples (the upper tail of the binomial distribution). Of 6 pictures 3 are
 *  too many, of 100 pictures 22, for a share of 0.15. */
export function tooManyOther(other: number, count: number, allowed: number): boolean {
  // P(X = k) from P(X = k - 1), from k = 0 on; in logarithms, since (1 - allowed)^count may be too small for a number.
  let term = count * Math.log1p(-allowed)
  let below = 0
  for (let k = 0; k < other; k++) {
    below += Math.exp(term)
    term += Math.log(((count - k) * allowed) / ((k + 1) * (1 - allowed)))
  }
  return 1 - below < 0.05
}

/** Compares a file with the trained net in each runtime. answersIn: the answers of the file, [samples × classes]; it notes the
 *  milliseconds of samples that went alone in `times`. */
export async function checkNet(
  { file, weights }: { file: Uint8Array; weights: Weights },
  { card, trained, targets, part }: { card: ModelCard; trained: Outputs; targets: TargetTable; part: NetCheck['part'] },
  runtimes: readonly RuntimeName[],
  answersIn: (loaded: Loaded, times: number[]) => Promise<Float64Array>,
): Promise<NetCheck[]> {
  const checks: NetCheck[] = []
  for (const runtime of runtimes) {
    const loaded = await load(runtime, file)
    const times: number[] = []
    try {
      const exported = typed(card, await answersIn(loaded, times))
      checks.push({
        runtime: loaded.name,
        part,
        ...compared(card, targets, { trained, exported }),
        ...(weights === 'quantized'
          ? { loss: verdictOf(trained, exported, targets, card).loss }
          : { tolerance: netBounds(weights).difference }),
        milliseconds: median(times),
      })
    } finally {
      await loaded.release()
    }
  }
  return checks
}

/** Throws where a check is outside the bounds. count, noun: the samples; what: how the error begins; also: what else is
 *  wrong, with a comma and an "and" behind it, if anything is. */
export function refuseNet(
  { runtime, same, difference, loss }: NetCheck,
  weights: Weights,
  { count, noun, what, also = '' }: { count: number; noun: string; what: string; also?: string },
): void {
  if (weights === 'quantized' && also === '') {
    const todo = `Leave ${option('quantize')} out.`
    refuseCost({ runtime, same, ...(loss && { loss }) }, { count, noun, what, todo })
    return
  }
  const bound = netBounds(weights)
  const other = Math.round((1 - same) * count)
  // Not `>`: a difference that is no number is outside too.
  if (also === '' && difference <= bound.difference && (same >= bound.same || other <= 1)) return
  const agree = `${percent(same)} of the labels of ${plural(count, noun)} are the same, and the largest difference is ${difference.toPrecision(2)}; expected ${percent(bound.same)} and at most ${bound.difference}`
  if (weights !== 'float32' && weights !== 'quantized')
    throw new ModelError(
      `${what}: with its weights in ${weights} the net answers otherwise. In ${runtime} ${agree}. Leave ${option('weights')} out.`,
    )
  throw new ModelError(
    `${what}: in ${runtime} it does not answer as the trained net does: ${also}${agree}. This is a fault of Anneal or of the runtime; --no-check writes the file all the same.`,
  )
}

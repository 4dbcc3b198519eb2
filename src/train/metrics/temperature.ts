import { TrainingError } from '../../base/errors.ts'
import { samples } from '../../base/samples.ts'
import { meanByPart, onceByPart } from '../parts.ts'
import type { LabelTask } from './calibration.ts'
import { checkActual, checkMatrices, checkRows } from './check.ts'

/** The temperature found, and the mean negative log-likelihood of the set at temperature 1 and at this one. */
export type Temperature = { temperature: number; before: number; after: number }

/** What is known about a temperature before the set is seen: ln T is normal around ln `temperature`, with standard
 *  deviation `deviation`. */
export interface TemperaturePrior {
  temperature: number
  deviation: number
}

/** Finite logits that give these probabilities: ln p (`single`) or ln p − ln(1 − p) (`multi`). p is kept within the
 *  range that float32 distinguishes from 0 and 1. Same shape. */
export const toLogits = (
  probabilities: ArrayLike<number>,
  { task = 'single' }: { task?: LabelTask } = {},
): Float64Array<ArrayBuffer> =>
  Float64Array.from(probabilities, p => {
    const low = Math.max(p, 2 ** -126)
    return task === 'single' ? Math.log(low) : Math.log(low) - Math.log(Math.max(1 - p, 2 ** -25))
  })

/** The temperature T that maximises the likelihood of softmax(logits / T), or for `multi` of sigmoid(logits / T), on
 *  this set (Guo et al. 2017, arXiv:1706.04599): above 1 the model was too confident, below 1 not confident enough. It
 *  changes neither the top class nor the order of pictures within a label of `multi`, only the probabilities. The
 *  likelihood is concave in 1/T, so Newton's method finds the zero of its derivative, inside a bracket that shrinks. A
 *  set without any mistake would give T = 0, which has no meaning, so T stays within [`least`, `most`]. With a
 *  `prior` it is the mode of the posterior, so a few pictures move it little, and many pictures give the same T as
 *  without one; it lies between the prior's T and that of the set. Fit it on pictures that the weights were not trained
 *  on. logits (or log-probabilities, see `toLogits`): [N, classes]; targets: [N], or [N, classes] for `multi`, whose
 *  picture counts once, not once per label. `parts`: the number of each row's sample, where a sample has several rows
 *  (the windows of a recording): T then maximises the likelihood of the mean of their probabilities, which is what is
 *  told for the sample, and samples count once. */
export function fitTemperature(
  logits: ArrayLike<number>,
  targets: ArrayLike<number>,
  classes: number,
  {
    task = 'single',
    least = 0.1,
    most = 10,
    prior,
    parts,
  }: {
    task?: LabelTask
    least?: number
    most?: number
    prior?: TemperaturePrior
    parts?: Uint32Array | undefined
  } = {},
): Temperature {
  if (!(least > 0 && least <= 1 && most >= 1))
    throw new TrainingError(`fitTemperature: got bounds ${least} and ${most}; expected 0 < least ≤ 1 ≤ most`)
  const n =
    task === 'single'
      ? checkActual('fitTemperature', logits, targets, classes, 'logits')
      : checkMatrices('fitTemperature', logits, targets, classes)
  if (n === 0) throw new TrainingError(`fitTemperature: got no ${samples.many}; expected at least one`)
  const lost = Array.prototype.findIndex.call(logits, v => !Number.isFinite(v))
  if (lost >= 0)
    throw new TrainingError(
      `fitTemperature: got ${logits[lost]} as logit ${lost % classes} of ${samples.one} ${Math.floor(lost / classes)}; expected finite numbers. toLogits makes them from probabilities.`,
    )
  if (parts) return fitPooled(pooledLoss(logits, targets, classes, { task, parts }), { least, most, prior })
  const at = task === 'single' ? softmaxLoss(logits, targets, classes) : sigmoidLoss(logits, targets)
  if (prior) {
    const two = task === 'single' && classes === 2
    const slope = two ? slopeOfTwo(logits, targets) : (beta: number) => at(beta).slope
    const beta = 1 / posteriorMode(slope, prior, { pictures: n, least, most })
    return { temperature: 1 / beta, before: at(1).loss, after: at(beta).loss }
  }
  let [low, high] = [1 / most, 1 / least]
  let beta = 1
  if (at(low).slope >= 0) high = beta = low
  else if (at(high).slope <= 0) low = beta = high
  for (let round = 0; round < 100 && high - low > 1e-12 * high; round++) {
    const { slope, curvature } = at(beta)
    if (slope === 0) break
    if (slope > 0) high = beta
    else low = beta
    const next = beta - slope / curvature
    const moved = next > low && next < high ? next : Math.sqrt(low * high)
    const still = Math.abs(moved - beta) < 1e-10 * beta
    beta = moved
    if (still) break
  }
  return { temperature: 1 / beta, before: at(1).loss, after: at(beta).loss }
}

/** The T between those of prior and likelihood where the derivative of the posterior in ln T is 0, by bisection. */
function posteriorMode(
  slopeAt: (beta: number) => number,
  { temperature, deviation }: TemperaturePrior,
  { pictures, least, most }: { pictures: number; least: number; most: number },
): number {
  if (!(temperature > 0 && deviation > 0))
    throw new TrainingError(
      `fitTemperature: got the prior temperature ${temperature} and deviation ${deviation}; expected numbers above 0`,
    )
  let [low, high] = [Math.log(least), Math.log(most)]
  for (let round = 0; round < 60; round++) {
    const middle = (low + high) / 2
    const beta = Math.exp(-middle)
    const slope = -pictures * beta * slopeAt(beta) + (middle - Math.log(temperature)) / deviation ** 2
    if (slope > 0) high = middle
    else low = middle
  }
  return Math.exp((low + high) / 2)
}

/** The temperature for the mean over the rows of each sample. That loss is not concave in 1/T, so 65 values of ln T are
 *  tried, and the best one is made exact by golden section between its neighbours. */
function fitPooled(
  { at, samples: count }: { at(beta: number): number; samples: number },
  { least, most, prior }: { least: number; most: number; prior: TemperaturePrior | undefined },
): Temperature {
  const cost = (log: number) =>
    count * at(Math.exp(-log)) + (prior ? (log - Math.log(prior.temperature)) ** 2 / (2 * prior.deviation ** 2) : 0)
  const [low, high] = [Math.log(least), Math.log(most)]
  const step = (high - low) / 64
  const grid = Array.from({ length: 65 }, (_, i) => low + i * step)
  const best = grid.reduce((a, log) => (cost(log) < cost(a) ? log : a))
  let [from, to] = [Math.max(low, best - step), Math.min(high, best + step)]
  const golden = (Math.sqrt(5) - 1) / 2
  for (let round = 0; round < 40; round++) {
    const [a, b] = [to - golden * (to - from), from + golden * (to - from)]
    if (cost(a) < cost(b)) to = b
    else from = a
  }
  const temperature = Math.exp((from + to) / 2)
  return { temperature, before: at(1), after: at(1 / temperature) }
}

/** The mean log loss of samples whose probabilities are the mean over their rows, at β = 1/T. */
function pooledLoss(
  logits: ArrayLike<number>,
  targets: ArrayLike<number>,
  classes: number,
  { task, parts }: { task: LabelTask; parts: Uint32Array },
): { at(beta: number): number; samples: number } {
  const rows = Float64Array.from(logits)
  const answers = onceByPart(Float64Array.from(targets), parts, task === 'single' ? 1 : classes)
  const count = answers.length / (task === 'single' ? 1 : classes)
  const log = (p: number) => Math.log(Math.max(p, Number.MIN_VALUE))
  return {
    samples: count,
    at(beta) {
      // For one of two labels both sides are averaged: 1 - p of a mean loses all digits where p is near 1.
      const told = meanByPart(activated(rows, classes, { task, beta }), parts, classes)
      if (task === 'single') return -answers.reduce((sum, y, i) => sum + log(told[i * classes + y]!), 0) / count
      const not = meanByPart(activated(rows, classes, { task, beta: -beta }), parts, classes)
      return -answers.reduce((sum, y, i) => sum + y * log(told[i]!) + (1 - y) * log(not[i]!), 0) / answers.length
    },
  }
}

/** Softmax by rows, or sigmoids, of β · logits, in double precision. */
function activated(
  logits: Float64Array,
  classes: number,
  { task, beta }: { task: LabelTask; beta: number },
): Float64Array {
  if (task === 'multi') return logits.map(z => sigmoid(beta * z))
  const out = new Float64Array(logits.length)
  for (let i = 0; i < out.length; i += classes) {
    let top = Number.NEGATIVE_INFINITY
    for (let c = 0; c < classes; c++) top = Math.max(top, beta * logits[i + c]!)
    let total = 0
    for (let c = 0; c < classes; c++) total += out[i + c] = Math.exp(beta * logits[i + c]! - top)
    for (let c = 0; c < classes; c++) out[i + c]! /= total
  }
  return out
}

/** Probabilities at a temperature: softmax(logits / T) by rows, or for `multi` sigmoid(logits / T).
 *  logits: [N, classes] → [N × classes]. */
export function applyTemperature(
  logits: ArrayLike<number>,
  classes: number,
  temperature: number,
  { task = 'single' }: { task?: LabelTask } = {},
): Float32Array<ArrayBuffer> {
  checkRows('applyTemperature', logits, classes)
  if (!(temperature > 0)) throw new TrainingError(`applyTemperature: got ${temperature}; expected a number above 0`)
  if (task === 'multi') return Float32Array.from(logits, z => sigmoid(z / temperature))
  const out = new Float32Array(logits.length)
  const powers = new Float64Array(classes)
  for (let i = 0; i < out.length; i += classes) {
    let top = Number.NEGATIVE_INFINITY
    for (let c = 0; c < classes; c++) top = Math.max(top, logits[i + c]! / temperature)
    let total = 0
    for (let c = 0; c < classes; c++) total += powers[c] = Math.exp(logits[i + c]! / temperature - top)
    for (let c = 0; c < classes; c++) out[i + c] = powers[c]! / total
  }
  return out
}

type Loss = (beta: number) => { loss: number; slope: number; curvature: number }

/** Mean of ln Σ exp(βz) − βz[class], with its derivatives in β: the mean of z over the softmax minus z[class], and the
 *  variance. */
const softmaxLoss =
  (logits: ArrayLike<number>, actual: ArrayLike<number>, classes: number): Loss =>
  beta => {
    let [loss, slope, curvature] = [0, 0, 0]
    for (let i = 0; i < actual.length; i++) {
      const row = i * classes
      let top = Number.NEGATIVE_INFINITY
      for (let c = 0; c < classes; c++) top = Math.max(top, logits[row + c]!)
      let [total, first, second] = [0, 0, 0]
      for (let c = 0; c < classes; c++) {
        const z = logits[row + c]! - top
        const power = Math.exp(beta * z)
        total += power
        first += power * z
        second += power * z * z
      }
      const own = logits[row + actual[i]!]! - top
      loss += Math.log(total) - beta * own
      slope += first / total - own
      curvature += second / total - (first / total) ** 2
    }
    const n = actual.length
    return { loss: loss / n, slope: slope / n, curvature: curvature / n }
  }

/** The slope of `softmaxLoss` for two classes, to the same bits: what does not depend on β is computed once. */
function slopeOfTwo(logits: ArrayLike<number>, actual: ArrayLike<number>): (beta: number) => number {
  const n = actual.length
  const [below, own] = [new Float64Array(n), new Float64Array(n)]
  for (let i = 0; i < n; i++) {
    const [a, b] = [logits[2 * i]!, logits[2 * i + 1]!]
    below[i] = Math.min(a, b) - Math.max(a, b)
    own[i] = logits[2 * i + actual[i]!]! - Math.max(a, b)
  }
  return beta => {
    let slope = 0
    for (let i = 0; i < n; i++) {
      const power = Math.exp(beta * below[i]!)
      slope += (power * below[i]!) / (1 + power) - own[i]!
    }
    return slope / n
  }
}

/** Mean of ln(1 + exp(βz)) − yβz, with its derivatives in β. */
const sigmoidLoss =
  (logits: ArrayLike<number>, targets: ArrayLike<number>): Loss =>
  beta => {
    let [loss, slope, curvature] = [0, 0, 0]
    for (let i = 0; i < logits.length; i++) {
      const [z, y] = [logits[i]!, targets[i]!]
      const p = sigmoid(beta * z)
      loss += Math.max(beta * z, 0) + Math.log1p(Math.exp(-Math.abs(beta * z))) - y * beta * z
      slope += (p - y) * z
      curvature += p * (1 - p) * z * z
    }
    const n = logits.length
    return { loss: loss / n, slope: slope / n, curvature: curvature / n }
  }

const sigmoid = (z: number) => 1 / (1 + Math.exp(-z))

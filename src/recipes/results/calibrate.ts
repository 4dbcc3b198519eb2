import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Task } from '../../data/index.ts'
import type { Narrator } from '../../domain/index.ts'
import type { CalibrationPart } from '../../runs/index.ts'
import type { Evaluation } from '../../train/evaluate.ts'
import {
  accuracyMulti,
  applyTemperature,
  bestThresholds,
  bootstrap,
  fBeta,
  fitTemperature,
  reliability,
  type TemperaturePrior,
  type ThresholdMetric,
  take,
  toLogits,
} from '../../train/metrics.ts'
import type { Outputs, Targets } from '../../train/objective.ts'
import { meanByPart, onceByPart, type Parts } from '../../train/pooled.ts'
import { readWeights, type StoredTensor, writeSafetensors } from '../../weights/index.ts'

/** Predictions for samples that the weights were not trained on, [N × classes], and their targets. */
export type Held = Pick<Evaluation, 'logits' | 'probabilities' | 'targets'>

/** What the outputs mean; `seed` is for the bootstrap draws. */
export interface Meaning {
  task: Task
  classes: readonly string[]
  seed: number
}

/** Multi-label: the probability from which each label counts as given, and one such threshold for all labels. */
export interface Thresholds {
  threshold: number
  thresholds: readonly number[]
}

/** For the log: which model the decisions are for, and on which samples they were made. */
interface Wording {
  of?: string
  on?: string
}

/** The usual temperature of one net, and its spread, over the data sets of `bench/accuracy.ts`: a prior for sets with few
 *  held-out samples. */
export const usualTemperature: TemperaturePrior = { temperature: Math.exp(0.2), deviation: 0.4 }

/** One temperature for softmax or sigmoids, fitted on held-out samples, few or many; 1 for regression. `prior`: what is
 *  known beforehand. `parts`: of samples with several rows; curves and temperature are those of the mean over
 *  them, which is what is told for a sample. */
export function calibrate(
  narrator: Pick<Narrator, 'choice'>,
  { task, classes }: Meaning,
  { logits, probabilities, targets }: Held,
  {
    of = '',
    on = 'the validation samples',
    prior = usualTemperature,
    parts,
  }: Wording & { prior?: TemperaturePrior; parts?: Parts } = {},
): { temperature: number; calibration?: CalibrationPart } {
  if (task === 'regression') return { temperature: 1 }
  const answers = onceByPart(targets, parts, task === 'single' ? 1 : classes.length)
  const curve = (p: Outputs) => {
    const { bins, ece } = reliability(meanByPart(p, parts, classes.length), answers, classes.length, { task })
    return { bins, ece }
  }
  const before = curve(probabilities)
  const { temperature } = fitTemperature(logits, targets, classes.length, { task, prior, parts })
  const after = curve(applyTemperature(logits, classes.length, temperature, { task }))
  narrator.choice(
    `${of}temperature`,
    temperature.toFixed(3),
    `fits ${on}${parts ? ', each with the mean of its parts,' : ''} and the usual ${prior.temperature.toFixed(2)} best; expected calibration error ${before.ece.toFixed(3)} before, ${after.ece.toFixed(3)} after`,
  )
  return { temperature, calibration: { before, after, temperature } }
}

/** Probabilities at a temperature. Regression outputs, and a temperature of 1, change nothing. */
export const atTemperature = (
  { task, classes }: Pick<Meaning, 'task' | 'classes'>,
  { logits, probabilities }: Pick<Held, 'logits' | 'probabilities'>,
  temperature: number,
): Outputs =>
  task === 'regression' || temperature === 1
    ? probabilities
    : applyTemperature(logits, classes.length, temperature, { task })

/** Finds the threshold of each label (the probability from which it counts as given) for this metric on held-out
 *  samples. */
export function chooseThresholds(
  narrator: Pick<Narrator, 'choice'>,
  { classes, seed }: Meaning,
  { probabilities, targets }: Pick<Held, 'probabilities' | 'targets'>,
  { metric = 'f1', of = '', on = 'the validation samples' }: Wording & { metric?: ThresholdMetric | undefined } = {},
): Thresholds {
  const found = bestThresholds(Float32Array.from(probabilities), targets, classes.length, { metric, average: 'macro' })
  const { half, value, valueEach } = found
  // Few samples make any threshold look good: one for all must beat 0.5 by more than chance.
  const threshold = beatsHalf(found.threshold, metric, { probabilities, targets, classes: classes.length, seed })
    ? found.threshold
    : 0.5
  const thresholds = found.thresholds.map((t, c) => (found.classes[c]!.own ? t : threshold))
  const text = thresholds.slice(0, 20).map((t, c) => `${classes[c]} ${t.toFixed(2)}`)
  narrator.choice(
    `${of}thresholds`,
    text.join(', '),
    `macro ${metric} on ${on}: one threshold per label ${valueEach.toFixed(3)}, one for all labels (${found.threshold.toFixed(2)}) ${value.toFixed(3)}, 0.5 for all ${half.toFixed(3)}; a threshold is used where it beats 0.5 by more than chance`,
  )
  return { threshold, thresholds }
}

/** Whether one threshold for all labels beats 0.5 in nine of ten bootstrap draws of these samples. */
function beatsHalf(
  threshold: number,
  metric: ThresholdMetric,
  {
    probabilities,
    targets,
    classes,
    seed,
  }: { probabilities: Outputs; targets: ArrayLike<number>; classes: number; seed: number },
): boolean {
  if (probabilities.length > 200_000) return true
  const gain = (rows: ArrayLike<number>) => {
    const [p, y] = [take(probabilities, rows, classes), take(targets, rows, classes)]
    const at = (t: number) =>
      metric === 'accuracy'
        ? accuracyMulti(p, y, classes, { thresholds: t })
        : fBeta(p, y, classes, { beta: Number(metric.slice(1)), average: 'macro', thresholds: t })
    return at(threshold) - at(0.5)
  }
  return bootstrap(gain, probabilities.length / classes, { seed, rounds: 100, level: 0.8 }).low > 0
}

/** The usual temperature of a mean over nets that have their own. */
const ofMeans: TemperaturePrior = { temperature: 1, deviation: usualTemperature.deviation }

/** Temperature and thresholds of an ensemble, found on its predictions for held-out samples. Each member applies its
 *  own temperature first, then this one scales their mean (Rahaman and Thiery 2021, arXiv:2007.08792). */
export function decideTogether(
  narrator: Pick<Narrator, 'choice'>,
  meaning: Meaning,
  { probabilities, targets }: Pick<Held, 'probabilities' | 'targets'>,
  how: Wording & { metric?: ThresholdMetric | undefined },
): { probabilities: Outputs; temperature: number; thresholds?: Thresholds } {
  const { task } = meaning
  if (task === 'regression') return { probabilities, temperature: 1 }
  const held = { logits: Float32Array.from(toLogits(probabilities, { task })), probabilities, targets }
  const { temperature } = calibrate(narrator, meaning, held, { ...how, prior: ofMeans })
  const calibrated = atTemperature(meaning, held, temperature)
  return {
    probabilities: calibrated,
    temperature,
    ...(task === 'multi'
      ? { thresholds: chooseThresholds(narrator, meaning, { probabilities: calibrated, targets }, how) }
      : {}),
  }
}

/** The samples whose predictions are kept. */
type HeldPart = 'valid' | 'test'
const heldPath = (dir: string, part: HeldPart) => join(dir, `${part}.safetensors`)

/** Writes the predictions of a member's best weights for its validation or test samples into the folder of its run. */
export function keepHeld(
  dir: string,
  { probabilities, targets }: Pick<Held, 'probabilities' | 'targets'>,
  part: HeldPart = 'valid',
): void {
  const dtypeOf = (values: Targets) =>
    values instanceof Int32Array ? 'int32' : values instanceof Float32Array ? 'float32' : 'float64'
  const stored = (values: Targets): StoredTensor => ({
    dtype: dtypeOf(values),
    shape: [values.length],
    data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  })
  const held = Object.entries({ probabilities, targets }).map(([name, values]) => [name, stored(values)] as const)
  writeSafetensors(heldPath(dir, part), new Map(held))
}

/** Reads the members' predictions for the same samples, and returns their mean; undefined if they are not the same, or not
 *  kept. */
export function meanHeld(
  dirs: readonly string[],
  part: HeldPart = 'valid',
): Pick<Held, 'probabilities' | 'targets'> | undefined {
  if (!dirs.every(dir => existsSync(heldPath(dir, part)))) return undefined
  const all = dirs.map(dir => readHeld([dir], part))
  const { probabilities, targets } = all[0]!
  if (!all.every(held => Buffer.compare(bytesOf(held.targets), bytesOf(targets)) === 0)) return undefined
  const mean = (_: number, i: number) => all.reduce((sum, held) => sum + held.probabilities[i]!, 0) / all.length
  const means =
    probabilities instanceof Float64Array
      ? Float64Array.from(probabilities, mean)
      : Float32Array.from(probabilities, mean)
  return { probabilities: means, targets }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Targets) => Buffer.from(buffer, byteOffset, byteLength)

/** Reads the folds' predictions for their validation samples, one fold after another: each sample is predicted by a net
 *  that was not trained on it. */
export function readHeld(dirs: readonly string[], part: HeldPart = 'valid'): Pick<Held, 'probabilities' | 'targets'> {
  const parts = dirs.map(dir => readWeights(heldPath(dir, part)))
  const bytes = (name: string) => Buffer.concat(parts.map(part => part.get(name)!.data))
  const values = (name: string): Targets => {
    const { buffer } = Uint8Array.from(bytes(name))
    const { dtype } = parts[0]!.get(name)!
    return dtype === 'int32'
      ? new Int32Array(buffer)
      : dtype === 'float64'
        ? new Float64Array(buffer)
        : new Float32Array(buffer)
  }
  return { probabilities: values('probabilities') as Outputs, targets: values('targets') }
}

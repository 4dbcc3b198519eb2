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
  type ThresholdMetric,
  take,
  toLogits,
} from '../../train/metrics.ts'
import type { Outputs, Targets } from '../../train/objective.ts'
import { readWeights, type StoredTensor, writeSafetensors } from '../../weights/index.ts'

/** What is told of samples that did not teach the weights, [N × classes], and the right answers. */
export type Held = Pick<Evaluation, 'logits' | 'probabilities' | 'targets'>

/** What the outputs stand for; `seed` draws the samples anew where chance is asked about. */
export interface Meaning {
  task: Task
  classes: readonly string[]
  seed: number
}

/** For several labels: from which probability each counts, and the one for all. */
export interface Thresholds {
  threshold: number
  thresholds: readonly number[]
}

/** Whose decisions they are and on which samples, as a reader is told. */
interface Told {
  of?: string
  on?: string
}

/** Fewer samples than this say too little of how sure the net may be. */
const leastToCalibrate = 100

/** One temperature for softmax or sigmoids, fitted on held-out samples; 1 for numbers and for few samples. */
export function calibrate(
  narrator: Pick<Narrator, 'choice'>,
  { task, classes }: Meaning,
  { logits, probabilities, targets }: Held,
  { of = '', on = 'the validation samples' }: Told = {},
): { temperature: number; calibration?: CalibrationPart } {
  if (task === 'regression') return { temperature: 1 }
  const curve = (p: Outputs) => {
    const { bins, ece } = reliability(p, targets, classes.length, { task })
    return { bins, ece }
  }
  const before = curve(probabilities)
  if (probabilities.length < leastToCalibrate * classes.length) return { temperature: 1, calibration: { before } }
  const [least, most] = [0.1, 10]
  const { temperature } = fitTemperature(logits, targets, classes.length, { task, least, most })
  // At a bound there was no mistake to learn from, or no temperature helps.
  if (temperature < least * 1.01 || temperature > most / 1.01) return { temperature: 1, calibration: { before } }
  const after = curve(applyTemperature(logits, classes.length, temperature, { task }))
  narrator.choice(
    `${of}temperature`,
    temperature.toFixed(3),
    `fits ${on} best; expected calibration error ${before.ece.toFixed(3)} before, ${after.ece.toFixed(3)} after`,
  )
  return { temperature, calibration: { before, after, temperature } }
}

/** Probabilities at a temperature; numbers, and those at 1, are as they were. */
export const atTemperature = (
  { task, classes }: Pick<Meaning, 'task' | 'classes'>,
  { logits, probabilities }: Pick<Held, 'logits' | 'probabilities'>,
  temperature: number,
): Outputs =>
  task === 'regression' || temperature === 1
    ? probabilities
    : applyTemperature(logits, classes.length, temperature, { task })

/** Finds the threshold of each label, the probability from which on it counts as given, on held-out samples for this metric. */
export function chooseThresholds(
  narrator: Pick<Narrator, 'choice'>,
  { classes, seed }: Meaning,
  { probabilities, targets }: Pick<Held, 'probabilities' | 'targets'>,
  { metric = 'f1', of = '', on = 'the validation samples' }: Told & { metric?: ThresholdMetric | undefined } = {},
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

/** Whether a threshold for all labels beats 0.5 in nine of ten sets drawn anew from these samples. */
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

/** Temperature and thresholds of an ensemble, found on what it says of held-out samples. The temperature is that of the
 *  mean, after the members' own (Rahaman and Thiery 2021, arXiv:2007.08792). */
export function decideTogether(
  narrator: Pick<Narrator, 'choice'>,
  meaning: Meaning,
  { probabilities, targets }: Pick<Held, 'probabilities' | 'targets'>,
  how: Told & { metric?: ThresholdMetric | undefined },
): { probabilities: Outputs; temperature: number; thresholds?: Thresholds } {
  const { task } = meaning
  if (task === 'regression') return { probabilities, temperature: 1 }
  const held = { logits: Float32Array.from(toLogits(probabilities, { task })), probabilities, targets }
  const { temperature } = calibrate(narrator, meaning, held, how)
  const calibrated = atTemperature(meaning, held, temperature)
  return {
    probabilities: calibrated,
    temperature,
    ...(task === 'multi'
      ? { thresholds: chooseThresholds(narrator, meaning, { probabilities: calibrated, targets }, how) }
      : {}),
  }
}

const heldPath = (dir: string) => join(dir, 'valid.safetensors')

/** Keeps what the best weights of a fold say of its validation samples, in the fold's folder. */
export function keepHeld(dir: string, { probabilities, targets }: Pick<Held, 'probabilities' | 'targets'>): void {
  const dtypeOf = (values: Targets) =>
    values instanceof Int32Array ? 'int32' : values instanceof Float32Array ? 'float32' : 'float64'
  const stored = (values: Targets): StoredTensor => ({
    dtype: dtypeOf(values),
    shape: [values.length],
    data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  })
  writeSafetensors(heldPath(dir), new Map(Object.entries({ probabilities, targets }).map(([k, v]) => [k, stored(v)])))
}

/** What the folds in these folders say of their validation samples, one after another: of each sample, a net that did
 *  not see it. */
export function readHeld(dirs: readonly string[]): Pick<Held, 'probabilities' | 'targets'> {
  const parts = dirs.map(dir => readWeights(heldPath(dir)))
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

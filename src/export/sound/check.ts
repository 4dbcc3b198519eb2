import { readFileSync } from 'node:fs'
import { setImmediate as pause } from 'node:timers/promises'
import { ModelError } from '../../base/errors.ts'
import { percent, plural } from '../../base/format.ts'
import { option } from '../../base/options.ts'
import type { Place } from '../../data/types.ts'
import type { SoundCheck, SoundFileCard } from '../../onnx/index.ts'
import { openCompressed } from '../../runtime/sound/compressed.ts'
import { readSamples } from '../../runtime/sound/read.ts'
import { namedError } from '../../sound/decode/decode.ts'
import { loadSoundClassifier } from '../../sound/inference/predict.ts'
import type { SoundInput } from '../../sound/inference/windows-of.ts'
import { labelScores, type Outputs } from '../../train/objective.ts'
import { cardObjective } from '../../train/saved-model.ts'
import { largest, numbersOf } from '../check.ts'
import { sameLabels } from '../quantize/verdict.ts'
import { type Loaded, load, type RuntimeName } from '../runtimes.ts'
import type { CheckSounds } from './check-sounds.ts'
import type { SoundModel } from './model-graph.ts'

/** The bounds by how the weights are stored: the least share of same labels, and the largest difference of a probability, of
 *  regression of a value in standard deviations. In fewer bits the net itself is another. */
export const soundBounds = (weights: SoundFileCard['weights']): { same: number; difference: number } =>
  weights === 'float32' ? { same: 0.995, difference: 1e-4 } : { same: 0.99, difference: 0.05 }

/** The most seconds of sound of a check, so that it takes a minute for long recordings too, the fewest recordings, and the most
 *  of a recording. */
const [mostSeconds, fewest, longest] = [1200, 16, 3 * 3600]

/** How a check runs. */
export interface SoundCheckOptions {
  runtimes: readonly RuntimeName[]
  progress?: ((label: string, done: number, total: number) => void) | undefined
  signal?: AbortSignal | undefined
}

/** Recordings as the runtime reads them, and the trained net's answers to the files: [recordings × classes]. */
export interface Heard {
  sounds: readonly Float32Array[]
  trained: Outputs
}

/** The samples of a file as the runtime reads it for an exported model: one channel at its rate. */
export async function fileSamples({ file, raw }: Place, rate: number): Promise<Float32Array> {
  try {
    const bytes = readFileSync(raw ? Buffer.from(raw) : file)
    return await readSamples(bytes, { rate, seconds: longest, open: openCompressed })
  } catch (error) {
    throw namedError(error, file)
  }
}

/** The answers of the trained net in float32: [recordings × classes]. run: a run folder, or a saved model. */
export async function trainedAnswers(
  run: string,
  inputs: readonly (SoundInput | Place)[],
  { progress = () => {}, signal }: Omit<SoundCheckOptions, 'runtimes'> = {},
): Promise<Outputs> {
  const classifier = loadSoundClassifier(run, { precision: 'float32' })
  const rows: Outputs[] = []
  try {
    for await (const { scores } of classifier.predictAll(inputs, { signal })) {
      rows.push(scores)
      progress('recordings through the trained net', rows.length, inputs.length)
    }
  } finally {
    classifier.close()
  }
  const width = classifier.classes.length
  const all =
    rows[0] instanceof Float64Array ? new Float64Array(rows.length * width) : new Float32Array(rows.length * width)
  for (const [i, row] of rows.entries()) all.set(row, i * width)
  return all
}

/** The answers of a file in a runtime, one recording at a time: [recordings × classes]. */
export async function fileAnswers(
  loaded: Loaded,
  { classes, input }: SoundFileCard,
  sounds: readonly Float32Array[],
  { times = [], progress = () => {}, signal }: Omit<SoundCheckOptions, 'runtimes'> & { times?: number[] } = {},
): Promise<Float64Array> {
  const all = new Float64Array(sounds.length * classes.length)
  for (const [i, data] of sounds.entries()) {
    await pause() // lets a signal come through
    signal?.throwIfAborted()
    const start = performance.now()
    all.set(numbersOf(await loaded.run({ [input.name]: { data, dims: [1, data.length] } })), i * classes.length)
    times.push(performance.now() - start)
    progress('checked recordings', i + 1, sounds.length)
  }
  return all
}

/** Compares an exported file with the trained net in each runtime, from file to label. run: where the net is. */
export async function checkSound(
  run: string,
  { card: trainedCard }: SoundModel,
  { file, card }: { file: Uint8Array; card: SoundFileCard },
  { places, targets, part }: CheckSounds,
  { runtimes, progress, signal }: SoundCheckOptions,
): Promise<SoundCheck[]> {
  const sounds: Float32Array[] = []
  let seconds = 0
  for (const place of places) {
    signal?.throwIfAborted()
    const samples = await fileSamples(place, card.input.rate)
    seconds += samples.length / card.input.rate
    if (seconds > mostSeconds && sounds.length >= fewest) break
    sounds.push(samples)
  }
  const some = places.slice(0, sounds.length)
  const own = targets.slice(0, (targets.length / places.length) * sounds.length)
  const trained = await trainedAnswers(run, some, { progress, signal })
  const { metric } = cardObjective(trainedCard)
  const score = (values: Outputs) =>
    card.task === 'multi'
      ? labelScores(values, own, card.classes.length, trainedCard.thresholds ?? 0.5)[metric as 'mAP']
      : cardObjective(trainedCard).score(values, own)[metric]!
  const checks: SoundCheck[] = []
  for (const runtime of runtimes) {
    const loaded = await load(runtime, file)
    const times: number[] = []
    try {
      const numbers = await fileAnswers(loaded, card, sounds, { times, progress, signal })
      const typed = card.task === 'regression' ? numbers : Float32Array.from(numbers)
      checks.push({
        runtime: loaded.name,
        recordings: sounds.length,
        part,
        same: card.task === 'regression' ? 1 : sameLabels(trained, typed, trainedCard),
        difference: largest(trained, typed, trainedCard).by,
        tolerance: soundBounds(card.weights).difference,
        metric,
        trained: score(trained),
        exported: score(typed),
        milliseconds: times.sort((a, b) => a - b)[times.length >> 1] ?? Number.NaN,
      })
    } finally {
      await loaded.release()
    }
  }
  return checks
}

/** Throws where a check is outside the bounds. */
export function refuseSound(checks: readonly SoundCheck[], weights: SoundFileCard['weights'], what: string): void {
  const bound = soundBounds(weights)
  for (const { runtime, recordings, same, difference } of checks) {
    const other = Math.round((1 - same) * recordings)
    // Not `>`: a difference that is no number is outside too.
    if (difference <= bound.difference && (same >= bound.same || other <= 1)) continue
    const agree = `${percent(same)} of the labels of ${plural(recordings, 'recording')} are the same, and the largest difference is ${difference.toPrecision(2)}; expected ${percent(bound.same)} and at most ${bound.difference}`
    if (weights !== 'float32')
      throw new ModelError(
        `${what}: with its weights in ${weights} the net answers otherwise. In ${runtime} ${agree}. Leave ${option('weights')} out.`,
      )
    throw new ModelError(
      `${what}: in ${runtime} it does not answer as the trained net does: ${agree}. This is a fault of Anneal or of the runtime; --no-check writes the file all the same.`,
    )
  }
}

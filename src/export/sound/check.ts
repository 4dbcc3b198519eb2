import { setImmediate as pause } from 'node:timers/promises'
import { option } from '../../base/options.ts'
import type { Place } from '../../data/types.ts'
import type { SoundCheck, SoundFileCard } from '../../onnx/index.ts'
import { loadSoundClassifier } from '../../sound/inference/predict.ts'
import type { SoundInput } from '../../sound/inference/windows-of.ts'
import type { Outputs } from '../../train/objective.ts'
import { checkNet, numbersOf, refuseNet } from '../compare.ts'
import type { CheckOptions } from '../options.ts'
import type { Loaded } from '../runtimes.ts'
import type { CheckSounds } from './check-sounds.ts'
import { heardAlike, type SoundModel } from './model-graph.ts'
import { fileSamples, type Spectra, spectraOf } from './spectra.ts'

/** The most seconds of sound of a check, so that it takes a minute for long recordings too, and the fewest recordings. */
const [mostSeconds, fewest] = [1200, 16]

/** The answers of the trained net in float32: [recordings × classes]. run: a run folder, or a saved model. */
export async function trainedAnswers(
  run: string,
  inputs: readonly (SoundInput | Place)[],
  { progress = () => {}, signal }: Omit<CheckOptions, 'runtimes'> = {},
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
  { times = [], progress = () => {}, signal }: Omit<CheckOptions, 'runtimes'> & { times?: number[] } = {},
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

/** The answers of the net alone: of each recording the mean over its windows, [recordings × classes]. */
async function netAnswers(
  loaded: Loaded,
  { classes }: SoundFileCard,
  spectra: Spectra,
  { times, progress = () => {}, signal }: Omit<CheckOptions, 'runtimes'> & { times: number[] },
): Promise<Float64Array> {
  const all = new Float64Array(spectra.count * classes.length)
  for (let i = 0; i < spectra.count; i++) {
    await pause() // lets a signal come through
    signal?.throwIfAborted()
    const inputs = spectra.batch(i, i + 1)
    const start = performance.now()
    const rows = numbersOf(await loaded.run(inputs))
    times.push(performance.now() - start)
    for (const [at, value] of rows.entries())
      all[i * classes.length + (at % classes.length)]! += value / spectra.rows(i)
    progress('checked recordings', i + 1, spectra.count)
  }
  return all
}

/** Compares an exported file with the trained net in each runtime, from file to label. run: where the net is. */
export async function checkSound(
  run: string,
  model: SoundModel,
  { file, card }: { file: Uint8Array; card: SoundFileCard },
  { places, targets, part }: CheckSounds,
  { runtimes, progress, signal }: CheckOptions,
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
  const spectra = card.input.net ? await spectraOf(some, heardAlike(model, option('net')), { signal }) : undefined
  const checks = await checkNet(
    { file, weights: card.weights },
    { card: model.card, trained, targets: own, part },
    runtimes,
    spectra
      ? (loaded, times) => netAnswers(loaded, card, spectra, { times, progress, signal })
      : (loaded, times) => fileAnswers(loaded, card, sounds, { times, progress, signal }),
  )
  return checks.map(check => ({ ...check, recordings: sounds.length }))
}

/** Throws where a check is outside the bounds. */
export function refuseSound(checks: readonly SoundCheck[], weights: SoundFileCard['weights'], what: string): void {
  for (const check of checks) refuseNet(check, weights, { count: check.recordings, noun: 'recording', what })
}

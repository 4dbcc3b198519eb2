import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { AnnealError, DataError, RunError } from '../../base/errors.ts'
import { findSamples, toPlace } from '../../data/labels/list-files.ts'
import type { Place, Problem } from '../../data/types.ts'
import { domainOf } from '../../runs/index.ts'
import { streamCutter } from '../../runtime/sound/stream.ts'
import { fromArray, noGrad, scope, type Tensor } from '../../torch/index.ts'
import type { Body, Precision } from '../../train/network.ts'
import { type Outputs, targetText } from '../../train/objective.ts'
import { joinMembers, memberOutputs, type Prediction, predictionOf } from '../../train/prediction.ts'
import { type LoadedModel, loadModel, precisionOf } from '../../train/saved-model.ts'
import { soundFiles } from '../decode/formats.ts'
import { isPreprocessing, type Preprocessing } from '../features/inputs.ts'
import { inputOf } from '../source.ts'
import { networkOf } from './saved.ts'
import { nameOf, type SoundInput, type Window, windowsOf } from './windows-of.ts'

/** How recordings go through a saved model. */
export interface PredictSoundsOptions {
  /** Windows per batch. Default: 16. */
  batchSize?: number
  device?: string
  /** The number type of products. Default: the one the net was validated in, where this machine has it. */
  precision?: Precision | undefined
  signal?: AbortSignal | undefined
}

/** What a part of a recording was heard as. */
export interface HeardPart {
  /** In seconds from the beginning of the recording. */
  from: number
  to: number
  /** The probabilities (for regression the values), in the order of the model's classes. */
  scores: Outputs
}

/** The prediction for a recording: the mean over its windows; `parts` has each window, where there are several;
 *  `notes` what could not be read of it, where that is little. */
export type SoundPrediction = Prediction & { seconds: number; parts: readonly HeardPart[]; notes?: readonly string[] }

/** A classifier of sounds that a run kept. */
export interface SoundClassifier {
  readonly classes: readonly string[]
  /** The length of a window, in seconds. */
  readonly seconds: number
  /** The number type of products. */
  readonly precision: Precision
  /** The same of many, in their order. `onError` hears of those that can't be read; without it their error is thrown. */
  predictAll(
    inputs: Iterable<SoundInput | Place> | AsyncIterable<SoundInput | Place>,
    options?: {
      signal?: AbortSignal | undefined
      onError?: ((name: string, error: Error) => void) | undefined
      /** How many bytes of a recording are read, which says how far a long one is; each net of several reads it once. */
      onRead?: ((name: string, bytes: number, all: number) => void) | undefined
    },
  ): AsyncGenerator<SoundPrediction>
  /** A value of the target of that name as text, with all decimals that the target has. */
  text(value: number, target: string): string
  /** What the net makes of one recording. */
  predict(input: SoundInput, options?: { index?: number; signal?: AbortSignal | undefined }): Promise<SoundPrediction>
  /** What it makes of a stream of samples: an answer for each window, every `hop` seconds. */
  predictStream(
    samples: AsyncIterable<Float32Array> | Iterable<Float32Array>,
    options: StreamOptions,
  ): AsyncGenerator<StreamPrediction>
  /** Frees the memory of the net. */
  close(): void
}

/** A stream of samples. */
export interface StreamOptions {
  /** Samples in a second, of one channel, from -1 to 1. */
  rate: number
  /** Seconds between two answers. Default: half a window. */
  hop?: number | undefined
  signal?: AbortSignal | undefined
}

/** The prediction for a window of a stream; `from` and `to` in seconds since its beginning. */
export type StreamPrediction = Prediction & { from: number; to: number }

type Model = LoadedModel<Preprocessing, Body>

/** Loads a classifier of sounds: a run's folder (its best weights), or the path of the weights or of its JSON. */
export function loadSoundClassifier(
  run: string,
  { device, batchSize = 16, precision: asked }: Omit<PredictSoundsOptions, 'signal'> = {},
): SoundClassifier {
  const model: Model = loadModel(run, {
    build: networkOf,
    isPreprocessing,
    ...(device === undefined ? {} : { device }),
  })
  const { card } = model
  if (domainOf(card) !== 'sounds')
    throw new RunError(`${run}: this model is for ${domainOf(card)} and can't predict sounds.`)
  const how = { device, precision: asked ?? precisionOf(card, device), batchSize }
  const { classes, scale } = card
  const { samples, rate } = card.preprocessing
  return {
    classes,
    seconds: samples / rate,
    precision: how.precision,
    text: (value, target) => (scale ? targetText(value, classes.indexOf(target), scale) : String(value)),
    predict: (input, { index = 0, signal } = {}) => predictOne(model, input, { ...how, index, signal }),
    async *predictAll(inputs, { signal, onError, onRead } = {}) {
      let index = 0
      for await (const input of inputs) {
        const isPlace = typeof input === 'object' && 'file' in input
        const name = isPlace ? input.file : nameOf(input, index + 1)
        try {
          const sound = isPlace ? (input.raw ? readFileSync(Buffer.from(input.raw)) : input.file) : input
          yield await predictOne(model, sound, { ...how, index, signal, name, onRead })
        } catch (error) {
          if (!onError || signal?.aborted || !(error instanceof AnnealError)) throw error
          onError(name, error)
        }
        index++
      }
    },
    predictStream: (pieces, options) => predictPieces(model, pieces, { ...how, ...options }),
    close() {
      for (const { network } of model.members) for (const t of network.net.stateDict().values()) t.dispose()
    },
  }
}

/** Predicts recordings with a saved model, in their order: paths of files, bytes of files, or samples. Each is decoded,
 *  cut and judged before the next one is read. `run`: a run's folder, or the path of a model's weights or card. */
export async function* predictSounds(
  run: string,
  inputs: Iterable<SoundInput> | AsyncIterable<SoundInput>,
  { signal, ...options }: PredictSoundsOptions = {},
): AsyncGenerator<SoundPrediction> {
  const classifier = loadSoundClassifier(run, options)
  try {
    yield* classifier.predictAll(inputs, { signal })
  } finally {
    classifier.close()
  }
}

/** The recordings among paths of files and folders, and the files of folders that are none. */
export function listSounds(paths: readonly string[]): { places: Place[]; problems: Problem[] } {
  const places: Place[] = []
  const problems: Problem[] = []
  for (const path of paths) {
    const stat = statSync(path, { throwIfNoEntry: false })
    if (!stat)
      throw new DataError(
        `${path} can not be read: it does not exist; expected a recording, or a folder of recordings.`,
      )
    if (!stat.isDirectory()) {
      places.push(toPlace(Buffer.from(path)))
      continue
    }
    const root = Buffer.from(resolve(path))
    const found = findSamples(root, root, soundFiles)
    for (const place of found.samples) places.push(place)
    for (const problem of found.problems) problems.push(problem)
  }
  if (places.length > 0) return { places, problems }
  const why = problems[0] ? ` (${problems[0].file}: ${problems[0].reason})` : ''
  throw new DataError(`no recordings in ${paths.join(', ')}${why}; expected WAVE, FLAC, MP3, Ogg or M4A files.`)
}

interface How {
  device: string | undefined
  precision: ReturnType<typeof precisionOf>
  batchSize: number
  signal?: AbortSignal | undefined
}

/** Outputs of the windows by one member of the model: one row of C for each. */
function outputsOf(member: Model['members'][number], windows: readonly Window[], { device, precision }: How): Outputs {
  const how = member.card.preprocessing
  const all = new Float32Array(windows.length * how.samples)
  for (const [i, window] of windows.entries()) all.set(window.samples, i * how.samples)
  return noGrad(() =>
    scope(() => memberOutputs(member, inputOf(all, windows.length, how, { device }), { precision }).data() as Outputs),
  )
}

async function predictOne(
  model: Model,
  input: SoundInput,
  {
    index,
    signal,
    name = nameOf(input, typeof input === 'string' ? undefined : index + 1),
    onRead,
    ...how
  }: How & {
    index: number
    name?: string
    onRead?: ((name: string, bytes: number, all: number) => void) | undefined
  },
): Promise<SoundPrediction> {
  const { card } = model
  const classes = card.classes.length
  const means: Outputs[] = []
  const parts: HeardPart[] = []
  const notes = new Set<string>()
  for (const [m, member] of model.members.entries()) {
    const own = member.card.preprocessing
    const sum = new Float64Array(classes)
    let count = 0
    const judge = (windows: readonly Window[]) => {
      const rows = outputsOf(member, windows, how)
      for (const [i, { from }] of windows.entries()) {
        const scores = rows.slice(i * classes, (i + 1) * classes)
        for (const [c, v] of scores.entries()) sum[c]! += v
        count++
        if (m > 0) continue
        // Silence stands before and after a short recording.
        const [begin, end] = from < 0 ? [0, own.samples + 2 * from] : [from, from + own.samples]
        parts.push({ from: begin / own.rate, to: end / own.rate, scores })
      }
    }
    let batch: Window[] = []
    const heard = {
      noted: (note: string) => void notes.add(note),
      ...(onRead && {
        onRead: (bytes: number, all: number) => onRead(name, m * all + bytes, model.members.length * all),
      }),
    }
    for await (const window of windowsOf(input, own, name, heard)) {
      signal?.throwIfAborted()
      batch.push(window)
      if (batch.length < how.batchSize) continue
      judge(batch)
      batch = []
    }
    if (batch.length > 0) judge(batch)
    means.push(sum.map(v => v / count))
  }
  const scores = joined(model, means)
  // The one window of a recording that is a little longer lies in its middle.
  const last = parts.at(-1)!
  const seconds = parts.length === 1 ? last.to + last.from : last.to
  return {
    ...predictionOf({ file: name, index, scores }, card),
    seconds,
    parts,
    ...(notes.size > 0 ? { notes: [...notes] } : {}),
  }
}

/** The outputs of all members as one. */
const joined = (model: Model, each: readonly Outputs[]): Outputs =>
  noGrad(() =>
    scope(() => {
      const row = (values: Outputs): Tensor => {
        const t = fromArray(Float64Array.from(values), [1, values.length])
        return model.card.task === 'regression' ? t : t.to('float32')
      }
      return joinMembers(model, each.map(row))
    }),
  )

async function* predictPieces(
  model: Model,
  pieces: AsyncIterable<Float32Array> | Iterable<Float32Array>,
  { rate, hop, signal, ...how }: How & StreamOptions,
): AsyncGenerator<StreamPrediction> {
  const { card, members } = model
  const { preprocessing } = card
  if (new Set(members.map(member => JSON.stringify(member.card.preprocessing))).size > 1)
    throw new DataError(
      'the nets of this model hear windows of other lengths or rates, so it takes no stream; take one of its folds.',
    )
  const size = preprocessing.samples
  const step = Math.round((hop ?? size / 2 / preprocessing.rate) * preprocessing.rate)
  if (!(step >= 1)) throw new DataError(`hop is the number of seconds between two answers, above 0; got ${hop}.`)
  const cutter = streamCutter({ own: rate, rate: preprocessing.rate, size, step })
  let index = 0
  for await (const piece of pieces) {
    signal?.throwIfAborted()
    for (const window of cutter.push(piece)) {
      const scores = joined(
        model,
        members.map(member => outputsOf(member, [window], how)),
      )
      const [from, to] = [window.from / preprocessing.rate, (window.from + size) / preprocessing.rate]
      const file = `stream at ${from.toFixed(2)} s`
      yield { ...predictionOf({ file, index: index++, scores }, card), from, to }
    }
  }
}

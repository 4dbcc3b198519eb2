import { AnnealError } from '../../base/errors.ts'
import type { SoundFileCard } from '../../onnx/sound-card.ts'
import { answerOf } from '../card-checks.ts'
import { RunError } from '../errors.ts'
import { notOnGpu, outputsOf, type Parts, PlainModel, partsOf, rowOf } from '../plain-model.ts'
import { predictionOf } from '../prediction.ts'
import { startOrt } from '../session.ts'
import { untilAborted } from '../turns.ts'
import type {
  HeardPart,
  Host,
  LoadOptions,
  Signal,
  SoundHost,
  SoundInput,
  SoundPrediction,
  StreamPrediction,
} from '../types.ts'
import { checkSoundCard, checkSoundSession } from './card.ts'
import { samplesOf } from './input.ts'
import { type StreamCutter, streamCutter } from './stream.ts'
import { windowStarts } from './windows.ts'

interface SoundModelParts extends Parts<SoundFileCard> {
  host: SoundHost
  /** The most seconds of a recording. */
  seconds: number
}

/** Options of a prediction of sounds. */
export interface PredictSoundOptions {
  /** Ends it: a prediction that waits leaves the queue. */
  signal?: Signal
  /** Whether predictions have the recording's features. Default: no. */
  features?: boolean
}

/** How a stream of samples is predicted. */
export interface StreamOptions extends PredictSoundOptions {
  /** Samples in a second of the stream, of one channel. */
  sampleRate: number
  /** Seconds between two answers. Default: half a window. */
  hop?: number
}

/** The most recordings of one length that go through the net together. */
const together = 8

/** A model that predicts sounds. Predictions run one after another, in the order of their calls. */
export class SoundModel extends PlainModel<SoundFileCard> {
  readonly kind = 'sound'
  readonly #parts: SoundModelParts

  constructor(parts: SoundModelParts) {
    super(parts)
    this.#parts = parts
  }

  /** Predicts a recording, or each of a list, of any length: one that is longer than a window by the mean over its windows.
   *  Errors name the recording's place in the list. */
  predict(input: SoundInput, options?: PredictSoundOptions): Promise<SoundPrediction>
  predict(inputs: readonly SoundInput[], options?: PredictSoundOptions): Promise<SoundPrediction[]>
  async predict(
    input: SoundInput | readonly SoundInput[],
    options: PredictSoundOptions = {},
  ): Promise<SoundPrediction | SoundPrediction[]> {
    if (!Array.isArray(input)) return this.#one(input as SoundInput, 'the recording', options)
    const found: SoundPrediction[] = []
    for (const [i, one] of input.entries())
      found.push(await this.#one(one, `recording ${i + 1} of ${input.length}`, options))
    return found
  }

  async #one(input: SoundInput, name: string, options: PredictSoundOptions): Promise<SoundPrediction> {
    const samples = await this.#decode(input, name, options.signal)
    return (await this.predictSamples([samples], options))[0]!
  }

  /** The samples of a recording as the model takes them: one channel at `card.input.rate`. `predictSamples` takes them. */
  decode(
    input: SoundInput,
    { signal, limitSeconds }: { signal?: Signal; limitSeconds?: number } = {},
  ): Promise<Float32Array> {
    return this.#decode(input, 'the recording', signal, limitSeconds)
  }

  async #decode(
    input: SoundInput,
    name: string,
    signal?: Signal,
    seconds = this.#parts.seconds,
  ): Promise<Float32Array> {
    this.#parts.turns.check(signal)
    const { host, card } = this.#parts
    const called = typeof input === 'string' ? input : ((input as { href?: string } | null)?.href ?? name)
    const work = samplesOf(input, host, { rate: card.input.rate, seconds })
    return untilAborted(work, signal).catch(error => {
      if (signal?.aborted || !(error instanceof AnnealError)) throw error
      throw new RunError('sound', `${called} can not be used: ${error.message}.`, { cause: error })
    })
  }

  /** Predicts recordings that were decoded; those of one length that follow each other go through the net together. */
  async predictSamples(sounds: readonly Float32Array[], options: PredictSoundOptions = {}): Promise<SoundPrediction[]> {
    this.#parts.turns.check(options.signal)
    const empty = sounds.findIndex(one => one.length === 0)
    if (empty >= 0) throw new RunError('sound', `recording ${empty + 1} has no samples.`)
    const found: SoundPrediction[] = []
    for (let from = 0, to = 0; from < sounds.length; from = to) {
      const { length } = sounds[from]!
      while (to < sounds.length && to < from + together && sounds[to]!.length === length) to++
      const some = sounds.slice(from, to)
      found.push(...(await this.#parts.turns.run(() => this.#run(some, options.features ?? false), options.signal)))
    }
    return found
  }

  /** A stream of samples that comes piece by piece, as from a microphone. */
  stream(options: StreamOptions): SoundStream {
    return new SoundStream(this, options)
  }

  /** Predicts a stream of samples of one channel, from -1 to 1: an answer for each window, every `hop` seconds. */
  async *predictStream(
    pieces: AsyncIterable<Float32Array> | Iterable<Float32Array>,
    options: StreamOptions,
  ): AsyncGenerator<StreamPrediction> {
    const stream = this.stream(options)
    for await (const piece of pieces) yield* await stream.push(piece)
  }

  /** Runs recordings of one length through the net. */
  async #run(sounds: readonly Float32Array[], features: boolean): Promise<SoundPrediction[]> {
    const { session, ort, card } = this.#parts
    const { input } = card
    const { length } = sounds[0]!
    let all = sounds[0]!
    if (sounds.length > 1) {
      all = new Float32Array(sounds.length * length)
      for (const [i, one] of sounds.entries()) all.set(one, i * length)
    }
    const tensor = new ort.Tensor('float32', all, [sounds.length, length])
    const alone = card.features !== undefined
    const names = [answerOf(card), ...(alone ? ['parts'] : []), ...(alone && features ? ['features'] : [])]
    const [scores, parts, own] = await outputsOf(session, { [input.name]: tensor }, names)
    const { length: count } = sounds
    return sounds.map((_, i) => ({
      ...predictionOf(card, rowOf(scores!, i, count), own ? { features: rowOf(own, i, count) } : {}),
      seconds: length / input.rate,
      parts: parts ? windowsOf(card, length, rowOf(parts, i, count)) : [],
    }))
  }
}

/** What each window of a recording of so many samples was heard as. */
function windowsOf(
  { input: { rate, windows }, classes }: SoundFileCard,
  length: number,
  all: Float32Array,
): HeardPart[] {
  const size = windows[0]!
  return windowStarts(length, size).map((from, i) => ({
    from: Math.max(0, from) / rate,
    to: Math.min(length, from + size) / rate,
    scores: all.slice(i * classes.length, (i + 1) * classes.length),
  }))
}

/** A stream of samples that is predicted window by window. */
export class SoundStream {
  readonly #model: SoundModel
  readonly #options: StreamOptions
  readonly #cutter: StreamCutter
  readonly #size: number

  constructor(model: SoundModel, options: StreamOptions) {
    const { rate, windows } = model.card.input
    const [size] = windows as [number]
    if (windows.some(other => other !== size))
      throw new RunError(
        'use',
        'the nets of this model hear windows of different lengths, so it takes no stream; export one of its folds.',
      )
    const step = Math.round((options.hop ?? size / 2 / rate) * rate)
    if (!(step >= 1))
      throw new RunError('use', `hop: got ${options.hop}, expected the seconds between two answers, above 0.`)
    this.#model = model
    this.#options = options
    this.#size = size
    this.#cutter = usable('the stream', () => streamCutter({ own: options.sampleRate, rate, size, step }))
  }

  /** The answers for the windows that are complete with these samples: one channel, from -1 to 1. */
  async push(samples: Float32Array): Promise<StreamPrediction[]> {
    const { rate } = this.#model.card.input
    const windows = usable('the stream', () => this.#cutter.push(samples))
    const found = await this.#model.predictSamples(
      windows.map(window => window.samples),
      this.#options,
    )
    return found.map(({ parts: _, seconds: __, ...prediction }, i) => {
      const { from } = windows[i]!
      return { ...prediction, from: from / rate, to: (from + this.#size) / rate }
    })
  }
}

function usable<T>(name: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof AnnealError)) throw error
    throw new RunError('sound', `${name} can not be used: ${error.message}.`, { cause: error })
  }
}

/** Makes a model of sounds of the bytes of a file with its card. `name`: what errors call it. */
export async function openSoundModel(
  card: SoundFileCard,
  bytes: Uint8Array,
  name: string,
  host: Host<never>,
  options: LoadOptions,
): Promise<SoundModel> {
  if (options.device === 'webgpu') throw notOnGpu(name, 'a model of sounds', 'Fourier transform in float64')
  checkSoundCard(card, name)
  const [sessions, { soundHost }] = await Promise.all([startOrt(bytes, name, host, options), host.sounds()])
  const parts = await partsOf(sessions, { card, name, check: checkSoundSession }, host, options)
  return new SoundModel({ ...parts, host: soundHost, seconds: options.limitSeconds ?? 3600 })
}

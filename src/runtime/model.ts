import type { Card } from '../onnx/card.ts'
import { probePicture } from '../onnx/probe.ts'
import { answerOf, checkSession, readCard } from './card.ts'
import { RunError, reasonOf } from './errors.ts'
import { toModelPixels } from './pixels.ts'
import { predictionOf } from './prediction.ts'
import { type Examples, type Featured, meanOfClass, type Saved, Taught } from './teach.ts'
import type {
  Device,
  Host,
  LoadOptions,
  ModelPixels,
  Ort,
  OrtSession,
  Prediction,
  PredictOptions,
  RawPixels,
  Signal,
} from './types.ts'

/** The most pixels that a picture may have: libvips' own limit, and training's. */
const mostPixels = 0x3fff * 0x3fff
/** How many pictures of one size go through the net together. */
const together = 32
/** How much a device may differ from the outputs of the card's probe picture. */
const agreement = 1e-3

interface Parts<Input> {
  card: Card
  name: string
  device: Device
  why: string
  session: OrtSession
  ort: Ort
  host: Host<Input>
  options: LoadOptions
}

/** A model that predicts pictures. Predictions run one after another, in the order of their calls. */
export class Model<Input> {
  /** What is known of the model: classes, preprocessing, metrics, licence. */
  readonly card: Card
  /** Where it computes, and why there. */
  readonly device: Device
  readonly why: string
  readonly #parts: Parts<Input>
  #last: Promise<unknown> = Promise.resolve()
  #disposed: Promise<void> | undefined

  constructor(parts: Parts<Input>) {
    this.card = parts.card
    this.device = parts.device
    this.why = parts.why
    this.#parts = parts
  }

  /** Predicts a picture, or each of a list. Errors name the picture's place in the list. */
  predict(input: Input, options?: PredictOptions): Promise<Prediction>
  predict(inputs: readonly Input[], options?: PredictOptions): Promise<Prediction[]>
  async predict(input: Input | readonly Input[], options: PredictOptions = {}): Promise<Prediction | Prediction[]> {
    if (!Array.isArray(input)) return this.#one(input as Input, 'the picture', options)
    const found: Prediction[] = []
    for (const [i, one] of input.entries())
      found.push(await this.#one(one, `picture ${i + 1} of ${input.length}`, options))
    return found
  }

  async #one(input: Input, name: string, options: PredictOptions): Promise<Prediction> {
    const pixels = await this.#decode(input, name, options.signal)
    return (await this.#run([pixels], options))[0]!
  }

  /** Decodes a picture to the pixels that the model takes, upright: uint8 [height, width, channels]. `predictPixels` takes
   *  them. */
  decode(input: Input, { signal }: { signal?: Signal } = {}): Promise<ModelPixels> {
    return this.#decode(input, 'the picture', signal)
  }

  async #decode(input: Input, name: string, signal?: Signal): Promise<ModelPixels> {
    const { host, card, options } = this.#parts
    this.#check(signal)
    const { limitPixels = mostPixels, decode } = options
    const called = typeof input === 'string' ? input : name
    const work = host.decode(input, card, { limitPixels, decode, signal }).then(raw => toModelPixels(raw, card.input))
    return untilAborted(work, signal).catch(error => {
      if (signal?.aborted) throw error
      throw new RunError('picture', `${called} can not be used: ${reasonOf(error)}`, { cause: error })
    })
  }

  /** Predicts raw pixels, or each of a list; pictures of one size that follow each other go through the net together. */
  predictPixels(pixels: RawPixels, options?: PredictOptions): Promise<Prediction>
  predictPixels(pixels: readonly RawPixels[], options?: PredictOptions): Promise<Prediction[]>
  async predictPixels(
    pixels: RawPixels | readonly RawPixels[],
    options: PredictOptions = {},
  ): Promise<Prediction | Prediction[]> {
    this.#check(options.signal)
    const many = Array.isArray(pixels)
    const all = (many ? (pixels as readonly RawPixels[]) : [pixels as RawPixels]).map((raw, i) => {
      try {
        return toModelPixels(raw, this.card.input)
      } catch (error) {
        throw new RunError('picture', `picture ${i + 1} can not be used: ${reasonOf(error)}`, { cause: error })
      }
    })
    const found: Prediction[] = []
    for (let from = 0, to = 0; from < all.length; from = to) {
      const same = (p: ModelPixels) => p.width === all[from]!.width && p.height === all[from]!.height
      while (to < all.length && to < from + together && same(all[to]!)) to++
      found.push(...(await this.#run(all.slice(from, to), options)))
    }
    return many ? found : found[0]!
  }

  /** Learns new classes from a few pictures of each, without training: a picture then belongs to the class whose mean
   *  features are nearest. The net stays as it is. */
  async teach(examples: Examples<Input>, { signal }: { signal?: Signal } = {}): Promise<Taught<Input>> {
    if (!this.card.features)
      throw new RunError('use', 'this model has no output "features", which new classes are made of; export one net.')
    const classes = Object.entries(examples)
    if (classes.length < 2 || classes.some(([, inputs]) => inputs.length === 0))
      throw new RunError(
        'use',
        `teach: got ${classes.map(([label, { length }]) => `${label}: ${length}`).join(', ') || 'no classes'}; expected two classes or more, each with one picture or more.`,
      )
    const means: number[][] = []
    for (const [label, inputs] of classes) {
      const each: Float32Array[] = []
      for (const [i, input] of inputs.entries())
        each.push(
          (await this.#one(input, `picture ${i + 1} of "${label}"`, { features: true, ...(signal && { signal }) }))
            .features!,
        )
      means.push(meanOfClass(each))
    }
    return new Taught(this.#features(), { labels: classes.map(([label]) => label), means })
  }

  /** Takes back what `JSON.stringify(taught)` wrote. */
  taught(saved: Saved | string): Taught<Input> {
    return Taught.from(this.#features(), saved)
  }

  #features(): Featured<Input> {
    return { card: this.card, predict: (input, options) => this.predict(input, options) }
  }

  /** Ends the model after the predictions that wait, and frees its memory. */
  dispose(): Promise<void> {
    this.#disposed ??= this.#last.then(() => this.#parts.session.release())
    return this.#disposed
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  #check(signal?: Signal): void {
    if (this.#disposed) throw new RunError('use', 'the model was disposed; load it again.')
    throwIfAborted(signal)
  }

  /** Runs pictures of one size through the net, after all that wait. */
  #run(
    pictures: readonly ModelPixels[],
    { signal, features = false, heat = false }: PredictOptions,
  ): Promise<Prediction[]> {
    const { session, ort, card } = this.#parts
    this.#check(signal)
    const turn = this.#last.then(async () => {
      throwIfAborted(signal)
      const asked = { features, heat }
      const wanted = (['features', 'heat'] as const).filter(name => asked[name] && card[name])
      const [scores, ...found] = await runOnce(session, ort, card, pictures, wanted)
      return pictures.map((_, i) => {
        const others = wanted.map((name, j) => [name, rowOf(found[j]!, i, pictures)])
        return predictionOf(card, rowOf(scores!, i, pictures), Object.fromEntries(others))
      })
    })
    this.#last = turn.catch(() => {})
    return untilAborted(turn, signal)
  }
}

const rowOf = (all: Float32Array, i: number, { length }: readonly unknown[]): Float32Array =>
  all.slice((i * all.length) / length, ((i + 1) * all.length) / length)

/** The answers of pictures of one size, and other outputs: each float32 [pictures, …]. */
async function runOnce(
  session: OrtSession,
  ort: Ort,
  card: Card,
  pictures: readonly ModelPixels[],
  others: readonly string[] = [],
): Promise<Float32Array[]> {
  const { width, height, channels, data } = pictures[0]!
  let all = data
  if (pictures.length > 1) {
    all = new Uint8Array(data.length * pictures.length)
    for (const [i, { data: one }] of pictures.entries()) all.set(one, i * data.length)
  }
  const image = new ort.Tensor('uint8', all, [pictures.length, height, width, channels])
  const names = [answerOf(card), ...others]
  const outputs = await session.run({ [card.input.name]: image }, names)
  const values = names.map(name => Float32Array.from(outputs[name]!.data as Float32Array))
  image.dispose?.()
  for (const name of names) outputs[name]!.dispose?.()
  return values
}

/** Makes a model of the bytes of a file. `name`: what errors call it. */
export async function openModel<Input>(
  bytes: Uint8Array,
  name: string,
  host: Host<Input>,
  options: LoadOptions = {},
): Promise<Model<Input>> {
  const { device = 'auto', signal } = options
  const card = readCard(bytes, name)
  throwIfAborted(signal)
  const begin = async <T>(work: () => Promise<T>) => {
    try {
      return await untilAborted(work(), signal)
    } catch (error) {
      if (signal?.aborted || error instanceof RunError) throw error
      throw new RunError('backend', `${name}: ${host.explain(error, options)}`, { cause: error })
    }
  }
  if (device !== 'auto' && device !== 'webgpu' && device !== host.device)
    throw new RunError(
      'use',
      `device: got ${JSON.stringify(device)}, expected "auto", "webgpu" or "${host.device}" here.`,
    )
  const ort = options.ort ?? (await begin(() => host.importOrt()))
  const settings = host.prepare(ort, options)
  const create = async (executionProviders: unknown[]) => {
    const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3, ...settings, executionProviders })
    if (signal?.aborted) await session.release()
    throwIfAborted(signal)
    return session
  }
  const parts = { card, name, ort, host, options }
  const plain = async () => {
    const session = await begin(() => create([host.device]))
    await orRelease(session, async () => checkSession(session, card, name))
    return session
  }
  const onDevice = async (why: string, session?: OrtSession) =>
    new Model<Input>({ ...parts, device: host.device, why, session: session ?? (await plain()) })

  const { navigator } = globalThis as { navigator?: { gpu?: unknown } }
  const able = host.device === 'wasm' && navigator?.gpu !== undefined && options.ort !== undefined
  if (device === host.device) return onDevice('as asked')
  if (device === 'auto' && !able) return onDevice('the usual device')

  const { session, fault, ms } = await onGpu(create, ort, card)
  const taken = (why: string) => new Model<Input>({ ...parts, session: session!, device: 'webgpu', why })
  if (fault !== undefined) await session?.release()
  if (device === 'webgpu') {
    if (fault === undefined) return taken('as asked; it answers the probe picture as the card says')
    throw new RunError(
      'backend',
      `${name}: WebGPU can not be used: ${fault}. Give device: "auto" or "${host.device}". WebGPU needs { ort: await import('onnxruntime-web/webgpu') }.`,
    )
  }
  if (fault !== undefined) return onDevice(`WebGPU is not taken: ${fault}`)
  const usual = await plain()
  const other = await orRelease(usual, () => probe(usual, ort, card))
  const times = `${ms.toFixed(1)} ms for the probe picture, ${host.device} ${other.ms.toFixed(1)} ms`
  const faster = other.fault === undefined && ms < other.ms
  await (faster ? usual : session!).release()
  if (faster) return taken(`it agrees with the card and is faster: ${times}`)
  return onDevice(`WebGPU is not taken: it is no faster: ${times}`, usual)
}

/** The result of `work`; if it throws, the session is freed. */
async function orRelease<T>(session: OrtSession, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    await session.release()
    throw error
  }
}

/** A session on WebGPU, and what speaks against it. */
async function onGpu(
  create: (executionProviders: unknown[]) => Promise<OrtSession>,
  ort: Ort,
  card: Card,
): Promise<{ session?: OrtSession; fault?: string; ms: number }> {
  try {
    // The resize keeps to the processor, since WebGPU's kernels know no antialiasing.
    const session = await create([{ name: 'webgpu', forceCpuNodeNames: ['preprocess/resize'] }, 'wasm'])
    return { session, ...(await probe(session, ort, card)) }
  } catch (error) {
    return { fault: `it does not start (${reasonOf(error)})`, ms: 0 }
  }
}

/** Runs the probe picture of the card: what is wrong with the answers, and the milliseconds of the faster of two more
 *  runs. */
async function probe(session: OrtSession, ort: Ort, card: Card): Promise<{ fault?: string; ms: number }> {
  if (!card.probe) return { fault: 'the card has no probe picture to try it with', ms: 0 }
  const { channels } = card.input
  const picture = { ...card.probe, channels, data: probePicture(card.probe, channels) }
  try {
    const expected = card.probe.outputs
    const [got] = await runOnce(session, ort, card, [picture])
    const off = expected.map(
      (value, i) => Math.abs(value - got![i]!) / (card.task === 'regression' ? Math.max(1, Math.abs(value)) : 1),
    )
    const most = Math.max(...off)
    if (!(most <= agreement))
      return {
        fault: `its answer to the probe picture differs by ${most.toPrecision(3)}, the limit is ${agreement}`,
        ms: 0,
      }
    let ms = Number.POSITIVE_INFINITY
    for (let i = 0; i < 2; i++) {
      const start = performance.now()
      await runOnce(session, ort, card, [picture])
      ms = Math.min(ms, performance.now() - start)
    }
    return { ms }
  } catch (error) {
    return { fault: `it fails (${reasonOf(error)})`, ms: 0 }
  }
}

/** Throws the reason of a signal that is aborted. */
export function throwIfAborted(signal?: Signal): void {
  if (signal?.aborted) throw signal.reason ?? new RunError('use', 'aborted')
}

/** The promise, or the reason of the signal as soon as it is aborted. */
export function untilAborted<T>(promise: Promise<T>, signal?: Signal): Promise<T> {
  if (!signal) return promise
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason ?? new RunError('use', 'aborted'))
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}

import type { Card } from '../onnx/card.ts'
import { checkSession } from './card.ts'
import { RunError, reasonOf } from './errors.ts'
import { toModelPixels } from './pixels.ts'
import { predictionOf } from './prediction.ts'
import { runOnce } from './run-once.ts'
import { startOrt } from './session.ts'
import { type Examples, type Featured, type Saved, Taught } from './teach.ts'
import { Turns, untilAborted } from './turns.ts'
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

interface Parts<Input> {
  card: Card
  device: Device
  why: string
  session: OrtSession
  ort: Ort
  host: Host<Input>
  options: LoadOptions
}

/** A model that predicts pictures. Predictions run one after another, in the order of their calls. */
export class Model<Input> {
  readonly kind = 'picture'
  /** What is known of the model: classes, preprocessing, metrics, licence. */
  readonly card: Card
  /** Where it computes, and why there. */
  readonly device: Device
  readonly why: string
  readonly #parts: Parts<Input>
  readonly #turns = new Turns()

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
    this.#turns.check(signal)
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
    this.#turns.check(options.signal)
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
    const { learn } = await import('./learn.ts')
    return learn(this.#features(), examples, (input, name) =>
      this.#one(input, name, { features: true, ...(signal && { signal }) }),
    )
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
    return this.#turns.dispose(() => this.#parts.session.release())
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  /** Runs pictures of one size through the net, after all that wait. */
  #run(
    pictures: readonly ModelPixels[],
    { signal, features = false, heat = false }: PredictOptions,
  ): Promise<Prediction[]> {
    const { session, ort, card } = this.#parts
    return this.#turns.run(async () => {
      const asked = { features, heat }
      const wanted = (['features', 'heat'] as const).filter(name => asked[name] && card[name])
      const [scores, ...found] = await runOnce(session, ort, card, pictures, wanted)
      return pictures.map((_, i) => {
        const others = wanted.map((name, j) => [name, rowOf(found[j]!, i, pictures)])
        return predictionOf(card, rowOf(scores!, i, pictures), Object.fromEntries(others))
      })
    }, signal)
  }
}

const rowOf = (all: Float32Array, i: number, { length }: readonly unknown[]): Float32Array =>
  all.slice((i * all.length) / length, ((i + 1) * all.length) / length)

/** Makes a model of pictures of the bytes of a file with its card. `name`: what errors call it. */
export async function openModel<Input>(
  card: Card,
  bytes: Uint8Array,
  name: string,
  host: Host<Input>,
  options: LoadOptions = {},
): Promise<Model<Input>> {
  const { device = 'auto' } = options
  const { ort, create, plain } = await startOrt(bytes, name, host, options)
  const parts = { card, ort, host, options }
  const usual = () => plain(session => checkSession(session, card, name))
  const onDevice = async (why: string) =>
    new Model<Input>({ ...parts, device: host.device, why, session: await usual() })

  const { navigator } = globalThis as { navigator?: { gpu?: unknown } }
  const able = host.device === 'wasm' && navigator?.gpu !== undefined && options.ort !== undefined
  if (device === host.device) return onDevice('as asked')
  if (device === 'auto' && !able) return onDevice('the usual device')

  const { chooseDevice } = await import('./gpu.ts')
  const asked = device === 'webgpu'
  const chosen = await chooseDevice({ create, plain: usual, ort, card, name, asked, usual: host.device })
  return new Model<Input>({ ...parts, ...chosen })
}

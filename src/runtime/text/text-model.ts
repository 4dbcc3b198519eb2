import type { TextFileCard } from '../../onnx/text-card.ts'
import { RunError, reasonOf } from '../errors.ts'
import { kindOf } from '../pixels.ts'
import { predictionOf } from '../prediction.ts'
import { startOrt } from '../session.ts'
import { Turns } from '../turns.ts'
import type { Device, Host, LoadOptions, Ort, OrtSession, Signal, TextPrediction } from '../types.ts'
import { batchesOf, type TextBatch } from './batches.ts'
import { checkTextCard, checkTextSession } from './card.ts'
import { type Tokens, tokensWith } from './tokens.ts'

interface Parts {
  card: TextFileCard
  device: Device
  why: string
  session: OrtSession
  ort: Ort
  tokens: Tokens
}

/** Options of a prediction of texts. */
export interface PredictTextOptions {
  /** Ends it: a prediction that waits leaves the queue. */
  signal?: Signal
  /** Whether predictions have the text's features. Default: no. */
  features?: boolean
}

/** A model that predicts texts. Predictions run one after another, in the order of their calls. */
export class TextModel {
  readonly kind = 'text'
  /** What is known of the model: classes, tokenizer, metrics, licence. */
  readonly card: TextFileCard
  /** Where it computes, and why there. */
  readonly device: Device
  readonly why: string
  readonly #parts: Parts
  readonly #turns = new Turns()

  constructor(parts: Parts) {
    this.card = parts.card
    this.device = parts.device
    this.why = parts.why
    this.#parts = parts
  }

  /** Predicts a text, or each of a list; those of like length go through the net together. Errors name the text's place in the
   *  list. */
  predict(text: string, options?: PredictTextOptions): Promise<TextPrediction>
  predict(texts: readonly string[], options?: PredictTextOptions): Promise<TextPrediction[]>
  async predict(
    texts: string | readonly string[],
    options: PredictTextOptions = {},
  ): Promise<TextPrediction | TextPrediction[]> {
    const many = Array.isArray(texts)
    const all = many ? (texts as readonly string[]) : [texts as string]
    this.#turns.check(options.signal)
    const read = all.map((text, i) => this.read(text, many ? `text ${i + 1}` : 'the text'))
    const found = await this.predictRead(read, options)
    return many ? found : found[0]!
  }

  /** The numbers of a text's tokens, all of them, without those before and after it; for `predictRead`. `where`: what errors
   *  call the text. */
  read(text: string, where = 'the text'): Int32Array {
    const refuse = (what: string) => new RunError('text', `${where} ${what}`)
    if (typeof text !== 'string')
      throw refuse(
        `is ${text == null ? String(text) : Array.isArray(text) ? 'a list' : typeof text === 'object' ? kindOf(text) : `a ${typeof text}`}; expected a text (a string).`,
      )
    if (text.trim() === '') throw refuse('is empty; expected a text.')
    return this.#parts.tokens.of(text)
  }

  /** Predicts texts that were read. */
  async predictRead(tokens: readonly Int32Array[], options: PredictTextOptions = {}): Promise<TextPrediction[]> {
    const found = new Array<TextPrediction>(tokens.length)
    for (const batch of batchesOf(tokens, this.card.input)) {
      const answers = await this.#turns.run(() => this.#run(batch, options.features ?? false), options.signal)
      for (const [at, row] of batch.rows.entries()) found[row] = answers[at]!
    }
    return found
  }

  /** Ends the model after the predictions that wait, and frees its memory. */
  dispose(): Promise<void> {
    return this.#turns.dispose(() => this.#parts.session.release())
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  async #run({ ids, mask, dims }: TextBatch, features: boolean): Promise<TextPrediction[]> {
    const { session, ort, card } = this.#parts
    const { input, classes, task } = card
    const feeds = {
      [input.ids]: new ort.Tensor('int64', ids, dims),
      [input.mask]: new ort.Tensor('int64', mask, dims),
    }
    const names = [
      task === 'regression' ? 'values' : 'probabilities',
      ...(features && card.features !== undefined ? ['features'] : []),
    ]
    const found = await session.run(feeds, names)
    const [scores, own] = names.map(name => Float32Array.from(found[name]!.data as Float32Array))
    for (const tensor of [...Object.values(feeds), ...names.map(name => found[name]!)]) tensor.dispose?.()
    const rowOf = (all: Float32Array, row: number, width: number) => all.slice(row * width, (row + 1) * width)
    return Array.from({ length: dims[0] }, (_, row) =>
      predictionOf(card, rowOf(scores!, row, classes.length), own ? { features: rowOf(own, row, card.features!) } : {}),
    )
  }
}

/** Makes a model of texts of the bytes of a file with its card. `name`: what errors call it. */
export async function openText(
  card: TextFileCard,
  bytes: Uint8Array,
  name: string,
  host: Host<never>,
  options: LoadOptions,
): Promise<TextModel> {
  const { device = 'auto' } = options
  if (device === 'webgpu')
    throw new RunError(
      'use',
      `${name}: a model of texts does not run on WebGPU, which has no whole numbers of 64 bits. Leave device out.`,
    )
  checkTextCard(card, name)
  const tokens = await tokensOf(card, name)
  const { ort, plain } = await startOrt(bytes, name, host, options)
  const session = await plain(made => checkTextSession(made, card, name))
  const why = device === 'auto' ? 'the usual device' : 'as asked'
  return new TextModel({ card, ort, session, tokens, device: host.device, why })
}

async function tokensOf({ tokenizer }: TextFileCard, name: string): Promise<Tokens> {
  const { Tokenizer } = await import('@huggingface/tokenizers')
  try {
    return tokensWith(Tokenizer, JSON.parse(tokenizer))
  } catch (cause) {
    throw new RunError(
      'model',
      `${name}: the tokenizer in its card can not be used (${reasonOf(cause)}). Export the model again with \`anneal export\`.`,
      { cause },
    )
  }
}

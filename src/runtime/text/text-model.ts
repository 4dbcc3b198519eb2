import type { TextFileCard } from '../../onnx/text-card.ts'
import { answerOf } from '../card-checks.ts'
import { RunError, reasonOf } from '../errors.ts'
import { kindOf } from '../pixels.ts'
import { notOnGpu, outputsOf, type Parts, PlainModel, partsOf, rowOf } from '../plain-model.ts'
import { predictionOf } from '../prediction.ts'
import { startOrt } from '../session.ts'
import type { Host, LoadOptions, Signal, TextPrediction } from '../types.ts'
import { batchesOf, type TextBatch } from './batches.ts'
import { checkTextCard, checkTextSession } from './card.ts'
import { type Tokens, tokensWith } from './tokens.ts'

interface TextModelParts extends Parts<TextFileCard> {
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
export class TextModel extends PlainModel<TextFileCard> {
  readonly kind = 'text'
  readonly #parts: TextModelParts

  constructor(parts: TextModelParts) {
    super(parts)
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
    this.#parts.turns.check(options.signal)
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
    return this.#parts.tokens.of(text, this.card.input.maxTokens)
  }

  /** Predicts texts that were read. */
  async predictRead(tokens: readonly Int32Array[], options: PredictTextOptions = {}): Promise<TextPrediction[]> {
    const found = new Array<TextPrediction>(tokens.length)
    for (const batch of batchesOf(tokens, this.card.input)) {
      const answers = await this.#parts.turns.run(() => this.#run(batch, options.features ?? false), options.signal)
      for (const [at, row] of batch.rows.entries()) found[row] = answers[at]!
    }
    return found
  }

  async #run({ ids, mask, dims }: TextBatch, features: boolean): Promise<TextPrediction[]> {
    const { session, ort, card } = this.#parts
    const { input } = card
    const feeds = {
      [input.ids]: new ort.Tensor('int64', ids, dims),
      [input.mask]: new ort.Tensor('int64', mask, dims),
    }
    const names = [answerOf(card), ...(features && card.features !== undefined ? ['features'] : [])]
    const [scores, own] = await outputsOf(session, feeds, names)
    const [rows] = dims
    return Array.from({ length: rows }, (_, row) =>
      predictionOf(card, rowOf(scores!, row, rows), own ? { features: rowOf(own, row, rows) } : {}),
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
  if (options.device === 'webgpu') throw notOnGpu(name, 'a model of texts', 'whole numbers of 64 bits')
  checkTextCard(card, name)
  const tokens = await tokensOf(card, name)
  const sessions = await startOrt(bytes, name, host, options)
  return new TextModel({
    ...(await partsOf(sessions, { card, name, check: checkTextSession }, host, options)),
    tokens,
  })
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

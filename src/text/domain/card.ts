import { type Network, network } from '../../train/network.ts'
import type { ModelCard } from '../../train/saved-model.ts'
import { bert, type TextBody } from '../net/bert.ts'
import { type Tokens, tokensOf } from '../net/tokens.ts'
import { cutTo } from '../source.ts'
import type { TextPreprocessing } from '../types.ts'

const readers = new WeakMap<object, Promise<Tokens>>()

/** A function that gives the tokens of a text as the model of this card reads them. */
export async function readerOf(preprocessing: TextPreprocessing): Promise<(text: string) => Int32Array> {
  let reader = readers.get(preprocessing)
  if (!reader) {
    reader = tokensOf(JSON.parse(preprocessing.tokenizer))
    readers.set(preprocessing, reader)
  }
  const tokens = await reader
  return text => cutTo(tokens.of(text), preprocessing.maxTokens)
}

/** The network that a card describes. */
export const networkOf = (
  { classes, head, preprocessing }: Pick<ModelCard<TextPreprocessing>, 'classes' | 'head' | 'preprocessing'>,
  device = 'cpu',
): Network<TextBody> => network(bert(preprocessing.config), classes.length, { ...head, device })

/** Whether a card's preprocessing is that of texts. */
export const isPreprocessing = (value: unknown): value is TextPreprocessing => {
  const { config, tokenizer, maxTokens } = (value ?? {}) as Partial<TextPreprocessing>
  return typeof config?.layers === 'number' && typeof tokenizer === 'string' && typeof maxTokens === 'number'
}

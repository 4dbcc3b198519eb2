import type { TextFileCard } from '../../onnx/index.ts'
import { minilm } from '../../text/net/minilm.ts'
import { metadataOf, namesOf, netFacts } from '../model-card.ts'
import { type TextModel, textInputs } from './model-graph.ts'

/** The card of an exported model of texts: what is known of the saved model, and of its run. */
export function textFileCard(
  path: string,
  { card, members }: TextModel,
  facts: Pick<TextFileCard, 'weights'> &
    Partial<Pick<TextFileCard, 'checks' | 'probe' | 'features' | 'quantization'>> & { net: boolean },
): TextFileCard {
  const { config, maxTokens, tokenizer, columns } = card.preprocessing
  const { begin, end, window } = config
  const { net, ...rest } = facts
  const cards = members.map(member => member.card)
  return {
    format: 'anneal-text-model',
    ...netFacts(path, card, cards, 'texts'),
    temperatures: cards.map(({ temperature = 1 }) => temperature),
    input: { ...textInputs, begin, end, window, maxTokens, ...(net ? { net } : {}) },
    tokenizer,
    ...(columns ? { columns } : {}),
    ...(cards.every(({ architecture }) => architecture === minilm) ? { licence: 'Apache-2.0' } : {}),
    ...rest,
  }
}

/** The metadata of an exported file: the card, and what other tools read. */
export const textMetadata = (card: TextFileCard): Record<string, string> =>
  metadataOf(card, `texts by ${namesOf(card.architectures)}`)

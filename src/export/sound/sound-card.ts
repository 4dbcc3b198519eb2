import { model as pictureModel } from '../../models/index.ts'
import type { SoundFileCard } from '../../onnx/index.ts'
import { crossings, passes } from '../../runtime/sound/resample.ts'
import { hopOf } from '../../runtime/sound/windows.ts'
import { inputShape } from '../../sound/features/inputs.ts'
import { isSpeech } from '../../sound/models/bodies.ts'
import { metadataOf, namesOf, netFacts } from '../model-card.ts'
import { type SoundModel, soundInput, spectraInput } from './model-graph.ts'

/** The card of an exported model of sounds: what is known of the saved model, and of its run. */
export function soundFileCard(
  path: string,
  { card, members }: SoundModel,
  facts: Pick<SoundFileCard, 'weights'> &
    Partial<Pick<SoundFileCard, 'checks' | 'probe' | 'features' | 'quantization'>> & { net: boolean },
): SoundFileCard {
  const cards = members.map(member => member.card)
  const { net, ...rest } = facts
  const windows = cards.map(({ preprocessing }) => preprocessing.samples)
  const licences = new Set(cards.map(({ architecture }) => licenceOf(architecture)))
  return {
    format: 'anneal-sound-model',
    ...netFacts(path, card, cards, 'recordings'),
    temperatures: cards.map(({ temperature = 1 }) => temperature),
    input: {
      name: net ? spectraInput : soundInput,
      rate: card.preprocessing.rate,
      resampling: { filter: 'sinc_interp_hann', crossings, passes },
      windows,
      hops: windows.map(hopOf),
      ...(net ? { net: inputShape(cards[0]!.preprocessing) } : {}),
    },
    licence: [...licences].join(' AND '),
    ...rest,
  }
}

const licenceOf = (name: string): string => (isSpeech(name) ? 'Apache-2.0' : pictureModel(name).licence)

/** The metadata of an exported file: the card, and what other tools read. */
export const soundMetadata = (card: SoundFileCard): Record<string, string> =>
  metadataOf(card, `sounds by ${namesOf(card.architectures)}`)

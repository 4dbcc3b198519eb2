import type { SoundFileCard } from '../onnx/sound-card.ts'
import type { TextFileCard } from '../onnx/text-card.ts'
import type { AnyCard } from './card.ts'
import { otherKind } from './refusals.ts'
import type { SoundModel } from './sound/sound-model.ts'
import type { TableModel } from './table/table-model.ts'
import type { TextModel } from './text/text-model.ts'
import type { Host, LoadOptions } from './types.ts'

/** Makes a model that is none of pictures; each kind is loaded by itself. Throws for a kind that was not asked for. */
export async function openOther(
  card: AnyCard,
  bytes: Uint8Array,
  name: string,
  host: Host<never>,
  options: LoadOptions,
): Promise<TableModel | TextModel | SoundModel> {
  const kind = kinds[card.format]
  const { kind: expected = kind } = options
  if (expected !== kind) throw otherKind(name, kind, expected)
  if (card.format === 'anneal-table-model')
    return (await import('./table/table-model.ts')).openTable(card, bytes, name, host, options)
  if (card.format === 'anneal-sound-model')
    return (await import('./sound/sound-model.ts')).openSoundModel(card as SoundFileCard, bytes, name, host, options)
  const { openText } = await import('./text/text-model.ts')
  return openText(card as TextFileCard, bytes, name, host, options)
}

const kinds = {
  'anneal-model': 'picture',
  'anneal-table-model': 'table',
  'anneal-text-model': 'text',
  'anneal-sound-model': 'sound',
} as const

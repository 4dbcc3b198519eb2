import type { AnyCard } from '../../../runtime/card.ts'
import type { TargetKind } from './kind.ts'
import { pictures } from './pictures.ts'
import { sounds } from './sounds.ts'
import { tables } from './tables.ts'
import { texts } from './texts.ts'

const kinds: { [F in AnyCard['format']]: TargetKind<Extract<AnyCard, { format: F }>> } = {
  'anneal-model': pictures,
  'anneal-table-model': tables,
  'anneal-text-model': texts,
  'anneal-sound-model': sounds,
}

/** What the folders have to know of the kind of a model. */
export const kindOf = ({ format }: Pick<AnyCard, 'format'>): TargetKind => kinds[format] as TargetKind

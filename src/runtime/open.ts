import { readCard } from './card.ts'
import { type Model, openModel } from './model.ts'
import type { SoundModel } from './sound/sound-model.ts'
import type { TableModel } from './table/table-model.ts'
import type { TextModel } from './text/text-model.ts'
import type { Host, LoadOptions, ModelKind } from './types.ts'

/** A model by its kind; of an unknown kind, a union that `model.kind` tells apart. */
export type OpenModel<Input, K extends ModelKind = ModelKind> = {
  picture: Model<Input>
  table: TableModel
  text: TextModel
  sound: SoundModel
}[K]

/** Makes a model of the bytes of a file. `name`: what errors call it. */
export async function open<Input, K extends ModelKind>(
  bytes: Uint8Array,
  name: string,
  host: Host<Input>,
  options: LoadOptions<K>,
): Promise<OpenModel<Input, K>> {
  const card = readCard(bytes, name)
  if (card.format === 'anneal-model' && (options.kind ?? 'picture') === 'picture')
    return openModel(card, bytes, name, host, options) as Promise<OpenModel<Input, K>>
  const { openOther } = await import('./others.ts')
  return openOther(card, bytes, name, host as Host<never>, options) as Promise<OpenModel<Input, K>>
}

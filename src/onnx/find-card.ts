import { fromBinary } from '@bufbuild/protobuf'
import { ModelError } from '../base/errors.ts'
import { cardKey, type FileCard } from './card.ts'
import { ModelProtoSchema } from './onnx.generated.ts'

/** Reads the card of an exported model if it has this format; undefined if the file is something else. `name` stands in errors;
 *  whole: whether the card has what such a model needs beside its classes. */
export function findCardOf<C extends FileCard & { format: string }>(
  format: C['format'],
  bytes: Uint8Array,
  name: string,
  whole: (card: Partial<C>) => boolean,
): C | undefined {
  const card = cardIn(bytes) as Partial<C> | undefined
  if (card?.format !== format) return undefined
  if (card.version !== 1)
    throw new ModelError(
      `${name}: its card has version ${card.version}; this Anneal reads version 1. Update Anneal, or export the model with this one.`,
    )
  if (!Array.isArray(card.classes) || !whole(card))
    throw new ModelError(`${name}: its card does not describe a model. Export it again.`)
  return card as C
}

function cardIn(bytes: Uint8Array): unknown {
  try {
    const text = fromBinary(ModelProtoSchema, bytes).metadataProps.find(({ key }) => key === cardKey)?.value
    return text === undefined ? undefined : (JSON.parse(text) ?? undefined)
  } catch {
    return undefined
  }
}

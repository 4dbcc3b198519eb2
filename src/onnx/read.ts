import { fromBinary } from '@bufbuild/protobuf'
import { ModelError } from '../base/errors.ts'
import { type Card, cardKey } from './card.ts'
import { ModelProtoSchema, TensorProto_DataLocation, TensorProto_DataType } from './onnx.generated.ts'

/** Reads the card of an exported model; `name` stands in errors. Throws for a file that is cut off, that is no ONNX file,
 *  that Anneal did not write, whose weights lie in other files, or that a newer version wrote. */
export function readCard(bytes: Uint8Array, name: string): Card {
  const model = (() => {
    try {
      return fromBinary(ModelProtoSchema, bytes)
    } catch (cause) {
      throw new ModelError(
        `${name}: is no ONNX file, or it is cut off (${bytes.length} bytes). Expected a file that \`anneal export\` wrote; export it again, or copy it again.`,
        { cause },
      )
    }
  })()
  const text = model.metadataProps.find(({ key }) => key === cardKey)?.value
  if (text === undefined)
    throw new ModelError(
      `${name}: ${model.graph ? `was written by ${model.producerName || 'another program'}` : 'is no ONNX file'} and has no card of Anneal (${cardKey}). Expected a file that \`anneal export\` wrote.`,
    )
  const { graph } = model
  if (!graph || graph.output.length === 0)
    throw new ModelError(`${name}: is cut off: it has a card and no graph. Export it again, or copy it again.`)
  if (graph.initializer.some(t => t.dataLocation === TensorProto_DataLocation.EXTERNAL))
    throw new ModelError(`${name}: its weights lie in other files, which Anneal does not read. Export it again.`)
  return cardOf(text, name)
}

function cardOf(text: string, name: string): Card {
  let card: Partial<Card>
  try {
    card = JSON.parse(text)
  } catch (cause) {
    throw new ModelError(`${name}: its card is no JSON. Export it again.`, { cause })
  }
  const { format, version, task, classes, input } = card
  if (format === 'anneal-model' && typeof version === 'number' && version > 1)
    throw new ModelError(
      `${name}: its card has version ${version}; this Anneal reads version 1. Update Anneal, or export the model with this one.`,
    )
  if ((format as string) === 'anneal-table-model')
    throw new ModelError(
      `${name}: is a model of a table, and a model of pictures is expected here. It takes one input for each column; any onnxruntime runs it (docs/tables.md).`,
    )
  if ((format as string) === 'anneal-text-model')
    throw new ModelError(
      `${name}: is a model of texts, and a model of pictures is expected here. It takes the tokens of texts; \`@anneal/run\` reads them, any onnxruntime runs it (docs/export.md).`,
    )
  if ((format as string) === 'anneal-sound-model')
    throw new ModelError(
      `${name}: is a model of sounds, and a model of pictures is expected here. It takes the samples of recordings; \`@anneal/run\` reads them, any onnxruntime runs it (docs/sound.md).`,
    )
  const whole =
    format === 'anneal-model' &&
    version === 1 &&
    ['single', 'multi', 'regression'].includes(task ?? '') &&
    Array.isArray(classes) &&
    classes.every(c => typeof c === 'string') &&
    typeof input?.channels === 'number' &&
    typeof input.size === 'number'
  if (!whole) throw new ModelError(`${name}: its card does not describe a model. Export it again.`)
  return card as Card
}

/** A constant of a graph. */
export interface Initializer {
  shape: readonly number[]
  /** Floats, or whole numbers as they are in the file (int64). */
  data: Float32Array | BigInt64Array
}

/** The constants of any ONNX file by their names: those of float32 and int64, whose values lie in the file itself. Nothing
 *  is executed. `name` stands in errors. */
export function readInitializers(bytes: Uint8Array, name: string): Map<string, Initializer> {
  const model = (() => {
    try {
      return fromBinary(ModelProtoSchema, bytes)
    } catch (cause) {
      throw new ModelError(`${name}: is no ONNX file, or it is cut off (${bytes.length} bytes).`, { cause })
    }
  })()
  const found = new Map<string, Initializer>()
  for (const { name: of, dims, dataType, rawData, floatData, int64Data } of model.graph?.initializer ?? []) {
    const shape = dims.map(Number)
    const raw = new Uint8Array(rawData) // a copy, which is aligned
    if (dataType === TensorProto_DataType.FLOAT)
      found.set(of, { shape, data: raw.length > 0 ? new Float32Array(raw.buffer) : Float32Array.from(floatData) })
    else if (dataType === TensorProto_DataType.INT64)
      found.set(of, { shape, data: raw.length > 0 ? new BigInt64Array(raw.buffer) : BigInt64Array.from(int64Data) })
  }
  return found
}

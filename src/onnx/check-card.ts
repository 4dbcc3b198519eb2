import { fromBinary } from '@bufbuild/protobuf'
import { ModelError } from '../base/errors.ts'
import type { Card } from './card.ts'
import { type GraphProto, ModelProtoSchema, type ValueInfoProto } from './onnx.generated.ts'

/** Throws a ModelError if the card of an exported model does not describe its graph: input, channels, number of classes,
 *  their names in order, thresholds. `name` stands in the error. */
export function checkCard(bytes: Uint8Array, card: Card, name: string): void {
  const { graph } = fromBinary(ModelProtoSchema, bytes)
  const { input, classes, thresholds, task } = card
  function refuse(what: string, inGraph: string): never {
    throw new ModelError(
      `${name}: its card is not its own: the card has ${what}, and the graph has ${inGraph}. Export it again.`,
    )
  }
  const image = graph?.input.find(one => one.name === input.name)
  if (!graph || !image) refuse(`the input "${input.name}"`, list(graph?.input.map(one => one.name) ?? []))
  const channels = lastOf(image)
  if (channels !== input.channels) refuse(`pictures of ${input.channels} channels`, `${channels}`)
  const answer = task === 'regression' ? 'values' : 'probabilities'
  const output = graph.output.find(one => one.name === answer)
  if (!output) refuse(`the task ${task}, so the output "${answer}"`, list(graph.output.map(one => one.name)))
  const width = lastOf(output)
  if (width !== classes.length) refuse(`${classes.length} classes (${list(classes)})`, `${width} outputs`)
  if (task !== 'regression' && graph.output.some(one => one.name === 'decided') !== (task === 'multi'))
    refuse(`the task ${task}`, `the outputs ${list(graph.output.map(one => one.name))}`)
  const names = stringsOf(graph, 'outputs/classes')
  if (names && task === 'single' && names.some((one, i) => one !== classes[i]))
    refuse(`the classes ${list(classes)}`, list(names))
  const from = floatsOf(graph, 'outputs/thresholds')
  if (from && task === 'multi' && !near(from, thresholds ?? []))
    refuse(`the thresholds ${list((thresholds ?? []).map(String))}`, list(Array.from(from, String)))
}

const list = (names: readonly string[]) => `${names.slice(0, 5).join(', ') || 'none'}${names.length > 5 ? ', …' : ''}`

/** The last dimension of an input or output. */
function lastOf({ type }: ValueInfoProto): number {
  const dims = type?.value.case === 'tensorType' ? (type.value.value.shape?.dim ?? []) : []
  const last = dims.at(-1)?.value
  return last?.case === 'dimValue' ? Number(last.value) : Number.NaN
}

const constantOf = (graph: GraphProto, name: string) => graph.initializer.find(one => one.name === name)

function stringsOf(graph: GraphProto, name: string): string[] | undefined {
  return constantOf(graph, name)?.stringData.map(bytes => new TextDecoder().decode(bytes))
}

function floatsOf(graph: GraphProto, name: string): Float32Array | undefined {
  const raw = constantOf(graph, name)?.rawData
  return raw && new Float32Array(new Uint8Array(raw).buffer)
}

/** Whether both are equal as numbers of 32 bits; the graph's threshold is the next one from the card's on. */
const near = (a: Float32Array, b: readonly number[]): boolean =>
  a.length === b.length && a.every((value, i) => Math.abs(value - b[i]!) <= 1e-6 * Math.max(1, Math.abs(value)))

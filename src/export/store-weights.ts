import { bytesOf, type Constant, type Graph, type GraphNode, typeNumber } from '../onnx/index.ts'
import { fromArray, scope } from '../torch/index.ts'

/** How large constants are stored. Either way a graph computes with float32. */
export type StoredWeights = 'float16' | 'int8'

// Below this number of elements, a node that unpacks them costs more than it saves.
const least = 1024

/** Stores the large float32 constants of a graph in fewer bytes, with nodes that turn them back: `float16` as they are,
 *  `int8` the weights of convolutions and matrix products, each output channel with a scale of its own, and the others,
 *  those of heads among them, as float16. A runtime folds these nodes once, when it loads the file. Constants beyond float16's range stay. only: the
 *  constants that this is about, by name. Returns the number of constants that were changed. */
export function storeWeights(graph: Graph, as: StoredWeights, only: (name: string) => boolean = () => true): number {
  const channels = as === 'int8' ? channelAxes(graph.nodes) : new Map<string, number>()
  let changed = 0
  for (const [name, constant] of [...graph.constants]) {
    const { type, shape, data } = constant
    const size = shape.reduce((a, b) => a * b, 1)
    if (!only(name) || type !== 'float' || size <= least || !(data instanceof Uint8Array)) continue
    const values = new Float32Array(data.slice().buffer)
    const axis = channels.get(name)
    const done =
      axis === undefined ? asFloat16(graph, name, { values, shape }) : asInt8(graph, name, { values, shape, axis })
    if (done) changed++
  }
  return changed
}

interface Weights {
  values: Float32Array
  shape: readonly number[]
}

const largestHalf = 65504

function within(values: Float32Array, limit: number): boolean {
  for (let i = 0; i < values.length; i++) if (!(Math.abs(values[i]!) <= limit)) return false
  return true
}

function asFloat16(graph: Graph, name: string, { values, shape }: Weights): boolean {
  if (!within(values, largestHalf)) return false
  const data = scope(() => bytesOf(fromArray(values, shape).to('float16').data()))
  const stored = graph.constant(`${name}.float16`, { type: 'float16', shape, data } satisfies Constant)
  graph.derive(name, 'Cast', [stored], { to: typeNumber('float') })
  return true
}

/** w ≈ scale · n, n from -127 to 127, with one scale for each index of the axis. */
function asInt8(graph: Graph, name: string, { values, shape, axis: given }: Weights & { axis: number }): boolean {
  const axis = given < 0 ? given + shape.length : given
  if (!within(values, Number.MAX_VALUE)) return false
  const { scales, data } = quantised(values, shape, axis)
  const stored = graph.constant(`${name}.int8`, { type: 'int8', shape, data })
  const scale = graph.floats(
    `${name}.scale`,
    scales,
    shape.map((n, i) => (i === axis ? n : 1)),
  )
  const float = graph.derive(`${name}.float`, 'Cast', [stored], { to: typeNumber('float') })
  graph.derive(name, 'Mul', [float, scale])
  return true
}

function quantised(values: Float32Array, shape: readonly number[], axis: number) {
  const count = shape[axis]!
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1)
  const scales = new Float32Array(count)
  const numbers = new Int8Array(values.length)
  // Plain loops: a net has up to a hundred million weights.
  for (let i = 0, c = 0; i < values.length; i += inner, c = c + 1 === count ? 0 : c + 1)
    for (let j = i; j < i + inner; j++) scales[c] = Math.max(scales[c]!, Math.abs(values[j]!))
  for (let c = 0; c < count; c++) scales[c] = scales[c]! / 127 || 1
  for (let i = 0, c = 0; i < values.length; i += inner, c = c + 1 === count ? 0 : c + 1)
    for (let j = i; j < i + inner; j++) numbers[j] = Math.round(values[j]! / scales[c]!)
  return { scales, data: bytesOf(numbers) }
}

/** The axis of the output channels of each weight that all its readers agree on. */
function channelAxes(nodes: readonly GraphNode[]): Map<string, number> {
  const axes = new Map<string, number>()
  const refused = new Set<string>()
  for (const { op, inputs } of nodes)
    for (const [i, name] of inputs.entries()) {
      const axis = i === 1 ? axisOf(op) : undefined
      if (axis === undefined || (axes.get(name) ?? axis) !== axis) refused.add(name)
      else axes.set(name, axis)
    }
  for (const name of refused) axes.delete(name)
  return axes
}

/** The axis of the output channels of a node's second input. */
function axisOf(op: string): number | undefined {
  if (op === 'Conv') return 0
  // Of a product of matrices it is the last one: its weights are [in, out]. A `Gemm` is the layer of a head: BatchNorm
  // before it is folded into its weights, and one scale can't hold columns of features that differ much and hardly.
  return op === 'MatMul' ? -1 : undefined
}

import { Graph, type GraphNode } from '../../onnx/index.ts'

/** A layer that can compute with integers: a convolution or a matrix product with constant weights. */
export interface Layer {
  node: GraphNode
  input: string
  weight: string
  /** A constant, too. */
  bias?: string
  shape: readonly number[]
  /** The axis of the output channels in the weights. */
  axis: number
  /** Whether each output channel reads one input channel of its own. */
  depthwise: boolean
}

/** What reads and makes the values of a graph, and its layers. */
export interface Structure {
  graph: Graph
  layers: readonly Layer[]
  maker(name: string): GraphNode | undefined
  /** The nodes that read a value; undefined where something else reads it too: an output of the graph, a branch of `If`. */
  readers(name: string): readonly GraphNode[] | undefined
  /** The nodes after a value that only cut its range, and the value after them: `Relu`, `Clip` with constants. The values
   *  between have one reader each. */
  cutsAfter(name: string): { cuts: readonly GraphNode[]; end: string }
  /** Whether all readers cut a value at 0, or only move it to where that happens. */
  positive(name: string): boolean
}

/** Finds the layers of a graph, and what reads and makes each value. */
export function structureOf(graph: Graph): Structure {
  const { nodes } = graph
  const makers = new Map(nodes.flatMap(node => node.outputs.map(output => [output, node] as const)))
  const readers = new Map<string, GraphNode[]>()
  const elsewhere = new Set(graph.outputs)
  for (const node of nodes) {
    for (const name of node.inputs) readers.set(name, [...(readers.get(name) ?? []), node])
    for (const value of Object.values(node.attributes))
      if (value instanceof Graph) for (const name of readInside(value)) elsewhere.add(name)
  }
  const readersOf = (name: string) => (elsewhere.has(name) ? undefined : (readers.get(name) ?? []))
  const cuts = (node: GraphNode) => cutsToZeroOrMore(graph, node)
  const cutsAfter = (name: string) => {
    const found: GraphNode[] = []
    let end = name
    for (;;) {
      const next = readersOf(end)
      if (next?.length !== 1 || !cuts(next[0]!) || elsewhere.has(next[0]!.outputs[0]!)) return { cuts: found, end }
      found.push(next[0]!)
      end = next[0]!.outputs[0]!
    }
  }
  const positive = (name: string): boolean => {
    const next = readersOf(name)
    return (
      next !== undefined &&
      next.length > 0 &&
      next.every(node => cuts(node) || ((node.op === 'Concat' || node.op === 'MaxPool') && positive(node.outputs[0]!)))
    )
  }
  const layers = nodes.flatMap(node => layerOf(graph, node) ?? [])
  return { graph, layers, maker: name => makers.get(name), readers: readersOf, cutsAfter, positive }
}

/** The names of values that a branch reads, its own and those around it. */
export function readInside(branch: Graph): string[] {
  return branch.nodes.flatMap(({ inputs, attributes }) => [
    ...inputs,
    ...Object.values(attributes).flatMap(value => (value instanceof Graph ? readInside(value) : [])),
  ])
}

/** Whether a node is a `Relu`, or a `Clip` from 0 to a constant: then a uint8 tensor with the range of its results needs no
 *  such node, since rounding cuts at the same places. */
function cutsToZeroOrMore(graph: Graph, { op, inputs }: GraphNode): boolean {
  if (op === 'Relu') return true
  if (op !== 'Clip') return false
  const [low, high] = [inputs[1], inputs[2]].map(name => (name ? floatsOf(graph, name)?.[0] : undefined))
  return low === 0 && (high === undefined ? !inputs[2] : high > 0)
}

/** The numbers of a float32 constant; undefined for other values. */
export function floatsOf(graph: Graph, name: string): Float32Array | undefined {
  const constant = graph.constants.get(name)
  if (constant?.type !== 'float' || !(constant.data instanceof Uint8Array)) return undefined
  return new Float32Array(constant.data.slice().buffer)
}

function layerOf(graph: Graph, node: GraphNode): Layer | undefined {
  const { op, attributes } = node
  const [input, weight, bias] = node.inputs
  const constant = graph.constants.get(weight ?? '')
  if (constant?.type !== 'float' || !input || graph.constants.has(input)) return undefined
  if (bias && graph.constants.get(bias)?.type !== 'float') return undefined
  const { shape } = constant
  const layer = { node, input, weight: weight!, shape, ...(bias && { bias }) }
  if (op === 'Conv')
    return shape.length === 4
      ? { ...layer, axis: 0, depthwise: attributes.group === shape[0] && shape[0]! > 1 }
      : undefined
  if (shape.length !== 2) return undefined
  if (op === 'MatMul') return { ...layer, axis: 1, depthwise: false }
  if (op !== 'Gemm' || attributes.transA === 1 || !isOne(attributes.alpha) || !isOne(attributes.beta)) return undefined
  const axis = attributes.transB === 1 ? 0 : 1
  // A bias of another shape is no bias of channels.
  if (bias && graph.constants.get(bias)!.shape.join() !== String(shape[axis])) return undefined
  return { ...layer, axis, depthwise: false }
}

const isOne = (value: GraphNode['attributes'][string] | undefined): boolean =>
  value === undefined || (typeof value === 'object' && 'float' in value && value.float === 1)

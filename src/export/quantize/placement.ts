import type { GraphNode } from '../../onnx/index.ts'
import type { Layer, Structure } from './layers.ts'

/** A value that is stored in uint8. */
export interface Place {
  /** The value whose range counts: after the activation. */
  name: string
  /** The value that is rounded: before the nodes that only cut its range. */
  source: string
  /** The value whose scale it shares, where a node only moves numbers. */
  like?: string
  /** A range that is known: the results of a sigmoid. */
  unit?: boolean
  /** Whether an integer kernel makes it, so that all its readers take the rounded numbers. */
  fused: boolean
}

/** Where a graph computes with integers. */
export interface Placement {
  places: ReadonlyMap<string, Place>
  /** Nodes that fall away, since rounding does their work. */
  dropped: ReadonlySet<GraphNode>
  layers: ReadonlySet<Layer>
}

/** Nodes that only move numbers: the same scale before and after. */
const moving = new Set(['MaxPool', 'Reshape', 'Flatten', 'Transpose', 'Slice', 'Squeeze', 'Unsqueeze'])
/** Nodes that onnxruntime has integer kernels for, beside those of layers. */
const computing = new Set(['Add', 'Mul', 'Concat', 'AveragePool', 'GlobalAveragePool', 'Sigmoid'])
const gates = new Set(['Sigmoid', 'HardSigmoid'])

/** Which values are stored in uint8 so that these layers compute with integers. Between layers the numbers stay integers
 *  where onnxruntime has kernels for it; after the last convolution they are floats, so `features` are. */
export function placementOf(structure: Structure, layers: ReadonlySet<Layer>): Placement {
  const { graph, readers, cutsAfter, maker } = structure
  const byNode = new Map(Array.from(layers, layer => [layer.node, layer]))
  const places = new Map<string, Place>()
  const dropped = new Set<GraphNode>()
  // What moves numbers shares its scale with its input, so nothing after it falls away.
  const endOf = ({ op, outputs }: GraphNode) => (moving.has(op) ? outputs[0]! : cutsAfter(outputs[0]!).end)
  const data = ({ op, inputs }: GraphNode) => (moving.has(op) ? inputs.slice(0, 1) : inputs)

  // From the end: what a convolution reads in the end.
  const needed = new Set<string>()
  for (const node of graph.nodes.toReversed()) {
    if (byNode.get(node)?.node.op === 'Conv') needed.add(node.inputs[0]!)
    else if (moving.has(node.op) || computing.has(node.op))
      if (needed.has(endOf(node))) for (const name of data(node)) needed.add(name)
  }

  const fuse = (output: string, more: Partial<Place> = {}) => {
    const { cuts, end } = cutsAfter(output)
    for (const node of cuts) dropped.add(node)
    places.set(end, { name: end, source: output, fused: readers(end) !== undefined, ...more })
  }
  const round = (name: string, more: Partial<Place> = {}) => {
    if (!places.has(name)) places.set(name, { name, source: name, fused: false, ...more })
  }
  for (const { node } of layers) {
    const [output] = node.outputs
    if (node.op === 'Conv' || (node.op === 'Gemm' && layerReads(cutsAfter(output!).end))) fuse(output!)
  }
  for (const { input } of layers) round(input)
  for (const node of graph.nodes) {
    if (byNode.has(node) || dropped.has(node) || !needed.has(endOf(node))) continue
    const [output] = node.outputs
    const inputs = data(node)
    if (node.op === 'Mul' && inputs.some(name => places.has(name)))
      for (const name of inputs) if (gates.has(maker(name)?.op ?? '')) round(name, { unit: true })
    if (!inputs.every(name => places.has(name))) continue
    if (moving.has(node.op)) {
      const place = { name: output!, source: output!, like: inputs[0]!, fused: readers(output!) !== undefined }
      places.set(output!, place)
    }
    if (computing.has(node.op)) fuse(output!, { unit: node.op === 'Sigmoid' })
  }
  return { places, dropped, layers }

  function layerReads(name: string): boolean {
    return readers(name)?.some(node => byNode.get(node)?.input === name) ?? false
  }
}

import { bytesOf, type Graph, type GraphNode } from '../../onnx/index.ts'
import { floatsOf, type Layer, readInside } from './layers.ts'
import { eachChannel, quantizedBias, quantizedWeights, type Scale } from './numbers.ts'
import type { Placement } from './placement.ts'

/** What the integers of a graph mean. */
export interface Scales {
  /** The scale of each value that is stored in uint8. */
  scaleOf(name: string): Scale
  /** The mean of each channel of a layer's input on the calibration pictures: the mean error that rounding the weights makes
   *  is taken out of the bias. Undefined: not known. */
  means?(name: string): ArrayLike<number> | undefined
}

/** The graph with QuantizeLinear and DequantizeLinear around its integer layers, as onnxruntime reads them: values uint8,
 *  weights int8 with a scale for each output channel, biases int32. */
export function quantizedGraph(graph: Graph, { places, dropped, layers }: Placement, scales: Scales): Graph {
  const made = graph.withoutNodes()
  const byNode = new Map(Array.from(layers, layer => [layer.node, layer]))
  const bySource = new Map(Array.from(places.values(), place => [place.source, place]))
  /** The names of the rounded values, as floats again. */
  const rounded = new Map<string, string>()
  const round = (source: string) => {
    const place = bySource.get(source)
    if (!place) return
    const { name } = place
    const { scale, zero } = scales.scaleOf(name)
    const parameters = [
      made.floats(`${name}/scale`, [scale], []),
      made.constant(`${name}/zero`, { type: 'uint8', shape: [], data: Uint8Array.of(zero) }),
    ]
    const integers = made.add('QuantizeLinear', [source, ...parameters], {}, `${name}/quantized`)
    rounded.set(name, made.add('DequantizeLinear', [integers, ...parameters], {}, `${name}/rounded`))
  }
  const weights = new WeightStore(made, scales)
  for (const name of graph.inputs) round(name)
  for (const node of graph.nodes) {
    if (dropped.has(node)) continue
    const layer = byNode.get(node)
    if (layer) {
      const [weight, bias] = weights.of(layer, scales.scaleOf(layer.input).scale)
      made.push({ ...node, inputs: [rounded.get(layer.input)!, weight!, ...(bias ? [bias] : [])] })
    } else {
      const isInteger = places.get(endOf(node, placed))?.fused
      made.push({
        ...node,
        inputs: node.inputs.map((name, i) => {
          if (!isInteger && !places.get(name)?.fused) return name
          const count = i === 0 && !isInteger ? channelsOf(graph, node) : undefined
          return (count === undefined ? rounded.get(name) : channelwise(name, count)) ?? name
        }),
      })
    }
    for (const output of node.outputs) round(output)
  }
  dropUnread(made)
  return made

  /** A value for a layer in float32, with its scale given once for each channel: between one scale for all and
   *  QuantizeLinear, onnxruntime would round the layer's float weights itself, with one scale for all of them
   *  (weight_bias_quantization.cc). */
  function channelwise(name: string, count: number): string | undefined {
    const integers = made.nodes.find(({ outputs }) => outputs[0] === rounded.get(name))?.inputs[0]
    if (integers === undefined) return undefined
    const { scale, zero } = scales.scaleOf(name)
    const parameters = [
      made.floats(`${name}/scales`, new Float32Array(count).fill(scale)),
      made.constant(`${name}/zeros`, { type: 'uint8', shape: [count], data: new Uint8Array(count).fill(zero) }),
    ]
    return made.add('DequantizeLinear', [integers, ...parameters], { axis: 1 }, `${name}/by-channel`)
  }

  function placed(source: string): string | undefined {
    return bySource.get(source)?.name
  }
}

const endOf = (node: GraphNode, placed: (source: string) => string | undefined): string =>
  placed(node.outputs[0]!) ?? node.outputs[0]!

/** The channels that a layer with constant weights reads; undefined for other nodes. */
function channelsOf(graph: Graph, { op, inputs, attributes }: GraphNode): number | undefined {
  const shape = graph.constants.get(inputs[1] ?? '')?.shape
  if (!shape) return undefined
  if (op === 'Conv') return shape[1]! * (typeof attributes.group === 'number' ? attributes.group : 1)
  if (op === 'ConvTranspose') return shape[0]!
  return op === 'Gemm' && attributes.transA !== 1 ? shape[attributes.transB === 1 ? 1 : 0]! : undefined
}

/** The integer weights of layers, each made once. */
class WeightStore {
  readonly #made = new Map<string, { name: string; scales: Float32Array; values: Int8Array }>()
  readonly graph: Graph
  readonly options: Scales

  constructor(graph: Graph, options: Scales) {
    this.graph = graph
    this.options = options
  }

  /** The names of a layer's weights and bias, as floats. */
  of({ input, weight, bias, shape, axis, depthwise, node }: Layer, scale: number): (string | undefined)[] {
    const { graph, options } = this
    const floats = floatsOf(graph, weight)!
    const given = bias ? floatsOf(graph, bias)! : undefined
    const key = `${weight} ${axis} ${bias ?? ''} ${scale}`
    let made = this.#made.get(key)
    if (!made) {
      const { scales, values } = quantizedWeights(floats, {
        shape,
        axis,
        paired: !depthwise,
        bias: given && { values: given, input: scale },
      })
      const zero = new Int8Array(scales.length)
      const name = graph.add(
        'DequantizeLinear',
        [
          graph.constant(`${weight}.int8`, { type: 'int8', shape, data: bytesOf(values) }),
          graph.floats(`${weight}.scale`, scales),
          graph.constant(`${weight}.zero`, { type: 'int8', shape: [scales.length], data: bytesOf(zero) }),
        ],
        { axis },
        `${weight}/rounded`,
      )
      made = { name, scales, values }
      this.#made.set(key, made)
    }
    const { scales, values } = made
    const error = meanError({ shape, axis, floats, values, scales }, options.means?.(input))
    const corrected = given || (error && node.op !== 'MatMul') ? new Float32Array(scales.length) : undefined
    if (!corrected) return [made.name]
    for (let c = 0; c < corrected.length; c++) corrected[c] = (given?.[c] ?? 0) - (error?.[c] ?? 0)
    const steps = scales.map(s => Math.fround(scale * s))
    const name = bias ?? `${weight}.bias`
    return [
      made.name,
      graph.add(
        'DequantizeLinear',
        [
          graph.constant(`${name}.int32`, {
            type: 'int32',
            shape: [scales.length],
            data: bytesOf(quantizedBias(corrected, scale, scales)),
          }),
          graph.floats(`${name}.scale`, steps),
        ],
        { axis: 0 },
        `${name}/rounded`,
      ),
    ]
  }
}

/** The mean change of each output channel by rounding the weights, where the inputs have these means: [channels]. */
function meanError(
  { shape, axis, floats, values, scales }: RoundedWeights,
  means: ArrayLike<number> | undefined,
): Float64Array | undefined {
  if (!means) return undefined
  const out = new Float64Array(shape[axis]!)
  const kernel = shape.slice(2).reduce((a, b) => a * b, 1)
  const depth = shape[1 - axis]!
  // A group of convolutions reads its own channels.
  const groups = axis === 0 ? means.length / depth : 1
  const perGroup = out.length / groups
  if (!Number.isInteger(groups) || !Number.isInteger(perGroup)) return undefined
  eachChannel(shape, axis, (c, from, to) => {
    const first = axis === 0 ? Math.floor(c / perGroup) * depth : Math.floor(from / shape[1]!)
    for (let i = from, at = first; i < to; at++)
      for (let k = 0; k < kernel; k++, i++) out[c]! += (values[i]! * scales[c]! - floats[i]!) * means[at]!
  })
  return out
}

interface RoundedWeights {
  shape: readonly number[]
  axis: number
  floats: Float32Array
  values: Int8Array
  scales: Float32Array
}

/** Deletes the constants that nothing reads any more. */
function dropUnread(made: Graph): void {
  const read = new Set([...readInside(made), ...made.outputs])
  for (const name of made.constants.keys()) if (!read.has(name)) made.constants.delete(name)
}

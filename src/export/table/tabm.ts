import type { Graph } from '../../onnx/index.ts'
import { isKept, leastShare, type NumberInput, type TabmInputs } from '../../tabular/models/tabm/inputs.ts'
import type { Tabm } from '../../tabular/models/tabm/model.ts'
import { encodingOf } from '../../tabular/models/tabm/net.ts'
import { ends, middle, tail } from '../../tabular/models/tabm/normal.ts'
import type { GraphFeatures } from './columns.ts'

/** Adds the outputs of the members of a TabM: features → float [members, N, outputs]. */
export function addTabm(graph: Graph, features: GraphFeatures, model: Tabm): string {
  const { inputs, shape } = model.card
  const weights = (name: string) => model.parameters.get(name)!.contiguous().data() as Float32Array
  const parts = inputParts(graph, features, { inputs, edges: shape.edges, weights })
  const first = parts.length === 1 ? parts[0]! : graph.add('Concat', parts, { axis: 1 })
  const { members, hidden, outputs } = shape
  let x = graph.add('Unsqueeze', [first, graph.ints('net/axes', [0])])
  for (const [i, width] of hidden.entries()) {
    const own = (name: string) => weights(`layer${i}.${name}`)
    const inside = own('weight').length / width
    const tensor = (name: string, shape: readonly number[]) => graph.floats(`net/layer${i}.${name}`, own(name), shape)
    const scaled = graph.add('Mul', [x, tensor('r', [members, 1, inside])])
    const product = graph.add('MatMul', [scaled, tensor('weight', [inside, width])])
    const each = graph.add('Mul', [product, tensor('s', [members, 1, width])])
    x = graph.add('Relu', [graph.add('Add', [each, tensor('biases.weight', [members, 1, width])])])
  }
  const head = graph.floats('net/head', weights('head.weight'), [members, hidden.at(-1)!, outputs])
  const bias = graph.floats('net/head.bias', weights('head.biases.weight'), [members, 1, outputs])
  return graph.add('Add', [graph.add('MatMul', [x, head]), bias])
}

interface Inputs {
  inputs: TabmInputs
  edges: readonly (readonly number[])[]
  weights(name: string): Float32Array
}

/** The parts of the first layer's input, each float [N, …]: embeddings of numbers, flags, and a place for each code. */
function inputParts(graph: Graph, { numbers, codes }: GraphFeatures, { inputs, edges, weights }: Inputs): string[] {
  const parts: string[] = []
  if (numbers !== undefined) {
    const missing = graph.add('IsNaN', [numbers])
    const columns = (value: string, of: (number: NumberInput) => boolean, name: string) => {
      const places = inputs.numbers.flatMap((number, i) => (of(number) ? [i] : []))
      return places.length > 0 ? graph.add('Gather', [value, graph.ints(name, places)], { axis: 1 }) : undefined
    }
    const kept = columns(numbers, isKept, 'inputs/kept')
    const absent = columns(missing, isKept, 'inputs/kept')
    if (kept !== undefined && absent !== undefined)
      parts.push(embedded(graph, normal(graph, kept, absent, inputs.numbers.filter(isKept)), { edges, weights }))
    const flags = columns(missing, ({ flag }) => flag, 'inputs/flagged')
    if (flags !== undefined) parts.push(graph.add('Cast', [flags], { to: 1 }))
  }
  for (const [i, category] of inputs.categories.entries()) {
    const code = graph.add('Gather', [codes!, graph.ints('inputs/column', [i], [])], { axis: 1 })
    const depth = graph.ints('inputs/codes', [category.codes], [])
    parts.push(graph.add('OneHot', [code, depth, graph.floats('inputs/one-hot', [0, 1], [2])], { axis: 1 }))
  }
  return parts
}

/** Numbers [N, numbers] at their places among the training rows' quantiles, as those of a normal distribution (`normalOf`), float. */
function normal(graph: Graph, numbers: string, missing: string, own: readonly NumberInput[]): string {
  const count = own.length
  const bits = Math.ceil(Math.log2(Math.max(...own.map(({ quantiles }) => quantiles.length))))
  const places = 2 ** bits
  const table = (name: string, of: (quantiles: readonly number[], i: number) => number) => {
    const values = own.flatMap(({ quantiles }) => Array.from({ length: places }, (_, i) => of(quantiles, i)))
    return graph.doubles(`inputs/${name}`, values, [count * places])
  }
  const row = (name: string, of: (number: NumberInput) => number) =>
    graph.doubles(`inputs/${name}`, own.map(of), [1, count])
  const whole = (value: number) => graph.ints('inputs/whole', [value], [])
  const double = (name: string, value: number) => graph.doubles(`inputs/${name}`, [value], [])
  const add = (a: string, b: string) => graph.add('Add', [a, b])

  // The last quantile ends the search: the place of the greatest value is the last but one.
  const searched = table('searched', (quantiles, i) =>
    i < quantiles.length - 1 ? quantiles[i]! : Number.POSITIVE_INFINITY,
  )
  const quantiles = table('quantiles', (quantiles, i) => quantiles[Math.min(i, quantiles.length - 1)]!)
  const at = (values: string, place: string) => graph.add('Gather', [values, place], { axis: 0 })
  const x = graph.add('Cast', [numbers], { to: 11 })
  const offsets = own.map((_, i) => i * places)
  const first = graph.ints('inputs/first', offsets, [1, count])
  let low = first
  for (let step = places >> 1; step > 0; step >>= 1) {
    const next = add(low, whole(step))
    low = graph.add('Where', [graph.add('GreaterOrEqual', [x, at(searched, next)]), next, low])
  }
  const from = at(quantiles, low)
  const width = graph.add('Sub', [at(quantiles, add(low, whole(1))), from])
  const [zero, one] = [double('zero', 0), double('unit', 1)]
  const clip = (value: string, least: string, most: string) =>
    graph.add('Min', [graph.add('Max', [value, least]), most])
  const inside = graph.add('Div', [graph.add('Sub', [x, from]), width])
  const part = graph.add('Where', [graph.add('Greater', [width, zero]), clip(inside, zero, one), zero])
  const place = graph.add('Cast', [graph.add('Sub', [low, first])], { to: 11 })
  const share = graph.add('Div', [add(place, part), row('last', ({ quantiles }) => quantiles.length - 1)])
  const value = quantile(graph, clip(share, double('least', leastShare), double('most', 1 - leastShare)))
  return graph.add('Cast', [graph.add('Where', [missing, row('mean', ({ mean }) => mean), value])], { to: 1 })
}

/** `normalQuantile`, double. */
function quantile(graph: Graph, share: string): string {
  const double = (value: number) => graph.doubles('inputs/number', [value], [])
  const horner = (coefficients: readonly number[], x: string) =>
    coefficients
      .slice(1)
      .reduce((sum, c) => graph.add('Add', [graph.add('Mul', [sum, x]), double(c)]), double(coefficients[0]!))
  const ratio = ({ above, below }: typeof middle, x: string) => graph.add('Div', [horner(above, x), horner(below, x)])
  const rest = graph.add('Sub', [double(1), share])
  const end = graph.add('Min', [share, rest])
  const q = graph.add('Sqrt', [graph.add('Mul', [graph.add('Log', [end]), double(-2)])])
  const outer = ratio(ends, q)
  const below = graph.add('Less', [share, rest])
  const outside = graph.add('Where', [below, outer, graph.add('Neg', [outer])])
  const centred = graph.add('Sub', [share, double(0.5)])
  const inner = graph.add('Mul', [centred, ratio(middle, graph.add('Mul', [centred, centred]))])
  return graph.add('Where', [graph.add('Less', [end, double(tail)]), outside, inner])
}

/** Adds the piecewise-linear embeddings: float [N, numbers] → [N, numbers × width]. */
function embedded(graph: Graph, x: string, { edges, weights }: Pick<Inputs, 'edges' | 'weights'>): string {
  const numbers = edges.length
  const { left, slope, low, high } = encodingOf(edges)
  const bins = slope.length / numbers
  const own = (name: string) => weights(`numbers.${name}`)
  const width = own('line').length / numbers
  const finite = (values: Float32Array) => values.map(v => Math.min(Math.max(v, -3e38), 3e38))
  const encoding = (name: string, values: Float32Array) =>
    graph.floats(`inputs/${name}`, finite(values), [1, numbers, bins])
  const each = graph.add('Unsqueeze', [x, graph.ints('net/last', [2])])
  const lines = graph.add('Mul', [graph.add('Sub', [each, encoding('left', left)]), encoding('slope', slope)])
  const kept = graph.add('Min', [graph.add('Max', [lines, encoding('low', low)]), encoding('high', high)])
  const turned = graph.add('Transpose', [kept], { perm: [1, 0, 2] })
  const gained = graph.add('MatMul', [turned, graph.floats('net/numbers', own('weight'), [numbers, bins, width])])
  const parameter = (name: string, of: string) => graph.floats(`net/numbers.${name}`, own(of), [1, numbers, width])
  const line = graph.add('Add', [
    graph.add('Mul', [each, parameter('line', 'line')]),
    parameter('bias', 'biases.weight'),
  ])
  const all = graph.add('Add', [line, graph.add('Transpose', [gained], { perm: [1, 0, 2] })])
  return graph.add('Reshape', [all, graph.ints('net/joined', [-1, numbers * width])])
}

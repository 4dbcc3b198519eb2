import type { Graph } from '../../onnx/index.ts'
import { embeddingCodes, type MlpInputs } from '../../tabular/models/mlp/inputs.ts'
import type { Mlp } from '../../tabular/models/mlp/model.ts'
import type { GraphFeatures } from './columns.ts'

const epsilon = 1e-5

/** Adds the outputs of fastai's TabularModel: features → float [1, N, outputs]. */
export function addMlp(graph: Graph, features: GraphFeatures, model: Mlp): string {
  const { inputs, shape } = model.card
  const state = model.parameters
  const weights = (name: string) => state.get(name)!.contiguous().data() as Float32Array
  const norm = (x: string, name: string) => {
    const [w, b] = ['weight', 'bias'].map(part => weights(`${name}.${part}`)) as [Float32Array, Float32Array]
    const [mean, variance] = ['running_mean', 'running_var'].map(part => weights(`${name}.${part}`)) as [
      Float32Array,
      Float32Array,
    ]
    const scale = w.map((value, i) => value / Math.sqrt(variance[i]! + epsilon))
    const shift = b.map((value, i) => value - mean[i]! * scale[i]!)
    const row = (what: string, values: Float32Array) => graph.floats(`${name}.${what}`, values, [1, values.length])
    return graph.add('Add', [graph.add('Mul', [x, row('scale', scale)]), row('shift', shift)])
  }
  const missing = features.numbers === undefined ? undefined : graph.add('IsNaN', [features.numbers])
  const parts = embeddings(graph, { codes: features.codes, missing }, { inputs, weights })
  if (features.numbers !== undefined && missing !== undefined)
    parts.push(norm(standardised(graph, features.numbers, missing, inputs), 'norm'))
  let x = parts.length === 1 ? parts[0]! : graph.add('Concat', parts, { axis: 1 })
  const { hidden, outputs } = shape
  for (const [i, width] of hidden.entries()) {
    // Linear, ReLU, BatchNorm and dropout: four modules for each hidden layer.
    x = norm(graph.add('Relu', [linear(`layers.${4 * i}`, width)]), `layers.${4 * i + 2}`)
  }
  const last = `layers.${4 * hidden.length}`
  const product = linear(last, outputs)
  const biased = graph.add('Add', [product, graph.floats(`${last}.bias`, weights(`${last}.bias`), [1, outputs])])
  return graph.add('Unsqueeze', [biased, graph.ints('net/axes', [0])])

  function linear(name: string, width: number): string {
    const w = weights(`${name}.weight`)
    const own = graph.floats(`${name}.weight`, w, [width, w.length / width])
    return graph.add('MatMul', [x, graph.add('Transpose', [own], { perm: [1, 0] })])
  }
}

/** The rows of the embeddings: of the categories, then of the numbers with a flag for a missing value. */
function embeddings(
  graph: Graph,
  { codes, missing }: { codes: string | undefined; missing: string | undefined },
  { inputs, weights }: { inputs: MlpInputs; weights(name: string): Float32Array },
): string[] {
  const column = (value: string, c: number) =>
    graph.add('Gather', [value, graph.ints('inputs/column', [c], [])], { axis: 1 })
  const flagged = inputs.numbers.flatMap(({ flag }, c) => (flag ? [c] : []))
  const indices = [
    ...inputs.categories.map((_, c) => column(codes!, c)),
    ...flagged.map(c => graph.add('Cast', [column(missing!, c)], { to: 7 })),
  ]
  const counts = embeddingCodes(inputs)
  return indices.map((index, i) => {
    const table = weights(`embed${i}.weight`)
    const own = graph.floats(`embed${i}`, table, [counts[i]!, table.length / counts[i]!])
    return graph.add('Gather', [own, index], { axis: 0 })
  })
}

/** Standardised numbers, float [N, numbers]; a missing one is the median. */
function standardised(graph: Graph, numbers: string, missing: string, inputs: MlpInputs): string {
  const row = (name: string, of: (number: MlpInputs['numbers'][number]) => number) =>
    graph.doubles(`inputs/${name}`, inputs.numbers.map(of), [1, inputs.numbers.length])
  const exact = graph.add('Cast', [numbers], { to: 11 })
  const filled = graph.add('Where', [missing, row('median', n => n.median), exact])
  const centred = graph.add('Sub', [filled, row('mean', n => n.mean)])
  return graph.add('Cast', [graph.add('Div', [centred, row('std', n => n.std)])], { to: 1 })
}

import { ModelError } from '../../base/errors.ts'
import { Graph, type TableCardTexts } from '../../onnx/index.ts'
import { Both } from '../../tabular/models/both.ts'
import { Mlp } from '../../tabular/models/mlp/model.ts'
import { Realmlp } from '../../tabular/models/realmlp/model.ts'
import { Tabm } from '../../tabular/models/tabm/model.ts'
import { Trees } from '../../tabular/models/trees.ts'
import type { TableModel, TargetInfo } from '../../tabular/types.ts'
import { storeWeights } from '../store-weights.ts'
import { addFeatures, addInputs, type GraphFeatures, type TableInput } from './columns.ts'
import { addMlp } from './mlp.ts'
import type { OpenTableModel } from './open.ts'
import {
  addTableOutputs,
  atTemperature,
  inUnits,
  type TableOutputNames,
  treeProbabilities,
  weightedSum,
} from './outputs.ts'
import { addRealmlp } from './realmlp.ts'
import { addTabm } from './tabm.ts'
import { addTextVectors, netPrefix } from './texts.ts'
import { addForests } from './trees.ts'

/** The graph of a model of a table, from raw rows to the answer. */
export interface TableGraph {
  graph: Graph
  inputs: TableInput[]
  outputs: TableOutputNames
}

/** Writes the graph of a model: features as training encodes them, the nets and trees, their averages, calibration and the
 *  decision. weights: how those of the net for texts are stored. */
export function tableGraph(
  { card, members, decision, textNet }: OpenTableModel,
  { weights = 'float32' }: { weights?: TableCardTexts['weights'] | undefined } = {},
): TableGraph {
  const graph = new Graph()
  const inputs = addInputs(
    graph,
    members.map(member => member.card.encoding),
  )
  const vectors = textNet && addTextVectors(graph, inputs, textNet, weights === 'int8' ? 'int8' : 'float32')
  const answers = members.map(({ card: own, model }) => {
    const { encoding, reading, target, temperature } = own
    const missing = reading.missing as readonly string[] | undefined
    const features = addFeatures(graph, inputs, { encoding, missing, ...(vectors && { vectors }) })
    const cardinalities = encoding.columns.flatMap(one => (one.kind === 'category' ? [one.words.length + 2] : []))
    const answer = addModel(graph, model, { features, cardinalities, target })
    return target.task === 'single' ? atTemperature(graph, answer, temperature) : answer
  })
  const mean = weightedSum(
    graph,
    answers.map(value => ({ value, weight: 1 / answers.length })),
  )
  const outputs = addTableOutputs(graph, mean, card.target, decision)
  for (const name of vectors?.values() ?? []) graph.output(name, 'float', ['N', textNet!.width])
  if (weights !== 'float32') storeWeights(graph, weights, name => name.startsWith(netPrefix))
  return { graph, inputs, outputs }
}

interface Context {
  features: GraphFeatures
  cardinalities: readonly number[]
  target: TargetInfo
}

/** Adds what `predict` of a model computes, float64: probabilities [N, classes], or values in their units [N, targets]. */
function addModel(graph: Graph, model: TableModel, context: Context): string {
  const { features, cardinalities, target } = context
  if (model instanceof Both)
    return weightedSum(
      graph,
      model.parts
        .filter(({ weight }) => weight > 0)
        .map(({ model: part, weight }) => ({ value: addModel(graph, part, context), weight })),
    )
  if (model instanceof Trees) {
    const sums = addForests(graph, features, { forests: model.forests, cardinalities })
    return target.task === 'single'
      ? treeProbabilities(graph, sums, target.classes.length)
      : inUnits(graph, sums, target)
  }
  if (model instanceof Realmlp) return addNet(graph, addRealmlp(graph, features, model), model.card.scale, target)
  if (model instanceof Tabm) return addNet(graph, addTabm(graph, features, model), model.card.scale, target)
  if (model instanceof Mlp) return addNet(graph, addMlp(graph, features, model), model.card.scale, target)
  throw new ModelError(
    `models of the kind "${model.name}" can not be exported; mlp, realmlp, tabm, trees and both can. Train one of them.`,
  )
}

/** Outputs of the members of a net, float [members, N, outputs] → their mean after softmax, or in the targets' units within the
 *  range of the training rows. */
function addNet(graph: Graph, raw: string, scale: Realmlp['card']['scale'], target: TargetInfo): string {
  const x = graph.add('Cast', [raw], { to: 11 })
  const mean = (value: string) => graph.add('ReduceMean', [value, graph.ints('net/axis', [0])], { keepdims: 0 })
  if (!scale) return mean(graph.add('Softmax', [x], { axis: 2 }))
  const row = (name: string, values: readonly number[]) => graph.doubles(`net/${name}`, values, [1, 1, values.length])
  const values = graph.add('Add', [graph.add('Mul', [x, row('std', scale.std)]), row('mean', scale.mean)])
  const within = graph.add('Min', [graph.add('Max', [values, row('min', scale.min)]), row('max', scale.max)])
  return inUnits(graph, mean(within), target)
}

import type { Graph } from '../onnx/index.ts'
import type { ModelCard } from '../train/saved-model.ts'

/** The outputs of one net in a graph: its logits float [N, K], and its card. */
export interface MemberLogits {
  logits: string
  card: ModelCard
}

/** Adds what a model answers, as `predict` computes it: each net activated at its own temperature, their mean, and the
 *  temperature of the ensemble. Outputs of the graph: `probabilities` float [N, K] and `label` string [N] (single),
 *  `probabilities` and `decided` bool [N, K] (multi), or `values` float [N, T] in the units of the targets. */
export function addOutputs(graph: Graph, members: readonly MemberLogits[], card: ModelCard): void {
  addAnswers(
    graph,
    members.map(member => activated(graph, member)),
    card,
  )
}

/** The same from what each net answers: its probabilities at its own temperature, or its values, float [N, K]. */
export function addAnswers(graph: Graph, each: readonly string[], card: ModelCard): void {
  const { task = 'single', classes } = card
  const isMean = each.length > 1
  const mean = isMean
    ? graph.add('Div', [graph.add('Sum', each), graph.floats('outputs/members', [each.length])])
    : each[0]!
  const answer = isMean ? together(graph, mean, card) : mean
  if (task === 'regression') {
    named(graph, answer, 'values', classes.length)
    return
  }
  const probabilities = named(graph, answer, 'probabilities', classes.length)
  if (task === 'multi') {
    const thresholds = classes.map((_, c) => floatFrom(card.thresholds?.[c] ?? 0.5))
    const from = graph.floats('outputs/thresholds', thresholds)
    graph.output(graph.add('GreaterOrEqual', [probabilities, from], {}, 'decided'), 'bool', ['N', classes.length])
    return
  }
  const best = graph.add('ArgMax', [probabilities], { axis: -1, keepdims: 0 })
  const labels = graph.strings('outputs/classes', classes)
  graph.output(graph.add('Gather', [labels, best], { axis: 0 }, 'label'), 'string', ['N'])
}

/** The outputs that a model of a task has, `features` aside. */
export const outputNames = (task: ModelCard['task'] = 'single'): readonly string[] =>
  ({ single: ['probabilities', 'label'], multi: ['probabilities', 'decided'], regression: ['values'] })[task]

function named(graph: Graph, value: string, name: string, width: number): string {
  const own = graph.add('Identity', [value], {}, name)
  graph.output(own, 'float', ['N', width])
  return own
}

/** Probabilities at the net's temperature, or values in their units. */
export function activated(
  graph: Graph,
  { logits, card: { task = 'single', temperature = 1, scale } }: MemberLogits,
): string {
  if (task === 'regression') {
    if (!scale) return logits
    const standard = graph.add('Mul', [logits, graph.floats('outputs/std', scale.std)])
    return graph.add('Add', [standard, graph.floats('outputs/mean', scale.mean)])
  }
  return probabilitiesOf(graph, logits, { task, temperature })
}

function probabilitiesOf(
  graph: Graph,
  logits: string,
  { task, temperature }: { task: 'single' | 'multi'; temperature: number },
): string {
  const x = temperature === 1 ? logits : graph.add('Div', [logits, graph.floats('outputs/temperature', [temperature])])
  return task === 'single' ? graph.add('Softmax', [x], { axis: -1 }) : graph.add('Sigmoid', [x])
}

/** The mean of several nets at the temperature of their card: as `together` of train/saved-model.ts. */
function together(graph: Graph, mean: string, { task = 'single', temperature = 1 }: ModelCard): string {
  if (task === 'regression' || temperature === 1) return mean
  const logOf = (value: string, least: number) =>
    graph.add('Log', [graph.add('Max', [value, graph.floats('outputs/least', [least])])])
  const log = logOf(mean, 2 ** -126)
  const rest = () => graph.add('Sub', [graph.floats('outputs/one', [1]), mean])
  const logits = task === 'single' ? log : graph.add('Sub', [log, logOf(rest(), 2 ** -25)])
  return probabilitiesOf(graph, logits, { task, temperature })
}

/** The least float32 number that is not below a threshold: probabilities of float32 reach both alike. */
export function floatFrom(threshold: number): number {
  const near = Math.fround(threshold)
  if (near >= threshold) return near
  const bits = new Int32Array(Float32Array.of(near).buffer)
  bits[0]! += near < 0 ? -1 : 1
  return new Float32Array(bits.buffer)[0]!
}

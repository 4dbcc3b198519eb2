import type { Graph } from '../../onnx/index.ts'
import type { TargetInfo } from '../../tabular/types.ts'

/** How outputs become a decision: of two classes the `positive` one from `threshold` on, else the most probable. */
export interface TableDecision {
  positive?: number
  threshold?: number
}

/** The names of the outputs, which no column may have. */
export interface TableOutputNames {
  probabilities?: string
  label?: string
  values?: string
}

/** Sums of trees float64 [N, sums] → probabilities float64 [N, classes]; two classes have one sum, of the second. */
export function treeProbabilities(graph: Graph, sums: string, classes: number): string {
  if (classes > 2) return graph.add('Softmax', [sums], { axis: 1 })
  const one = graph.doubles('trees/one', [1], [])
  const power = graph.add('Exp', [graph.add('Neg', [sums])])
  const p = graph.add('Div', [one, graph.add('Add', [one, power])])
  return graph.add('Concat', [graph.add('Sub', [one, p]), p], { axis: 1 })
}

/** Values as a model was trained on, float64 [N, targets] → in the targets' units. */
export function inUnits(graph: Graph, values: string, { log, classes }: TargetInfo): string {
  if (!log?.some(Boolean)) return values
  const units = graph.add('Sub', [graph.add('Exp', [values]), graph.doubles('outputs/one', [1], [])])
  if (classes.every((_, t) => log[t])) return units
  const data = Uint8Array.from(classes, (_, t) => Number(log[t] ?? false))
  const which = graph.constant('outputs/log', { type: 'bool', shape: [1, classes.length], data })
  return graph.add('Where', [which, units, values])
}

/** Weighted sum of values of one shape. Weights of 1 / n: their mean. */
export function weightedSum(graph: Graph, parts: readonly { value: string; weight: number }[]): string {
  const scaled = parts.map(({ value, weight }) =>
    weight === 1 ? value : graph.add('Mul', [value, graph.doubles('outputs/weight', [weight], [])]),
  )
  return scaled.length === 1 ? scaled[0]! : graph.add('Sum', scaled)
}

/** Probabilities float64 [N, classes] at a temperature, rounded to float32 as `atTemperature` rounds them. */
export function atTemperature(graph: Graph, probabilities: string, temperature = 1): string {
  if (temperature === 1) return probabilities
  const least = graph.doubles('outputs/least', [2 ** -126], [])
  const logits = graph.add('Log', [graph.add('Max', [probabilities, least])])
  const divided = graph.add('Div', [logits, graph.doubles('outputs/temperature', [temperature], [])])
  const calibrated = graph.add('Softmax', [divided], { axis: 1 })
  return graph.add('Cast', [graph.add('Cast', [calibrated], { to: 1 })], { to: 11 })
}

/** Adds the outputs of the graph: `probabilities` float [N, classes] and `label` string [N], or `values` float [N, targets]. */
export function addTableOutputs(
  graph: Graph,
  answer: string,
  { task, classes }: TargetInfo,
  { positive, threshold = 0.5 }: TableDecision,
): TableOutputNames {
  const numbers = graph.add('Cast', [answer], { to: 1 }, task === 'regression' ? 'values' : 'probabilities')
  graph.output(numbers, 'float', ['N', classes.length])
  if (task === 'regression') return { values: numbers }
  const decided = positive === undefined || classes.length !== 2 ? mostProbable() : fromThreshold(positive)
  const label = graph.add('Gather', [graph.strings('outputs/classes', classes), decided], { axis: 0 }, 'label')
  graph.output(label, 'string', ['N'])
  return { probabilities: numbers, label }

  function mostProbable(): string {
    return graph.add('ArgMax', [answer], { axis: 1, keepdims: 0 })
  }
  function fromThreshold(positive: number): string {
    const p = graph.add('Gather', [answer, graph.ints('outputs/positive', [positive], [])], { axis: 1 })
    const is = graph.add('GreaterOrEqual', [p, graph.doubles('outputs/threshold', [threshold], [])])
    const [yes, no] = [positive, 1 - positive].map(c => graph.ints('outputs/class', [c], []))
    return graph.add('Where', [is, yes, no])
  }
}

import type { Task } from '../data/types.ts'
import { autocast, stack, type Tensor } from '../torch/index.ts'
import type { Body, Precision } from './network.ts'
import type { Outputs } from './objective.ts'
import { computedIn, computingOf } from './saved-computing.ts'
import { cardObjective, type LoadedModel, type Member, type ModelCard, together } from './saved-model.ts'

/** The fields of every prediction. */
export interface AnyPrediction {
  /** The path of the input; without a path its name in errors: `image 3 (Uint8Array, 512 bytes)`. */
  file: string
  /** Its place among the inputs, from 0. */
  index: number
  /** The probabilities (for regression the values), in the order of the model's `classes`. */
  scores: Outputs
}

/** The class of an input. */
export interface SinglePrediction extends AnyPrediction {
  task: 'single'
  /** The most probable class. */
  label: string
  /** Its probability. */
  probability: number
  /** Of every class, by name; all together are 1. Names that look like whole numbers come first, as in every JavaScript
   *  object: `scores` has the order of `classes`. */
  probabilities: Record<string, number>
}

/** The labels of an input that may have several, or none. */
export interface MultiPrediction extends AnyPrediction {
  task: 'multi'
  /** The labels whose probability reaches their threshold, the most probable first. */
  labels: string[]
  /** The probability of every label, by name; each is independent of the others. */
  probabilities: Record<string, number>
}

/** The target values of an input. */
export interface RegressionPrediction extends AnyPrediction {
  task: 'regression'
  /** The value of each target, in its own unit. */
  values: Record<string, number>
}

/** The prediction of each task. */
export interface ByTask {
  single: SinglePrediction
  multi: MultiPrediction
  regression: RegressionPrediction
}

/** The prediction of a model for one input; `task` says which of the three kinds it is. */
export type Prediction<T extends Task = Task> = ByTask[T]

/** Makes a prediction from outputs, by the task of the card. */
export function predictionOf<T extends Task>(
  found: AnyPrediction,
  { task = 'single', classes, thresholds }: ModelCard,
): Prediction<T> {
  const p = found.scores
  // Entries, not assignments, since a class may be named __proto__.
  const named = Object.fromEntries(classes.map((c, i) => [c, p[i]!]))
  const ranked = () => Array.from(p.keys()).sort((a, b) => p[b]! - p[a]! || a - b)
  const made = (): Prediction => {
    if (task === 'regression') return { task, ...found, values: named }
    if (task === 'multi') {
      const labels = ranked().filter(c => p[c]! >= (thresholds?.[c] ?? 0.5))
      return { task, ...found, labels: labels.map(c => classes[c]!), probabilities: named }
    }
    const best = ranked()[0]!
    return { task, ...found, label: classes[best]!, probability: p[best]!, probabilities: named }
  }
  return made() as Prediction<T>
}

/** The outputs of one net of a model, activated at its own temperature: [N, classes]. Computed as in the net's own
 *  validation, if this is the processor of its run. */
export function memberOutputs<P, B extends Body>(
  { network, card }: Member<P, B>,
  x: Tensor,
  { precision }: { precision: Precision },
): Tensor {
  const { temperature = 1 } = card
  const compute = () => autocast(precision, () => network.net(x), network).to('float32')
  const logits = computedIn(computingOf(card), compute)
  return cardObjective(card).activate(temperature === 1 ? logits : logits.div(temperature))
}

/** The mean over the nets of a model, at the temperature of its card. each: [N, classes], one for each net. */
export function joinMembers({ card }: Pick<LoadedModel, 'card'>, each: readonly Tensor[]): Outputs {
  const mean = each.length === 1 ? each[0]! : stack([...each]).mean(0)
  return together(card, mean.data() as Outputs)
}

import type { Place, Task } from '../../data/index.ts'
import type { Precision } from '../../train/network.ts'
import { targetText } from '../../train/objective.ts'
import { precisionOf } from '../../train/saved-model.ts'
import { type Prediction, type PredictOptions, predictFiles } from './predict.ts'
import { loadModel, type Preprocessing } from './saved.ts'

/** A trained classifier: weights, labels, and how a picture becomes its input. */
export interface Classifier {
  readonly task: Task
  readonly architecture: string
  readonly classes: readonly string[]
  readonly preprocessing: Preprocessing
  /** The type of products: the one the net was validated in, where this machine has instructions for it, unless asked for
   *  another. */
  readonly precision: Precision
  /** The label of one picture file, with the probability of every class. */
  predict(file: string): Promise<Prediction>
  /** A value of the target of that name as text, with all decimals that the target has. */
  text(value: number, target: string): string
  predictAll(files: Iterable<string | Place>, options?: PredictOptions): AsyncGenerator<Prediction>
}

/** Loads a classifier that a run kept: the run's folder (its best weights), or the path of the weights or of its JSON. */
export function loadClassifier(path: string, options: { device?: string; precision?: Precision } = {}): Classifier {
  const { members, card } = loadModel(path, options)
  const { classes, preprocessing, architecture, task = 'single' } = card
  const { device, precision = precisionOf(card, device) } = options
  const all = (files: Iterable<string | Place>, given: PredictOptions = {}) =>
    predictFiles({ members, card }, files, { ...(device ? { device } : {}), precision, ...given })
  return {
    task,
    architecture,
    classes,
    preprocessing,
    precision,
    text: (value, target) => targetText(value, classes.indexOf(target), card.scale),
    predictAll: all,
    async predict(file) {
      for await (const prediction of all([file])) return prediction
      throw new Error(`${file}: no prediction`)
    },
  }
}

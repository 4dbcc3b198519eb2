import { RunError } from './errors.ts'
import { predictionOf } from './prediction.ts'
import type { Prediction, PredictOptions, SinglePrediction } from './types.ts'

/** Pictures of each new class, by its name. */
export type Examples<Input> = Readonly<Record<string, readonly Input[]>>

/** New classes as JSON: some KB. */
export interface Saved {
  format: 'anneal-classes'
  version: 1
  /** sha256 of the weights that the features come from. */
  weights: readonly string[]
  classes: readonly string[]
  /** The mean features of each class, of length 1. */
  means: readonly (readonly number[])[]
}

/** How sharply the classes differ: the similarity (-1 to 1) is multiplied by this before the softmax. */
const sharpness = 20

/** The sum of squares' root. */
const lengthOf = (v: ArrayLike<number>): number => Math.sqrt(Array.from(v).reduce((sum, x) => sum + x * x, 0)) || 1
/** A vector of length 1 with the same direction. */
export const unit = (v: ArrayLike<number>): number[] => {
  const length = lengthOf(v)
  return Array.from(v, x => x / length)
}

/** A model, as far as new classes need it. */
export interface Featured<Input> {
  readonly card: { digests: { weights: readonly string[] }; features?: number }
  predict(input: Input, options?: PredictOptions): Promise<Prediction>
}

/** Classes that were learned from a few pictures. */
export class Taught<Input> {
  readonly classes: readonly string[]
  readonly #model: Featured<Input>
  readonly #means: readonly (readonly number[])[]

  constructor(
    model: Featured<Input>,
    { labels, means }: { labels: readonly string[]; means: readonly (readonly number[])[] },
  ) {
    this.#model = model
    this.classes = labels
    this.#means = means
  }

  /** Predicts which of the new classes a picture belongs to. The probabilities are no calibrated ones: they come from
   *  the similarity of the features. */
  async predict(input: Input, options: PredictOptions = {}): Promise<SinglePrediction> {
    const { features } = await this.#model.predict(input, { ...options, features: true })
    const one = unit(features!)
    const powers = this.#means.map(mean => Math.exp(sharpness * mean.reduce((sum, x, i) => sum + x * one[i]!, 0)))
    const all = powers.reduce((sum, x) => sum + x, 0)
    const scores = Float32Array.from(powers, x => x / all)
    return predictionOf(
      { task: 'single', classes: this.classes },
      scores,
      options.features ? { features: features! } : {},
    ) as SinglePrediction
  }

  toJSON(): Saved {
    const { weights } = this.#model.card.digests
    return { format: 'anneal-classes', version: 1, weights, classes: this.classes, means: this.#means }
  }

  /** Takes back what `JSON.stringify(taught)` wrote, for a model with the same weights. */
  static from<Input>(model: Featured<Input>, saved: Saved | string): Taught<Input> {
    const refuse = (what: string) => new RunError('use', `the saved classes ${what}`)
    let given: Saved
    try {
      given = typeof saved === 'string' ? JSON.parse(saved) : saved
    } catch (cause) {
      throw new RunError('use', 'the saved classes are no JSON; expected what JSON.stringify(taught) wrote.', { cause })
    }
    if (given?.format !== 'anneal-classes' || given.version !== 1)
      throw refuse(`have format ${given?.format} and version ${given?.version}; expected anneal-classes and 1.`)
    const { weights } = model.card.digests
    if (given.weights.join() !== weights.join())
      throw refuse('were made with other weights; teach this model anew, or load the model that they were made with.')
    if (given.classes.length !== given.means.length || given.means.some(mean => mean.length !== model.card.features))
      throw refuse(
        `have ${given.classes.length} classes and ${given.means.length} means of ${given.means[0]?.length} features; the model has ${model.card.features} features.`,
      )
    return new Taught(model, { labels: given.classes, means: given.means })
  }
}

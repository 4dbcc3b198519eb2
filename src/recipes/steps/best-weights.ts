import type { Evaluation } from '../../train/evaluate.ts'

/** Validation results of weights. */
export interface Validated {
  /** The metric that weights are chosen by; higher is better. NaN (null in a file) if it is undefined on these samples:
   *  then the loss chooses. */
  score: number
  loss: number
  /** All metrics of the task. */
  metrics: Record<string, number>
}

/** The best weights of a size, by validation. */
export interface Best extends Validated {
  /** The epoch that they are from; for weights of the frozen phase the epoch before it. */
  epoch: number
  /** The size of the samples that they validated on. */
  size: number
}

/** One point between the weights of the frozen phase (share 0) and those of the whole net (share 1). */
export interface PathPoint extends Validated {
  share: number
  /** The mean validation loss at the temperature that fits best. */
  calibrated: number
  kept?: boolean
}

/** The validation results of an evaluation, as plain data. */
export const validated = ({ score, loss, metrics }: Validated): Validated => ({ score, loss, metrics })

/** Whether `a` is better than `b`: by score; by loss if the scores are equal or undefined. */
export const isBetter = (a: Validated, b: Validated): boolean =>
  rank(a) > rank(b) || (rank(a) === rank(b) && a.loss < b.loss)

/** Whether `a` is at least as good as `b`: by score; by loss if there is no score. */
export const asGood = (a: Validated, b: Validated): boolean =>
  Number.isFinite(a.score) && Number.isFinite(b.score) ? a.score >= b.score : a.loss <= b.loss

const rank = ({ score }: Validated) => (Number.isFinite(score) ? score : Number.NEGATIVE_INFINITY)

/** Keeps the best weights of a run. Weights of a later size win if they are as good: they were trained for longer. */
export class BestKeeper {
  readonly #save: (best: Best) => void
  #best: Best | undefined
  /** The evaluation of the best weights, if it was made in this process. */
  evaluated: Evaluation | undefined

  /** `save` writes the weights that are in the net. */
  constructor(save: (best: Best) => void) {
    this.#save = save
  }
  get best(): Best | undefined {
    return this.#best
  }
  /** Restores the best weights that an earlier process kept; they are saved already. */
  restore(best: Best | undefined): void {
    this.#best = best
  }
  /** Saves the weights that are in the net, unless those of an earlier size are better. `over`: weights that the caller
   *  has compared with these already, and found worse. */
  offer(found: Best, { evaluated, over }: { evaluated?: Evaluation | undefined; over?: Best | undefined } = {}): void {
    if (this.#best && !isSame(over, this.#best) && !asGood(found, this.#best)) return
    this.#best = found
    this.evaluated = evaluated
    this.#save(found)
  }
}

const isSame = (a: Best | undefined, b: Best): boolean => a?.epoch === b.epoch && a.size === b.size

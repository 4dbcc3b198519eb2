import type { Evaluation } from '../../train/evaluate.ts'

/** How weights validate. */
export interface Validated {
  /** The metric that weights are chosen by; the more the better. NaN where the samples have none, null in a file: then the
   *  loss chooses. */
  score: number
  loss: number
  /** All metrics of the task. */
  metrics: Record<string, number>
}

/** The best weights of a size, by validation. */
export interface Best extends Validated {
  /** The epoch that they are of; of the frozen phase the one before it. */
  epoch: number
  /** The size of the samples that they validated on. */
  size: number
}

/** What an evaluation says of weights, as plain data. */
export const validated = ({ score, loss, metrics }: Validated): Validated => ({ score, loss, metrics })

/** Whether `a` is the better result: by score, and by loss where that is equal or where there is none. */
export const isBetter = (a: Validated, b: Validated): boolean =>
  rank(a) > rank(b) || (rank(a) === rank(b) && a.loss < b.loss)

/** Whether `a` is as good as `b`: by score, and by loss where there is none. */
export const asGood = (a: Validated, b: Validated): boolean =>
  Number.isFinite(a.score) && Number.isFinite(b.score) ? a.score >= b.score : a.loss <= b.loss

const rank = ({ score }: Validated) => (Number.isFinite(score) ? score : Number.NEGATIVE_INFINITY)

/** Keeps the best weights of a run. Of several sizes a later one's stay where they are as good: they saw more. */
export class BestKeeper {
  readonly #save: (best: Best) => void
  #best: Best | undefined
  /** How the best weights validated, where they did so in this process. */
  evaluated: Evaluation | undefined

  /** `save` writes the weights that are in the net. */
  constructor(save: (best: Best) => void) {
    this.#save = save
  }
  get best(): Best | undefined {
    return this.#best
  }
  /** Knows the best weights of a size that an earlier process trained; they are saved already. */
  restore(best: Best): void {
    if (!this.#best || asGood(best, this.#best)) this.#best = best
  }
  /** Takes the weights that are in the net, unless those of an earlier size are better. */
  offer(found: Best, evaluated?: Evaluation): void {
    if (this.#best && !asGood(found, this.#best)) return
    this.#best = found
    this.evaluated = evaluated
    this.#save(found)
  }
}

/** How weights validate. */
export interface Validated {
  /** The metric that weights are chosen by; the more the better. NaN where the pictures have none, null in a file: then the
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
  /** Side of the pictures in pixels. */
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

/** How weights validate. */
export interface Validated {
  /** The metric that weights are chosen by; the more the better. */
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

/** Whether `a` is the better result: by score, and by loss where that is equal. */
export const isBetter = (a: Validated, b: Validated): boolean =>
  a.score > b.score || (a.score === b.score && a.loss < b.loss)

/** How weights validate. */
export interface Validated {
  accuracy: number
  loss: number
}

/** The best weights so far, by validation; epoch 0 is the frozen phase. */
export interface Best extends Validated {
  epoch: number
}

/** Whether `a` is the better result: by accuracy, and by loss where that is equal. */
export const isBetter = (a: Validated, b: Validated): boolean =>
  a.accuracy > b.accuracy || (a.accuracy === b.accuracy && a.loss < b.loss)

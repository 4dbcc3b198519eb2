/** The state of a `DebiasedMean`, for a resume. */
export type DebiasedMeanState = { mean: number; count: number }

/** An exponential moving average without the bias towards its start at 0: `mean ← β·mean + (1 − β)·value`, with the
 *  result `mean / (1 − βᵏ)` after k values. fastai's smoothed loss, β = 0.98. */
export class DebiasedMean {
  readonly beta: number
  #mean: number
  #count: number

  constructor({ beta = 0.98, mean = 0, count = 0 }: { beta?: number } & Partial<DebiasedMeanState> = {}) {
    this.beta = beta
    this.#mean = mean
    this.#count = count
  }

  /** Adds the next value and returns the mean so far. */
  add(value: number): number {
    this.#mean = this.beta * this.#mean + (1 - this.beta) * value
    this.#count++
    return this.value
  }

  /** The mean so far; NaN before the first value. */
  get value(): number {
    return this.#count === 0 ? Number.NaN : this.#mean / (1 - this.beta ** this.#count)
  }

  /** For the resume state: `new DebiasedMean({ beta, ...state })` goes on with the same bits. */
  get state(): DebiasedMeanState {
    return { mean: this.#mean, count: this.#count }
  }
}

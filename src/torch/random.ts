import { TensorError } from '../base/errors.ts'
import { native } from './native.ts'
import type { Generator } from './tensor.ts'

/** Seeds the default generators of every device. */
export const manualSeed = (seed: number): void => native.manualSeed(checked(seed))
/** A separate generator of random numbers, on the CPU: pass it as `{ generator }` to an operator that draws. */
export const generator = (seed: number): Generator => native.newGenerator(checked(seed))
/** The generator that operators draw from by default. */
export const defaultGenerator = (device = 'cpu'): Generator => native.defaultGenerator(device)

function checked(seed: number): number {
  if (Number.isSafeInteger(seed) && seed >= 0) return seed
  throw new TensorError(`a seed must be a whole number from 0 to 2^53 - 1, got ${seed}`)
}

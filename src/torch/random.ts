import { native } from './native.ts'
import type { Generator } from './tensor.ts'

/** Seeds the default generators of every device. */
export const manualSeed = (seed: number): void => native.manualSeed(seed)
/** Random numbers of their own, on the CPU: pass as `{ generator }` to an operator that draws. */
export const generator = (seed: number): Generator => native.newGenerator(seed)
/** The generator that operators draw from unless given another. */
export const defaultGenerator = (device = 'cpu'): Generator => native.defaultGenerator(device)

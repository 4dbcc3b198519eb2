import { machine } from '../setup/index.ts'
import { kernelSets, kernelsInUse } from '../torch/index.ts'
import { type Computing, computeBy } from './measure-kernels.ts'

/** How a saved net was computed in training and validation, and on which processor. */
export interface SavedComputing extends Computing {
  /** The processor's name. */
  cpu: string
}

/** How a run on this processor computes, for the card of its net; nothing on another device. */
export const savedComputing = (computing: Computing, device: string): { computing?: SavedComputing } =>
  device === 'cpu' ? { computing: { cpu: machine().cpu.model, ...computing } } : {}

/** How a saved net was computed, since other kernels round otherwise. Undefined on another processor, where those may be
 *  slower or missing, and where libtorch's kernels are asked for. */
export function computingOf({ computing }: { computing?: SavedComputing }): Computing | undefined {
  if (!computing || computing.cpu !== machine().cpu.model || kernelsInUse() === 'aten') return undefined
  const { cpu: _, set, ...rest } = computing
  return { ...rest, ...(set !== undefined && kernelSets().includes(set) && { set }) }
}

/** Runs `fn` with products computed so. Undefined: as they are now. */
export function computedIn<T>(computing: Computing | undefined, fn: () => T): T {
  if (!computing) return fn()
  const done = computeBy(computing)
  try {
    return fn()
  } finally {
    done()
  }
}

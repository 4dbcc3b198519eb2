import { machine } from '../setup/index.ts'
import { kernelSets, kernelsInUse } from '../torch/index.ts'
import { convProducts, convWays } from '../torch/nn/conv-ways.ts'
import { type Computing, computeBy } from './measure-kernels.ts'

/** How a saved net was computed in training and validation, and on which processor. */
export interface SavedComputing extends Computing {
  /** The processor's name. */
  cpu: string
}

let known: string | undefined
/** The name of this processor, which is read from files once: each batch of a prediction asks for it. */
const processor = (): string => {
  known ??= machine().cpu.model
  return known
}

/** How a run on this processor computes, for the card of its net; nothing on another device. */
export const savedComputing = (computing: Computing, device: string): { computing?: SavedComputing } =>
  device === 'cpu' ? { computing: { cpu: processor(), ...computing } } : {}

/** How a saved net was computed, since other kernels round otherwise. Undefined on another processor, where those may be
 *  slower or missing; where libtorch's kernels are asked for; and where this version knows other kernels. */
export function computingOf({ computing }: { computing?: SavedComputing }): Computing | undefined {
  if (!computing || computing.cpu !== processor() || kernelsInUse() === 'aten') return undefined
  const { kernels, set, plan } = computing
  const fits =
    (kernels === 'own' || kernels === 'aten') &&
    (set === undefined || kernelSets().includes(set)) &&
    (plan === undefined || isPlan(plan))
  return fits ? { kernels, ...(set !== undefined && { set }), ...(plan && { plan }) } : undefined
}

const isPlan = (plan: object | null): boolean =>
  plan !== null && Object.values(plan).every(ways => convProducts.every(product => convWays.includes(ways?.[product])))

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

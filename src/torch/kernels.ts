import { call } from './call.ts'
import type { DType } from './dtypes.ts'
import { autocastDtype } from './grad.ts'

/** Which kernels run if there are two: `own` are those of `native/kernels`, `aten` are libtorch's. */
export type Kernels = 'own' | 'aten'

let sets: readonly string[] | undefined
const halfSets: readonly string[] = ['amx', 'avx512_bf16', 'neon_bf16']
/** The instruction sets that own kernels were built for and that this processor has, the best of each type first:
 *  `avx512`, `avx2` or `neon` for float32, `amx`, `avx512_bf16` or `neon_bf16` for bfloat16. Empty if there are none. */
export function kernelSets(dtype?: DType): readonly string[] {
  sets ??= call('anneal::kernel_sets') as string[]
  return dtype ? sets.filter(set => dtype === typeOf(set)) : sets
}
const typeOf = (set: string): DType => (halfSets.includes(set) ? 'bfloat16' : 'float32')

/** The current set of own kernels for a type; undefined if there is none. Default: the best that this processor has;
 *  see `useKernelSet`. */
export const kernelSetInUse = (dtype: DType): string | undefined =>
  (call('anneal::kernel_sets_in_use') as string[]).find(set => typeOf(set) === dtype)

/** Selects this set of own kernels for its type, in this thread; returns the set before. Throws for an unknown set,
 *  with a list of the sets. */
export function useKernelSet(set: string): string {
  const before = kernelSetInUse(typeOf(set)) ?? set
  call('anneal::use_kernel_set', set)
  return before
}
/** Runs `fn` with this set of own kernels for its type. */
export function withKernelSet<T>(set: string, fn: () => T): T {
  const before = useKernelSet(set)
  try {
    return fn()
  } finally {
    useKernelSet(before)
  }
}

/** How often own kernels ran so far, in all threads: those of the operator `anneal::<op>` or all, with one instruction
 *  set or all. Gradients are counted under `<op>.backward`. Throws for an unknown name, with a list of the names. */
export const kernelCalls = (op = '', set = ''): number => call('anneal::kernel_calls', op, set) as number

let chosen: Kernels = process.env.ANNEAL_KERNELS === 'aten' ? 'aten' : 'own'
/** Selects the kernels for layers from now on; returns the selection before. */
export function useKernels(kernels: Kernels): Kernels {
  const before = chosen
  chosen = kernels
  return before
}
/** Which kernels layers use now. */
export const kernelsInUse = (): Kernels => chosen
/** Runs `fn` with these kernels. */
export function withKernels<T>(kernels: Kernels, fn: () => T): T {
  const before = useKernels(kernels)
  try {
    return fn()
  } finally {
    useKernels(before)
  }
}

/** Whether own kernels for float32 are selected and exist here. */
export const hasOwnKernels = (): boolean => chosen === 'own' && kernelSets('float32').length > 0

/** The type that own kernels would compute in (default: the type of autocast); undefined if libtorch's kernels are
 *  used. */
export function ownKernels(
  dtype: DType = autocastDtype() ?? 'float32',
): Extract<DType, 'float32' | 'bfloat16'> | undefined {
  if (chosen === 'aten') return undefined
  if (dtype === 'bfloat16') return kernelSets('bfloat16').length > 0 ? dtype : undefined
  return dtype === 'float32' && hasOwnKernels() ? dtype : undefined
}

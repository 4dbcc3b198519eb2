import { call } from './call.ts'
import type { DType } from './dtypes.ts'
import { autocastDtype } from './grad.ts'

/** Whose kernels run where there are two: `own` are those of `native/kernels`, `aten` libtorch's. */
export type Kernels = 'own' | 'aten'

let sets: readonly string[] | undefined
const halfSets: readonly string[] = ['amx', 'avx512_bf16']
/** The instruction sets that own kernels were built for and that this processor has, the best of a type first: `avx512` or
 *  `avx2` for float32, `amx` or `avx512_bf16` for bfloat16. Empty where there are none. */
export function kernelSets(dtype?: DType): readonly string[] {
  sets ??= call('anneal::kernel_sets') as string[]
  return dtype ? sets.filter(set => dtype === typeOf(set)) : sets
}
const typeOf = (set: string): DType => (halfSets.includes(set) ? 'bfloat16' : 'float32')

/** The set of own kernels that computes a type now; undefined where there is none. The best that this processor has unless
 *  `useKernelSet` chose another. */
export const kernelSetInUse = (dtype: DType): string | undefined =>
  (call('anneal::kernel_sets_in_use') as string[]).find(set => typeOf(set) === dtype)

/** Own kernels of this set compute its type from now on, in this thread; the set that did before. Throws with the sets that
 *  there are where this is none of them. */
export function useKernelSet(set: string): string {
  const before = kernelSetInUse(typeOf(set)) ?? set
  call('anneal::use_kernel_set', set)
  return before
}
/** Runs `fn` while own kernels of this set compute its type. */
export function withKernelSet<T>(set: string, fn: () => T): T {
  const before = useKernelSet(set)
  try {
    return fn()
  } finally {
    useKernelSet(before)
  }
}

/** How often kernels of our own ran so far, in all threads: of the operator `anneal::<op>` or of all, by one instruction set or
 *  by all. Gradients are counted under `<op>.backward`. Throws with the names that there are. */
export const kernelCalls = (op = '', set = ''): number => call('anneal::kernel_calls', op, set) as number

let chosen: Kernels = process.env.ANNEAL_KERNELS === 'aten' ? 'aten' : 'own'
/** Which kernels layers use from now on; what they used before. */
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

/** Whether products of bfloat16 go through AMX's tiles now. */
export const usesTiles = (): boolean => kernelSets('bfloat16').includes('amx') && kernelSetInUse('bfloat16') === 'amx'

/** Whether own kernels of float32 run where they may. */
export const hasOwnKernels = (): boolean => chosen === 'own' && kernelSets('float32').length > 0

/** The type that own kernels would compute in, which autocast says unless it is given; undefined where libtorch's serve. */
export function ownKernels(
  dtype: DType = autocastDtype() ?? 'float32',
): Extract<DType, 'float32' | 'bfloat16'> | undefined {
  if (chosen === 'aten') return undefined
  if (dtype === 'bfloat16') return kernelSets('bfloat16').length > 0 ? dtype : undefined
  return dtype === 'float32' && hasOwnKernels() ? dtype : undefined
}

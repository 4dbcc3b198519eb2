import { call } from './call.ts'
import { autocastDtype } from './grad.ts'
import type { DType } from './tensor.ts'

/** Whose kernels run where there are two: `own` are those of `native/kernels`, `aten` libtorch's. */
export type Kernels = 'own' | 'aten'

let sets: readonly string[] | undefined
const halfSets: readonly string[] = ['amx', 'avx512_bf16']
/** The instruction sets that own kernels were built for and that this processor has, the best of a type first: `avx512` or
 *  `avx2` for float32, `amx` or `avx512_bf16` for bfloat16. Empty where there are none. */
export function kernelSets(dtype?: DType): readonly string[] {
  sets ??= call('anneal::kernel_sets') as string[]
  return dtype ? sets.filter(set => dtype === (halfSets.includes(set) ? 'bfloat16' : 'float32')) : sets
}

let chosen: Kernels = process.env.ANNEAL_KERNELS === 'aten' ? 'aten' : 'own'
/** Which kernels layers use from now on; what they used before. */
export function useKernels(kernels: Kernels): Kernels {
  const before = chosen
  chosen = kernels
  return before
}
/** Which kernels layers use now. */
export const kernelsInUse = (): Kernels => chosen
/** How often layers have called a kernel of our own so far. */
export const ownCalls = { count: 0 }
/** Runs `fn` with these kernels. */
export function withKernels<T>(kernels: Kernels, fn: () => T): T {
  const before = useKernels(kernels)
  try {
    return fn()
  } finally {
    useKernels(before)
  }
}

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

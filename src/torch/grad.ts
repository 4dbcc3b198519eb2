import { TensorError } from '../base/errors.ts'
import { ask } from './call.ts'
import type { DType } from './dtypes.ts'
import { native } from './native.ts'
import { refusePromise } from './scope.ts'
import type { Tensor } from './tensor.ts'

function withGradMode<T>(on: boolean, fn: () => T): T {
  const before = native.setGradMode(on)
  recording = on
  try {
    return refusePromise(on ? 'enableGrad' : 'noGrad', fn())
  } finally {
    native.setGradMode(before)
    recording = before
  }
}
let recording = true
/** Whether operators now record for `backward`. */
export const isRecording = (): boolean => recording
/** Runs `fn` without recording for `backward`. */
export const noGrad = <T>(fn: () => T): T => withGradMode(false, fn)
/** Records again inside `noGrad`. */
export const enableGrad = <T>(fn: () => T): T => withGradMode(true, fn)

/** How `grad` goes back through the graph: torch's own options. */
export interface GradOptions {
  gradients?: Tensor[] | undefined
  retainGraph?: boolean | undefined
  createGraph?: boolean | undefined
  allowUnused?: boolean | undefined
}
/** d(outputs)/d(inputs), without touching `.grad`; null for an input that no output depends on (`allowUnused`). */
export function grad(
  outputs: Tensor[],
  inputs: Tensor[],
  { gradients = [], retainGraph = false, createGraph = false, allowUnused = false }: GradOptions = {},
): (Tensor | null)[] {
  return ask('grad', [outputs, inputs, gradients], () =>
    native.grad(outputs, inputs, gradients, retainGraph || createGraph, createGraph, allowUnused),
  )
}

/** Runs `fn` with a 16-bit type for the operators that gain from it; 'float32' switches this off, also inside another
 *  `autocast`; `dtype` undefined changes nothing. */
export function autocast<T>(dtype: DType | undefined, fn: () => T, { device = 'cpu' } = {}): T {
  if (dtype === undefined) return fn()
  if (dtype !== 'float32' && dtype !== 'bfloat16' && dtype !== 'float16')
    throw new TensorError(`autocast: can't compute in ${dtype}; expected bfloat16, float16 or float32 (off)`)
  const type = device.split(':')[0]!
  const off = dtype === 'float32'
  const outer = now
  const [on, before] = native.autocast(type, !off, off ? 'bfloat16' : dtype)
  now = off ? undefined : dtype
  try {
    return refusePromise('autocast', fn())
  } finally {
    now = outer
    native.autocast(type, on, before)
  }
}
let now: DType | undefined
/** The current 16-bit type of `autocast`; undefined outside of it. */
export const autocastDtype = (): DType | undefined => now

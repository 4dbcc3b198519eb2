import { native } from './native.ts'
import type { DType, Tensor } from './tensor.ts'

function withGradMode<T>(on: boolean, fn: () => T): T {
  const before = native.setGradMode(on)
  try {
    return fn()
  } finally {
    native.setGradMode(before)
  }
}
/** Runs `fn` without recording for `backward`. */
export const noGrad = <T>(fn: () => T): T => withGradMode(false, fn)
/** Records again inside `noGrad`. */
export const enableGrad = <T>(fn: () => T): T => withGradMode(true, fn)

export interface GradOptions {
  gradients?: Tensor[]
  retainGraph?: boolean
  createGraph?: boolean
  allowUnused?: boolean
}
/** d(outputs)/d(inputs), without touching `.grad`; null for an input that no output depends on (`allowUnused`). */
export function grad(
  outputs: Tensor[],
  inputs: Tensor[],
  { gradients = [], retainGraph = false, createGraph = false, allowUnused = false }: GradOptions = {},
): (Tensor | null)[] {
  return native.grad(outputs, inputs, gradients, retainGraph || createGraph, createGraph, allowUnused)
}

/** Runs `fn` with the operators that gain from it in a 16-bit type; `dtype` undefined leaves everything as it is. */
export function autocast<T>(dtype: DType | undefined, fn: () => T, { device = 'cpu' } = {}): T {
  if (dtype === undefined || dtype === 'float32') return fn()
  const type = device.split(':')[0]!
  const [on, before] = native.autocast(type, true, dtype)
  try {
    return fn()
  } finally {
    native.autocast(type, on, before)
  }
}

import { noGrad } from '../grad.ts'
import { aten, type Generator, type Tensor } from '../tensor.ts'

/** [fan in, fan out] of a weight: inputs and outputs of one unit, times the kernel's area. */
export function fans(weight: Tensor): [fanIn: number, fanOut: number] {
  const [out = 1, cin = 1, ...kernel] = weight.shape
  const area = kernel.reduce((a, b) => a * b, 1)
  return [cin * area, out * area]
}

let drawn = true
/** Runs `fn` without drawing random weights: they are uninitialised memory, and must all be loaded afterwards. */
export function undrawn<T>(fn: () => T): T {
  const before = drawn
  drawn = false
  try {
    return fn()
  } finally {
    drawn = before
  }
}

/** The source of random numbers. Default: the default generator. */
export interface InitOptions {
  generator?: Generator | undefined
}

/** Gaussian with standard deviation √(2 / fan) (He et al. 2015, arXiv:1502.01852), in place. */
export function kaimingNormal_(
  weight: Tensor,
  { mode = 'fan_in', generator }: InitOptions & { mode?: 'fan_in' | 'fan_out' } = {},
): Tensor {
  const [fanIn, fanOut] = fans(weight)
  return normal_(weight, { std: Math.sqrt(2 / (mode === 'fan_in' ? fanIn : fanOut)), generator })
}

/** Uniform in ±√(6 / ((1 + a²) fan in)); a = √5 is torch's default for convolutions and linear layers, in place. */
export function kaimingUniform_(
  weight: Tensor,
  { a = Math.sqrt(5), generator }: InitOptions & { a?: number } = {},
): Tensor {
  const bound = Math.sqrt(6 / ((1 + a * a) * fans(weight)[0]))
  return uniform_(weight, -bound, bound, { generator })
}

/** Uniform in ±√(6 / (fan in + fan out)) (Glorot & Bengio 2010), in place. */
export function xavierUniform_(weight: Tensor, { generator }: InitOptions = {}): Tensor {
  const [fanIn, fanOut] = fans(weight)
  const bound = Math.sqrt(6 / (fanIn + fanOut))
  return uniform_(weight, -bound, bound, { generator })
}

/** Gaussian, in place. */
export function normal_(
  t: Tensor,
  { mean = 0, std = 1, generator }: InitOptions & { mean?: number; std?: number } = {},
): Tensor {
  if (drawn) noGrad(() => aten.normal_(t, { mean, std, ...(generator ? { generator } : {}) }).dispose())
  return t
}

/** Uniform in [low, high), in place. */
export function uniform_(t: Tensor, low: number, high: number, { generator }: InitOptions = {}): Tensor {
  if (drawn) noGrad(() => aten.uniform_(t, { from: low, to: high, ...(generator ? { generator } : {}) }).dispose())
  return t
}

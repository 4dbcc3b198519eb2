import { aten, keep, noGrad, onGradients, scope, type Tensor, zeros } from '../torch/index.ts'
import type { Ranks } from './ranks.ts'

/** The size of a bucket, in bytes: large enough that a sum costs little more than its bytes, small enough that the first
 *  one begins soon after backward does. */
const bucketBytes = 4 * 2 ** 20

interface Bucket {
  /** Numbers of its parameters. */
  params: number[]
  /** Their gradients, one after another, and each as a view that is laid out in memory as its parameter: in another
   *  order a copy takes many times as long. */
  flat: Tensor
  views: Tensor[]
  missing: number
  wait?: (() => void) | undefined
}

/** Sums gradients over all ranks, in buckets, from the last layer on: each bucket begins as soon as backward has its
 *  gradients, while backward goes on with earlier layers (Li et al. 2020, arXiv:2006.15704). `dtype`: of what is sent. */
export class GradientSum {
  readonly #ranks: Ranks
  readonly #params: readonly Tensor[]
  readonly #buckets: readonly Bucket[]
  readonly #bucketOf: Bucket[] = []
  readonly #end: () => void
  #next = 0
  #active = false

  constructor(ranks: Ranks, params: readonly Tensor[], { dtype = 'float32' }: { dtype?: 'float32' | 'bfloat16' } = {}) {
    this.#ranks = ranks
    this.#params = params
    this.#buckets = divided(params, dtype)
    for (const bucket of this.#buckets) for (const p of bucket.params) this.#bucketOf[p] = bucket
    this.#end = onGradients(params, p => this.#ready(p))
  }

  /** Runs `backward`; afterwards each gradient has the sum over all ranks added to what it was before. In float32 the
   *  gradients then are the views of the buckets, until the next call. */
  during(backward: () => void): void {
    const before = this.#params.map(p => (p.grad ? noGrad(() => p.grad!.clone()) : null))
    for (const [i, p] of this.#params.entries()) if (before[i]) p.grad = null
    for (const bucket of this.#buckets) bucket.missing = bucket.params.length
    this.#next = 0
    this.#active = true
    try {
      backward()
    } finally {
      this.#active = false
    }
    // What a GPU computed, and parameters without a gradient.
    while (this.#next < this.#buckets.length) this.#begin(this.#buckets[this.#next++]!)
    for (const bucket of this.#buckets) this.#take(bucket)
    noGrad(() => {
      for (const [i, old] of before.entries()) {
        const p = this.#params[i]!
        if (old && p.grad) p.grad.add_(old)
        else if (old) p.grad = old
      }
    })
  }

  /** Frees its tensors. */
  dispose(): void {
    this.#end()
    for (const { flat, views } of this.#buckets) for (const t of [flat, ...views]) t.dispose()
  }

  #ready(p: number): void {
    if (!this.#active) return
    this.#bucketOf[p]!.missing--
    // Every rank begins them in the same order.
    while (this.#next < this.#buckets.length && this.#buckets[this.#next]!.missing <= 0)
      this.#begin(this.#buckets[this.#next++]!)
  }

  #begin(bucket: Bucket): void {
    noGrad(() =>
      scope(() => {
        const { views, params, flat } = bucket
        const grads = params.map(p => this.#params[p]!.grad)
        if (grads.every(g => g !== null)) aten._foreach_copy_(views, grads)
        else for (const [i, g] of grads.entries()) g ? views[i]!.copy_(g) : views[i]!.zero_()
        bucket.wait = this.#ranks.beginSum(flat)
      }),
    )
  }
  #take({ views, params, flat, wait }: Bucket): void {
    wait!()
    noGrad(() =>
      scope(() => {
        for (const [i, p] of params.entries()) {
          const param = this.#params[p]!
          const { grad } = param
          if (!grad) continue
          if (flat.dtype === param.dtype) param.grad = views[i]!
          else grad.copy_(views[i]!)
        }
      }),
    )
  }
}

/** Parameters in buckets, the last first. */
function divided(params: readonly Tensor[], dtype: 'float32' | 'bfloat16'): Bucket[] {
  const groups: number[][] = []
  let bytes = Number.POSITIVE_INFINITY
  for (let p = params.length - 1; p >= 0; p--) {
    const { byteLength } = params[p]!
    if (bytes + byteLength > bucketBytes) {
      groups.push([])
      bytes = 0
    }
    groups.at(-1)!.push(p)
    bytes += byteLength
  }
  return noGrad(() =>
    scope(() =>
      groups.map(numbers => {
        const flat = zeros([numbers.reduce((sum, p) => sum + params[p]!.numel, 0)], { dtype })
        let at = 0
        const views = numbers.map(p => {
          const { numel, shape, strides } = params[p]!
          const view = isDense({ shape, strides })
            ? aten.as_strided(flat, shape, strides, { storage_offset: at })
            : flat.narrow(0, at, numel).reshape(...shape)
          at += numel
          return keep(view)
        })
        return { params: numbers, flat: keep(flat), views, missing: 0 }
      }),
    ),
  )
}

/** Whether a tensor fills its memory without gaps, in whatever order of its axes. */
function isDense({ shape, strides }: Pick<Tensor, 'shape' | 'strides'>): boolean {
  const axes = shape.flatMap((size, axis) => (size === 1 ? [] : [{ size, stride: strides[axis]! }]))
  let next = 1
  return axes
    .sort((a, b) => a.stride - b.stride)
    .every(({ size, stride }) => {
      const fits = stride === next
      next *= size
      return fits
    })
}

import { aten, fromArray, scope, type Tensor } from '../../torch/index.ts'

/** How the loss bends at a point: the second derivative of each row's share of it by a logit. */
export interface Bends {
  /** [N]: the mean over classes. */
  ofRows: Float64Array
  /** [C]: the sum over rows, more than 0. */
  ofClasses: Float64Array
}

/** Multiplies a gradient, that is [C × F] of weights and then [C] of biases, with an estimate of the inverse Hessian.
 *  `dispose` frees it. */
export interface Preconditioner {
  (gradient: Float64Array): Float64Array
  dispose(): void
}

/** Up to so many features the table of their products is inverted; of more, that of the products of at most so many
 *  rows. */
const [mostFeatures, mostRows] = [1024, 512]

/** Each parameter by itself: the inverse of bend · variance of the feature + l2. variances: [F]. */
export function ownCurvature(variances: Float32Array, { ofClasses }: Bends, l2: number): Preconditioner {
  const width = variances.length
  const weights = ofClasses.length * width
  const inverse = new Float64Array(weights + ofClasses.length)
  for (const [c, bend] of ofClasses.entries()) {
    for (let f = 0; f < width; f++) inverse[c * width + f] = 1 / (bend * variances[f]! + l2)
    inverse[weights + c] = 1 / bend
  }
  const apply = (gradient: Float64Array): Float64Array => {
    const out = new Float64Array(inverse.length)
    for (let i = 0; i < out.length; i++) out[i] = gradient[i]! * inverse[i]!
    return out
  }
  return Object.assign(apply, { dispose() {} })
}

/** All features together: the inverse of Σ bend · x·xᵀ + l2, the same for all classes. It is an estimate, so some rows,
 *  evenly taken, are enough where there are many. Of more features than rows, or very many, the products of rows are
 *  inverted (Woodbury's identity). rows: float32 [N × F], centred. */
export function jointCurvature(rows: Tensor, { ofRows, ofClasses }: Bends, l2: number): Preconditioner {
  const [n, width] = rows.shape as [number, number]
  const overFeatures = width <= Math.min(n, mostFeatures)
  const count = Math.min(n, overFeatures ? Math.max(2048, 4 * width) : mostRows)
  const some = Float64Array.from({ length: count }, (_, i) => Math.floor((i * n) / count))
  const { a, inverse } = scope(() => {
    const roots = fromArray(
      some.map(i => Math.sqrt((ofRows[i]! * n) / count)),
      [count, 1],
    )
    const picked = aten.index_select(rows, 0, fromArray(BigInt64Array.from(some, BigInt), [count]))
    const a = picked.to('float64').mul_(roots)
    const products = overFeatures ? aten.mm(a.transpose(0, 1), a) : aten.mm(a, a.transpose(0, 1))
    aten.diagonal(products).add_(l2)
    return { a, inverse: aten.cholesky_inverse(aten.linalg_cholesky(products)) }
  })
  if (overFeatures) a.dispose()
  const apply = (gradient: Float64Array): Float64Array =>
    scope(() => {
      const weights = ofClasses.length * width
      const g = fromArray(gradient.subarray(0, weights), [ofClasses.length, width])
      const multiplied = overFeatures
        ? aten.mm(g, inverse)
        : g.sub(aten.mm(aten.mm(aten.mm(g, a.transpose(0, 1)), inverse), a)).div(l2)
      const out = new Float64Array(gradient.length)
      out.set(multiplied.data() as Float64Array)
      for (const [c, bend] of ofClasses.entries()) out[weights + c] = gradient[weights + c]! / bend
      return out
    })
  return Object.assign(apply, {
    dispose() {
      inverse.dispose()
      if (!overFeatures) a.dispose()
    },
  })
}

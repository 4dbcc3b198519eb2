/** A smooth function: returns its value at `x`, and writes its gradient to `gradient`. A slow function may return a
 *  promise. */
export type Smooth = (x: Float64Array, gradient: Float64Array) => number | Promise<number>

/** The result of a search. */
export interface Minimum {
  x: Float64Array
  value: number
  iterations: number
  /** Whether it converged before the iterations ran out. */
  converged: boolean
  /** The last steps, from which another search of the same function can go on. */
  steps: readonly Step[]
}

/** A step with the change of the gradient over it. */
export interface Step {
  s: Float64Array
  y: Float64Array
  rho: number
}

/** How a search goes, and when it ends. */
export interface SearchOptions {
  iterations?: number
  /** The search ends where the Newton decrement is at most this: √(gᵀ H⁻¹ g), with the search's own estimate of H⁻¹. Half
   *  of its square is how far the value is above the minimum, so it has the unit of √value, and does not depend on the
   *  scale of `x` (Boyd & Vandenberghe 2004, section 9.5). */
  tolerance?: number
  /** How far a value may be off by rounding, as a share of it. Where values are closer, gradients decide whether a step
   *  is good (the approximate Wolfe condition of Hager & Zhang 2005). */
  rounding?: number
  memory?: number
  /** The last steps of a search that ended at `start`. */
  known?: readonly Step[]
  /** Multiplies a gradient with an estimate of the inverse Hessian, which must be symmetric and positive definite.
   *  Default: the identity. */
  precondition?: (gradient: Float64Array) => Float64Array
  /** The preconditioner is scaled to the curvature along the last step, once in so many iterations. */
  rescale?: number
  /** Awaited before each iteration. */
  between?: () => Promise<void>
}

/** The share of the fall that the slope promises which is enough (Armijo). */
const enough = 1e-4

/** Limited-memory BFGS (Liu & Nocedal 1989) with a backtracking line search: minimises a smooth, preferably convex
 *  function. It also ends where rounding lets no step lower the value. */
export async function lbfgs(
  f: Smooth,
  start: Float64Array,
  {
    iterations = 200,
    tolerance = 1e-6,
    rounding = 1e-14,
    memory = 10,
    known = [],
    precondition = g => g,
    rescale = 1,
    between = async () => {},
  }: SearchOptions = {},
): Promise<Minimum> {
  const n = start.length
  let x: Float64Array = start.slice()
  let gradient: Float64Array = new Float64Array(n)
  let value = await f(x, gradient)
  const steps: Step[] = [...known]
  let scale = 1
  for (let k = 0; ; k++) {
    await between()
    const last = steps.at(-1)
    if (last && k % rescale === 0) scale = 1 / (last.rho * dot(last.y, precondition(last.y)))
    const direction = towardsMinimum(gradient, steps, q => precondition(q).map(v => v * scale))
    const slope = dot(direction, gradient)
    if (!(slope < -(tolerance ** 2))) return { x, value, iterations: k, converged: true, steps }
    if (k >= iterations) return { x, value, iterations: k, converged: false, steps }
    let moved: { x: Float64Array; gradient: Float64Array; value: number } | undefined
    for (let tries = 0, t = 1; tries < 20 && !moved; tries++, t /= 2) {
      const next = sum(x, t, direction)
      const nextGradient = new Float64Array(n)
      const nextValue = await f(next, nextGradient)
      const lower = nextValue <= value + enough * t * slope
      const equal = nextValue <= value + rounding * Math.abs(value)
      if (lower || (equal && dot(nextGradient, direction) <= (2 * enough - 1) * slope))
        moved = { x: next, gradient: nextGradient, value: nextValue }
    }
    if (!moved) {
      if (steps.length === 0) return { x, value, iterations: k, converged: true, steps } // as low as rounding allows
      steps.length = 0 // rounding may have spoilt them
      scale = 1
      continue
    }
    const s = sum(moved.x, -1, x)
    const y = sum(moved.gradient, -1, gradient)
    const curvature = dot(s, y)
    if (curvature > 0) {
      steps.push({ s, y, rho: 1 / curvature })
      if (steps.length > memory) steps.shift()
    }
    ;({ x, gradient, value } = moved)
  }
}

/** The two-loop recursion: minus the inverse Hessian, estimated from the last steps, times the gradient. */
function towardsMinimum(
  gradient: Float64Array,
  steps: readonly Step[],
  precondition: (g: Float64Array) => Float64Array,
): Float64Array {
  const q = gradient.map(v => -v)
  const alphas: number[] = []
  for (const { s, y, rho } of steps.toReversed()) {
    const alpha = rho * dot(s, q)
    alphas.unshift(alpha)
    for (let i = 0; i < q.length; i++) q[i]! -= alpha * y[i]!
  }
  const out = precondition(q)
  for (const [k, { s, y, rho }] of steps.entries()) {
    const by = alphas[k]! - rho * dot(y, out)
    for (let i = 0; i < out.length; i++) out[i]! += by * s[i]!
  }
  return out
}

/** a + t b */
function sum(a: Float64Array, t: number, b: Float64Array): Float64Array {
  const out = new Float64Array(a.length)
  for (let i = 0; i < out.length; i++) out[i] = a[i]! + t * b[i]!
  return out
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

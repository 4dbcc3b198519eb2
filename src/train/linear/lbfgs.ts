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
}

/** Limited-memory BFGS (Liu & Nocedal 1989) with a backtracking line search: minimises a smooth, preferably convex
 *  function. Ends when a step lowers the value by less than the share `tolerance`. `between` is awaited before each
 *  iteration. */
export async function lbfgs(
  f: Smooth,
  start: Float64Array,
  {
    iterations = 200,
    tolerance = 1e-6,
    memory = 10,
    between = async () => {},
  }: { iterations?: number; tolerance?: number; memory?: number; between?: () => Promise<void> } = {},
): Promise<Minimum> {
  const n = start.length
  let x: Float64Array = start.slice()
  let gradient: Float64Array = new Float64Array(n)
  let value = await f(x, gradient)
  const steps: { s: Float64Array; y: Float64Array; rho: number }[] = []
  for (let k = 0; k < iterations; k++) {
    await between()
    if (gradient.every(g => g === 0)) return { x, value, iterations: k, converged: true }
    const direction = towardsMinimum(gradient, steps)
    const slope = dot(direction, gradient)
    let t = steps.length === 0 ? Math.min(1, 1 / Math.sqrt(dot(gradient, gradient))) : 1
    let moved: { x: Float64Array; gradient: Float64Array; value: number } | undefined
    for (let tries = 0; tries < 30 && !moved; tries++, t /= 2) {
      const next = sum(x, t, direction)
      const nextGradient = new Float64Array(n)
      const nextValue = await f(next, nextGradient)
      if (nextValue <= value + 1e-4 * t * slope) moved = { x: next, gradient: nextGradient, value: nextValue }
    }
    if (!moved) return { x, value, iterations: k, converged: true } // as low as rounding allows
    const fall = (value - moved.value) / Math.max(Math.abs(value), 1e-12)
    const s = sum(moved.x, -1, x)
    const y = sum(moved.gradient, -1, gradient)
    const curvature = dot(s, y)
    if (curvature > 1e-12 * dot(y, y)) {
      steps.push({ s, y, rho: 1 / curvature })
      if (steps.length > memory) steps.shift()
    }
    ;({ x, gradient, value } = moved)
    if (fall < tolerance) return { x, value, iterations: k + 1, converged: true }
  }
  return { x, value, iterations, converged: false }
}

/** The two-loop recursion: minus the inverse Hessian, estimated from the last steps, times the gradient. */
function towardsMinimum(
  gradient: Float64Array,
  steps: readonly { s: Float64Array; y: Float64Array; rho: number }[],
): Float64Array {
  const q = gradient.map(v => -v)
  const alphas: number[] = []
  for (const { s, y, rho } of steps.toReversed()) {
    const alpha = rho * dot(s, q)
    alphas.unshift(alpha)
    for (let i = 0; i < q.length; i++) q[i]! -= alpha * y[i]!
  }
  const last = steps.at(-1)
  if (last) {
    const scale = 1 / (last.rho * dot(last.y, last.y))
    for (let i = 0; i < q.length; i++) q[i]! *= scale
  }
  for (const [k, { s, y, rho }] of steps.entries()) {
    const by = alphas[k]! - rho * dot(y, q)
    for (let i = 0; i < q.length; i++) q[i]! += by * s[i]!
  }
  return q
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

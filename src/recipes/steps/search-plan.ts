import { duration } from '../../base/format.ts'
import { aten, F, fromArray, scope, zeros } from '../../torch/index.ts'

/** How far the optimum of the last layer is looked for. */
export interface SearchPlan {
  /** Steps of the search at each strength of L2; none is looked for with 0, and as many as it takes without a number. */
  iterations?: number
  /** In words, where it is less than usual. */
  reason?: string
}

/** A smaller search is never measured: rows × classes × features. */
const small = 3e9

/** The time that the search may take, in seconds, and the evaluations that it usually takes, over all strengths. */
const [most, usual] = [110, 240]

/** With fewer evaluations at each strength what is found is no optimum. */
const fewest = 3

/** Plans the search by the time that one evaluation takes here, measured on some of the rows. `strengths` are those of L2. */
export function planSearch({
  rows,
  classes,
  width,
  strengths,
  seconds = secondsOf,
}: {
  rows: number
  classes: number
  width: number
  strengths: number
  seconds?: (rows: number, classes: number, width: number) => number
}): SearchPlan {
  if (rows * classes * width <= small) return {}
  const each = seconds(rows, classes, width)
  const affordable = most / each
  if (affordable >= usual) return {}
  const over = `over ${rows.toLocaleString('en-US')} rows and ${classes.toLocaleString('en-US')} classes an evaluation of the loss takes ${duration(each)} here`
  const iterations = Math.floor(affordable / strengths)
  if (iterations < fewest)
    return {
      iterations: 0,
      reason: `${over}, and the optimum some ${duration(each * usual)}: the head trains on by epochs instead`,
    }
  return { iterations, reason: `${over}: at most ${iterations} steps at each strength of L2, for two minutes in all` }
}

/** Seconds of one evaluation, forward and back, from as many rows as take a part of a second. */
function secondsOf(rows: number, classes: number, width: number): number {
  const some = Math.max(16, Math.min(rows, Math.floor(2e8 / (classes * width))))
  const once = () =>
    scope(() => {
      const w = zeros([classes, width, 1, 1])
      w.requiresGrad = true
      const target = fromArray(new BigInt64Array(some), [1, some, 1])
      F.crossEntropy(aten.conv2d(zeros([1, width, some, 1]), w), target).backward()
    })
  once()
  const began = performance.now()
  once()
  return ((performance.now() - began) / 1000) * (rows / some)
}

import { duration } from '../../base/format.ts'
import { aten, F, fromArray, scope, zeros } from '../../torch/index.ts'

/** The effort of the search for the optimum of the last layer. */
export interface SearchPlan {
  /** The most search steps at each strength of L2; 0: no search. Default: no limit. */
  iterations?: number
  /** The reason in words, if the search is limited. */
  reason?: string
}

/** A search smaller than this is not measured: rows × classes × features. */
const small = 3e9

/** The most time for the search, in seconds, and its usual number of evaluations, over all strengths. */
const [most, usual] = [110, 240]

/** With fewer evaluations at each strength the result is no optimum. */
const fewest = 3

/** Plans the search by the time of one evaluation on this machine, measured on some of the rows. `strengths`: how many
 *  strengths of L2 there are. */
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
  const over = `over ${rows.toLocaleString('en-US')} rows and ${classes.toLocaleString('en-US')} classes one evaluation of the loss takes ${duration(each)} here`
  const iterations = Math.floor(affordable / strengths)
  if (iterations < fewest)
    return {
      iterations: 0,
      reason: `${over}, and the search for the optimum would take about ${duration(each * usual)}; the head is trained by epochs instead`,
    }
  return { iterations, reason: `${over}: at most ${iterations} steps at each strength of L2, for two minutes in all` }
}

/** Seconds of one evaluation of the loss and its gradient in float64, measured on enough rows to take a part of a
 *  second. */
function secondsOf(rows: number, classes: number, width: number): number {
  const some = Math.max(16, Math.min(rows, Math.floor(2e8 / (classes * width))))
  const once = () =>
    scope(() => {
      const x = zeros([some, width], { dtype: 'float64' })
      const logits = aten.mm(zeros([classes, width], { dtype: 'float64' }), x.transpose(0, 1))
      logits.requiresGrad = true
      F.crossEntropy(logits.unsqueeze(0), fromArray(new BigInt64Array(some), [1, some])).backward()
      aten.mm(logits.grad!, x)
    })
  once()
  const began = performance.now()
  once()
  return ((performance.now() - began) / 1000) * (rows / some)
}

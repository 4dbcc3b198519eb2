import { relative } from 'node:path'
import type { RegressionInterpretation } from '../runs/index.ts'
import { column, mae, r2, rmse } from '../train/metrics.ts'
import { type TargetScale, targetText } from '../train/objective.ts'
import type { InterpretOptions, Judged } from './index.ts'

/** Points of a drawn scatter at most. */
const mostPoints = 1000

/** What the net does where numbers are told: R² and errors of each target, told against actual values, and the pictures
 *  with the largest error. Data alone; `report` draws it. */
export async function interpretNumbers(
  { items, evaluation }: Judged,
  { dir, classes, show, most = 12, scale }: InterpretOptions & { scale?: TargetScale | undefined },
): Promise<RegressionInterpretation> {
  const { probabilities: told, targets, losses } = evaluation
  const n = classes.length
  const of = (metric: typeof r2) => metric(told, targets, n).targets
  const [fit, absolute, root] = [of(r2), of(mae), of(rmse)]
  const every = Math.ceil(items.length / mostPoints)
  const ranked = Array.from(items.keys()).sort((a, b) => losses[b]! - losses[a]! || a - b)
  return {
    targets: classes.map((name, c) => {
      const [actual, predicted] = [column(targets, n, c), column(told, n, c)]
      const points = Array.from(actual, (v, i): [number, number] => [v, predicted[i]!]).filter(
        (_, i) => i % every === 0,
      )
      return { name, r2: fit[c]!, mae: absolute[c]!, rmse: root[c]!, points }
    }),
    worst: await Promise.all(
      ranked.slice(0, most).map(async i => ({
        file: relative(dir, items[i]!.file),
        thumbnail: await show(items[i]!),
        loss: losses[i]!,
        values: classes.map((name, c) => {
          const [actual, predicted] = [targets[i * n + c]!, told[i * n + c]!]
          return {
            name,
            actual,
            predicted,
            shown: { actual: String(actual), predicted: targetText(predicted, c, scale) },
          }
        }),
      })),
    ),
  }
}

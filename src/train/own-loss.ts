import { aten, type F, type Tensor } from '../torch/index.ts'
import type { LossOptions, Objective } from './objective.ts'

/** Your own loss, used for training and for the report. outputs: [N, C] in float32, before softmax; targets: int64 [N]
 *  or [N, C]. Returns one number; with `reduction: 'none'` one per sample, [N]. If it returns another shape, it is
 *  called once for each sample. */
export type LossFunction = (
  outputs: Tensor,
  targets: Tensor,
  options: { labelSmoothing: number; weight?: Tensor | undefined; reduction: F.Reduction },
) => Tensor

/** The objective with another loss, for training and for the report. */
export function withLoss(objective: Objective, loss: LossFunction): Objective {
  const of = (x: Tensor, y: Tensor, { labelSmoothing = 0, weight, reduction = 'mean' }: LossOptions = {}) =>
    loss(x, y, { labelSmoothing, weight, reduction })
  return {
    ...objective,
    weighsMean: false,
    loss: of,
    plainLoss: (x, y, { reduction = 'mean' } = {}) =>
      reduction === 'none' ? perSample(of, x, y) : of(x, y, { reduction }),
  }
}

/** [N]: the loss of each sample. */
function perSample(loss: Objective['loss'], x: Tensor, y: Tensor): Tensor {
  const n = x.shape[0]!
  const all = loss(x, y, { reduction: 'none' })
  if (all.shape.length === 1 && all.shape[0] === n) return all
  const of = (i: number) => loss(aten.narrow(x, 0, i, 1), aten.narrow(y, 0, i, 1), { reduction: 'mean' }).reshape()
  return aten.stack(Array.from({ length: n }, (_, i) => of(i)))
}

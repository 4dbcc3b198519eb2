import { alone, type Ranks } from '../ranks/ranks.ts'
import { autocast, type nn, noGrad, scope } from '../torch/index.ts'
import type { Computing } from './measure-kernels.ts'
import type { Precision } from './network.ts'
import type { Objective, Outputs, Targets } from './objective.ts'
import { computedIn } from './saved-computing.ts'
import type { PredictedValidationBatch } from './source.ts'
import { inOrder, type Source } from './source.ts'
import { turn } from './stop.ts'

/** The results of a net on labelled samples. */
export interface Evaluation {
  loss: number
  /** The metric that weights are chosen by: accuracy, mAP or R²; higher is better. NaN if it is undefined on these
   *  samples: R² of targets that are all the same, mAP without a positive of any label. */
  score: number
  /** All metrics, over the whole set. */
  metrics: Record<string, number>
  /** The share of correct predictions; for multi-label of correct decisions; NaN for regression. */
  accuracy: number
  /** [N × classes]. Single-label: rows that sum to 1; multi-label: a sigmoid per label; regression: the predicted
   *  values. */
  probabilities: Outputs
  /** The net's outputs before softmax or sigmoid, [N × classes]. */
  logits: Float32Array
  /** The loss of each sample, without smoothing or weights. */
  losses: Float32Array
  /** Class numbers [N]; for multi-label and regression rows [N × classes]. */
  targets: Targets
}

/** How samples go through the net, and the callbacks. */
export interface EvaluateOptions {
  objective: Objective
  batchSize: number
  precision?: Precision
  device?: string
  /** How products are computed on the CPU. Default: as they are now. */
  computing?: Computing | undefined
  signal?: AbortSignal | undefined
  /** The processes that share the batches out. Default: this one computes all. */
  ranks?: Ranks | undefined
  onBatch?: (done: number) => void
  /** Called with each batch inside its scope, before and after the net; they may change its tensors. If one returns
   *  true, the evaluation throws `LeftEvaluation`. */
  around?:
    | { before(batch: PredictedValidationBatch): boolean; after(batch: PredictedValidationBatch): boolean }
    | undefined
}

/** A hook has ended an evaluation. */
export class LeftEvaluation extends Error {}

/** Loss, metrics and probabilities over a whole source, in eval mode; each batch is a scope. */
export async function evaluate(
  net: nn.Module,
  source: Source,
  {
    objective,
    batchSize,
    precision = 'float32',
    device = 'cpu',
    computing,
    signal,
    ranks = alone,
    onBatch,
    around,
  }: EvaluateOptions,
): Promise<Evaluation> {
  const classes = objective.names.length
  const { task } = objective
  const table = (): Outputs =>
    task === 'regression' ? new Float64Array(source.count * classes) : new Float32Array(source.count * classes)
  const probabilities = table()
  const logits = new Float32Array(source.count * classes)
  const losses = new Float32Array(source.count)
  const targets: Targets = task === 'single' ? new Int32Array(source.count) : table()
  net.eval()
  let done = 0
  let number = 0
  let left: LeftEvaluation | undefined
  for (const samples of inOrder(source.count, batchSize)) {
    if (!ranks.takes(number++) || left) {
      done += samples.length
      continue
    }
    const compute = () =>
      scope(() => {
        const batch = { samples, ...source.batch(samples, 0) } as PredictedValidationBatch
        if (around?.before(batch)) throw new LeftEvaluation()
        batch.prediction = computedIn(computing, () =>
          autocast(precision, () => net(batch.x), { device }).to('float32'),
        )
        if (around?.after(batch)) throw new LeftEvaluation()
        const { y, prediction: out } = batch
        logits.set(out.data() as Float32Array, done * classes)
        probabilities.set(objective.activate(out).data() as Outputs, done * classes)
        losses.set(objective.plainLoss(out, y, { reduction: 'none' }).data() as Float32Array, done)
        if (task === 'single') targets.set(Int32Array.from(y.data() as BigInt64Array, Number), done)
        else targets.set(y.data() as Outputs, done * classes)
      })
    try {
      noGrad(compute)
    } catch (error) {
      if (!(error instanceof LeftEvaluation) || ranks.alone) throw error
      left = error // the others are told below
    }
    done += samples.length
    onBatch?.(done)
    await turn(signal)
  }
  const [leaves] = ranks.sumNumbers([left ? 1 : 0])
  if (leaves! > 0) throw left ?? new LeftEvaluation()
  for (const part of [probabilities, logits, losses, targets]) ranks.gather(part)
  const loss = losses.reduce((a, b) => a + b, 0) / source.count
  const metrics = objective.score(probabilities, targets)
  const { [objective.metric]: score = Number.NaN, accuracy = Number.NaN } = metrics
  return { loss, score, metrics, accuracy, probabilities, logits, losses, targets }
}

import { autocast, type nn, noGrad, scope } from '../torch/index.ts'
import type { Precision } from './network.ts'
import type { Objective, Outputs, Targets } from './objective.ts'
import type { PredictedValidationBatch } from './source.ts'
import { inOrder, type Source } from './source.ts'
import { turn } from './stop.ts'

/** What a net makes of labelled samples. */
export interface Evaluation {
  loss: number
  /** The metric that weights are chosen by: accuracy, mAP or R²; the more the better. NaN where these samples have none:
   *  R² of numbers that are all the same, mAP without a positive of any label. */
  score: number
  /** Over the whole set. */
  metrics: Record<string, number>
  /** Share of right answers; of right decisions, for several labels; NaN for numbers. */
  accuracy: number
  /** [N × classes]: rows that sum to 1; a sigmoid each for several labels; for numbers what the net tells. */
  probabilities: Outputs
  /** What the net gave before softmax or sigmoid, [N × classes]. */
  logits: Float32Array
  /** Loss of each sample, without smoothing or weights. */
  losses: Float32Array
  /** Class numbers [N]; for several labels and for numbers rows [N × classes]. */
  targets: Targets
}

/** How samples go through the net, and who hears of it. */
export interface EvaluateOptions {
  objective: Objective
  batchSize: number
  precision?: Precision
  device?: string
  signal?: AbortSignal | undefined
  onBatch?: (done: number) => void
  /** Hear each batch inside its scope, before and after the net, and may change its tensors; true leaves the evaluation,
   *  which then throws `LeftEvaluation`. */
  around?:
    | { before(batch: PredictedValidationBatch): boolean; after(batch: PredictedValidationBatch): boolean }
    | undefined
}

/** A hook has left an evaluation. */
export class LeftEvaluation extends Error {}

/** Loss, metrics and probabilities over a whole source, in eval mode; each batch is a scope. */
export async function evaluate(
  net: nn.Module,
  source: Source,
  { objective, batchSize, precision = 'float32', device = 'cpu', signal, onBatch, around }: EvaluateOptions,
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
  for (const samples of inOrder(source.count, batchSize)) {
    noGrad(() =>
      scope(() => {
        const batch = { samples, ...source.batch(samples, 0) } as PredictedValidationBatch
        if (around?.before(batch)) throw new LeftEvaluation()
        batch.prediction = autocast(precision, () => net(batch.x), { device }).to('float32')
        if (around?.after(batch)) throw new LeftEvaluation()
        const { y, prediction: out } = batch
        logits.set(out.data() as Float32Array, done * classes)
        probabilities.set(objective.activate(out).data() as Outputs, done * classes)
        losses.set(objective.plainLoss(out, y, { reduction: 'none' }).data() as Float32Array, done)
        if (task === 'single') targets.set(Int32Array.from(y.data() as BigInt64Array, Number), done)
        else targets.set(y.data() as Outputs, done * classes)
      }),
    )
    done += samples.length
    onBatch?.(done)
    await turn(signal)
  }
  const loss = losses.reduce((a, b) => a + b, 0) / source.count
  const metrics = objective.score(probabilities, targets)
  const { [objective.metric]: score = Number.NaN, accuracy = Number.NaN } = metrics
  return { loss, score, metrics, accuracy, probabilities, logits, losses, targets }
}

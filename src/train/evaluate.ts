import { autocast, F, type nn, noGrad, scope } from '../torch/index.ts'
import { accuracy, argmaxRows } from './metrics.ts'
import type { Precision } from './network.ts'
import { inOrder, type Source } from './source.ts'
import { turn } from './turn.ts'

/** What a net makes of labelled samples. */
export interface Evaluation {
  loss: number
  accuracy: number
  /** [N × classes], rows that sum to 1. */
  probabilities: Float32Array
  /** Cross-entropy of each sample, without smoothing or weights. */
  losses: Float32Array
  targets: Int32Array
}

/** How samples go through the net, and who hears of it. */
export interface EvaluateOptions {
  classes: number
  batchSize: number
  precision?: Precision
  device?: string
  signal?: AbortSignal | undefined
  onBatch?: (done: number) => void
}

/** Loss, accuracy and probabilities over a whole source, in eval mode; each batch is a scope. */
export async function evaluate(
  net: nn.Module,
  source: Source,
  { classes, batchSize, precision = 'float32', device = 'cpu', signal, onBatch }: EvaluateOptions,
): Promise<Evaluation> {
  const probabilities = new Float32Array(source.count * classes)
  const losses = new Float32Array(source.count)
  const targets = new Int32Array(source.count)
  net.eval()
  let done = 0
  for (const samples of inOrder(source.count, batchSize)) {
    noGrad(() =>
      scope(() => {
        const { x, y } = source.batch(samples, 0)
        const logits = autocast(precision, () => net(x), { device }).to('float32')
        probabilities.set(logits.softmax(1).data() as Float32Array, done * classes)
        losses.set(F.crossEntropy(logits, y, { reduction: 'none' }).data() as Float32Array, done)
        targets.set(Int32Array.from(y.data() as BigInt64Array, Number), done)
      }),
    )
    done += samples.length
    onBatch?.(done)
    await turn(signal)
  }
  const loss = losses.reduce((a, b) => a + b, 0) / source.count
  return { loss, accuracy: accuracy(argmaxRows(probabilities, classes), targets), probabilities, losses, targets }
}

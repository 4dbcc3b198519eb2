import { relative } from 'node:path'
import type { Trained } from '../../domain/index.ts'
import type { Interpretation, ReadText } from '../../runs/index.ts'
import { contributions } from '../../runtime/text/occlusion.ts'
import { autocast, noGrad, scope } from '../../torch/index.ts'
import type { Evaluation } from '../../train/evaluate.ts'
import { turn } from '../../train/stop.ts'
import { tokenBatch } from '../source.ts'
import type { TextItem } from '../types.ts'

/** How many texts are read word by word, how much of each, and how many at once. */
const [most, longest, together] = [12, 2000, 32]

/** The validation texts with the highest loss, and what each of their words adds to the output in question: the
 *  probability of the predicted class; of several labels that of the label with the largest error; of numbers the first
 *  one. */
export async function readTexts(
  { net, precision, classes }: Trained,
  { losses, probabilities, targets }: Evaluation,
  { task = 'single' }: Pick<Interpretation, 'task'>,
  {
    dir,
    valid,
    tokens,
    signal,
  }: {
    dir: string
    valid: readonly TextItem[]
    tokens(text: string): Int32Array
    signal?: AbortSignal | undefined
  },
): Promise<ReadText[]> {
  const n = classes.length
  const worst = Array.from(valid.keys())
    .sort((a, b) => losses[b]! - losses[a]! || a - b)
    .slice(0, most)
  const row = (i: number) => probabilities.subarray(i * n, (i + 1) * n)
  const out: ReadText[] = []
  for (const i of worst) {
    const item = valid[i]!
    const text = item.text.slice(0, longest)
    const at = inQuestion(row(i), task === 'single' ? undefined : targets.subarray(i * n, (i + 1) * n), task)
    const score = async (texts: readonly string[]) => {
      const scores: number[] = []
      for (let from = 0; from < texts.length; from += together) {
        await turn(signal)
        const logits = noGrad(() =>
          scope(() => {
            const x = tokenBatch(texts.slice(from, from + together).map(tokens))
            return autocast(precision, () => net.net(x), net)
              .to('float32')
              .data() as Float32Array
          }),
        )
        for (let k = 0; k < logits.length / n; k++) scores.push(outputOf(logits.subarray(k * n, (k + 1) * n), at, task))
      }
      return scores
    }
    net.net.eval()
    const p = row(i)
    const said = (values: ArrayLike<number>) => Array.from(values, v => +Number(v).toPrecision(4)).join(', ')
    const labels = (has: (c: number) => boolean) => classes.filter((_, c) => has(c)).join(', ') || 'no label'
    const best = argmax(p)
    out.push({
      file: relative(dir, item.file),
      actual: task === 'regression' ? said(item.values ?? []) : labels(c => item.labels.includes(c)),
      predicted: task === 'regression' ? said(p) : labels(c => (task === 'single' ? c === best : p[c]! >= 0.5)),
      of: classes[at]!,
      probability: task === 'regression' ? Number.NaN : p[at]!,
      loss: losses[i]!,
      parts: await contributions(text, score),
    })
  }
  return out
}

const argmax = (values: ArrayLike<number>): number => {
  let best = 0
  for (let c = 1; c < values.length; c++) if (values[c]! > values[best]!) best = c
  return best
}

function inQuestion(p: ArrayLike<number>, targets: ArrayLike<number> | undefined, task: string): number {
  if (task === 'regression') return 0
  if (!targets) return argmax(p)
  return argmax(Array.from(p, (v, c) => Math.abs(v - targets[c]!)))
}

/** The probability of one class, a label's sigmoid, or a value in standard deviations. */
function outputOf(logits: Float32Array, at: number, task: string): number {
  if (task === 'regression') return logits[at]!
  if (task === 'multi') return 1 / (1 + Math.exp(-logits[at]!))
  const top = Math.max(...logits)
  const sum = logits.reduce((total, v) => total + Math.exp(v - top), 0)
  return Math.exp(logits[at]! - top) / sum
}

import type { Task } from '../../data/types.ts'
import { logisticPath, sigmoidPath } from '../../train/linear/logistic.ts'
import { outOfFold } from '../../train/linear/out-of-fold.ts'
import { ridgePath } from '../../train/linear/ridge.ts'
import { standardised } from '../../train/linear/standardise.ts'
import { type Objective, type Outputs, objective, type Targets } from '../../train/objective.ts'
import { fitTfidf, tfidfRows } from './tfidf.ts'

/** What a linear model of words and pairs of words makes of the validation texts. */
export interface Baseline {
  metrics: Record<string, number>
  /** How many words and pairs it has. */
  terms: number
}

/** The most numbers of the table of features, and the most terms and texts. */
const [mostNumbers, mostTerms, mostTexts] = [3e7, 4096, 20_000]

/** Strengths of L2 for rows of length 1: C of scikit-learn from 0.3 to 30 for 3,000 texts. */
const strengths = [1e-3, 3e-4, 1e-4, 3e-5]

/** Trains logistic regression (ridge for numbers) on words and pairs of words; the L2 is chosen by three folds of the
 *  training texts. `valid` is only scored. */
export async function baselineOf(
  { texts, targets }: { texts: readonly string[]; targets: Targets },
  valid: { texts: readonly string[]; targets: Targets },
  {
    task,
    names,
    seed,
    signal,
  }: { task: Task; names: readonly string[]; seed: number; signal?: AbortSignal | undefined },
): Promise<Baseline> {
  const classes = names.length
  const width = task === 'single' ? 1 : classes
  const count = Math.min(texts.length, mostTexts)
  const some = texts.slice(0, count)
  const answers = targets.slice(0, count * width) as Targets
  const tfidf = fitTfidf(some, Math.min(mostTerms, Math.floor(mostNumbers / count)))
  const x = tfidfRows(some, tfidf)
  const { l2 } = await outOfFold(x, answers, classes, { folds: 3, seed, task, l2s: strengths, signal })
  const model = await solved(x, answers, { task, classes, l2, signal })
  const outputs = model(tfidfRows(valid.texts, tfidf), valid.texts.length)
  const judge: Objective =
    task === 'regression' ? objective(task, names, { scale: scaleOf(answers, classes) }) : objective(task, names)
  return { metrics: judge.score(outputs, valid.targets), terms: tfidf.terms.length }
}

const scaleOf = (targets: Targets, classes: number) => {
  const { mean, std } = standardised(targets, classes)
  return { mean: [...mean], std: [...std], decimals: Array.from(mean, () => 6) }
}

/** A function from rows of features to outputs: probabilities, or values. */
async function solved(
  x: Float32Array,
  y: Targets,
  { task, classes, l2, signal }: { task: Task; classes: number; l2: number; signal?: AbortSignal | undefined },
): Promise<(rows: Float32Array, count: number) => Outputs> {
  const scale = task === 'regression' ? standardised(y, classes) : undefined
  const [model] =
    y instanceof Int32Array
      ? await logisticPath({ x, y }, classes, [l2], { signal })
      : scale
        ? await ridgePath({ x, y: Float32Array.from(scale.values) }, classes, [l2], { signal })
        : await sigmoidPath({ x, y: y as Float32Array }, classes, [l2], { signal })
  const { weight, bias } = model!
  const width = weight.length / classes
  return (rows, count) => {
    const out = task === 'regression' ? new Float64Array(count * classes) : new Float32Array(count * classes)
    for (let n = 0; n < count; n++) {
      const row = rows.subarray(n * width, (n + 1) * width)
      const logits = Float64Array.from(bias)
      for (let i = 0; i < width; i++)
        if (row[i] !== 0) for (let c = 0; c < classes; c++) logits[c]! += row[i]! * weight[c * width + i]!
      out.set(scale ? scale.back(logits) : activated(logits, task), n * classes)
    }
    return out
  }
}

function activated(logits: Float64Array, task: Task): Float64Array {
  if (task === 'multi') return logits.map(v => 1 / (1 + Math.exp(-v)))
  const most = Math.max(...logits)
  const powers = logits.map(v => Math.exp(v - most))
  const sum = powers.reduce((a, b) => a + b, 0)
  return powers.map(v => v / sum)
}

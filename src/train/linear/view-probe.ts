import type { Task } from '../../data/types.ts'
import { aten, cat, fromArray, noGrad, scope, type Tensor } from '../../torch/index.ts'

/** The scores of linear probes for held-out pictures, plain and changed; each [N]. A score is 1 if a picture is
 *  recognised (multi-label: the balanced share of its labels, regression: R²), so that the mean is an accuracy. */
export interface Judged {
  /** Scores of a probe that learnt from plain views: for the plain view, and for the changed one. */
  plain: Float64Array
  changed: Float64Array
  /** Scores of a probe that learnt from plain and changed views: for both views again. */
  learntPlain: Float64Array
  learntChanged: Float64Array
  /** Scores of a probe that learnt to separate plain from changed views: the share of both views that it got right. */
  told: Float64Array
}

/** The targets of the pictures, and their folds. */
export interface ProbeOptions {
  /** [N × C]: one-hot classes, labels of 0 and 1, or numbers. */
  answers: Float32Array
  task: Task
  /** The fold of each picture, from 0. */
  fold: Int32Array
}

/** The strength of the ridge, for standardised pictures of length 1. Probes on ImageNet features of 50 to 400 pictures
 *  worked equally well from 0.1 to 0.5. */
const ridge = 0.3

/** Linear probes over frozen features: kernel ridge regression on all targets at once, each fold held out in turn. They
 *  have closed forms over few samples, so dozens of probes take a second. plain: float32 [N × F]; the returned function
 *  takes the features of the same pictures after a change. `close` frees the memory. */
export function viewProbe(
  plain: Float32Array,
  { answers, task, fold }: ProbeOptions,
): { judge(changed: Float32Array): Judged; close(): void } {
  const n = fold.length
  const [width, outputs] = [plain.length / n, answers.length / n]
  const folds = 1 + Math.max(...fold)
  const score = scoreOf(task, answers, outputs)
  const { table, mean, spread, own } = noGrad(() =>
    scope(() => {
      const raw = fromArray(plain, [n, width])
      const mean = raw.mean(0)
      const deviation = aten.std(raw, [0])
      const spread = deviation.add(deviation.mean().mul(0.01).add(1e-6)) // constant features stay small
      const table = raw.sub(mean).div(spread)
      return { table, mean, spread, own: products(table, table) }
    }),
  )
  const judge = (changed: Float32Array): Judged =>
    noGrad(() =>
      scope(() => {
        const other = fromArray(changed, [n, width], { copy: false }).sub(mean).div(spread)
        const across = products(table, other)
        const both = cat([cat([own, across], 1), cat([across.transpose(0, 1), products(other, other)], 1)])
        const judged = Object.fromEntries(
          ['plain', 'changed', 'learntPlain', 'learntChanged', 'told'].map(name => [name, new Float64Array(n)]),
        ) as unknown as Judged
        for (let k = 0; k < folds; k++) judgeFold(judged, both, k)
        return judged
      }),
    )
  const judgeFold = (judged: Judged, both: Tensor, k: number): void => {
    const rest = Array.from(fold.keys()).filter(i => fold[i] !== k)
    const held = Array.from(fold.keys()).filter(i => fold[i] === k)
    const views = (samples: readonly number[]) => [...samples, ...samples.map(i => n + i)]
    const { rows, middle } = centredAnswers(answers, outputs, rest)
    const signs = (count: number, sign: number) => Float64Array.from({ length: count }, () => sign)
    const wanted = fromArray(rows, [rest.length, outputs])
    const side = fromArray(Float64Array.of(...signs(rest.length, -1), ...signs(rest.length, 1)), [2 * rest.length, 1])
    const bare = heldOut(both, rest, views(held), wanted)
    const learnt = heldOut(both, views(rest), views(held), cat([cat([wanted, wanted]), side], 1))
    const at = (values: Float64Array, row: number, columns: number) =>
      values.subarray(row * columns, row * columns + outputs)
    for (const [j, i] of held.entries()) {
      const other = held.length + j
      judged.plain[i] = score(at(bare, j, outputs), i, middle)
      judged.changed[i] = score(at(bare, other, outputs), i, middle)
      judged.learntPlain[i] = score(at(learnt, j, outputs + 1), i, middle)
      judged.learntChanged[i] = score(at(learnt, other, outputs + 1), i, middle)
      const told = (row: number) => learnt[row * (outputs + 1) + outputs]!
      judged.told[i] = ((told(j) < 0 ? 1 : 0) + (told(other) > 0 ? 1 : 0)) / 2
    }
  }
  return {
    judge,
    close() {
      for (const t of [table, mean, spread, own]) t.dispose()
    },
  }
}

/** The mean product of two pictures' features, float64 [N, N]. */
const products = (a: Tensor, b: Tensor): Tensor => a.matmul(b.transpose(0, 1)).to('float64').div(a.shape[1]!)

/** Predictions for `held` of a probe that learnt from `rest`, minus the mean target: [held × R]. Kernel ridge
 *  regression with a free bias: (K + λ)⁻¹ over kernels centred at the mean of `rest`. `right`: targets, float64 [rest,
 *  R], centred. */
function heldOut(kernel: Tensor, rest: readonly number[], held: readonly number[], right: Tensor): Float64Array {
  const numbers = (rows: readonly number[]) => fromArray(BigInt64Array.from(rows, BigInt), [rows.length])
  const columns = kernel.indexSelect(1, numbers(rest))
  const [inner, outer] = [columns.indexSelect(0, numbers(rest)), columns.indexSelect(0, numbers(held))]
  const [row, all] = [inner.mean(0, { keepdim: true }), inner.mean()]
  const system = inner.sub(row).sub(row.transpose(0, 1)).add(all)
  aten.diagonal(system).add_(ridge)
  const weights = aten.cholesky_solve(right, aten.linalg_cholesky(system))
  return outer
    .sub(outer.mean(1, { keepdim: true }))
    .sub(row)
    .add(all)
    .matmul(weights)
    .data() as Float64Array
}

/** Targets of some samples minus their mean: float64 [rows × outputs]. */
function centredAnswers(answers: Float32Array, outputs: number, samples: readonly number[]) {
  const middle = new Float64Array(outputs)
  for (const i of samples) for (let c = 0; c < outputs; c++) middle[c]! += answers[i * outputs + c]! / samples.length
  const rows = new Float64Array(samples.length * outputs)
  for (const [j, i] of samples.entries())
    for (let c = 0; c < outputs; c++) rows[j * outputs + c] = answers[i * outputs + c]! - middle[c]!
  return { rows, middle }
}

/** The score of a sample's outputs, which are given minus the mean target `middle`. */
function scoreOf(task: Task, answers: Float32Array, outputs: number) {
  const of = (i: number, c: number) => answers[i * outputs + c]!
  if (task === 'single')
    return (row: Float64Array, i: number, middle: Float64Array): number => {
      let best = 0
      for (let c = 1; c < outputs; c++) if (row[c]! + middle[c]! > row[best]! + middle[best]!) best = c
      return of(i, best)
    }
  const n = answers.length / outputs
  if (task === 'multi') {
    const weights = labelWeights(answers, outputs)
    // Above its mean target a label is more likely than by chance.
    return (row: Float64Array, i: number): number => {
      let sum = 0
      for (let c = 0; c < outputs; c++) sum += row[c]! > 0 === of(i, c) > 0.5 ? weights[of(i, c) > 0.5 ? 1 : 0]![c]! : 0
      return sum
    }
  }
  const spread = Array.from({ length: outputs }, (_, c) => {
    const column = Array.from({ length: n }, (_, i) => of(i, c))
    const mean = column.reduce((a, b) => a + b, 0) / n
    return column.reduce((a, b) => a + (b - mean) ** 2, 0) / n || 1
  })
  return (row: Float64Array, i: number, middle: Float64Array): number => {
    let sum = 0
    for (let c = 0; c < outputs; c++) sum += (row[c]! + middle[c]! - of(i, c)) ** 2 / spread[c]!
    return 1 - sum / outputs
  }
}

/** The weights of an absent and of a present label, so that the mean over samples is the mean balanced accuracy over
 *  labels. Labels that almost all or almost no pictures have are left out, unless all labels are so. */
function labelWeights(answers: Float32Array, outputs: number): [absent: Float64Array, present: Float64Array] {
  const n = answers.length / outputs
  const counts = Array.from({ length: outputs }, (_, c) =>
    answers.reduce((s, v, i) => s + (i % outputs === c ? v : 0), 0),
  )
  const rarer = counts.map(count => Math.min(count, n - count))
  const enough = Math.min(Math.max(10, 0.05 * n), Math.max(...rarer))
  const judged = rarer.filter(count => count >= enough).length
  const weights = (of: (count: number) => number) =>
    Float64Array.from(counts, (count, c) => (rarer[c]! >= enough ? n / (2 * judged * Math.max(1, of(count))) : 0))
  return [weights(count => n - count), weights(count => count)]
}

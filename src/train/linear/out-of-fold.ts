import { TrainingError } from '../../base/errors.ts'
import { purpose, rng, shuffle } from '../../base/random.ts'
import { samples } from '../../base/samples.ts'
import type { Task } from '../../data/types.ts'
import { aten, fromArray, noGrad, scope } from '../../torch/index.ts'
import type { Outputs, Targets } from '../objective.ts'
import { meanOf, sampleLosses } from '../paired-losses.ts'
import { type LinearModel, logisticPath, rowsOf, sigmoidPath } from './logistic.ts'
import { ridgePath } from './ridge.ts'
import { standardised } from './standardise.ts'

/** Predictions for every sample by models that were not trained on it. */
export interface OutOfFold {
  /** [N × C]: probabilities (softmax for `single`, a sigmoid per label for `multi`), or the values of `regression` in
   *  float64. */
  outputs: Outputs
  /** The strength of L2 with the lowest mean loss over all samples, and that loss. */
  l2: number
  loss: number
  /** The mean loss at each of `l2s`. */
  losses: number[]
  /** The fold of each sample, from 0. */
  fold: Int32Array
}
/** How the samples are divided into folds. */
export interface FoldOptions {
  folds?: number
  seed?: number
  task?: Task
  l2s?: readonly number[]
  /** Samples of one group (copies of a picture, views of one scene) stay in one fold. [N] */
  groups?: ArrayLike<number> | undefined
  /** [classes]: the weight of a sample of each class, or that has the label, in training. Default: all equal. */
  weights?: readonly number[] | undefined
  signal?: AbortSignal | undefined
  onFold?: (done: number, folds: number) => void
}

/** The prediction of a linear model on frozen features for each sample, trained only on the other folds, as confident
 *  learning needs it for training pictures (Northcutt et al. 2021). features: [N × F]; labels: class numbers [N] for
 *  `single`, 0/1 [N × classes] for `multi`, values [N × classes] for `regression`. */
export async function outOfFold(
  features: Float32Array,
  labels: Targets,
  classes: number,
  {
    folds = 5,
    seed = 42,
    task = 'single',
    l2s = [3, 1, 0.3, 0.1, 0.03, 0.01],
    groups,
    weights,
    signal,
    onFold,
  }: FoldOptions = {},
): Promise<OutOfFold> {
  const n = rowsOf('outOfFold', labels, task === 'single' ? 1 : classes)
  const width = features.length / n
  const fold = dealFolds(labels, n, { folds, seed, task, groups })
  const scale = task === 'regression' ? standardised(labels, classes) : undefined
  const answers = scale?.values ?? labels
  const outputs: Outputs[] = l2s.map(() => (scale ? new Float64Array(n * classes) : new Float32Array(n * classes)))
  for (let k = 0; k < folds; k++) {
    const [rest, own] = [numbers(fold, f => f !== k), numbers(fold, f => f === k)]
    const x = takeRows(features, width, rest)
    for (const [i, model] of (await solve(task, x, answers, rest, { classes, l2s, weights, signal })).entries()) {
      const told = predict(task, takeRows(features, width, own), model)
      const rows = scale?.back(told) ?? told
      for (const [row, sample] of own.entries())
        outputs[i]!.set(rows.subarray(row * classes, (row + 1) * classes), sample * classes)
    }
    onFold?.(k + 1, folds)
  }
  const losses = outputs.map(rows => meanOf(sampleLosses(rows, labels, classes, { task })))
  const best = losses.indexOf(Math.min(...losses))
  return { outputs: outputs[best]!, l2: l2s[best]!, loss: losses[best]!, losses, fold }
}

/** The outputs for some rows, of linear models that were trained on others: for each strength of L2 [own × classes]. Single
 *  labels alone. */
export async function outputsFor(
  features: Float32Array,
  labels: Int32Array,
  {
    rest,
    own,
    classes,
    l2s,
    weights,
    signal,
  }: Pick<FoldOptions, 'weights' | 'signal'> & {
    /** The rows to train on, and those to predict. */
    rest: readonly number[]
    own: readonly number[]
    classes: number
    l2s: readonly number[]
  },
): Promise<Float32Array[]> {
  const width = features.length / labels.length
  const x = takeRows(features, width, rest)
  const models = await solve('single', x, labels, rest, { classes, l2s, weights, signal })
  return models.map(model => predict('single', takeRows(features, width, own), model))
}

/** Divides samples evenly into folds; those with the same labels go to the folds in turn. It depends only on the seed.
 *  Returns the fold of each sample, from 0. */
export function dealFolds(
  labels: Targets,
  n: number,
  { folds, seed, task, groups }: Required<Pick<FoldOptions, 'folds' | 'seed' | 'task'>> & Pick<FoldOptions, 'groups'>,
): Int32Array {
  const members = new Map<number, number[]>()
  for (let i = 0; i < n; i++) {
    const group = groups?.[i] ?? i
    const list = members.get(group)
    if (list) list.push(i)
    else members.set(group, [i])
  }
  if (!Number.isInteger(folds) || folds < 2 || members.size < folds)
    throw new TrainingError(
      `outOfFold: ${members.size} different ${samples.many} can't be divided into ${folds} folds; expected 2 folds or more, each with a ${samples.one}`,
    )
  const per = labels.length / n
  const key = ([first]: number[]) =>
    task === 'regression' ? '' : labels.subarray(first! * per, (first! + 1) * per).join()
  const order = shuffle([...members.values()], rng(seed, folds, 0, purpose.split)).map(list => ({
    list,
    key: key(list),
  }))
  const fold = new Int32Array(n)
  order
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .forEach(({ list }, i) => {
      for (const sample of list) fold[sample] = i % folds
    })
  return fold
}

const numbers = (fold: Int32Array, wanted: (f: number) => boolean): number[] =>
  Array.from(fold.keys()).filter(i => wanted(fold[i]!))

function takeRows(table: Float32Array, width: number, rows: readonly number[]): Float32Array {
  const out = new Float32Array(rows.length * width)
  for (const [i, r] of rows.entries()) out.set(table.subarray(r * width, (r + 1) * width), i * width)
  return out
}

/** The searches of folds end at this decrement (see `PathOptions`): the loss is then within 2e-6 of its minimum, which is
 *  enough to compare strengths of L2 and to find labels that may be wrong. */
const tolerance = 2e-3

function solve(
  task: Task,
  x: Float32Array,
  labels: Targets,
  rows: readonly number[],
  {
    classes,
    l2s,
    weights,
    signal,
  }: Pick<FoldOptions, 'weights' | 'signal'> & {
    classes: number
    l2s: readonly number[]
  },
): Promise<LinearModel[]> {
  if (task === 'single')
    return logisticPath({ x, y: Int32Array.from(rows, r => labels[r]!), weights }, classes, l2s, { tolerance, signal })
  const data = { x, y: takeRows(Float32Array.from(labels), classes, rows), weights }
  return task === 'multi'
    ? sigmoidPath(data, classes, l2s, { tolerance, signal })
    : ridgePath(data, classes, l2s, { signal })
}

/** [rows × C]. */
function predict(task: Task, x: Float32Array, { weight, bias }: LinearModel): Float32Array {
  const width = weight.length / bias.length
  return noGrad(() =>
    scope(() => {
      const w = fromArray(weight, [bias.length, width])
      const out = aten.linear(fromArray(x, [x.length / width, width], { copy: false }), w, {
        bias: fromArray(bias, [bias.length]),
      })
      const activated = task === 'single' ? out.softmax(1) : task === 'multi' ? out.sigmoid() : out
      return activated.data() as Float32Array
    }),
  )
}

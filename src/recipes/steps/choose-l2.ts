import { outOfFold } from '../../train/linear/out-of-fold.ts'
import type { Objective, Targets } from '../../train/objective.ts'
import type { LabelledSource } from '../../train/source.ts'
import type { Features } from './frozen-features.ts'

/** The strength of L2 that cross-validation chose. */
export interface ChosenL2 {
  l2: number
  /** The mean loss of samples in folds that a head was not trained on, at each strength. */
  losses: number[]
  folds: number
  /** The views of each sample that it was computed on. */
  views: number
}

/** The most numbers (rows × classes × features) of a cross-validation: a few seconds on two cores. Above it the
 *  validation samples choose, of which there are many then. */
const [usual, most] = [1.5e8, 6e8]

/** Fewer samples than this can't be divided into folds that say anything. */
const fewest = 10

/** Chooses the strength of L2 of the last layer by five-fold cross-validation over the training samples: all views and
 *  parts of a sample are in one fold, and all samples of a group (a speaker, a patient) where there are at least five; its
 *  loss is that of the fold that was not trained on it. The validation samples stay unseen, so their results are clean.
 *  Undefined if there are too few samples, or so many that it would take long. */
export async function crossValidatedL2(
  { task, names }: Objective,
  { train, views: augmented }: Features,
  { targets, count, parts }: Pick<LabelledSource, 'targets' | 'count' | 'parts'>,
  {
    l2s,
    weights,
    groups: given,
    seed,
    signal,
  }: {
    l2s: readonly number[]
    weights: readonly number[] | undefined
    /** The group of each sample. */
    groups?: readonly (string | undefined)[] | undefined
    seed: number
    signal: AbortSignal | undefined
  },
): Promise<ChosenL2 | undefined> {
  const width = train.length / (augmented + 1) / count
  const each = count * names.length * width
  if (count < fewest || each > most) return undefined
  const views = Math.max(1, Math.min(augmented + 1, Math.floor(usual / each)))
  const y = new (targets.constructor as new (length: number) => Targets)(views * targets.length)
  for (let v = 0; v < views; v++) y.set(targets, v * targets.length)
  const folds = 5
  const own = groupNumbers(given, { count, folds, parts })
  const groups = Int32Array.from({ length: views * count }, (_, i) => own[i % count]!)
  const rows = train.subarray(0, views * count * width)
  const { l2, losses } = await outOfFold(rows, y, names.length, { folds, seed, task, l2s, groups, weights, signal })
  return { l2, losses, folds, views }
}

/** A number for the group of each row; each sample alone where there are fewer groups than folds. */
function groupNumbers(
  groups: readonly (string | undefined)[] | undefined,
  { count, folds, parts }: { count: number; folds: number; parts: LabelledSource['parts'] },
): Int32Array {
  const sampleOf = (i: number) => parts?.[i] ?? i
  const numbers = new Map<string, number>()
  const own = Int32Array.from({ length: count }, (_, i) => {
    const name = groups?.[i] === undefined ? `alone ${sampleOf(i)}` : `in ${groups[i]}`
    const number = numbers.get(name) ?? numbers.size
    numbers.set(name, number)
    return number
  })
  return numbers.size >= folds ? own : own.map((_, i) => sampleOf(i))
}

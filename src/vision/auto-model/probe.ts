import { targetsOf } from '../../data/targets.ts'
import type { Task } from '../../data/types.ts'
import { leadingMetric } from '../../runs/index.ts'
import { aten, fromArray, noGrad, scope } from '../../torch/index.ts'
import { outOfFold } from '../../train/linear/out-of-fold.ts'
import { standardised } from '../../train/linear/standardise.ts'
import { scoresOf } from '../../train/metrics/reported.ts'
import { sampleLosses } from '../../train/paired-losses.ts'
import type { Item } from '../types.ts'
import type { Probe } from './rule.ts'

/** The folds of a probe's cross-validation. */
export const folds = 5

/** A linear probe on the frozen features of these pictures, cross-validated: each picture is judged by a probe that
 *  learnt from the other folds. features: [N × F]. */
export async function probeOf(
  features: Float32Array,
  items: readonly Pick<Item, 'labels' | 'values' | 'group'>[],
  { task, seed, signal }: { task: Task; seed: number; signal?: AbortSignal | undefined },
): Promise<Probe> {
  const { targets, classes } = answersOf(items, task)
  const { outputs } = await outOfFold(rotated(features, items.length), targets, classes, {
    folds,
    seed,
    task,
    l2s: [1, 0.3, 0.1, 0.03, 0.01],
    groups: groupsOf(items),
    signal,
  })
  const scores: Record<string, number> = scoresOf(task, { outputs, targets, classes })
  // Errors of targets in standard deviations: those of unlike units count alike.
  const scale = task === 'regression' ? standardised(targets, classes).std : undefined
  const losses = [...sampleLosses(outputs, targets, classes, { task, scale })]
  return { score: scores[leadingMetric(task).key]!, losses }
}

/** The same pictures in as many coordinates as there are pictures: features minus their mean, rotated. An L2 penalty does
 *  not change by a rotation, so a probe gives the same predictions, in a fraction of the time. [N × at most N] */
function rotated(features: Float32Array, n: number): Float32Array {
  if (features.length / n <= n) return features
  return noGrad(() =>
    scope(() => {
      const raw = fromArray(features, [n, features.length / n], { copy: false }).to('float64')
      const centred = raw.sub(raw.mean(0))
      const [squares, axes] = aten.linalg_eigh(centred.matmul(centred.transpose(0, 1)))
      const lengths = squares.numbers()
      const kept = lengths.filter(square => square > 1e-8 * lengths.at(-1)!).length
      const coordinates = axes.mul(aten.clamp_min(squares, 0).sqrt()).narrow(1, n - kept, kept)
      return coordinates.to('float32').contiguous().data() as Float32Array
    }),
  )
}

/** The targets of the pictures, with the numbers of the classes that they have. */
function answersOf(items: readonly Pick<Item, 'labels' | 'values'>[], task: Task) {
  if (task === 'regression') {
    const classes = items[0]?.values?.length ?? 1
    return { targets: targetsOf(items, task, classes), classes }
  }
  const known = [...new Set(items.flatMap(item => item.labels))].sort((a, b) => a - b)
  const renumbered = items.map(({ labels }) => ({ labels: labels.map(label => known.indexOf(label)) }))
  return { targets: targetsOf(renumbered, task, known.length), classes: known.length }
}

/** A number for each group, if the pictures have enough groups to divide; pictures without one are alone. */
function groupsOf(items: readonly Pick<Item, 'group'>[]): number[] | undefined {
  if (items.every(({ group }) => group === undefined)) return undefined
  const names = items.map(({ group }, i) => (group === undefined ? `alone ${i}` : `in ${group}`))
  const known = [...new Set(names)]
  return known.length < folds ? undefined : names.map(name => known.indexOf(name))
}

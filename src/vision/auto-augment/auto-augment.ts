import type { Task } from '../../data/index.ts'
import { type Tensor, zeros } from '../../torch/index.ts'
import { computeFeatures } from '../../train/features.ts'
import { dealFolds } from '../../train/linear/out-of-fold.ts'
import { standardised } from '../../train/linear/standardise.ts'
import { viewProbe } from '../../train/linear/view-probe.ts'
import type { Network, Precision } from '../../train/network.ts'
import { turn } from '../../train/stop.ts'
import { type Augmentation, augmentations, type Change, unchanged } from '../augment/index.ts'
import { pictureBatch } from '../batch.ts'
import { shrunk } from '../decode/resize.ts'
import type { Item, Picture } from '../index.ts'
import type { Preprocessing } from '../inference/saved.ts'
import { everyClassInTurn } from '../sample.ts'
import { type Trial, trialChange, trials } from './trials.ts'
import { fromVerdicts, type SenseRow, seesEnough, senseReason, senseRow } from './verdict.ts'

export { type SenseRow, senseTable } from './verdict.ts'

/** The pictures to measure on, and how to measure. */
export interface SenseOptions {
  network: Network
  /** The training pictures. */
  items: readonly Pick<Item, 'picture' | 'labels' | 'values'>[]
  picture(number: number): Picture
  preprocessing: Pick<Preprocessing, 'size' | 'short' | 'mean' | 'std' | 'channels'>
  task: Task
  /** Names of the classes, for the reasons. */
  classes?: readonly string[]
  seed?: number
  precision?: Precision
  /** The most pictures to use, the same number of each class. */
  most?: number
  /** Side in pixels at which the pictures are measured. Default: 128, or the size of the preprocessing if that is
   *  smaller. A net that takes only one size (a ViT) needs that size here. */
  size?: number
  signal?: AbortSignal | undefined
  progress?: (done: number, total: number) => void
}

/** The chosen augmentation, and the measurements behind it. */
export interface Sense {
  augmentation: Augmentation
  rows: SenseRow[]
  reason: string
}

/** Fewer pictures are not enough to decide anything. */
const fewest = 30
const folds = 5

/** Finds which changes of pictures make sense, from frozen features alone; it does not know what the pictures show.
 *
 *  A symmetry of the square (mirror, half turn, quarter turn) only moves pixels. If the pictures have no up, a turned
 *  picture could have been taken that way: a probe can't separate turned from plain pictures, and recognises as many of
 *  them, whatever the net knows about turns. If they have an up, a linear probe separates held-out pictures from turned
 *  ones almost surely, or a probe that learnt classes from plain pictures predicts other classes for turned ones.
 *
 *  A change by degrees (small turns, zoom, crop, light, colour, warp) is always visible to the net. It makes sense if
 *  the classes survive it: a probe that learnt from plain and changed pictures recognises held-out changed pictures
 *  nearly as well as a probe of plain pictures recognises plain ones, and plain pictures no worse. Differences are
 *  paired by picture and compared with their standard error. */
export async function chooseAugmentation(options: SenseOptions): Promise<Sense> {
  const { task, classes = [], seed = 42, precision = 'float32', network, signal, progress } = options
  const chosen = sample(options)
  if (chosen.length < fewest)
    return fallback(task, [], `only ${chosen.length} pictures to measure on; at least ${fewest} are needed`)
  const answers = answersOf(chosen, task)
  const tried = trials.filter(trial => !trial.colour || options.preprocessing.channels === 3)
  const source = views(chosen, tried, options)
  const features = await computeFeatures(network, source, {
    views: 1 + tried.length,
    batchSize: 64,
    precision,
    signal,
    ...(progress ? { onBatch: progress } : {}),
  })
  const length = features.length / (1 + tried.length)
  const view = (v: number) => features.subarray(v * length, (v + 1) * length)
  const labels = task === 'single' ? Int32Array.from(chosen, item => item.labels[0]!) : answers.table
  const fold = dealFolds(labels, chosen.length, { folds, seed, task })
  const probe = viewProbe(view(0), { answers: answers.table, task, fold })
  const own = { of: answers.of, classes: classes.length > 0 ? classes : answers.names }
  const rows: SenseRow[] = []
  let known = false
  try {
    for (const [i, trial] of tried.entries()) {
      const judged = probe.judge(view(i + 1))
      known = beyondChance(judged.plain, chanceOf(answers.table, chosen.length, task))
      rows.push(senseRow(trial, judged, { ...own, known }))
      await turn(signal)
    }
  } finally {
    probe.close()
  }
  const unknown = 'frozen features do not separate the pictures'
  if (!seesEnough(rows))
    return fallback(task, rows, 'frozen features show too little of the pictures to measure on them')
  if (!known && task === 'regression') return fallback(task, rows, unknown)
  const reason = senseReason(rows)
  return { augmentation: fromVerdicts(rows), rows, reason: known ? reason : `${unknown}, but ${reason}` }
}

/** Whether pictures are recognised better than by chance, by more than two standard errors. */
function beyondChance(scores: Float64Array, chance: number): boolean {
  const mean = scores.reduce((a, b) => a + b, 0) / scores.length
  const variance = scores.reduce((a, b) => a + (b - mean) ** 2, 0) / scores.length
  return mean > chance + 2 * Math.sqrt(variance / scores.length)
}

/** The default augmentation for photos; for regression without the mirror, which may change the target. */
function fallback(task: Task, rows: SenseRow[], reason: string): Sense {
  const usual = augmentations['side-on']
  return { augmentation: task === 'regression' ? { ...usual, flip: 0 } : usual, rows, reason }
}

/** The pictures to measure on: more on a GPU. */
const sample = ({ items, task, seed = 42, network, most }: SenseOptions) =>
  everyClassInTurn(items, { task, seed, most: most ?? (network.device?.startsWith('cuda') ? 1000 : 256) })

/** The targets of the pictures, [N × C], and the class of each if it has one. */
function answersOf(chosen: readonly Pick<Item, 'labels' | 'values'>[], task: Task) {
  if (task === 'regression')
    return {
      table: standardised(
        chosen.flatMap(item => item.values ?? []),
        chosen[0]?.values?.length ?? 1,
      ).values,
      of: new Int32Array(chosen.length).fill(-1),
      names: [] as string[],
    }
  const known = [...new Set(chosen.flatMap(item => item.labels))].sort((a, b) => a - b)
  return {
    table: Float32Array.from(chosen.flatMap(item => known.map(label => (item.labels.includes(label) ? 1 : 0)))),
    of: Int32Array.from(chosen, item => (task === 'single' ? item.labels[0]! : -1)),
    names: Array.from({ length: (known.at(-1) ?? -1) + 1 }, (_, label) => `class ${label}`),
  }
}

/** The accuracy of chance. */
function chanceOf(table: Float32Array, n: number, task: Task): number {
  if (task !== 'single') return task === 'multi' ? 0.5 : 0
  const classes = table.length / n
  return (
    Math.max(...Array.from({ length: classes }, (_, c) => table.filter((v, i) => i % classes === c && v > 0).length)) /
    n
  )
}

/** Pictures as a source: its first epoch is plain, the others are the trials. They are made small once. */
function views(chosen: readonly Pick<Item, 'picture'>[], tried: readonly Trial[], options: SenseOptions) {
  const { picture, preprocessing, seed = 42, network, size = Math.min(128, preprocessing.size) } = options
  const { mean, std, channels } = preprocessing
  const short = Math.round((size * preprocessing.short) / preprocessing.size)
  const small: Picture[] = []
  const device = network.device ?? 'cpu'
  return {
    count: chosen.length,
    batch(samples: Uint32Array, epoch: number): { x: Tensor; y: Tensor } {
      const numbers = Array.from(samples)
      const pictures = numbers.map(n => (small[n] ??= shrunk(picture(chosen[n]!.picture), short)))
      const trial = tried[epoch - 2]
      const changes: Change[] = numbers.map(n => (trial ? trialChange(trial, seed, epoch, n) : unchanged))
      const normalization = { mean, std }
      const x = pictureBatch(pictures, changes, {
        size,
        short,
        normalization,
        channels,
        ...(device === 'cpu' ? {} : { device }),
      })
      return { x, y: zeros([samples.length], { dtype: 'int64' }) }
    },
  }
}

import { AnnealError, didYouMean } from '../base/errors.ts'
import { option, setting } from '../base/options.ts'
import type { LabelOptions } from '../data/index.ts'
import type { WeightScheme } from '../train/balance.ts'
import type { OptimizerName } from '../train/learner.ts'
import type { ThresholdMetric } from '../train/metrics.ts'
import type { Precision } from '../train/network.ts'
import type { LossName } from '../train/objective.ts'
import {
  type Augmentation,
  type AugmentationSettings,
  augmentation,
  parseAugmentation,
} from '../vision/augment/index.ts'
import { augmentationOf, type PictureOptions } from '../vision/domain/options.ts'
import type { ChannelMode } from '../vision/index.ts'
import { model } from '../vision/models/index.ts'

/** The options of the five steps, whatever the kind of data. */
export type RecipeOptions = Omit<TrainOptions, keyof PictureOptions>

/** Everything that the recipe can be told. What is left out it chooses, and says why. */
export interface TrainOptions extends Omit<LabelOptions, 'seed' | 'valid' | 'maxDamaged' | 'folds' | 'fold'> {
  /** A model by name, or `auto`. */
  model?: string | undefined
  /** A file of pretrained weights of this model. */
  weights?: string | undefined
  /** Begin from ImageNet's weights (default) or from random ones. */
  pretrained?: boolean | undefined
  /** Side of the crop in pixels. */
  size?: number | undefined
  /** Sizes to train through, one after another, instead of one: small pictures first, larger ones later. */
  sizes?: readonly number[] | undefined
  batchSize?: number | undefined
  /** Share of each class kept for validation, where there is no validation folder. */
  valid?: number | undefined
  seed?: number | undefined
  /** Share of damaged pictures above which training does not begin. */
  maxDamaged?: number | undefined
  /** What becomes of channels: `rgb` or `copy` up to three, or `keep`; chosen by what the pictures hold unless given. */
  channels?: ChannelMode | 'auto' | undefined
  /** Endings of the names of a picture's files, where each channel has a file of its own. */
  channelFiles?: readonly string[] | undefined
  /** Decisions of `anneal clean`, a file of JSON lines. */
  clean?: string | undefined
  /** So many runs, each validated on another part, and the mean of their nets; `fold` trains one of them alone, or
   *  names one of a table's. */
  folds?: number | undefined
  fold?: number | undefined
  /** A preset (`side-on`, `top-down`, `medical`, `none`), its parts set by hand (`side-on,maxWarp=0.2`), or `auto`. */
  augment?: string | AugmentationSettings | undefined
  /** α of MixUp and of CutMix in the whole net. */
  mixup?: number | undefined
  cutmix?: number | undefined
  /** Augmented views of each training picture that the frozen phase sees. */
  views?: number | undefined
  /** Hidden layers of the head; none unless given. */
  hidden?: readonly number[] | undefined
  dropout?: number | undefined
  optimizer?: OptimizerName | undefined
  weightDecay?: number | undefined
  /** `focal`; for numbers `mse`, `mae` or `huber`; the task's usual loss unless given. */
  loss?: LossName | undefined
  /** What a mistake in a class weighs: by its share of the pictures, by its effective number, or one a class. */
  classWeights?: WeightScheme | readonly number[] | undefined
  /** `balanced`: pictures of rare classes are seen more often. */
  sampling?: 'balanced' | undefined
  /** Of the whole net 0.1, of the head 0, unless given. */
  labelSmoothing?: number | undefined
  /** Rate of the head in the frozen phase; found unless given. */
  headLr?: number | undefined
  /** Rates of the whole net: one for the last group, or one a group, earliest first. */
  lr?: number | readonly number[] | undefined
  /** How much lower the rate of each earlier group is; by `like` unless given. */
  factor?: number | undefined
  /** What the pictures are like: `imagenet` (factor 3), `different` (10), or the factor itself; measured unless given. */
  like?: 'auto' | 'imagenet' | 'different' | number | undefined
  /** Cycles of one epoch in which the head is trained. */
  headCycles?: number | undefined
  /** Epochs of the first cycle of the whole net. */
  cycleLen?: number | undefined
  /** How much longer a cycle is than the one before; 1 unless the net underfits. */
  cycleMult?: number | undefined
  /** Epochs of the whole net at most; 0 trains the head alone. */
  epochs?: number | undefined
  /** Minutes after which no further cycle begins. */
  minutes?: number | undefined
  /** Keep the statistics of BatchNorm in the whole net: below 20,000 pictures or 32 a step, unless given. */
  bnFreeze?: boolean | undefined
  /** What thresholds of several labels are found for; F1 unless given. */
  thresholdFor?: ThresholdMetric | undefined
  /** Side in pixels to predict at, where that validates no worse than the size of training. */
  testSize?: number | undefined
  /** Keep the net of each cycle's end, and save their average as a classifier. */
  snapshots?: boolean | undefined
  /** Try the equal mean of the weights of all cycles' ends. */
  swa?: boolean | undefined
  /** Evaluate with test-time augmentation too: so many augmented views (`true`: 4) beside the plain one. */
  tta?: boolean | number | undefined
  /** The highest of all views instead of their mean. */
  ttaMax?: boolean | undefined
  precision?: Precision | 'auto' | undefined
  /** `cpu`, `cuda` or `cuda:1`; a GPU where libtorch sees one. */
  device?: string | undefined
}

/** A value as it was given; nothing at all in quotes. */
const shown = (v: unknown): string => (v === '' ? '""' : String(v))

/** Refuses what is given for an option and is no whole number from `least` to `most`. */
export const whole = (name: string, v: unknown, least: number, most = Number.MAX_SAFE_INTEGER): void => {
  if (v !== undefined && !(Number.isInteger(v) && (v as number) >= least && (v as number) <= most))
    throw new AnnealError(
      `${option(name)}: expected a whole number ${most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`}, got ${shown(v)}`,
    )
}
const number = (name: string, v: unknown, fits: (n: number) => boolean, expected: string) => {
  if (v !== undefined && !(typeof v === 'number' && fits(v)))
    throw new AnnealError(`${option(name)}: expected ${expected}, got ${shown(v)}`)
}
const oneOf = (name: string, v: string | undefined, known: readonly string[], more = '') => {
  if (v !== undefined && !known.includes(v))
    throw new AnnealError(
      `${option(name)}: expected ${[known.join(', '), more].join(' ').trim()}, got ${shown(v)}.${didYouMean(v, known)}`,
    )
}

/** Refuses settings that can't be, before any work is done. */
export function checkOptions(o: TrainOptions): void {
  whole('size', o.size, 32, 2048)
  for (const size of o.sizes ?? []) whole('sizes', size, 32, 2048)
  if (o.sizes !== undefined && (o.sizes.length === 0 || o.size !== undefined))
    throw new AnnealError(
      o.size === undefined
        ? `${option('sizes')}: expected sizes in pixels, such as 128,224`
        : `${setting('size', o.size)} and ${setting('sizes', o.sizes)} contradict each other; leave one of them out`,
    )
  const twice = o.sizes?.find((size, i) => o.sizes!.indexOf(size) !== i)
  if (twice !== undefined)
    throw new AnnealError(`${setting('sizes', o.sizes)}: ${twice} comes twice; give each size once`)
  whole('testSize', o.testSize, 32, 2048)
  whole('batchSize', o.batchSize, 2, 4096)
  whole('seed', o.seed, 0, 2 ** 32 - 1)
  whole('views', o.views, 0, 64)
  whole('headCycles', o.headCycles, 1, 1000)
  whole('epochs', o.epochs, 0)
  whole('cycleLen', o.cycleLen, 1)
  number('cycleMult', o.cycleMult, v => v >= 1 && Number.isFinite(v), 'a number from 1')
  number('valid', o.valid, v => v > 0 && v < 1, 'a share between 0 and 1, such as 0.2')
  number('maxDamaged', o.maxDamaged, v => v >= 0 && v <= 1, 'a share from 0 to 1')
  number('minutes', o.minutes, v => v > 0, 'a number of minutes above 0')
  number('headLr', o.headLr, v => v > 0 && v <= 100, 'a rate above 0')
  number(
    'factor',
    o.factor,
    v => v >= 1 && v <= 1000,
    'a number from 1 (3 for photos, 10 for pictures unlike ImageNet)',
  )
  if (typeof o.like === 'number')
    number('like', o.like, v => v >= 1 && v <= 1000, 'imagenet, different, or a factor from 1')
  else if (!['auto', 'imagenet', 'different', undefined].includes(o.like))
    throw new AnnealError(
      `${option('like')}: expected auto, imagenet, different or a factor from 1, got ${shown(o.like)}`,
    )
  if (o.like !== undefined && o.like !== 'auto' && o.factor !== undefined)
    throw new AnnealError(
      `${setting('like', o.like)} and ${setting('factor', o.factor)} say the same thing; leave one of them out`,
    )
  number('dropout', o.dropout, v => v >= 0 && v < 1, 'a share from 0 to below 1')
  number('weightDecay', o.weightDecay, v => v >= 0 && v < 10, 'a number from 0')
  number('labelSmoothing', o.labelSmoothing, v => v >= 0 && v < 1, 'a share from 0 to below 1')
  for (const lr of [o.lr ?? []].flat()) number('lr', lr, v => v > 0 && v <= 100, 'rates above 0')
  oneOf('channels', o.channels, ['auto', 'rgb', 'copy', 'keep'])
  oneOf('loss', o.loss, ['auto', 'focal', 'mse', 'mae', 'huber'])
  oneOf('sampling', o.sampling, ['balanced'])
  if (typeof o.classWeights === 'object')
    for (const w of o.classWeights)
      number('classWeights', w, v => v >= 0 && Number.isFinite(v), 'balanced, effective, or a number from 0 a class')
  else oneOf('classWeights', o.classWeights, ['balanced', 'effective'], 'or one number a class')
  if (o.model !== undefined && o.model !== 'auto') model(o.model)
  if (o.augment !== undefined && o.augment !== 'auto') augmentationOf(o.augment)
  number('mixup', o.mixup, v => v > 0 && v <= 100, 'α above 0 (fastai: 0.4)')
  number('cutmix', o.cutmix, v => v > 0 && v <= 100, 'α above 0 (fastai: 1)')
  oneOf('thresholdFor', o.thresholdFor, ['f1', 'f2', 'f0.5', 'accuracy'])
  if (typeof o.tta !== 'boolean') whole('tta', o.tta, 1, 64)
  if (o.ttaMax && !o.tta)
    throw new AnnealError(
      `${option('ttaMax')} says how the views of ${option('tta')} are joined; give ${option('tta')} too, or leave it out`,
    )
  const averaging = (['snapshots', 'swa'] as const).find(name => o[name])
  if (averaging && o.epochs === 0)
    throw new AnnealError(
      `${setting(averaging, true)} averages the ends of cycles of the whole net, and ${setting('epochs', 0)} trains the head alone; leave one of them out`,
    )
  whole('folds', o.folds, 2, 100)
  if (o.fold !== undefined && o.folds === undefined && o.labels === undefined)
    throw new AnnealError(
      `${setting('fold', o.fold)} needs ${option('folds')}, how many there are, or a table with a column of folds`,
    )
  whole('fold', o.fold, 0, o.folds === undefined ? undefined : o.folds - 1)
  if (o.weights !== undefined && o.pretrained === false)
    throw new AnnealError(
      `${option('weights')} and ${setting('pretrained', false)} contradict each other; leave one of them out`,
    )
  for (const width of o.hidden ?? []) whole('hidden', width, 1, 65536)
}

/** Whether the head is trained over the frozen body before the whole net: over pretrained weights; a body from random ones
 *  says nothing worth a head of its own, unless the settings ask for that. */
export const beginsFrozen = ({ pretrained = true, epochs, views, headCycles, headLr }: RecipeOptions): boolean =>
  pretrained || epochs === 0 || [views, headCycles, headLr].some(asked => asked !== undefined)

/** Whether BatchNorm keeps its statistics where everything trains: as asked, else with few pictures or small batches,
 *  whose own statistics cost 5 to 7 points of accuracy; never over random weights, which have none yet. */
export const keepsStatistics = (
  { bnFreeze, pretrained = true }: Pick<TrainOptions, 'bnFreeze' | 'pretrained'>,
  { samples, batchSize }: { samples: number; batchSize: number },
): boolean => bnFreeze ?? (pretrained && (samples < 20_000 || batchSize < 32))

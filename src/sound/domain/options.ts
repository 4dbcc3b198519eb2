import type { EvaluationOptions, LabelOptions } from '../../data/index.ts'
import type { SharedOptions } from '../../domain/index.ts'
import type { SoundOptions } from '../options.ts'

/** All options of recordings: labels, splits, model, windows, augmentation. */
export type SoundOptionsOfRun = LabelOptions & SoundOptions & SharedOptions

/** How to find the recordings to evaluate on. */
export type EvaluateSoundsOptions = Omit<EvaluationOptions, 'classes' | 'task'> & Pick<SharedOptions, 'device'>

import { type Evaluated, type EvaluateOptions, evaluateModel } from '../recipes/results/evaluate.ts'
import { images } from '../vision/domain/images.ts'
import type { EvaluateImagesOptions } from '../vision/domain/options.ts'

/** How pictures to evaluate on are found and read. */
export interface EvaluateFolderOptions extends Omit<EvaluateImagesOptions, 'device'>, EvaluateOptions {}

/** Evaluates a saved classifier on a folder or a table of labelled pictures, with preprocessing, thresholds and
 *  temperature as they were saved. Each evaluation is noted in the run's folder: a test set that is looked at again and
 *  again tests no more. */
export const evaluateFolder = (run: string, dir: string, options: EvaluateFolderOptions = {}): Promise<Evaluated> =>
  evaluateModel(images, run, dir, options)

import type { Options } from '../base/option-table.ts'
import { type Evaluated, type EvaluateModelOptions, evaluateModel } from '../recipes/results/evaluate.ts'
import { images } from '../vision/domain/images.ts'
import { checkOptions } from './check-options.ts'
import type { optionTables } from './options.ts'

/** How pictures to evaluate on are found and read. Each option with its range and default: docs/options.md. */
export interface EvaluateFolderOptions
  extends Options<typeof optionTables.evaluate>,
    Pick<EvaluateModelOptions, 'progress' | 'report' | 'signal'> {}

/** Evaluates a saved classifier on a folder or a table of labelled pictures, with preprocessing, thresholds and
 *  temperature as they were saved. Each evaluation is noted in the run's folder: a test set that is looked at again and
 *  again tests no more. */
export async function evaluateFolder(
  run: string,
  dir: string,
  options: EvaluateFolderOptions = {},
): Promise<Evaluated> {
  checkOptions(options, 'evaluateFolder', ['progress', 'report', 'signal'])
  return evaluateModel(images, run, dir, options)
}

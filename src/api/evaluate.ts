import { existsSync } from 'node:fs'
import type { Options } from '../base/option-table.ts'
import { type Evaluated, type EvaluateModelOptions, evaluateModel } from '../recipes/results/evaluate.ts'
import { setUpOnce } from '../setup/index.ts'
import { checkOptions } from './check-options.ts'
import { kindOfModel } from './domains.ts'
import type { optionTables } from './options.ts'

/** How to find and read the pictures to evaluate on. Ranges and defaults of the options: docs/options.md. */
export interface EvaluateFolderOptions
  extends Options<typeof optionTables.evaluate>,
    Pick<EvaluateModelOptions, 'progress' | 'report' | 'signal'> {}

/** Evaluates a saved classifier on a folder or a table of labelled pictures, with its saved preprocessing, thresholds
 *  and temperature. Each evaluation is noted in the run's folder, since a test set that is used again and again is no
 *  longer a fair test. */
export async function evaluateFolder(
  run: string,
  dir: string,
  options: EvaluateFolderOptions = {},
): Promise<Evaluated> {
  checkOptions(options, 'evaluateFolder', ['progress', 'report', 'signal'])
  if (existsSync(run)) await setUpOnce(options.report)
  return evaluateModel(await kindOfModel(run).domain(), run, dir, options)
}

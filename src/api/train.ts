import { existsSync } from 'node:fs'
import { type ResumeHooks, resume, type TrainHooks, train } from '../recipes/index.ts'
import { domainOf, type RunResult, readConfig } from '../runs/index.ts'
import { setUpOnce } from '../setup/index.ts'
import { images } from '../vision/domain/images.ts'
import { checkOptions } from './check-options.ts'
import { domainNamed } from './domains.ts'
import type { TrainOptions } from './options.ts'

/** Trains a classifier on a folder of pictures by the five easy steps, and writes the run into a folder. Where libtorch is
 *  not set up yet, it is set up first, as `npx anneal setup` does. */
export async function trainFolder(
  data: string,
  options: TrainOptions = {},
  hooks: TrainHooks = {},
): Promise<RunResult> {
  checkOptions(options)
  if (existsSync(data)) await setUpOnce(hooks.report)
  return train(images, data, options, hooks)
}

/** Resumes a run that was stopped or killed, from its last checkpoint. On the same machine and threads the weights are
 *  the same as those of an uninterrupted run. Data that have moved are recognised by their content. */
export async function resumeRun(dir: string, hooks: ResumeHooks = {}): Promise<RunResult> {
  const config = readConfig(dir)
  if (config) await setUpOnce(hooks.report)
  if (config && domainOf(config) === 'tables') {
    const { places, labelOf: _, ...others } = hooks
    const { resumeTable } = await import('../tabular/run/train.ts')
    return resumeTable(dir, { ...others, data: places?.data })
  }
  return resume(config ? domainNamed(domainOf(config), dir) : images, dir, hooks)
}

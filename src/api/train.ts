import { type ResumeHooks, resume, type TrainHooks, train } from '../recipes/index.ts'
import { domainOf, type RunResult, readConfig } from '../runs/index.ts'
import { images } from '../vision/domain/images.ts'
import { checkOptions } from './check-options.ts'
import { domainNamed } from './domains.ts'
import type { TrainOptions } from './options.ts'

/** Trains a classifier on a folder of pictures by the five easy steps, into a run folder of its own. */
export async function trainFolder(
  data: string,
  options: TrainOptions = {},
  hooks: TrainHooks = {},
): Promise<RunResult> {
  checkOptions(options)
  return train(images, data, options, hooks)
}

/** Goes on with a run that was stopped or killed, from its last checkpoint, to the same weights as an uninterrupted one
 *  on the same machine and threads. Data that have moved are recognised by their content. */
export async function resumeRun(dir: string, hooks: ResumeHooks = {}): Promise<RunResult> {
  const config = readConfig(dir)
  return resume(config ? domainNamed(domainOf(config), dir) : images, dir, hooks)
}

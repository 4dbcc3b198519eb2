import { existsSync } from 'node:fs'
import { type ResumeHooks, resume, type TrainHooks, train } from '../recipes/index.ts'
import { domainOf, type RunResult, readConfig } from '../runs/index.ts'
import { setUpOnce } from '../setup/index.ts'
import { checkOptions } from './check-options.ts'
import { domainNamed } from './domains.ts'
import { chooseKind } from './kinds/choose.ts'
import type { TrainOptions } from './options.ts'
import { embedderOf } from './tables.ts'

/** Trains a model on a folder of pictures by the five easy steps, and writes the run into a folder. Other kinds of data are
 *  known by their files, or by the option `kind`. Where libtorch is not set up yet, it is set up first, as `npx anneal setup`
 *  does. */
export async function trainFolder(
  data: string,
  options: TrainOptions = {},
  hooks: TrainHooks = {},
): Promise<RunResult> {
  checkOptions(options)
  const { kind: _, ...others } = options
  const { kind, reason } = chooseKind(data, { ...options })
  if (reason !== undefined) hooks.report?.({ line: `${kind.name}: ${reason}` })
  if (existsSync(data)) await setUpOnce(hooks.report)
  return train(await kind.domain(), data, others, hooks)
}

/** Resumes a run that was stopped or killed, from its last checkpoint. On the same machine and threads the weights are
 *  the same as those of an uninterrupted run. Data that have moved are recognised by their content. */
export async function resumeRun(dir: string, hooks: ResumeHooks = {}): Promise<RunResult> {
  const config = readConfig(dir)
  if (config) await setUpOnce(hooks.report)
  if (config && domainOf(config) === 'tables') {
    const { places, labelOf: _, ...others } = hooks
    const { resumeTable } = await import('../tabular/run/train.ts')
    return resumeTable(dir, { ...others, data: places?.data, embedder: embedderOf(others) })
  }
  return resume(await domainNamed(config ? domainOf(config) : 'images', dir), dir, hooks)
}

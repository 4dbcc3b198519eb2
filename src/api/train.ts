import { existsSync } from 'node:fs'
import { readEnvironment } from '../ranks/environment.ts'
import { programRanks } from '../ranks/program.ts'
import { type ResumeHooks, resume, type TrainHooks, train } from '../recipes/index.ts'
import { onFirst } from '../recipes/run/over-ranks.ts'
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
  const { report, signal } = hooks
  if (config || readEnvironment()) await setUpOnce(report)
  // The first rank alone has the run: on another machine there may be no such folder.
  const ranks = await programRanks({ signal, ...(report ? { report } : {}) })
  const kind = await ranks.fromFirst('kind of the run', () => (config ? domainOf(config) : 'images'), signal)
  if (kind === 'tables') {
    const { places, labelOf: _, ...others } = hooks
    return onFirst({ says: 'training on a table', settings: {}, report, signal }, async signal => {
      const own = { ...others, ...(signal ? { signal } : {}) }
      const { resumeTable } = await import('../tabular/run/train.ts')
      return resumeTable(dir, { ...own, data: places?.data, embedder: embedderOf(own) })
    })
  }
  return resume(await domainNamed(kind, dir), dir, hooks)
}

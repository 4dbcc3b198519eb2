import { kindOfModel } from '../api/domains.ts'
import type { EvaluateFolderOptions } from '../api/evaluate.ts'
import { OptionError } from '../base/errors.ts'
import { plural } from '../base/format.ts'
import { flagOf } from '../base/options.ts'
import { readEnvironment } from '../ranks/environment.ts'
import { metricsText } from '../runs/index.ts'
import { type TableReadOptions, tableOnlyOptions } from '../tabular/options.ts'
import { findCard } from '../tabular/run/card.ts'
import { keepMemory } from '../torch/index.ts'
import { flat, printable } from './style.ts'
import { createReporter } from './terminal.ts'

/** `anneal evaluate`: measures a trained classifier on labelled pictures that it was not trained on. */
export async function evaluate(
  run: string,
  dir: string,
  given: EvaluateFolderOptions & TableReadOptions,
  { json = false }: { json?: boolean | undefined },
): Promise<void> {
  if (findCard(run)) return (await import('./evaluate-table.ts')).evaluateRows(run, dir, given, { json })
  const { files, inTables } = kindOfModel(run)
  const { one, many } = files.noun
  const other = Object.keys(given).find(name => Object.hasOwn(tableOnlyOptions, name) && name !== inTables)
  if (other !== undefined)
    throw new OptionError(`${flagOf(other)} is for tables, and ${run} was trained on ${many}; leave it out.`, {
      exitCode: 2,
    })
  const options: EvaluateFolderOptions = given
  const { evaluateFolder } = await import('../api/evaluate.ts')
  keepMemory() // a process of our own
  const reporter = createReporter({ json })
  const result = await evaluateFolder(run, dir, {
    ...options,
    progress: (label, done, total) => reporter.progress({ label, done, total }),
  })
  reporter.close()
  if ((readEnvironment()?.rank ?? 0) > 0) return // of several processes the first one shows the figures
  for (const warning of result.warnings) process.stderr.write(`anneal: ${flat(warning)}\n`)
  if (json) {
    process.stdout.write(`${JSON.stringify(result)}\n`)
    return
  }
  const { report, metrics, loss, samples, choices } = result
  for (const { what, value, reason } of choices) process.stderr.write(`${flat(`${what}: ${value} (${reason})`)}\n`)
  if (report !== undefined) process.stdout.write(`${printable(report).join('\n')}\n`)
  process.stdout.write(`${metricsText(metrics)}, loss ${loss.toFixed(4)}, ${plural(samples, one, many)}\n`)
}

import { plural } from '../base/format.ts'
import { metricsText } from '../runs/index.ts'
import { keepMemory } from '../torch/index.ts'
import { flat, printable } from './style.ts'
import { createReporter } from './terminal.ts'

/** The options of `anneal evaluate` as commander gives them. */
interface EvaluateFlags {
  json?: boolean
  batch?: number
  debug?: boolean
  [name: string]: unknown
}

/** `anneal evaluate`: how a trained classifier does on labelled pictures that it was not trained on. */
export async function evaluate(run: string, dir: string, flags: EvaluateFlags): Promise<void> {
  const { json = false, batch, debug, ...options } = flags
  const { evaluateFolder } = await import('../api/evaluate.ts')
  keepMemory() // a process of our own
  const reporter = createReporter({ json })
  const result = await evaluateFolder(run, dir, {
    ...options,
    ...(batch === undefined ? {} : { batchSize: batch }),
    progress: (label, done, total) => reporter.progress({ label, done, total }),
  })
  reporter.close()
  for (const warning of result.warnings) process.stderr.write(`anneal: ${flat(warning)}\n`)
  if (json) {
    process.stdout.write(`${JSON.stringify(result)}\n`)
    return
  }
  const { report, metrics, loss, samples, choices } = result
  for (const { what, value, reason } of choices) process.stderr.write(`${flat(`${what}: ${value} (${reason})`)}\n`)
  if (report !== undefined) process.stdout.write(`${printable(report).join('\n')}\n`)
  process.stdout.write(`${metricsText(metrics)}, loss ${loss.toFixed(4)}, ${plural(samples, 'picture')}\n`)
}

import type { EvaluateFolderOptions } from '../api/evaluate.ts'
import { plural } from '../base/format.ts'
import { metricsText } from '../runs/index.ts'
import { keepMemory } from '../torch/index.ts'
import { flat, printable } from './style.ts'
import { createReporter } from './terminal.ts'

/** `anneal evaluate`: measures a trained classifier on labelled pictures that it was not trained on. */
export async function evaluate(
  run: string,
  dir: string,
  options: EvaluateFolderOptions,
  { json = false }: { json?: boolean | undefined },
): Promise<void> {
  const { evaluateFolder } = await import('../api/evaluate.ts')
  keepMemory() // a process of our own
  const reporter = createReporter({ json })
  const result = await evaluateFolder(run, dir, {
    ...options,
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

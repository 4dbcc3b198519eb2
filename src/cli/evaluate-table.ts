import { OptionError } from '../base/errors.ts'
import { plural } from '../base/format.ts'
import { flagOf } from '../base/options.ts'
import { streamReport } from '../base/progress.ts'
import { readEnvironment } from '../ranks/environment.ts'
import { metricInfo, metricText, orderMetrics } from '../runs/index.ts'
import { tableCalls } from '../tabular/options.ts'
import { flat, printable } from './style.ts'

/** `anneal evaluate RUN TABLE`: how a model does on rows with a target. */
export async function evaluateRows(
  run: string,
  source: string,
  options: object,
  { json = false }: { json?: boolean | undefined },
): Promise<void> {
  const other = Object.keys(options).find(name => !Object.hasOwn(tableCalls.evaluateTable, name))
  if (other !== undefined)
    throw new OptionError(`${flagOf(other)} is for pictures, and ${run} was trained on a table; leave it out.`, {
      exitCode: 2,
    })
  const { evaluateTable } = await import('../api/tables.ts')
  const result = await evaluateTable(run, source, { ...options, report: streamReport(process.stderr) })
  if ((readEnvironment()?.rank ?? 0) > 0) return // of several processes the first one shows the figures
  for (const warning of result.warnings) process.stderr.write(`anneal: ${flat(warning)}\n`)
  if (json) {
    process.stdout.write(`${JSON.stringify(result)}\n`)
    return
  }
  const { report, metrics, intervals = {}, loss, leading, samples, choices } = result
  for (const { what, value, reason } of choices) process.stderr.write(`${flat(`${what}: ${value} (${reason})`)}\n`)
  process.stdout.write(`${printable(report).join('\n')}\n`)
  const { say } = metricInfo(leading)
  const [low, high] = intervals[leading] ?? []
  const range = low === undefined ? '' : ` (95 % interval ${say(low)} to ${say(high!)})`
  const others = orderMetrics(Object.keys(metrics)).filter(key => key !== leading && key !== 'logLoss')
  const all = [`${metricText(leading, metrics[leading])}${range}`, ...others.map(key => metricText(key, metrics[key]))]
  process.stdout.write(`${all.join(', ')}, loss ${loss.toFixed(4)}, ${plural(samples, 'row')}\n`)
}

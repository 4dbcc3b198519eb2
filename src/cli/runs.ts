import { duration } from '../base/format.ts'
import { columns, flat, padded } from '../base/text.ts'
import { leadingMetric, listRuns, metricText, type RunSummary, taskOfMetrics } from '../runs/index.ts'

/** `npx anneal runs`: the runs below a folder, with their results. */
export async function runs(folder: string, { json = false }: { json?: boolean }): Promise<void> {
  const found = listRuns(folder)
  if (json) {
    for (const run of found) process.stdout.write(`${JSON.stringify(run)}\n`)
    return
  }
  if (found.length === 0) {
    process.stdout.write(`no runs in ${flat(folder)}; \`npx anneal train FOLDER\` makes one\n`)
    return
  }
  const rows = found.map(r => [
    r.dir,
    r.state,
    r.model ?? '',
    scoreOf(r),
    r.epochs === undefined ? '' : String(r.epochs),
    r.seconds === undefined ? '' : duration(r.seconds),
    r.reason ?? '',
  ])
  const table = [['run', 'state', 'model', 'score', 'epochs', 'time', ''], ...rows.map(row => row.map(flat))]
  const widths = table[0]!.map((_, c) => Math.max(...table.map(row => columns(row[c]!))))
  for (const row of table)
    process.stdout.write(
      `${row
        .map((cell, c) => padded(cell, widths[c]!))
        .join('  ')
        .trimEnd()}\n`,
    )
}

/** The main metric of the run's task: `accuracy 87.9 %`, `mAP 0.912`, `R² 0.850`. */
function scoreOf({ metrics, leading }: RunSummary): string {
  const task = taskOfMetrics(metrics)
  if (leading !== undefined && metrics[leading] !== undefined) return metricText(leading, metrics[leading])
  if (task === undefined) return ''
  const { key } = leadingMetric(task)
  return metricText(key, metrics[key], { task })
}

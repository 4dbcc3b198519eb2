import { join } from 'node:path'
import { bytes as size } from '../base/format.ts'
import type { ExportedFolder } from '../export/targets/index.ts'
import { metricInfo } from '../runs/index.ts'
import type { AnyCard } from '../runtime/card.ts'
import { keepMemory } from '../torch/index.ts'
import { untilStopped } from './stop.ts'
import { flat } from './style.ts'
import { createReporter } from './terminal.ts'

/** Does the work of an export, with its progress on the terminal. stopped: what became of the result, if somebody ends it. */
export async function exporting<T>(
  { json, stopped }: { json: boolean; stopped: string },
  work: (how: { progress: (label: string, done: number, total: number) => void; signal: AbortSignal }) => Promise<T>,
): Promise<T> {
  keepMemory() // a process of our own
  const reporter = createReporter({ json })
  const progress = (label: string, done: number, total: number) => reporter.progress({ label, done, total })
  return work({ progress, signal: untilStopped(stopped) }).finally(() => reporter.close())
}

/** Prints a result: as JSON, or as text. */
export function print(result: object, json: boolean, text: () => string): void {
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : text())
}

/** A file that was written, and its size. */
export const fileLine = ({ file, bytes }: { file: string; bytes: number }): string =>
  `${flat(file)}  ${size(bytes)} (${bytes} bytes)`

/** What a file without a check says, if it has none. */
export const uncheckedLine = (check: string | false | undefined, trained = 'net'): string =>
  check === false ? `not checked against the trained ${trained} (--no-check)\n` : ''

/** The folder that was written, and what was left in it; nothing where no folder was asked for. */
export function folderLines(result: ExportedFolder<AnyCard> | object): string {
  if (!('folder' in result)) return ''
  const { folder, kept, differences = [] } = result
  const checked = differences.map(
    ({ runtime, difference }) =>
      `${runtime}: on equal pixels the net differs by ${small(difference)} from the trained one`,
  )
  const left = kept.map(name => `${join(folder, name)} is kept, since it was changed; remove it to get the new one`)
  return `${[...checked, `folder   ${folder}`, ...left, `next     see ${join(folder, 'README.md')}`].map(flat).join('\n')}\n`
}

/** How the answers to the probe of a file differ in each runtime. `what`: of what these answers are. */
export const probeLines = (probes: readonly { name: string; difference: number }[], what: string): string =>
  probes.map(({ name, difference }) => `${name}: ${what} by ${small(difference)}\n`).join('')

/** What a check accepts, for the title of its table. */
export const accepted = ({ tolerance }: { tolerance?: number | undefined }): string =>
  tolerance === undefined ? '' : ` (accepted: ${tolerance})`

/** A difference in a table of checks. */
export const small = (value: number): string =>
  value > 0 && value < 1e-3 ? value.toExponential(1) : value.toPrecision(2)

/** A column of a table of checks: its title, and what it says of a check. */
export type Column<Check> = readonly [title: string, cell: (check: Check) => string]

/** The runtime of a check. */
export const runtimeColumn: Column<{ runtime: string }> = ['runtime', check => check.runtime]

/** The share of equal labels; regression has none. */
export const labelColumn = (task: string): Column<{ same: number }> => [
  'same labels',
  check => (task === 'regression' ? '–' : share(check.same)),
]

/** A share of samples. */
export const share = (value: number): string => `${(100 * value).toFixed(1)} %`

/** The metric of the exported file, beside that of the trained net. */
export function metricColumn(
  metric: string,
  task: 'single' | 'multi' | 'regression',
): Column<{ exported: number; trained: number }> {
  const { name, say } = metricInfo(metric, task)
  return [`${name} (trained net)`, check => `${say(check.exported)} (${say(check.trained)})`]
}

/** Checks as a table of text, a line for each: columns side by side, as wide as their widest cell. */
export function checkLines<Check>(checks: readonly Check[], columns: readonly Column<Check>[]): string {
  const head = columns.map(([title]) => title)
  const rows = checks.map(check => columns.map(([, cell]) => cell(check)))
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map(row => row[i]!.length)))
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd()
  return `${[head, ...rows].map(line).join('\n')}\n`
}

/** The samples of a check: `validation texts`. */
export const partOf = ({ part }: { part: 'valid' | 'train' }, noun: string): string =>
  part === 'valid' ? `validation ${noun}` : `training ${noun} (folds leave no others)`

import type { Target } from '../export/targets/index.ts'
import type { PageFlags } from './export-page.ts'

/** The options of `anneal export`. */
export interface ExportFlags extends PageFlags {
  out?: string | undefined
  net?: boolean | undefined
  weights?: 'float32' | 'float16' | 'int8' | undefined
  to?: Target | undefined
  quantize?: boolean | undefined
  /** A file to check; false: export without a check. */
  check?: string | false | undefined
  data?: string | undefined
  runtimes?: readonly ('onnxruntime-node' | 'onnxruntime-web')[] | undefined
  json?: boolean | undefined
}

/** A difference in a table of checks. */
export const small = (value: number): string =>
  value > 0 && value < 1e-3 ? value.toExponential(1) : value.toPrecision(2)

/** Lines of a table of text: columns side by side, as wide as their widest cell. */
export function tableLines(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map(row => row[i]!.length)))
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd()
  return `${[head, ...rows].map(line).join('\n')}\n`
}

/** The share of equal labels in a table of checks; regression has none. */
export const sameLabels = (same: number, task: string): string =>
  task === 'regression' ? '–' : `${(100 * same).toFixed(1)} %`

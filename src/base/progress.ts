import { bytes } from './format.ts'
import { printable } from './text.ts'

/** What a long job reports: a line to print once, or the progress of one piece of work (in bytes). */
export type Notice = { line: string } | { what: string; done: number; total: number | undefined }

/** Receives notices. Code below the CLI never prints; it calls this. */
export type Report = (notice: Notice) => void

/** Drops every notice. */
export const silent: Report = () => {}

/** The part of a stream that a report needs, such as `process.stderr`. */
export type Output = { write(text: string): unknown; isTTY?: boolean | undefined; columns?: number | undefined }

/** Prints notices on a stream. A terminal gets one bar, redrawn in place; other streams get a line at each quarter or
 *  every 15 seconds. */
export function streamReport(output: Output, now: () => number = () => performance.now()): Report {
  let drawn = ''
  let last = { what: '', at: Number.NEGATIVE_INFINITY, quarter: 0, size: '' }
  const clear = () => {
    if (drawn) output.write(`\r${' '.repeat(drawn.length)}\r`)
    drawn = ''
  }
  return notice => {
    if ('line' in notice) {
      clear()
      output.write(`${printable(notice.line).join('\n')}\n`)
      return
    }
    const { what, done, total } = notice
    const share = total ? Math.min(1, done / total) : 0
    const quarter = Math.floor(share * 4)
    const size = total ? `${bytes(done)} of ${bytes(total)}` : bytes(done)
    if (what !== last.what) last = { what, at: output.isTTY ? Number.NEGATIVE_INFINITY : now(), quarter: 0, size: '' }
    if (output.isTTY) {
      if (now() - last.at < 100 && share < 1) return
      const filled = Math.round(share * 24)
      const bar = total ? `${'█'.repeat(filled)}${'░'.repeat(24 - filled)} ${Math.round(share * 100)} % ` : ''
      const text = `  ${what} ${bar}${size}`.slice(0, (output.columns ?? 80) - 1)
      output.write(`\r${text.padEnd(drawn.length)}`)
      drawn = text
      if (share === 1) {
        output.write('\n')
        drawn = ''
      }
    } else {
      if ((quarter === last.quarter && now() - last.at < 15_000) || size === last.size) return
      output.write(`  ${what}: ${size}\n`)
    }
    last = { what, at: now(), quarter, size }
  }
}

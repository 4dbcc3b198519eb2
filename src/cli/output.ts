import { fstatSync } from 'node:fs'
import { isatty } from 'node:tty'
import { refusals } from '../base/files.ts'

/** What a command's output is. `answer`: stdout is what was asked for; where it can't be written, the command ends.
 *  `told`: the work is kept elsewhere (a run's folder, a file); it goes on without its output. */
export type Output = 'answer' | 'told'

/** A stream that takes no more text, and why. */
export interface Lost {
  stream: 'stdout' | 'stderr'
  /** Whether its reader went away: who had enough (`head`), or a terminal that was closed. */
  gone: boolean
  /** `its reader is gone (EPIPE)`. */
  reason: string
}

/** Codes of a reader that went away; a terminal that was closed says EIO, as a broken disk does. */
const gone = (code: string, terminal: boolean) => ['EPIPE', 'ECONNRESET', terminal ? 'EIO' : 'EPIPE'].includes(code)

/** As a shell tells a command that a closed pipe ended (128 and the number of SIGPIPE). */
const closedPipe = 141

let output: Output = 'answer'
const losses: Lost[] = []
const listeners = new Set<(lost: Lost) => void>()

/** Hears, from now on, of writes to stdout and stderr that fail: Node would end the program by an uncaught error. Text
 *  that goes to stderr is never worth ending for. */
export function watchOutput(): void {
  for (const stream of ['stdout', 'stderr'] as const)
    process[stream].on('error', error => {
      const { code = '' } = error as NodeJS.ErrnoException
      if (losses.some(lost => lost.stream === stream)) return
      const left = gone(code, process[stream].isTTY)
      const reason = `${left ? 'its reader is gone' : (refusals[code] ?? error.message)}${code && ` (${code})`}`
      const lost: Lost = { stream, gone: left, reason }
      losses.push(lost)
      if (output === 'answer' && stream === 'stdout') end(lost)
      for (const hear of listeners) hear(lost)
    })
}

function end({ gone, reason }: Lost): never {
  if (gone) process.exit(closedPipe) // quietly, as other programs do: `anneal predict … | head`
  process.stderr.write(`anneal: stdout can not be written: ${reason}\n`)
  process.exit(1)
}

/** The command's work does not need its output: from here on it goes on without. `hear` is told once for each stream that
 *  is lost, also where that was before. Returns the way to stop hearing. */
export function workWithoutOutput(hear: (lost: Lost) => void = () => {}): () => void {
  output = 'told'
  for (const lost of losses) hear(lost)
  listeners.add(hear)
  return () => void listeners.delete(hear)
}

/** Whether something was written to stdout and lost, other than by a reader who had enough. */
export const answerLost = (): boolean => losses.some(({ stream, gone }) => stream === 'stdout' && !gone)

/** Whether this process goes on when SIGHUP comes: no terminal was attached when it began and its output goes to files, as
 *  nohup sees to. Node forgets that SIGHUP was ignored, so it can't be asked. Where somebody reads the output through a
 *  pipe, SIGHUP is meant: a hang-up, or a program that stops this one. */
export const outlivesHangUp: boolean = [0, 1, 2].every(fd => !isatty(fd)) && [1, 2].every(fd => !isRead(fd)) // asked now: a closed one is none

function isRead(fd: number): boolean {
  try {
    const stat = fstatSync(fd)
    return stat.isFIFO() || stat.isSocket()
  } catch {
    return false // closed
  }
}

import { fstatSync } from 'node:fs'
import { isatty } from 'node:tty'
import { refusals } from '../base/files.ts'

/** The role of a command's output. `answer`: stdout is the result, so the command ends if it can't be written.
 *  `told`: the result is kept elsewhere (a run's folder, a file), so the command goes on without its output. */
export type Output = 'answer' | 'told'

/** A stream that can't be written any more, and why. */
export interface Lost {
  stream: 'stdout' | 'stderr'
  /** Whether its reader has ended (as `head` does), or its terminal was closed. */
  gone: boolean
  /** For example `its reader is gone (EPIPE)`. */
  reason: string
}

/** Error codes of a reader that has ended. A closed terminal gives EIO, as a broken disk does. */
const gone = (code: string, terminal: boolean) => ['EPIPE', 'ECONNRESET', terminal ? 'EIO' : 'EPIPE'].includes(code)

/** The exit code of a command that a closed pipe ended: 128 plus the number of SIGPIPE. */
const closedPipe = 141

let output: Output = 'answer'
const losses: Lost[] = []
const listeners = new Set<(lost: Lost) => void>()

/** Handles failed writes to stdout and stderr from now on; without this, Node ends the program with an uncaught error.
 *  A failed write to stderr never ends the command. */
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

/** Declares that the command's work does not need its output, so that from now on it goes on without. `hear` is called
 *  once for each lost stream, also for those that were lost before. Returns a function that stops the calls. */
export function workWithoutOutput(hear: (lost: Lost) => void = () => {}): () => void {
  output = 'told'
  for (const lost of losses) hear(lost)
  listeners.add(hear)
  return () => void listeners.delete(hear)
}

/** Whether text for stdout was lost for a reason other than a reader that ended. */
export const answerLost = (): boolean => losses.some(({ stream, gone }) => stream === 'stdout' && !gone)

/** Whether this process goes on after SIGHUP: it began without a terminal and its output goes to files, as with nohup.
 *  Node does not keep the information that SIGHUP was ignored. If a program reads the output through a pipe, SIGHUP is
 *  meant to stop this process. */
export const outlivesHangUp: boolean = [0, 1, 2].every(fd => !isatty(fd)) && [1, 2].every(fd => !isRead(fd)) // asked now: a closed one is none

function isRead(fd: number): boolean {
  try {
    const stat = fstatSync(fd)
    return stat.isFIFO() || stat.isSocket()
  } catch {
    return false // closed
  }
}

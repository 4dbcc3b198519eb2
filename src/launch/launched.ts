import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'

/** The variable that `anneal launch` sets for its ranks, as JSON. */
export const launchVariable = 'ANNEAL_LAUNCH'

interface Launch {
  /** The process that started this rank. */
  pid: number
  /** `npx anneal launch --nproc 2`: what stands before the command of a rank. */
  command: string
  /** The file that takes the path of the run. */
  run: string
}

function read(): Launch | undefined {
  const text = process.env[launchVariable]
  try {
    return text === undefined ? undefined : (JSON.parse(text) as Launch)
  } catch {
    return undefined // not ours
  }
}

const everyMs = 1000

/** Stops this process as SIGTERM does when whoever started it is gone: in a rank, the launcher (killed by -9, say; then this
 *  process ends after 30 seconds at most); under npx, its shell, which ends at a SIGTERM without passing it on. Elsewhere:
 *  nothing. `outlivesHangUp`: a hang-up may end that shell. */
export function watchStarter({ outlivesHangUp }: { outlivesHangUp: boolean }): void {
  const launcher = read()?.pid
  const starter = launcher ?? npxShell()
  if (starter === undefined) return
  const isStopping = asksToStop()
  let goneSince: number | undefined
  let hasTold = false
  const timer = setInterval(() => {
    if (goneSince !== undefined) {
      // Not in the turn that noticed it: whoever ended the starter may have sent this process a SIGTERM too, which Node
      // hands over after its timers, so only the next turn knows. Of two SIGTERMs, the second ends a training at once.
      if (!hasTold && !isStopping()) process.kill(process.pid, 'SIGTERM')
      hasTold = true
      if (launcher !== undefined && performance.now() - goneSince > 30_000) process.kill(process.pid, 'SIGKILL')
      return
    }
    try {
      process.kill(starter, 0)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') goneSince = performance.now()
    }
  }, everyMs).unref()
  if (launcher === undefined && outlivesHangUp) process.on('SIGHUP', () => clearInterval(timer))
}

/** Returns a function that says whether this process was asked to stop: a second SIGTERM would end it at once. It listens
 *  only while the command does, since a signal that nobody listens to has to end the process. */
function asksToStop(): () => boolean {
  let asked = false
  const note = () => {
    asked = true
  }
  const isOurs = (event: string | symbol, listener: unknown) =>
    (event === 'SIGTERM' || event === 'SIGINT') && listener !== note
  process.on('newListener', (event, listener) => {
    if (isOurs(event, listener) && !process.listeners(event as NodeJS.Signals).includes(note)) process.on(event, note)
  })
  process.on('removeListener', (event, listener) => {
    if (isOurs(event, listener) && process.listenerCount(event) === 1) process.off(event, note)
  })
  return () => asked
}

/** The shell between npx and this process, on Linux. */
function npxShell(): number | undefined {
  if (process.env.npm_lifecycle_event !== 'npx') return undefined
  try {
    const [shell = '', option, line = ''] = readFileSync(`/proc/${process.ppid}/cmdline`, 'utf8').split('\0')
    return /(^|\/)(ba|da)?sh$/.test(shell) && option === '-c' && !/&\s*$/.test(line) ? process.ppid : undefined
  } catch {
    return undefined
  }
}

/** In a rank: tells the launcher which run a restart goes on with. */
export function noteRun(dir: string): void {
  const launch = read()
  if (launch === undefined) return
  try {
    writeFileSync(launch.run, resolve(dir))
  } catch {
    // The launcher is gone; this rank stops soon.
  }
}

/** What stands before `train` in a command that goes on with a run: `npx anneal`, or the launch with its options. */
export const startedBy = (): string => read()?.command ?? 'npx anneal'

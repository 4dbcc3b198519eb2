import { writeFileSync } from 'node:fs'
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

/** In a rank: stops this process as SIGTERM does when the launcher that started it is gone (killed by -9, say), and ends it
 *  if that takes longer than 30 seconds. Elsewhere: nothing. */
export function watchLauncher(): void {
  const launch = read()
  if (launch === undefined) return
  let goneSince: number | undefined
  setInterval(() => {
    if (goneSince !== undefined) {
      if (performance.now() - goneSince > 30_000) process.kill(process.pid, 'SIGKILL')
      return
    }
    try {
      process.kill(launch.pid, 0)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') return
      goneSince = performance.now()
      process.kill(process.pid, 'SIGTERM')
    }
  }, everyMs).unref()
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

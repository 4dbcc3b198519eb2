import { readdirSync, readFileSync } from 'node:fs'
import { library } from '../torch/index.ts'

/** How many cores this process keeps busy on average, and the share of the time in which its threads waited for a free
 *  core (only Linux reports it). */
export function processorUse(): () => { coresBusy: number; waited: number | undefined } {
  const [wall, cpu, queued] = [performance.now(), process.cpuUsage(), queuedSeconds()]
  return () => {
    const seconds = (performance.now() - wall) / 1000
    const { user, system } = process.cpuUsage(cpu)
    const now = queuedSeconds()
    return {
      coresBusy: (user + system) / 1e6 / seconds,
      waited:
        queued === undefined || now === undefined ? undefined : Math.max(0, now - queued) / seconds / library().threads,
    }
  }
}

/** Milliseconds, without the time in which this thread waited for a core (only Linux reports it). Differences show how
 *  long work takes on a machine that does nothing else. */
export function undisturbedNow(): number {
  const now = performance.now()
  try {
    return now - Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[1]) / 1e6
  } catch {
    return now
  }
}

/** How long the threads of this process waited for a core; threads that ended are left out. */
function queuedSeconds(): number | undefined {
  try {
    const tasks = readdirSync('/proc/self/task')
    const of = (task: string) => Number(readFileSync(`/proc/self/task/${task}/schedstat`, 'utf8').split(' ')[1])
    return tasks.reduce((sum, task) => sum + of(task), 0) / 1e9
  } catch {
    return undefined
  }
}

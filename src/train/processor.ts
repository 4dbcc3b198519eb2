import { readdirSync, readFileSync } from 'node:fs'
import { library } from '../torch/index.ts'

/** How busy this process keeps the cores: how many on average, and for how long its threads could have run and found no
 *  core free, as a share of theirs (Linux alone says so). */
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

/** How long threads of this process stood in a queue for a core; threads that ended are left out. */
function queuedSeconds(): number | undefined {
  try {
    const tasks = readdirSync('/proc/self/task')
    const of = (task: string) => Number(readFileSync(`/proc/self/task/${task}/schedstat`, 'utf8').split(' ')[1])
    return tasks.reduce((sum, task) => sum + of(task), 0) / 1e9
  } catch {
    return undefined
  }
}

import { readFileSync } from 'node:fs'

/** Calls `found` with each process that has been stopped (SIGSTOP) for so many seconds, once, and looks every second. Seconds are
 *  those in which this process ran itself: one that was stopped with the others counts nothing. On Linux; elsewhere nothing is
 *  seen. Returns a function that ends it. */
export function watchStopped(pids: () => readonly number[], seconds: number, found: (pid: number) => void): () => void {
  const since = new Map<number, number>()
  const timer = setInterval(() => {
    for (const pid of pids()) {
      const looks = isStopped(pid) ? (since.get(pid) ?? 0) + 1 : 0
      since.set(pid, looks)
      if (looks === seconds) found(pid)
    }
  }, 1000)
  return () => clearInterval(timer)
}

/** Whether a process is stopped, by a signal or by a debugger. */
function isStopped(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1') // the name, in brackets, may hold anything
    return /^[Tt]/.test(stat.slice(stat.lastIndexOf(')') + 2))
  } catch {
    return false // it has ended, or there is no /proc
  }
}

import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** A process as a lock names it. `boot` and `started` tell it from a later one with the same number, `space` (the
 *  namespace that its number is of) from one in another container. They are empty where the system does not say. */
export type Owner = { pid: number; host: string; boot: string; started: string; space: string }

/** What is known of a process: it runs; it is gone; it is of an earlier start of this machine (or of another machine with
 *  the same name); or it can't be asked, being on another machine, in another container, or hidden but for its number. */
export type Standing = 'runs' | 'gone' | 'earlier' | 'unknown'

/** This process, as others are to tell it from every other one. */
export const thisProcess = (): Owner => ({
  pid: process.pid,
  host: hostname(),
  boot: bootId(),
  started: startTime(process.pid),
  space: numberSpace(),
})

/** Whether the owner of a lock still runs. `pid` and `host` are enough to tell that it is gone. */
export function standing({ pid, host, boot = '', started = '', space = '' }: Partial<Owner>): Standing {
  if (host !== hostname()) return 'unknown'
  if (boot !== '' && boot !== bootId()) return 'earlier'
  if (space !== '' && space !== numberSpace()) return 'unknown'
  if (!Number.isSafeInteger(pid) || pid! <= 0) return 'gone'
  try {
    process.kill(pid!, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return 'gone'
  }
  const now = startTime(pid!)
  if (now === 'ended') return 'gone'
  return started === '' || now === '' ? 'unknown' : started === now ? 'runs' : 'gone'
}

/** A lock's holder in words: `process 4242`, `process 17 in another container`, `process 17 on host7`. */
export function named({ pid, host, space = '' }: Partial<Owner>): string {
  if (host !== hostname()) return `process ${pid} on ${host}`
  return space !== '' && space !== numberSpace() ? `process ${pid} in another container` : `process ${pid}`
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}

function numberSpace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid')
  } catch {
    return ''
  }
}

/** Clock ticks from boot to the start of a process (field 22 of /proc/PID/stat), or '' where the system does not say. */
function startTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return state === 'Z' || state === 'X' ? 'ended' : (fields[18] ?? '')
  } catch {
    return ''
  }
}

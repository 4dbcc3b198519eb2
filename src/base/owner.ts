import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** A process as a lock names it. `boot` and `started` distinguish it from a later process with the same number; `space`
 *  (the namespace of its number) distinguishes it from a process in another container. They are empty if the system
 *  does not give them. */
export type Owner = { pid: number; host: string; boot: string; started: string; space: string }

/** The state of a process: it runs; it is gone; it belongs to an earlier start of this machine (or to another machine
 *  with the same name); or it can't be checked, because it is on another machine, in another container or hidden. */
export type Standing = 'runs' | 'gone' | 'earlier' | 'unknown'

/** This process, with everything that identifies it. */
export const thisProcess = (): Owner => ({
  pid: process.pid,
  host: hostname(),
  boot: bootId(),
  started: startTime(process.pid),
  space: numberSpace(),
})

/** Whether the owner of a lock still runs. `pid` and `host` are enough to find that it is gone. */
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

/** The holder of a lock in words: `process 4242`, `process 17 in another container`, `process 17 on host7`. */
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

/** Clock ticks from boot to the start of a process (field 22 of /proc/PID/stat), or '' if the system does not give
 *  it. */
function startTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return state === 'Z' || state === 'X' ? 'ended' : (fields[18] ?? '')
  } catch {
    return ''
  }
}

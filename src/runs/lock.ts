import { randomBytes } from 'node:crypto'
import {
  constants,
  copyFileSync,
  existsSync,
  linkSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { AnnealError } from '../base/errors.ts'
import { option } from '../base/options.ts'
import { readObject, runPaths } from './paths.ts'

/** Who writes to a run folder. `boot` and `started` tell a process from a later one with the same number; they are
 *  empty where the system does not say. */
export type LockOwner = { pid: number; host: string; boot: string; started: string }

// A writer on another machine can't be asked; while it trains it writes an event at least every second.
const foreignSilenceMs = 10 * 60_000

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}

/** Clock ticks from boot to the start of a process (field 22 of /proc/PID/stat), or '' where the system does not say. */
function startTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return state === 'Z' ? 'ended' : (fields[18] ?? '')
  } catch {
    return ''
  }
}

function runs(owner: LockOwner): boolean {
  if (owner.boot !== bootId()) return false
  try {
    process.kill(owner.pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false
  }
  return owner.started === startTime(owner.pid)
}

/** The live process that writes to this run, if there is one. A lock left by a killed process counts as none. */
export function lockOwner(dir: string): LockOwner | undefined {
  const { lock, events } = runPaths(dir)
  let owner: LockOwner | undefined
  try {
    owner = readObject<LockOwner>(lock)
  } catch {
    return undefined // a torn lock is no live process: locks appear whole
  }
  if (!owner || !Number.isSafeInteger(owner.pid) || owner.pid <= 0) return undefined
  if (owner.host === hostname()) return runs(owner) ? owner : undefined
  const silence = Date.now() - Math.max(modified(events), modified(lock))
  return silence < foreignSilenceMs ? owner : undefined
}

const modified = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0

/** Takes the run folder for this process, or throws where a live process has it. Returns the way to give it back. */
export function takeLock(dir: string): () => void {
  const { lock } = runPaths(dir)
  const mine: LockOwner = { pid: process.pid, host: hostname(), boot: bootId(), started: startTime(process.pid) }
  const token = randomBytes(6).toString('hex')
  const text = `${JSON.stringify({ ...mine, token })}\n`
  const temp = `${lock}.${token}.tmp`
  writeFileSync(temp, text, { flag: 'wx' })
  try {
    const deadline = performance.now() + waitMs
    while (performance.now() < deadline) {
      if (link(temp, lock) || replaceStale(dir, temp)) return () => release(lock, text)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)
    }
  } finally {
    rmSync(temp, { force: true })
  }
  throw new AnnealError(`${dir}: the run's lock could not be taken; other processes keep taking it. Try again.`)
}

const waitMs = 5000
const takeoverMs = 2 * waitMs // a takeover lasts microseconds and its file is at most waitMs old: an older one was killed

/** Puts `temp` in the place of a lock whose owner is dead. Several processes may find it dead at once: a second file
 *  lets one at a time look and replace. Returns false where another is at it, or the lock has just gone. */
function replaceStale(dir: string, temp: string): boolean {
  const { lock } = runPaths(dir)
  const takeover = `${lock}.takeover.tmp`
  if (!link(temp, takeover)) {
    if (Date.now() - modified(takeover) > takeoverMs) rmSync(takeover, { force: true })
    return false
  }
  try {
    const owner = lockOwner(dir)
    if (owner) throw busy(dir, owner)
    if (!existsSync(lock)) return false // given back meanwhile
    renameSync(temp, lock)
    return true
  } finally {
    rmSync(takeover, { force: true })
  }
}

/** Gives a file a second name, whole at once; false where the name is taken. */
function link(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
  }
  try {
    copyFileSync(from, to, constants.COPYFILE_EXCL) // a file system without hard links
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function release(lock: string, text: string): void {
  try {
    if (readFileSync(lock, 'utf8') === text) rmSync(lock, { force: true })
  } catch {} // gone already, or the folder is
}

const busy = (dir: string, owner: LockOwner) =>
  new AnnealError(
    `${dir}: process ${owner.pid}${owner.host === hostname() ? '' : ` on ${owner.host}`} is writing to this run. ` +
      `Wait for it, stop it (kill -INT ${owner.pid}), or choose another folder (${option('out')}).`,
  )

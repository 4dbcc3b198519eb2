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
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { type AnnealError, RunError } from '../base/errors.ts'
import { duration } from '../base/format.ts'
import { option } from '../base/options.ts'
import { named, type Owner, standing, thisProcess } from '../base/owner.ts'
import { readObject, runPaths } from './paths.ts'

/** The process that writes to a run folder. */
export type LockOwner = Owner

// A writer whose process can't be checked is judged by what it writes: on another machine, whose clock may differ, by
// an event within ten minutes; in another container by the lock itself, which `beat` touches.
const foreignSilenceMs = 10 * 60_000
const hiddenSilenceMs = 60_000
const beatMs = 5000

/** The live process that writes to this run, if there is one. A lock left by a killed process counts as none. */
export function lockOwner(dir: string): LockOwner | undefined {
  const { lock } = runPaths(dir)
  let owner: LockOwner | undefined
  try {
    owner = readObject<LockOwner>(lock)
  } catch {
    return undefined // an incomplete lock has no live process, since locks are created atomically
  }
  if (!owner || !Number.isSafeInteger(owner.pid) || owner.pid <= 0) return undefined
  const state = standing(owner)
  return state === 'runs' || (state === 'unknown' && silentFor(dir) < patience(owner)) ? owner : undefined
}

const patience = ({ host }: LockOwner) => (host === hostname() ? hiddenSilenceMs : foreignSilenceMs)
/** Milliseconds since the last write; a time in the future, as after a clock was set back, does not count. */
function silentFor(dir: string): number {
  const { lock, events } = runPaths(dir)
  return Math.abs(Date.now() - Math.max(modified(events), modified(lock)))
}
const modified = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0

/** Locks the run folder for this process; throws if a live process has it. Returns a function that releases it. */
export function takeLock(dir: string): () => void {
  const { lock } = runPaths(dir)
  const token = randomBytes(6).toString('hex')
  const text = `${JSON.stringify({ ...thisProcess(), token })}\n`
  const temp = `${lock}.${token}.tmp`
  writeFileSync(temp, text, { flag: 'wx' })
  try {
    const deadline = performance.now() + waitMs
    while (performance.now() < deadline) {
      if (link(temp, lock) || replaceStale(dir, temp)) return held(lock, text)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)
    }
  } finally {
    rmSync(temp, { force: true })
  }
  throw new RunError(`${dir}: the run's lock could not be taken; other processes keep taking it. Try again.`)
}

/** Updates the time of the lock regularly, so that a container that can't see this process knows that it is alive. */
function held(lock: string, text: string): () => void {
  const beat = setInterval(() => {
    try {
      utimesSync(lock, new Date(), new Date())
    } catch {
      // Removed by hand, perhaps with its folder.
    }
  }, beatMs).unref()
  return () => {
    clearInterval(beat)
    release(lock, text)
  }
}

const waitMs = 5000
const takeoverMs = 2 * waitMs // a takeover takes microseconds; the process of an older file was killed

/** Replaces the lock of a dead owner by `temp`. Several processes may find the owner dead at once, so a second file
 *  lets only one at a time check and replace. Returns false if another process is doing so, or if the lock has just
 *  disappeared. */
function replaceStale(dir: string, temp: string): boolean {
  const { lock } = runPaths(dir)
  const takeover = `${lock}.takeover.tmp`
  if (!link(temp, takeover)) {
    if (Math.abs(Date.now() - modified(takeover)) > takeoverMs) rmSync(takeover, { force: true })
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

/** Gives a file a second name atomically; false if the name exists. */
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

function busy(dir: string, owner: LockOwner): AnnealError {
  const asked = standing(owner) === 'runs'
  const left = Math.ceil((patience(owner) - silentFor(dir)) / 1000)
  const wait = asked
    ? `Wait for it, stop it (kill -INT ${owner.pid})`
    : `Wait for it, try again in ${duration(Math.max(1, left))} if it is gone`
  return new RunError(
    `${dir}: ${named(owner)} is writing to this run. ${wait}, or choose another folder (${option('out')}).`,
  )
}

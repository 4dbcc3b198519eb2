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
import { AnnealError } from '../base/errors.ts'
import { duration } from '../base/format.ts'
import { option } from '../base/options.ts'
import { named, type Owner, standing, thisProcess } from '../base/owner.ts'
import { readObject, runPaths } from './paths.ts'

/** Who writes to a run folder. */
export type LockOwner = Owner

// A writer that can't be asked shows by what it writes: on another machine, whose clock may be another, an event in ten
// minutes; in another container the lock itself, which `beat` touches.
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
    return undefined // a torn lock is no live process: locks appear whole
  }
  if (!owner || !Number.isSafeInteger(owner.pid) || owner.pid <= 0) return undefined
  const state = standing(owner)
  return state === 'runs' || (state === 'unknown' && silentFor(dir) < patience(owner)) ? owner : undefined
}

const patience = ({ host }: LockOwner) => (host === hostname() ? hiddenSilenceMs : foreignSilenceMs)
/** Milliseconds since the last sign of life; a time to come, as after a clock was set back, is none. */
function silentFor(dir: string): number {
  const { lock, events } = runPaths(dir)
  return Math.abs(Date.now() - Math.max(modified(events), modified(lock)))
}
const modified = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0

/** Takes the run folder for this process, or throws where a live process has it. Returns the way to give it back. */
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
  throw new AnnealError(`${dir}: the run's lock could not be taken; other processes keep taking it. Try again.`)
}

/** Keeps the lock's time new, so that a container that can't ask for this process sees that it lives. */
function held(lock: string, text: string): () => void {
  const beat = setInterval(() => {
    try {
      utimesSync(lock, new Date(), new Date())
    } catch {
      // Removed by hand, with its folder perhaps.
    }
  }, beatMs).unref()
  return () => {
    clearInterval(beat)
    release(lock, text)
  }
}

const waitMs = 5000
const takeoverMs = 2 * waitMs // a takeover lasts microseconds and its file is at most waitMs old: an older one was killed

/** Puts `temp` in the place of a lock whose owner is dead. Several processes may find it dead at once: a second file
 *  lets one at a time look and replace. Returns false where another is at it, or the lock has just gone. */
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

function busy(dir: string, owner: LockOwner): AnnealError {
  const asked = standing(owner) === 'runs'
  const left = Math.ceil((patience(owner) - silentFor(dir)) / 1000)
  const wait = asked
    ? `Wait for it, stop it (kill -INT ${owner.pid})`
    : `Wait for it, try again in ${duration(Math.max(1, left))} if it is gone`
  return new AnnealError(
    `${dir}: ${named(owner)} is writing to this run. ${wait}, or choose another folder (${option('out')}).`,
  )
}

import { randomBytes } from 'node:crypto'
import {
  closeSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { FileError } from './errors.ts'
import { cacheError, ensureFolder } from './files.ts'
import { named, type Owner, standing, thisProcess } from './owner.ts'

const beatSeconds = 5
/** Three beats. A holder whose process can't be checked counts as gone if it gives no beat in this time and its lock is
 *  old by the clock too. */
const watchSeconds = 15
const staleSeconds = 60
const pollMs = 200

/** When a wait is reported, in milliseconds from its start: after a second, then every half minute. */
const tellAfterMs = 1000
const tellEveryMs = 30_000

/** Runs `work` while holding `<path>.lock`, so that only one process at a time does it. Other processes wait. `waiting`
 *  is called after a second, and then every half minute, with the holder, the file and what to do; `signal` ends the
 *  wait. If the process of a lock is gone, the lock is taken over: at once if the process can be checked, else when it
 *  gives no sign of life. `work` must check whether there is still something to do. */
export async function withLock<T>(
  path: string,
  work: () => Promise<T>,
  waiting: (holder: string) => void = () => {},
  signal?: AbortSignal,
): Promise<T> {
  const lock = `${path}.lock`
  const mine = JSON.stringify({ ...thisProcess(), token: randomBytes(6).toString('hex') })
  await obtain(lock, mine, waiting, signal)
  const beat = setInterval(() => {
    try {
      if (read(lock) === mine) utimesSync(lock, new Date(), new Date())
    } catch {
      // A person removed the lock: the work goes on, because what it writes is renamed into place anyway.
    }
  }, beatSeconds * 1000)
  beat.unref()
  const release = () => {
    if (read(lock) === mine) rmSync(lock, { force: true })
  }
  process.on('exit', release)
  try {
    return await work()
  } finally {
    clearInterval(beat)
    process.off('exit', release)
    release()
  }
}

async function obtain(
  lock: string,
  mine: string,
  waiting: (holder: string) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const began = performance.now()
  let tell = tellAfterMs
  let seen: { text: string | undefined; beat: number; since: number } | undefined
  while (!take(lock, mine)) {
    signal?.throwIfAborted()
    const now = performance.now()
    const beat = statSync(lock, { throwIfNoEntry: false })?.mtimeMs
    const text = read(lock)
    if (beat === undefined)
      seen = undefined // released meanwhile
    else {
      if (seen?.text !== text || seen?.beat !== beat) seen = { text, beat, since: now }
      if (isLeft(text, (now - seen.since) / 1000, (Date.now() - beat) / 1000)) {
        removeLeft(lock, text)
        seen = undefined
      } else if (now - began >= tell) {
        waiting(holderOf(lock, text))
        tell = now - began + tellEveryMs
      }
    }
    await sleep(seen ? pollMs : 10, undefined, signal ? { signal } : {})
  }
}

/** Whether the process that made a lock is gone. `watched`: seconds without a change of the lock, by a clock that never
 *  jumps. `age`: seconds since its last sign of life, by the time of day, which another machine may have set. */
function isLeft(text: string | undefined, watched: number, age: number): boolean {
  const owner = ownerOf(text)
  const state = owner ? standing(owner) : 'unknown'
  if (state === 'runs' || state === 'gone') return state === 'gone'
  if (state === 'earlier' && age >= staleSeconds) return true
  return watched >= watchSeconds && (!owner || age >= staleSeconds || watched >= staleSeconds)
}

/** The owner that a lock names; undefined if it is empty or holds something else. */
function ownerOf(text: string | undefined): Partial<Owner> | undefined {
  try {
    const owner = JSON.parse(text ?? '') as Partial<Owner> | null
    return typeof owner?.pid === 'number' && typeof owner.host === 'string' ? owner : undefined
  } catch {
    const old = /^(\d+) (\S+) \S+ \S+$/.exec((text ?? '').trim()) // as earlier versions wrote it
    return old ? { pid: Number(old[1]), host: old[2]! } : undefined
  }
}

function holderOf(lock: string, text: string | undefined): string {
  const owner = ownerOf(text)
  if (!owner) return `${lock} does not name its holder; it is taken over if it does not change for ${watchSeconds} s`
  const state = standing(owner)
  return state === 'runs'
    ? `${named(owner)} holds ${lock}; wait for it, or end it (kill ${owner.pid})`
    : `${named(owner)} holds ${lock}; it is taken over if it gives no sign of life for ${staleSeconds} s`
}

function take(lock: string, mine: string): boolean {
  try {
    ensureFolder(dirname(lock))
  } catch (error) {
    throw cacheError(error, dirname(lock))
  }
  let fd: number
  try {
    fd = openSync(lock, 'wx')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' || code === 'ENOENT') return false // another process has the lock, or just removed the folder
    throw cacheError(error, lock)
  }
  try {
    writeFileSync(fd, mine)
    return true
  } catch (error) {
    rmSync(lock, { force: true }) // an empty lock would make others wait
    throw cacheError(error, lock)
  } finally {
    closeSync(fd)
  }
}

/** Removes a lock with this text. If another process has just taken the lock, it stays. */
function removeLeft(lock: string, text: string | undefined): void {
  const aside = `${lock}.${randomBytes(6).toString('hex')}.stale`
  try {
    renameSync(lock, aside)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return
    throw new FileError(
      `${lock} was left by a process that is gone, but it can not be removed (${(cause as NodeJS.ErrnoException).code}). Remove it, or set ANNEAL_CACHE to a folder that you can write to.`,
      { cause },
    )
  }
  try {
    if (read(aside) !== text) linkSync(aside, lock)
  } catch {
    // Another process has taken the lock meanwhile.
  } finally {
    rmSync(aside, { recursive: true, force: true })
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

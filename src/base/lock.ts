import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const beatSeconds = 5
const staleSeconds = 60

/** Runs `work` while holding `<path>.lock`, so that one process at a time does it; others wait and `waiting` is called
 *  once. A lock whose process is gone is taken over. `work` must look again whether there is still something to do. */
export async function withLock<T>(path: string, work: () => Promise<T>, waiting: () => void = () => {}): Promise<T> {
  const lock = `${path}.lock`
  const mine = `${process.pid} ${hostname()} ${performance.timeOrigin} ${Math.random()}`
  mkdirSync(dirname(lock), { recursive: true })
  for (let told = false; !take(lock, mine); ) {
    if (removeStale(lock)) continue
    if (!told) waiting()
    told = true
    await sleep(200)
  }
  const beat = setInterval(() => {
    try {
      utimesSync(lock, new Date(), new Date())
    } catch {
      // A lock that someone removed by hand: the work goes on, and what it writes is renamed into place anyway.
    }
  }, beatSeconds * 1000)
  beat.unref()
  try {
    return await work()
  } finally {
    clearInterval(beat)
    if (read(lock) === mine) rmSync(lock, { force: true })
  }
}

function take(lock: string, mine: string): boolean {
  try {
    writeFileSync(lock, mine, { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function removeStale(lock: string): boolean {
  const owner = read(lock)
  if (owner === undefined) return true
  const [pid = '', host] = owner.split(' ')
  const here = host === hostname()
  if (here && pid !== '' && isAlive(Number(pid))) return false
  if (!here && age(lock) < staleSeconds) return false
  const aside = `${lock}.${process.pid}.stale`
  try {
    renameSync(lock, aside)
    // Between reading and renaming another process may have taken over: then its lock is put back.
    if (read(aside) !== owner) linkSync(aside, lock)
  } catch {
    return false
  } finally {
    rmSync(aside, { force: true })
  }
  return true
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function age(path: string): number {
  try {
    return (Date.now() - statSync(path).mtimeMs) / 1000
  } catch {
    return 0
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

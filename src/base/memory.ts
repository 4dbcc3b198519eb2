import { readFileSync } from 'node:fs'
import { freemem } from 'node:os'
import { dirname, join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

let collect: (() => void) | undefined

/** Frees what is no longer used now. V8 counts large typed arrays late, so a program that makes many of them takes much
 *  more memory than it uses. For the end of a step that takes seconds: this takes some milliseconds. */
export function collectGarbage(): void {
  if (!collect) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as () => void
  }
  collect()
}

/** The bytes that this process can still take without being swapped or killed: the free memory of the machine or of its
 *  container, whichever is less. The page cache counts as free, because the kernel gives it back; it fills a container
 *  that has read its pictures once. `root` holds /proc and /sys. */
export function freeMemory({ root = '/', free = freemem }: { root?: string; free?: () => number } = {}): number {
  const available = kilobytes(read(join(root, 'proc/meminfo')), 'MemAvailable')
  return Math.min(available ?? Number.POSITIVE_INFINITY, free(), ...limitsOf(root))
}

/** The free bytes of each control group (version 2 and 1) that contains this process. */
function limitsOf(root: string): number[] {
  const groups = (read(join(root, 'proc/self/cgroup')) ?? '').split('\n')
  return groups.flatMap(line => {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    if (controllers === undefined || path === undefined) return []
    const v2 = controllers === ''
    if (!v2 && !controllers.split(',').includes('memory')) return []
    const mounts = v2 ? ['sys/fs/cgroup', 'sys/fs/cgroup/unified'] : ['sys/fs/cgroup/memory']
    return mounts.flatMap(mount => upwards(path).flatMap(at => (v2 ? leftOfV2 : leftOfV1)(join(root, mount, at)) ?? []))
  })
}

/** The paths of a group and of the groups around it, whose limits apply too. In a container the path is often that of
 *  the host; the container's own mount is the last path. */
function upwards(path: string): string[] {
  const all = [path]
  while (dirname(all.at(-1)!) !== all.at(-1)) all.push(dirname(all.at(-1)!))
  return all
}

function leftOfV2(folder: string): number | undefined {
  const limits = ['memory.max', 'memory.high'].flatMap(name => whole(read(join(folder, name))) ?? [])
  const used = whole(read(join(folder, 'memory.current')))
  const stat = read(join(folder, 'memory.stat'))
  return left(limits, used, field(stat, 'inactive_file'), field(stat, 'active_file'))
}

function leftOfV1(folder: string): number | undefined {
  const limit = whole(read(join(folder, 'memory.limit_in_bytes')))
  const used = whole(read(join(folder, 'memory.usage_in_bytes')))
  const stat = read(join(folder, 'memory.stat'))
  // Fields with `total_` include the groups inside, as the usage does.
  const cache = ['inactive_file', 'active_file'].map(name => field(stat, `total_${name}`) || field(stat, name))
  return left(limit === undefined ? [] : [limit], used, ...cache)
}

function left(limits: readonly number[], used: number | undefined, ...cache: readonly number[]): number | undefined {
  if (limits.length === 0 || used === undefined) return undefined
  const taken = Math.max(0, used - cache.reduce((a, b) => a + b, 0))
  return Math.max(0, Math.min(...limits) - taken)
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** The number in a file that holds only a number; undefined for `max`. */
const whole = (text: string | undefined) => (text !== undefined && /^\d+\s*$/.test(text) ? Number(text) : undefined)

/** A line `name 123` of a list. */
const field = (text: string | undefined, name: string): number =>
  Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text ?? '')?.[1] ?? 0)

/** A line `name: 123 kB`. */
function kilobytes(text: string | undefined, name: string): number | undefined {
  const found = new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(text ?? '')
  return found ? 1024 * Number(found[1]) : undefined
}

import { readFileSync } from 'node:fs'
import { freemem } from 'node:os'
import { dirname, join } from 'node:path'

/** Bytes that this process may still take, without swapping or being killed: what the machine has, or its container less.
 *  The page cache counts as free, for the kernel gives it back: a container that has read its pictures once is full of
 *  it. `root` holds /proc and /sys. */
export function freeMemory({ root = '/', free = freemem }: { root?: string; free?: () => number } = {}): number {
  const available = kilobytes(read(join(root, 'proc/meminfo')), 'MemAvailable')
  return Math.min(available ?? Number.POSITIVE_INFINITY, free(), ...limitsOf(root))
}

/** What is left in each control group that this process is in, of version 2 and 1. */
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

/** A group and those around it, whose limits hold as well. In a container the path is often the host's: its own mount is
 *  the last. */
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
  // With `total_`: those of the groups inside too, as the usage has them.
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

/** A number alone in a file; `max` is none. */
const whole = (text: string | undefined) => (text !== undefined && /^\d+\s*$/.test(text) ? Number(text) : undefined)

/** A line `name 123` of a list. */
const field = (text: string | undefined, name: string): number =>
  Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text ?? '')?.[1] ?? 0)

/** A line `name: 123 kB`. */
function kilobytes(text: string | undefined, name: string): number | undefined {
  const found = new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(text ?? '')
  return found ? 1024 * Number(found[1]) : undefined
}

import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { availableParallelism, cpus, freemem, totalmem } from 'node:os'

/** The properties of a processor that matter for training. */
export type Cpu = {
  model: string
  /** How many threads can run at once, within affinity and container limits. */
  cores: number
  avx2: boolean
  avx512: boolean
  /** Instructions for bfloat16 products. */
  avx512bf16: boolean
  /** Tiles for bfloat16 products, several times faster. */
  amx: boolean
  /** The vector instructions of every 64-bit Arm processor. */
  neon: boolean
  /** Their instructions for bfloat16 products, since Armv8.6. */
  neonBf16: boolean
}

/** The machine, as this process sees it. */
export type Machine = {
  cpu: Cpu
  /** In bytes. If the container has a limit, `total` is that limit. */
  memory: { total: number; free: number }
}

/** Describes the machine. Reads a few kilobytes and starts no process, so it takes about a millisecond at most. */
export function machine(): Machine {
  const info = parseCpuInfo(head('/proc/cpuinfo', 16384))
  const model = info.model ?? cpus()[0]?.model ?? process.arch
  // macOS has no /proc. All Macs with Arm processors but the first have these products.
  const flags = process.platform === 'darwin' && process.arch === 'arm64' ? flagsOfMac(model) : info.flags
  const limit = Number(text('/sys/fs/cgroup/memory.max'))
  const total = limit > 0 ? Math.min(totalmem(), limit) : totalmem()
  return {
    cpu: {
      model,
      cores: Math.max(1, Math.min(availableParallelism(), cpuQuota(text('/sys/fs/cgroup/cpu.max')))),
      avx2: flags.has('avx2'),
      avx512: ['avx512f', 'avx512bw', 'avx512dq', 'avx512vl'].every(flag => flags.has(flag)),
      avx512bf16: flags.has('avx512_bf16'),
      amx: flags.has('amx_bf16'),
      neon: flags.has('asimd'),
      neonBf16: flags.has('bf16'),
    },
    memory: { total, free: Math.min(total, freemem()) },
  }
}

const flagsOfMac = (model: string) => new Set(/\bM1\b/.test(model) ? ['asimd'] : ['asimd', 'bf16'])

/** Model and instruction sets of the first processor in `/proc/cpuinfo`. An Arm processor gives no model, and calls its
 *  instruction sets features. */
export function parseCpuInfo(info: string): { model: string | undefined; flags: Set<string> } {
  const field = (name: string) => new RegExp(`^${name}\\s*: (.*)$`, 'm').exec(info)?.[1]?.trim()
  return { model: field('model name'), flags: new Set((field('flags') ?? field('Features') ?? '').split(' ')) }
}

/** The `cpu.max` of a control group in whole cores, rounded up: `150000 100000` is 2, `max 100000` is no limit. */
export function cpuQuota(max: string): number {
  const [quota, period] = max.trim().split(' ').map(Number)
  return quota && period ? Math.ceil(quota / period) : Number.POSITIVE_INFINITY
}

// /proc/cpuinfo has an entry for each core, made while it is read. The first entry is enough.
function head(path: string, length: number): string {
  try {
    const fd = openSync(path, 'r')
    try {
      const buffer = Buffer.alloc(length)
      return buffer.toString('latin1', 0, readSync(fd, buffer, 0, length, null))
    } finally {
      closeSync(fd)
    }
  } catch {
    return ''
  }
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { freemem, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { freeMemory } from '../../src/base/memory.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-memory-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const GB = 2 ** 30
let made = 0
/** The free memory with these files, on a machine with 32 GB of which 16 GB are free. */
function freeWith(files: Record<string, string | number>): number {
  const root = join(folder, String(made++))
  const all = {
    'proc/meminfo': `MemTotal: ${32 * 2 ** 20} kB\nMemFree: 1 kB\nMemAvailable: ${16 * 2 ** 20} kB\n`,
    ...files,
  }
  for (const [name, content] of Object.entries(all)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), `${content}\n`)
  }
  return freeMemory({ root, free: () => 20 * GB })
}
const stat = (inactive: number, active: number, prefix = '') =>
  `anon 12\nfile 99\n${prefix}inactive_anon 5\n${prefix}inactive_file ${inactive}\n${prefix}active_file ${active}\nslab 3`

test('a machine without containers: what the kernel says is available', () => {
  assert.equal(freeWith({}), 16 * GB)
  assert.equal(freeWith({ 'proc/self/cgroup': '0::/', 'sys/fs/cgroup/memory.stat': stat(GB, GB) }), 16 * GB)
})

test('version 2: the limit less what is used, the page cache left out', () => {
  const v2 = (max: string | number, current: number, inactive = 0, active = 0) =>
    freeWith({
      'proc/self/cgroup': '0::/',
      'sys/fs/cgroup/memory.max': max,
      'sys/fs/cgroup/memory.current': current,
      'sys/fs/cgroup/memory.stat': stat(inactive, active),
    })
  assert.equal(v2(4 * GB, 3 * GB), GB)
  assert.equal(v2(4 * GB, 4 * GB - 4096, 2 * GB, GB), 3 * GB + 4096, 'full of read pictures')
  assert.equal(v2('max', 3 * GB), 16 * GB, 'no limit')
  assert.equal(v2(64 * GB, GB), 16 * GB, 'no more than the machine has')
  assert.equal(v2(GB, 2 * GB), 0, 'over the limit already')
})

test('version 2: the groups around it limit too', () => {
  const inner = 'sys/fs/cgroup/user.slice/job'
  const found = freeWith({
    'proc/self/cgroup': '0::/user.slice/job',
    [`${inner}/memory.max`]: 'max',
    [`${inner}/memory.current`]: GB,
    [`${inner}/memory.stat`]: stat(0, 0),
    'sys/fs/cgroup/user.slice/memory.high': 6 * GB,
    'sys/fs/cgroup/user.slice/memory.max': 8 * GB,
    'sys/fs/cgroup/user.slice/memory.current': 5 * GB,
    'sys/fs/cgroup/user.slice/memory.stat': stat(2 * GB, GB),
  })
  assert.equal(found, 4 * GB)
})

test("version 1: its own files, and the host's path where the mount is the container's", () => {
  const files = (folder: string, prefix: string) => ({
    'proc/self/cgroup': '5:devices:/x\n4:cpu,memory:/docker/abc\n0::/',
    [`${folder}/memory.limit_in_bytes`]: 4 * GB,
    [`${folder}/memory.usage_in_bytes`]: 4 * GB,
    [`${folder}/memory.stat`]: stat(GB, GB / 2, prefix),
  })
  assert.equal(freeWith(files('sys/fs/cgroup/memory/docker/abc', 'total_')), 1.5 * GB)
  assert.equal(freeWith(files('sys/fs/cgroup/memory', '')), 1.5 * GB)
  const unlimited = { ...files('sys/fs/cgroup/memory', ''), 'sys/fs/cgroup/memory/memory.limit_in_bytes': 2 ** 63 }
  assert.equal(freeWith(unlimited), 16 * GB, "version 1's number for no limit")
})

test('where there is no /proc: what the system tells', () => {
  assert.equal(freeMemory({ root: join(folder, 'none'), free: () => 7 * GB }), 7 * GB)
  const here = freeMemory()
  assert.ok(here > 0 && here <= 4 * freemem() + 64 * GB, `${here} here`)
})

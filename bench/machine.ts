import { mkdtempSync, readdirSync, symlinkSync } from 'node:fs'
import { cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { cacheFolder } from '../src/base/files.ts'
import { machine } from '../src/setup/index.ts'
import { library } from '../src/torch/index.ts'

/** The machine and the software of a measurement. */
export function measuredOn() {
  const { cpu } = machine()
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: {
      cpu: cpu.model,
      cores: cpus().length,
      avx512: cpu.avx512,
      avx512bf16: cpu.avx512bf16,
      amx: cpu.amx,
      memoryBytes: totalmem(),
    },
    versions: { node: process.versions.node, libtorch: library().version },
    threads: library().threads,
  }
}

/** A copy of the user's cache without decoded pictures and features. */
export function emptyCache(): string {
  const cache = mkdtempSync(join(tmpdir(), 'anneal-cache-'))
  for (const name of readdirSync(cacheFolder()))
    if (name !== 'pictures' && name !== 'features') symlinkSync(join(cacheFolder(), name), join(cache, name))
  return cache
}

import { type Dirent, existsSync, lstatSync, readdirSync, statfsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { flat } from '../base/text.ts'
import {
  type Cache,
  cacheFindings,
  cpuFindings,
  differs,
  type Finding,
  gpuFindings,
  type Loaded,
  lookAtAddon,
  lookAtCache,
  lookAtGpus,
  lookAtLibtorch,
  lookAtTools,
  memoryFinding,
  nodeFinding,
} from './findings.ts'
import { type Candidate, needsPip } from './lookup.ts'
import { type Machine, machine } from './machine.ts'
import { mending, notNeeded, packageFinding, systemFinding } from './mend.ts'
import { lookForPackage, onlyFor } from './prebuilt.ts'
import type { Linked } from './state.ts'

/** What Anneal found on this machine, as data. {@link formatDoctor} formats it. */
export type DoctorReport = {
  /** Whether the addon is built and loads, and the cache can be written to. */
  ready: boolean
  findings: Finding[]
  /** What to do if Anneal is not ready: one command where there is one. */
  mend?: string
  machine: Machine
  libtorch: Linked | undefined
  /** The places that were searched for a libtorch, in order. */
  candidates: Candidate[]
  addon: { path: string; loaded: Loaded | undefined } | undefined
  gpus: string[]
  caches: Cache[]
  diskFree: number
}

/** Checks everything that set-up and training need. Changes and fetches nothing. Takes a second or two. */
export async function doctor(): Promise<DoctorReport> {
  const here = machine()
  const found = lookForPackage()
  const only = onlyFor(found)
  const [looked, libtorch, addon, gpu] = await Promise.all([
    lookAtTools(),
    lookAtLibtorch(only),
    lookAtAddon(),
    lookAtGpus(),
  ])
  const { root, problem } = lookAtCache()
  const caches = root === undefined ? [] : lookAtCaches(root)
  const diskFree = root === undefined ? 0 : freeSpace(root)
  const { gpus } = gpu
  const compiled = packageFinding(found)
  const pip = libtorch.linked === undefined && needsPip(only)
  const tools = looked.map(tool => (pip && tool.state === 'note' ? { ...tool, state: 'missing' as const } : tool))
  const findings = [
    nodeFinding(process.versions.node),
    systemFinding(),
    compiled,
    ...(compiled.state === 'ok' || addon.loaded ? tools.map(notNeeded) : tools),
    ...libtorch.findings,
    ...addon.findings,
    ...differs(libtorch.linked, addon.linked),
    ...cpuFindings(here, addon.loaded),
    ...gpuFindings(gpus, gpu.said, libtorch.linked, addon.loaded),
    memoryFinding(here),
    ...cacheFindings(root, problem, caches, diskFree),
  ]
  const ready = addon.loaded !== undefined && problem === undefined
  return {
    ready,
    findings,
    ...(ready ? {} : { mend: mending(findings) }),
    machine: here,
    libtorch: libtorch.linked,
    candidates: libtorch.candidates,
    addon: addon.path === undefined ? undefined : { path: addon.path, loaded: addon.loaded },
    gpus,
    caches,
    diskFree,
  }
}

/** One aligned line per finding. If a finding needs action, the next line says what to do. */
export function formatDoctor({ findings, ready, mend }: DoctorReport): string {
  const width = Math.max(...findings.map(({ name }) => name.length))
  const mark = { ok: '✓', info: '·', note: '!', missing: '✗' }
  const lines = findings.flatMap(({ name, state, text, todo }) => [
    `${mark[state]} ${name.padEnd(width)}  ${flat(text)}`.trimEnd(),
    ...(todo === undefined ? [] : [`  ${''.padEnd(width)}  → ${flat(todo)}`]),
  ])
  const end = ready
    ? 'Anneal is ready.'
    : `Anneal is not set up. What to do about the lines with ✗:\n  ${flat(mend ?? '')}`
  return `${lines.join('\n')}\n\n${end}\n`
}

function lookAtCaches(root: string): Cache[] {
  return entriesOf(root)
    .filter(entry => entry.isDirectory())
    .map(({ name }) => ({ name, folder: join(root, name), bytes: weigh(join(root, name)) }))
    .sort((a, b) => b.bytes - a.bytes)
}

function weigh(folder: string): number {
  let sum = 0
  for (const entry of entriesOf(folder)) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) sum += weigh(path)
    else if (entry.isFile()) sum += lstatSync(path, { throwIfNoEntry: false })?.size ?? 0
  }
  return sum
}

/** The entries of a folder; empty if this user may not read it. */
function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    return []
  }
}

function freeSpace(folder: string): number {
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder)
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize
}

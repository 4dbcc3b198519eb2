import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { SetupError } from '../base/errors.ts'
import { version } from '../base/version.ts'
import { type Libc, libc } from './libc.ts'
import { compareVersions } from './libtorch.ts'
import type { Only } from './lookup.ts'
import { sourcesDigest } from './state.ts'

/** What `tools/prebuild.mjs` writes beside an addon. */
export type Manifest = {
  /** Such as `linux-x64`. */
  target: string
  /** The version of libtorch that it was built for. */
  libtorch: string
  /** The digest of `native/` that it was built from. */
  sources: string
  /** The oldest glibc that it loads with, on Linux. */
  glibc?: string
  files: Record<string, { bytes: number; sha256: string }>
}

/** An addon that a platform package brings, built for one version of libtorch. */
export type Prebuilt = { folder: string; manifest: Manifest }

/** What the platform package offers. `problem`: why nothing of it can be used, and what to do, in one line. */
export type PlatformPackage = {
  name: string
  /** Its version; undefined if it is not installed. */
  version: string | undefined
  builds: Prebuilt[]
  problem?: string
}

/** Where to look for the package, and what it must match. Default: this machine. */
export type Expected = {
  target?: string
  /** The folder of the package; undefined if it is not installed. */
  folder?: string | undefined
  version?: string
  sources?: string
  libc?: Libc | undefined
}

/** The platform package of this machine: `@anneal/linux-x64` and its like, an optional dependency of the published
 *  package `anneal`. Its builds are only those that match the sources of this package and this system. */
export function lookForPackage(expected: Expected = {}): PlatformPackage {
  const { target = `${process.platform}-${process.arch}`, version: own = version() } = expected
  const name = `@anneal/${target}`
  const folder = 'folder' in expected ? expected.folder : installed(name)
  if (folder === undefined) return { name, version: undefined, builds: [] }
  const { version: found } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }
  const one = { name, version: found, builds: [] }
  const again = `npm install anneal@${own} ${name}@${own}`
  if (found !== own) return { ...one, problem: `${name} is version ${found}, but anneal is version ${own}: ${again}` }
  const builds = buildsIn(folder)
  if (builds.length === 0) return { ...one, problem: `${name} ${found} holds no addon: ${again} --force` }
  const { sources = sourcesDigest(), libc: system = libc() } = expected
  const other = builds.find(({ manifest }) => manifest.sources !== sources || manifest.target !== target)
  if (other)
    return {
      ...one,
      problem: `${name} ${found} was built from other sources (${other.manifest.target}, ${other.manifest.sources}) than anneal ${own} has (${target}, ${sources}): ${again} --force`,
    }
  const has = typeof system === 'object' ? system.glibc : undefined
  const needs = builds[0]!.manifest.glibc
  if (has && needs && compareVersions(has, needs) < 0)
    return {
      ...one,
      problem: `${name} needs glibc ${needs}, but this system has ${has}: use a newer system (Debian 10, Ubuntu 20.04, RHEL 8 or later)`,
    }
  return { ...one, builds }
}

/** The versions of libtorch that a package has an addon for, as `Places` takes them; undefined without any. */
export const onlyFor = ({ name, version, builds }: PlatformPackage): Only | undefined =>
  builds.length > 0
    ? { versions: builds.map(({ manifest }) => manifest.libtorch), from: `${name} ${version}` }
    : undefined

/** Copies the files of a build to a folder, and checks their digests. */
export function copyBuild({ folder, manifest }: Prebuilt, to: string): void {
  for (const [name, { sha256 }] of Object.entries(manifest.files)) {
    const from = join(folder, name)
    const found = existsSync(from) ? createHash('sha256').update(readFileSync(from)).digest('hex') : 'no file'
    if (found !== sha256)
      throw new SetupError(
        `${from} is damaged (sha256 ${found}, expected ${sha256}): delete node_modules and run npm install`,
      )
    copyFileSync(from, join(to, name))
  }
}

function installed(name: string): string | undefined {
  try {
    return dirname(createRequire(import.meta.url).resolve(`${name}/package.json`))
  } catch {
    return undefined
  }
}

/** The builds of a package, each in a folder `libtorch-<version>`; the newest first. */
function buildsIn(folder: string): Prebuilt[] {
  return readdirSync(folder)
    .filter(name => /^libtorch-/.test(name) && existsSync(join(folder, name, 'manifest.json')))
    .map(name => join(folder, name))
    .map(place => ({ folder: place, manifest: manifestOf(place) }))
    .sort((a, b) => compareVersions(b.manifest.libtorch, a.manifest.libtorch))
}

function manifestOf(folder: string): Manifest {
  const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as Manifest
  if (basename(folder) !== `libtorch-${manifest.libtorch}`)
    throw new SetupError(`${folder} holds an addon for libtorch ${manifest.libtorch}: run npm install again`)
  return manifest
}

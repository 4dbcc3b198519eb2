import { existsSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { makeFolder, sweep, sweepOf } from '../base/archive.ts'
import { AnnealError, SetupError } from '../base/errors.ts'
import { fetchFile, needSpace } from '../base/fetch.ts'
import { cacheFolder } from '../base/files.ts'
import { withLock } from '../base/lock.ts'
import { downloadArguments, lacksPip, pipDownload } from '../base/packages.ts'
import { type Report, silent } from '../base/progress.ts'
import { unzip } from '../base/zip.ts'
import { inspectLibtorch, type Libtorch } from './libtorch.ts'
import { type Candidate, fetchedFolder, lookForLibtorch, machinePlaces, type Places } from './lookup.ts'
import { libtorchPins } from './pins.ts'
import { here, type LibtorchPins, platformOf } from './platform/index.ts'

/** Finds a libtorch, or fetches one: first the official CPU archive, then the wheel with pip. Throws if both fail, with
 *  the reason of each. */
export async function ensureLibtorch(
  report: Report = silent,
  places: Places = machinePlaces(),
): Promise<{ libtorch: Libtorch; candidates: Candidate[] }> {
  const { libtorch, candidates } = lookForLibtorch(places)
  for (const { place, taken, reason } of candidates)
    if (!taken && /version|could not/.test(reason)) report({ line: `did not use ${place}: ${reason}` })
  if (libtorch) return { libtorch, candidates }
  const { wanted } = places
  const fetched: Candidate[] = candidates.filter(({ source }) => source !== 'archive' && source !== 'wheel')
  let noPip = false
  for (const source of ['archive', 'wheel'] as const) {
    const place = fetchedFolder(source, places)
    if (place === undefined || (wanted !== undefined && wanted !== source) || !fits(source, places)) continue
    try {
      await fetchLibtorch(source, place, places, report)
      const { libtorch: found } = lookForLibtorch({ ...places, wanted: source })
      if (!found) throw new SetupError(`the download in ${place} is not a libtorch; delete that folder and try again`)
      fetched.push({ source, place, taken: true, reason: `version ${found.version}, fetched` })
      return { libtorch: found, candidates: fetched }
    } catch (error) {
      if (!(error instanceof AnnealError)) throw error
      // What to do about it stands once, at the end.
      if (lacksPip(error.message)) noPip = true
      const reason = lacksPip(error.message) ? error.message.split(';')[0]! : error.message
      fetched.push({ source, place, taken: false, reason })
      report({ line: `did not use the ${source}: ${reason}` })
    }
  }
  const tried = fetched.map(({ source, reason }) => `${source}: ${reason}`).join(' · ')
  const versions = places.only ? ` ${places.only.versions.join(' or ')}` : ''
  const todo = noPip ? byHand(places) : `check the network, or install one (${here.install.libtorch}), and run it again`
  throw new SetupError(
    `no libtorch${versions} was found, and none could be fetched${wanted ? ` (ANNEAL_LIBTORCH=${wanted})` : ''} [${tried}]; ${todo}`,
  )
}

/** How a person gets the pinned wheels where there is no pip. */
function byHand({ pins }: Places): string {
  const install = `install pip, which only downloads: no Python code runs (${here.install.pip})`
  const parts = pins?.wheels.parts ?? []
  if (parts.length === 0) return install
  const commands = parts.map(part => `python3 -m pip ${downloadArguments(part).join(' ')}`)
  return `${install}. Or copy ${parts.length} files from another machine into ${cacheFolder('downloads')}, and run npx anneal setup. These commands download them there: ${commands.join(' && ')}`
}

/** Whether an addon that there is, is built for the pinned version. */
function fits(source: 'archive' | 'wheel', { pins, only }: Places): boolean {
  const version = source === 'archive' ? pins?.archive?.version : pins?.wheels.version
  return !only || (version !== undefined && only.versions.includes(version))
}

async function fetchLibtorch(
  source: 'archive' | 'wheel',
  place: string,
  places: Places,
  report: Report,
): Promise<void> {
  const { pins, cache } = places
  if (!pins) return
  const { archive, wheels } = pins
  await fetchInto(place, cache, report, async folder => {
    if (source === 'wheel') return unpackWheels(wheels, folder, cache, report)
    if (archive) await unpackArchive(archive, folder, cache, report)
  })
}

/** The libtorch of the pinned wheels of a platform (`linux-arm64`), fetched if it is not in the cache yet. It is for
 *  builds for another machine: only headers and libraries to link are needed of it. */
export async function wheelsFor(target: string, report: Report = silent): Promise<Libtorch> {
  const pins = libtorchPins[target]
  if (!pins)
    throw new SetupError(
      `no libtorch is pinned for ${target}; expected one of ${Object.keys(libtorchPins).sort().join(', ')}`,
    )
  const cache = cacheFolder('libtorch')
  const own = target === `${process.platform}-${process.arch}`
  const place = join(cache, `wheel-${pins.wheels.version}${own ? '' : `-${target}`}`, 'torch')
  if (!existsSync(place))
    await fetchInto(place, cache, report, folder => unpackWheels(pins.wheels, folder, cache, report))
  const [system, arch] = target.split('-') as [string, string]
  const found = inspectLibtorch(place, 'wheel', platformOf(system), arch)
  if (typeof found === 'string')
    throw new SetupError(`the libtorch in ${place} can't be used: ${found}; delete that folder and try again`)
  return found
}

/** Makes the folder of `place` with what `unpack` writes into it. Only one process at a time does so. */
async function fetchInto(
  place: string,
  cache: string,
  report: Report,
  unpack: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = dirname(place)
  sweep(cache)
  await withLock(
    folder,
    async () => {
      if (existsSync(place)) return
      sweepOf(folder)
      await unpack(folder)
    },
    holder => report({ line: `waiting for another process that fetches libtorch: ${holder}` }),
  )
}

async function unpackArchive(
  archive: NonNullable<LibtorchPins['archive']>,
  folder: string,
  cache: string,
  report: Report,
): Promise<void> {
  needSpace(cache, 5 * archive.bytes, 'libtorch')
  const zip = cacheFolder('downloads', `libtorch-${archive.version}-cpu.zip`)
  // If the host can't be reached, the wheel is tried soon. If it has already sent a part, there are more tries.
  await fetchFile(archive, { to: zip, report, connectSeconds: 3, tries: existsSync(`${zip}.part`) ? 4 : 1 })
  report({ line: `unpacking ${archive.what}` })
  await makeFolder(folder, async temp => {
    await unzip(zip, temp, name => (/^libtorch\/(include|lib|build-version)/.test(name) ? name : undefined))
  })
  rmSync(zip, { force: true })
}

async function unpackWheels(
  wheels: LibtorchPins['wheels'],
  folder: string,
  cache: string,
  report: Report,
): Promise<void> {
  // The files that are unpacked are about twice as large as the wheels of macOS, and less than those of Linux.
  needSpace(cache, 1.3e9, 'libtorch')
  const files: string[] = []
  for (const part of wheels.parts) files.push(await pipDownload(part, report))
  report({ line: `unpacking the needed files of torch ${wheels.version}` })
  await makeFolder(folder, async temp => {
    for (const [i, { members }] of wheels.parts.entries())
      await unzip(files[i]!, temp, name => (members.test(name) ? name : undefined))
  })
  for (const file of files) rmSync(file, { force: true })
}

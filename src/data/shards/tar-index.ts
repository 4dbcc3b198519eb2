import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { plainMember } from '../../base/archive.ts'
import { DataError, fileReason } from '../../base/errors.ts'
import { paxRecords, tarBlock, tarHeader, tarText } from '../../base/tar-header.ts'

/** Where the content of a member lies in its tar, in bytes. */
export interface Member {
  offset: number
  size: number
}

/** A tar whose members can be read in any order. */
export interface Tar {
  path: string
  /** Size, inode and time of change of the tar when it was indexed. */
  stamp: string
  bytes: number
  /** Its files by their names, in their order in the tar. */
  members: ReadonlyMap<string, Member>
  /** The content of its small members (labels), which were read on the way; others have to be read. */
  small: ReadonlyMap<string, string>
}

/** Contents of up to this size are kept, if their name ends as that of a label. */
const smallest = 64 * 1024
const isLabel = /\.(cls|json)$/i

/** The error for a tar that can not be used. */
export const tarError = (tar: string, why: string, todo = 'Make or fetch it again'): DataError =>
  new DataError(`${tar}: ${why}; expected a plain tar of pictures with labels beside them (WebDataset). ${todo}.`)

const compressed: readonly [magic: readonly number[], name: string, tool: string][] = [
  [[0x1f, 0x8b], 'gzip', 'gunzip'],
  [[0x28, 0xb5, 0x2f, 0xfd], 'Zstandard', 'unzstd'],
  [[0x42, 0x5a, 0x68], 'bzip2', 'bunzip2'],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a], 'xz', 'unxz'],
]

/** Shows whether a file is still the same. */
export function stampOf(path: string): string {
  const { size, ino, mtimeNs, ctimeNs } = statSync(path, { bigint: true })
  return `${size} ${ino} ${mtimeNs} ${ctimeNs}`
}

/** Reads the headers of a tar in one pass. Throws if it is damaged, cut short or compressed, if two members have one name, or if
 *  a member is a link, a device, or has a name that leaves the folder. */
export function indexTar(path: string): Tar {
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch (error) {
    throw tarError(path, `it can not be read: ${fileReason(error)}`, 'Check the path and its permissions')
  }
  try {
    const bytes = fstatSync(fd).size
    return { path, stamp: stampOf(path), bytes, ...readMembers(path, fd, bytes) }
  } finally {
    closeSync(fd)
  }
}

function readMembers(path: string, fd: number, total: number): Pick<Tar, 'members' | 'small'> {
  const members = new Map<string, Member>()
  const small = new Map<string, string>()
  const read = reader(fd)
  const first = read(0, Math.min(8, total))
  const packed = compressed.find(([magic]) => magic.every((byte, i) => first[i] === byte))
  if (packed)
    throw tarError(
      path,
      `it is compressed (${packed[1]}), so that its pictures can not be read one by one`,
      `Unpack it first: ${packed[2]} ${path}`,
    )
  let next: { name?: string | undefined; size?: number | undefined } = {}
  for (let at = 0; ; ) {
    if (at + tarBlock > total)
      throw tarError(
        path,
        `it is cut short: it has ${total} bytes, and the empty block that ends a tar is missing${lastOf(members)}`,
      )
    const head = read(at, tarBlock)
    if (head.every(byte => byte === 0)) {
      checkEnd(path, { at, total, read })
      return { members, small }
    }
    const header = tarHeader(head, () => tarError(path, `its header at byte ${at} is damaged${lastOf(members)}`))
    const name = next.name ?? header.name
    const size = next.size ?? header.size
    const offset = at + tarBlock
    at = offset + Math.ceil(size / tarBlock) * tarBlock
    if (offset + size > total)
      throw tarError(
        path,
        `it is cut short inside its member ${name}: that ends at byte ${offset + size}, and the tar has ${total} bytes`,
      )
    if (header.type === 'L' || header.type === 'x') {
      const data = read(offset, size)
      const records = header.type === 'x' ? paxRecords(data) : new Map([['path', tarText(data)]])
      next = { name: records.get('path') ?? next.name, size: numberOf(records.get('size')) ?? next.size }
      continue
    }
    if (header.type === 'g' || header.type === 'K') continue
    next = {}
    const plain = plainMember(name)
    if (plain === undefined)
      throw tarError(
        path,
        `its member ${JSON.stringify(name)} has a name that leaves the folder`,
        'Make it again with names below one folder',
      )
    if (header.type === '5') continue
    if (header.type !== '0' && header.type !== '\0' && header.type !== '7')
      throw tarError(
        path,
        `its member ${plain} is a link, a device or a sparse file`,
        'Make it again with the files themselves (tar --dereference)',
      )
    if (members.has(plain)) throw tarError(path, `it has two members called ${plain}`, 'Remove or rename one of them')
    members.set(plain, { offset, size })
    if (size <= smallest && isLabel.test(plain)) small.set(plain, read(offset, size).toString('utf8'))
  }
}

const numberOf = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text))

const lastOf = (members: ReadonlyMap<string, Member>): string => {
  const last = [...members.keys()].at(-1)
  return last === undefined ? '' : ` (the last whole member is ${last})`
}

/** After the end only zeros may follow: two tars written behind each other would lose the second one without a word. */
function checkEnd(path: string, { at, total, read }: { at: number; total: number; read: Read }): void {
  for (let from = at; from < total; from += 1 << 20)
    if (read(from, Math.min(1 << 20, total - from)).some(byte => byte !== 0))
      throw tarError(
        path,
        `more follows after its end at byte ${at}, as if tars were joined`,
        'Keep each tar in a file of its own',
      )
}

type Read = (at: number, length: number) => Buffer

/** Reads parts of a file through a window, so that a small member and the header behind it cost one read. */
function reader(fd: number): Read {
  const window = Buffer.alloc(4096)
  let [start, end] = [0, 0]
  const fill = (into: Buffer, at: number) => {
    let done = 0
    for (let count = 1; count > 0 && done < into.length; done += count)
      count = readSync(fd, into, done, into.length - done, at + done)
    return done
  }
  return (at, length) => {
    if (length > window.length) {
      const large = Buffer.alloc(length)
      return large.subarray(0, fill(large, at))
    }
    if (at < start || at + length > end) {
      start = at
      end = at + fill(window, at)
    }
    return Buffer.from(window.subarray(at - start, Math.min(end, at + length) - start))
  }
}

import { inflateRawSync } from 'node:zlib'
import { crc32, hex32 } from './crc32.ts'
import type { Budget, Refuse } from './refuse.ts'
import { quote } from './refuse.ts'

interface Entry {
  name: string
  method: number
  crc: number
  packed: number
  size: number
  /** The position of its data in the file. */
  start: number
}

/** A zip archive in memory. `read` gives the content of an entry, checked against its CRC. */
export interface Zip {
  names: string[]
  /** A view for a stored entry; a copy (spent from the budget) for a deflated entry. */
  read(name: string): Uint8Array
}

const stored = 0
const deflated = 8
const full16 = 0xffff
const full32 = 0xffffffff

/** Opens a zip archive (APPNOTE.TXT 6.3), stored or deflated, with or without zip64. Throws for everything that two
 *  readers could read differently: sizes that disagree, repeated or overlapping entries, bytes before or after. */
export function openZip(file: Uint8Array, { refuse, budget }: { refuse: Refuse; budget: Budget }): Zip {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const entries = readDirectory(view, refuse)
  return {
    names: [...entries.keys()],
    read(name) {
      const entry = entries.get(name) ?? refuse(`it has no entry ${quote(name)}`)
      const data = unpack(file.subarray(entry.start, entry.start + entry.packed), entry, refuse, budget)
      const crc = crc32(data)
      if (crc !== entry.crc)
        refuse(`entry ${quote(name)} is damaged: its checksum is ${hex32(crc)}, expected ${hex32(entry.crc)}`)
      return data
    },
  }
}

function unpack(packed: Uint8Array, { name, method, size }: Entry, refuse: Refuse, budget: Budget): Uint8Array {
  if (method === stored) return packed
  budget.spend(size, `entry ${quote(name)}`)
  let data: Uint8Array
  try {
    data = inflateRawSync(packed, { maxOutputLength: Math.max(1, size) })
  } catch (cause) {
    return refuse(`entry ${quote(name)} does not inflate to the ${size} bytes that it declares`, { cause })
  }
  if (data.length !== size) refuse(`entry ${quote(name)} declares ${size} bytes but inflates to ${data.length}`)
  return data
}

function readDirectory(view: DataView, refuse: Refuse): Map<string, Entry> {
  const { count, start, end } = findDirectory(view, refuse)
  const entries = new Map<string, Entry>()
  let at = start
  for (let i = 0; i < count; i++) {
    if (at + 46 > end || view.getUint32(at, true) !== 0x02014b50) refuse(`its directory is damaged at byte ${at}`)
    const length = 46 + view.getUint16(at + 28, true) + view.getUint16(at + 30, true) + view.getUint16(at + 32, true)
    if (at + length > end) refuse(`its directory is damaged at byte ${at}`)
    const entry = readEntry(view, at, start, refuse)
    if (entries.has(entry.name)) refuse(`entry ${quote(entry.name)} occurs twice`)
    entries.set(entry.name, entry)
    at += length
  }
  if (at !== end) refuse(`its directory has ${end - at} bytes beyond its ${count} entries`)
  refuseOverlap([...entries.values()], refuse)
  return entries
}

/** Finds the directory with the record at the end of the file, and with the zip64 record, which must agree with it. */
function findDirectory(view: DataView, refuse: Refuse): { count: number; start: number; end: number } {
  const record = findEndRecord(view) ?? refuse('its end is missing: the zip directory was not found')
  const short = {
    disks: view.getUint32(record + 4, true),
    here: view.getUint16(record + 8, true),
    count: view.getUint16(record + 10, true),
    size: view.getUint32(record + 12, true),
    start: view.getUint32(record + 16, true),
  }
  const zip64 = readZip64End(view, record, refuse)
  const { count, size, start } = zip64 ?? short
  if (short.disks !== 0 || short.here !== short.count) refuse('it is a zip archive in several parts')
  if (
    zip64 !== undefined &&
    ((short.count !== full16 && short.count !== count) ||
      (short.size !== full32 && short.size !== size) ||
      (short.start !== full32 && short.start !== start))
  )
    refuse('its two directories, zip and zip64, disagree')
  const end = zip64?.at ?? record
  if (start + size !== end)
    refuse(`its directory should be ${size} bytes from byte ${start}, but it ends at byte ${end}`)
  if (count * 46 > size) refuse(`its directory of ${size} bytes cannot hold ${count} entries`)
  return { count, start, end }
}

function findEndRecord(view: DataView): number | undefined {
  const last = view.byteLength - 22
  for (let at = last; at >= Math.max(0, last - full16); at--)
    if (view.getUint32(at, true) === 0x06054b50 && view.getUint16(at + 20, true) === last - at) return at
  return undefined
}

function readZip64End(view: DataView, record: number, refuse: Refuse) {
  const locator = record - 20
  if (locator < 0 || view.getUint32(locator, true) !== 0x07064b50) return undefined
  const at = readUint64(view, locator + 8)
  if (at + 56 > locator || view.getUint32(at, true) !== 0x06064b50) refuse('its zip64 directory record is damaged')
  if (at + 12 + readUint64(view, at + 4) !== locator) refuse('its zip64 directory record has a wrong length')
  const count = readUint64(view, at + 32)
  if (view.getBigUint64(at + 16, true) !== 0n || readUint64(view, at + 24) !== count)
    refuse('it is a zip archive in several parts')
  return { at, count, size: readUint64(view, at + 40), start: readUint64(view, at + 48) }
}

/** Values beyond 2^53 are rounded, but they still fail every check against the size of the file. */
const readUint64 = (view: DataView, at: number): number => Number(view.getBigUint64(at, true))

function readEntry(view: DataView, at: number, directory: number, refuse: Refuse): Entry {
  const flags = view.getUint16(at + 8, true)
  const method = view.getUint16(at + 10, true)
  const nameLength = view.getUint16(at + 28, true)
  const name = readName(view, at + 46, nameLength, refuse)
  const what = `entry ${quote(name)}`
  const refuseUnreadable = (reason: string): never =>
    refuse(`${what} ${reason}`, { advice: 'save the weights again with torch.save' })
  if (flags & 0x2041) refuseUnreadable('is encrypted')
  if (method !== stored && method !== deflated) refuseUnreadable(`is compressed by method ${method}, not by deflate`)
  if (view.getUint16(at + 34, true) !== 0) refuseUnreadable('lies in another part of the archive')

  const crc = view.getUint32(at + 16, true)
  const extra = { at: at + 46 + nameLength, length: view.getUint16(at + 30, true) }
  const short = [view.getUint32(at + 24, true), view.getUint32(at + 20, true), view.getUint32(at + 42, true)]
  const [size, packed, local] = widen(view, short, extra) ?? refuse(`${what} has a damaged zip64 field`)
  if (method === stored && size! !== packed!) refuse(`${what} is stored, but its sizes are ${packed} and ${size} bytes`)
  const entry = { name, method, crc, packed: packed!, size: size! }
  return { ...entry, start: checkLocal(view, local!, entry, flags, directory, refuse) }
}

/** Replaces the values that are all ones by zip64's, in zip64's order. */
function widen(view: DataView, values: number[], extra: { at: number; length: number }): number[] | undefined {
  if (!values.includes(full32)) return values
  const end = extra.at + extra.length
  for (let at = extra.at; at + 4 <= end; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) !== 1) continue
    const fieldEnd = at + 4 + view.getUint16(at + 2, true)
    if (fieldEnd > end) return undefined
    let next = at + 4
    const wide = values.map(value => {
      if (value !== full32) return value
      next += 8
      return next <= fieldEnd ? readUint64(view, next - 8) : Number.NaN
    })
    return wide.includes(Number.NaN) ? undefined : wide
  }
  return undefined
}

/** Checks the header before the data of an entry against the directory. Returns the position of the data. */
function checkLocal(
  view: DataView,
  at: number,
  { name, method, crc, packed, size }: Omit<Entry, 'start'>,
  flags: number,
  directory: number,
  refuse: Refuse,
): number {
  const what = `entry ${quote(name)}`
  if (at + 30 > directory || view.getUint32(at, true) !== 0x04034b50)
    refuse(`${what} is not where the directory says (byte ${at})`)
  const nameLength = view.getUint16(at + 26, true)
  const extra = { at: at + 30 + nameLength, length: view.getUint16(at + 28, true) }
  const start = extra.at + extra.length
  if (start > directory || packed > directory - start)
    refuse(`${what} declares ${packed} bytes, but ${Math.max(0, directory - start)} are there`)
  const same =
    readName(view, at + 30, nameLength, refuse) === name &&
    view.getUint16(at + 6, true) === flags &&
    view.getUint16(at + 8, true) === method
  const sizes = widen(view, [view.getUint32(at + 22, true), view.getUint32(at + 18, true)], extra)
  const sums = [view.getUint32(at + 14, true), ...(sizes ?? [])]
  const later = (flags & 8) !== 0 && sums.every(value => value === 0) // sizes follow the data
  if (!same || sizes === undefined || !(later || (sums[0] === crc && sums[1] === size && sums[2] === packed)))
    refuse(`${what} is described differently by its header and by the directory`)
  return start
}

function readName(view: DataView, at: number, length: number, refuse: Refuse): string {
  let name: string
  try {
    name = utf8.decode(new Uint8Array(view.buffer, view.byteOffset + at, length))
  } catch {
    return refuse(`an entry's name at byte ${at} is not UTF-8`)
  }
  if (/^[/\\]|^[a-z]:|(^|[/\\])\.\.([/\\]|$)|[\\\0]/i.test(name))
    refuse(`entry ${quote(name)} points out of the archive`, {
      advice: 'take the weights from a source that you trust',
    })
  return name
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function refuseOverlap(entries: Entry[], refuse: Refuse): void {
  entries.sort((a, b) => a.start - b.start || a.packed - b.packed)
  entries.forEach((entry, i) => {
    const before = entries[i - 1]
    if (before !== undefined && before.start + before.packed > entry.start)
      refuse(`entries ${quote(before.name)} and ${quote(entry.name)} overlap`)
  })
}

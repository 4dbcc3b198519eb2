import { createReadStream, createWriteStream, writeFileSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createInflateRaw, inflateRawSync } from 'node:zlib'
import { defaultLimits, type Limits, type Pick, parentOf, safeMember, unsafe } from './archive.ts'
import { crc32 } from './crc32.ts'

const small = 1 << 20

type Member = { name: string; offset: number; packed: number; size: number; crc: number; method: number; mode: number }

/** Unpacks the members of a zip (such as a wheel) that `pick` chooses, as a stream; returns their number. Checks sizes
 *  and CRC-32. Throws for names that leave the folder, links, overlapping or encrypted members and archive bombs before
 *  it writes anything. `to` should be new: an existing file is never overwritten. */
export async function unzip(path: string, to: string, pick: Pick, limits: Limits = defaultLimits): Promise<number> {
  const archive = basename(path)
  const file = await open(path, 'r')
  try {
    const members = await directory(file, archive, limits)
    const chosen = members.flatMap(member => {
      const target = member.name.endsWith('/') ? undefined : pick(member.name)
      return target === undefined ? [] : [{ member, target: safeMember(archive, target) }]
    })
    const total = chosen.reduce((sum, { member }) => sum + member.size, 0)
    if (total > limits.bytes) throw unsafe(archive, `it would unpack to ${total} bytes (limit ${limits.bytes})`)
    for (const { member, target } of chosen) await extract(path, file, archive, member, parentOf(join(to, target)))
    return chosen.length
  } finally {
    await file.close()
  }
}

async function directory(file: FileHandle, archive: string, limits: Limits): Promise<Member[]> {
  const { size } = await file.stat()
  const tail = await read(file, Math.max(0, size - 65_557), Math.min(size, 65_557), archive)
  const end = tail.lastIndexOf('PK\x05\x06', undefined, 'latin1')
  if (end < 0 || end + 22 > tail.length) throw unsafe(archive, 'it is not a zip file, or it is cut short')
  const count = tail.readUInt16LE(end + 10)
  const length = tail.readUInt32LE(end + 12)
  const start = tail.readUInt32LE(end + 16)
  if (count === 0xffff || length === 0xffffffff || start === 0xffffffff) throw unsafe(archive, 'zip64 is not read here')
  if (count > limits.members) throw unsafe(archive, `it has ${count} members (limit ${limits.members})`)
  if (start + length > size) throw unsafe(archive, 'its directory lies outside the file')
  const table = await read(file, start, length, archive)
  const members: Member[] = []
  for (let at = 0; members.length < count; ) {
    if (at + 46 > table.length || table.readUInt32LE(at) !== 0x02014b50)
      throw unsafe(archive, 'its directory is damaged')
    const nameLength = table.readUInt16LE(at + 28)
    const name = table.toString('utf8', at + 46, at + 46 + nameLength)
    const attributes = table.readUInt32LE(at + 38)
    const mode = table.readUInt8(at + 5) === 3 ? attributes >>> 16 : 0
    if (table.readUInt16LE(at + 8) & 1) throw unsafe(archive, `its member ${name} is encrypted`)
    if ((mode & 0o170000) !== 0 && (mode & 0o170000) !== 0o100000 && (mode & 0o170000) !== 0o040000)
      throw unsafe(archive, `its member ${name} is a link or a device`)
    safeMember(archive, name)
    members.push({
      name,
      mode,
      method: table.readUInt16LE(at + 10),
      crc: table.readUInt32LE(at + 16),
      packed: table.readUInt32LE(at + 20),
      size: table.readUInt32LE(at + 24),
      offset: table.readUInt32LE(at + 42),
    })
    at += 46 + nameLength + table.readUInt16LE(at + 30) + table.readUInt16LE(at + 32)
  }
  refuseOverlaps(members, start, archive)
  return members
}

function refuseOverlaps(members: Member[], end: number, archive: string): void {
  const byOffset = [...members].sort((a, b) => a.offset - b.offset)
  if (new Set(members.map(member => member.name)).size !== members.length)
    throw unsafe(archive, 'two of its members have the same name')
  byOffset.forEach((member, i) => {
    const next = byOffset[i + 1]?.offset ?? end
    if (member.offset + 30 + member.packed > next) throw unsafe(archive, `its member ${member.name} overlaps another`)
  })
}

async function extract(path: string, file: FileHandle, archive: string, member: Member, target: string): Promise<void> {
  const head = await read(file, member.offset, 30, archive)
  if (head.readUInt32LE(0) !== 0x04034b50) throw unsafe(archive, `its member ${member.name} is not where it should be`)
  const start = member.offset + 30 + head.readUInt16LE(26) + head.readUInt16LE(28)
  if (member.method !== 0 && member.method !== 8)
    throw unsafe(archive, `its member ${member.name} is packed by method ${member.method} (0 and 8 are read)`)
  const mode = member.mode & 0o111 ? 0o755 : 0o644
  const damaged = unsafe(archive, `its member ${member.name} is damaged`)
  const longer = unsafe(archive, `its member ${member.name} is longer than the size in its header`)
  try {
    if (member.packed === 0 && member.size > 0) throw damaged
    if (Math.max(member.packed, member.size) <= small) {
      const packed = await read(file, start, member.packed, archive)
      const data = member.method === 8 ? inflateRawSync(packed, { maxOutputLength: member.size + 1 }) : packed
      if (data.length > member.size) throw longer
      if (data.length !== member.size || crc32(data) !== member.crc) throw damaged
      return writeFileSync(target, data, { flag: 'wx', mode })
    }
    let crc = 0
    let seen = 0
    const check = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        seen += chunk.length
        if (seen > member.size) return done(longer)
        crc = crc32(chunk, crc)
        done(null, chunk)
      },
    })
    const source = createReadStream(path, { start, end: start + member.packed - 1, highWaterMark: 1 << 18 })
    const sink = createWriteStream(target, { flags: 'wx', mode })
    if (member.method === 8) await pipeline(source, createInflateRaw({ chunkSize: 1 << 18 }), check, sink)
    else await pipeline(source, check, sink)
    if (seen !== member.size || crc !== member.crc) throw damaged
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (code === 'ERR_BUFFER_TOO_LARGE') throw longer
    throw code.startsWith('Z_') ? damaged : error
  }
}

async function read(file: FileHandle, position: number, length: number, archive: string): Promise<Buffer> {
  const buffer = Buffer.alloc(length)
  const { bytesRead } = await file.read(buffer, 0, length, position)
  if (bytesRead !== length) throw unsafe(archive, 'it is cut short')
  return buffer
}

import { deflateRawSync, gzipSync } from 'node:zlib'
import { crc32 } from '../../src/base/crc32.ts'

/** A member of a zip file to make. */
export type Entry = {
  name: string
  data?: Buffer
  mode?: number
  size?: number
  crc?: number
  flags?: number
  offset?: number
}

/** A zip file of deflated members. `size`, `crc`, `flags` and `offset` put wrong values into it. */
export function zipOf(entries: Entry[]): Buffer {
  const bodies: Buffer[] = []
  const table: Buffer[] = []
  let at = 0
  for (const {
    name,
    data = Buffer.from('x'),
    mode = 0o100644,
    size = data.length,
    crc = crc32(data),
    flags = 0,
    offset,
  } of entries) {
    const packed = deflateRawSync(data)
    const local = Buffer.alloc(30)
    local.writeUInt32LE(0x04034b50, 0)
    local.writeUInt16LE(8, 8)
    local.writeUInt16LE(Buffer.byteLength(name), 26)
    const head = Buffer.alloc(46)
    head.writeUInt32LE(0x02014b50, 0)
    head.writeUInt8(3, 5)
    head.writeUInt16LE(flags, 8)
    head.writeUInt16LE(8, 10)
    head.writeUInt32LE(crc, 16)
    head.writeUInt32LE(packed.length, 20)
    head.writeUInt32LE(size, 24)
    head.writeUInt16LE(Buffer.byteLength(name), 28)
    head.writeUInt32LE((mode << 16) >>> 0, 38)
    head.writeUInt32LE(offset ?? at, 42)
    bodies.push(local, Buffer.from(name), packed)
    table.push(head, Buffer.from(name))
    at += 30 + Buffer.byteLength(name) + packed.length
  }
  const directory = Buffer.concat(table)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(entries.length, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(at, 16)
  return Buffer.concat([...bodies, directory, end])
}

/** A `.tgz` of members of the given type (`0` is a file, `2` a symbolic link). */
export function tgzOf(entries: { name: string; data?: Buffer; type?: string }[]): Buffer {
  const blocks = entries.flatMap(({ name, data = Buffer.from('x'), type = '0' }) => {
    const head = Buffer.alloc(512)
    head.write(name, 0)
    head.write('0000644\0', 100)
    head.write(`${data.length.toString(8).padStart(11, '0')}\0`, 124)
    head.write(`        ${type}`, 148)
    head.write('ustar\x0000', 257)
    head.write(
      `${head
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
    )
    return [head, data, Buffer.alloc((512 - (data.length % 512)) % 512)]
  })
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]))
}

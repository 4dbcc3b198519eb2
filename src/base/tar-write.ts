import { tarBlock } from './tar-header.ts'

/** The header of a file in a tar (ustar; before it a pax header where the name is too long for that), up to where its content
 *  begins. Owner and times are the same for all files, so that the same content gives the same tar. */
export function tarHead(name: string, size: number): Buffer {
  const split = splitName(name)
  if (split) return header(split, size, '0')
  const record = paxRecord('path', name)
  const short = { name: Buffer.from(name).subarray(-100), prefix: Buffer.alloc(0) }
  return Buffer.concat([header(short, record.length, 'x'), padded(record), header(short, size, '0')])
}

/** The zeros behind a content of `size` bytes. */
export const tarPadding = (size: number): Buffer => Buffer.alloc((tarBlock - (size % tarBlock)) % tarBlock)

/** What ends a tar. */
export const tarEnd = (): Buffer => Buffer.alloc(2 * tarBlock)

const padded = (data: Buffer): Buffer => Buffer.concat([data, tarPadding(data.length)])

interface Split {
  name: Uint8Array
  prefix: Uint8Array
}

/** The name in the two fields of ustar, cut at a slash. */
function splitName(text: string): Split | undefined {
  const bytes = Buffer.from(text)
  if (bytes.length <= 100) return { name: bytes, prefix: Buffer.alloc(0) }
  const cut = bytes.indexOf('/', Math.max(0, bytes.length - 101))
  return cut > 0 && cut <= 155 && bytes.length - cut - 1 <= 100
    ? { name: bytes.subarray(cut + 1), prefix: bytes.subarray(0, cut) }
    : undefined
}

/** `25 path=a/long/name\n`: the length counts itself. */
function paxRecord(key: string, value: string): Buffer {
  const rest = Buffer.byteLength(` ${key}=${value}\n`)
  let length = rest
  while (length !== rest + String(length).length) length = rest + String(length).length
  return Buffer.from(`${length} ${key}=${value}\n`)
}

function header({ name, prefix }: Split, size: number, type: string): Buffer {
  const head = Buffer.alloc(tarBlock)
  head.set(name, 0)
  head.write('0000644\0', 100)
  head.write('0000000\0', 108)
  head.write('0000000\0', 116)
  head.write(`${size.toString(8).padStart(11, '0')}\0`, 124)
  head.write('00000000000\0', 136)
  head.write('        ', 148) // the checksum counts its own field as blanks
  head.write(type, 156)
  head.write('ustar\x0000', 257)
  head.set(prefix, 345)
  const sum = head.reduce((a, b) => a + b, 0)
  head.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return head
}

/** What the header of a member of a tar says. `size`: bytes of its content, which follows. */
export interface TarHeader {
  name: string
  size: number
  /** `0` or NUL: a file; `5`: a folder; `x`, `g` and `L`: what belongs to the next members; others: links and devices. */
  type: string
}

/** The size of a header, and of the blocks that contents are padded to. */
export const tarBlock = 512

/** Reads a header of 512 bytes: ustar, its predecessor, and GNU's with sizes of more than 8 GB. Throws what `fail` makes of
 *  a reason if it is damaged. */
export function tarHeader(head: Buffer, fail: (why: string) => Error): TarHeader {
  checkSum(head, fail)
  return { name: nameOf(head), size: number(head, 124, { length: 12, fail }), type: String.fromCharCode(head[156]!) }
}

/** Text up to the first NUL. */
export const tarText = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8').replace(/\0.*$/s, '')

function nameOf(head: Buffer): string {
  const prefix = tarText(head.subarray(257, 262)) === 'ustar' ? tarText(head.subarray(345, 500)) : ''
  const name = tarText(head.subarray(0, 100))
  return prefix ? `${prefix}/${name}` : name
}

/** The records of a pax header (type `x`): `path`, `size`, …. */
export function paxRecords(data: Buffer): Map<string, string> {
  const records = new Map<string, string>()
  for (let at = 0; at < data.length; ) {
    const length = Number.parseInt(data.toString('latin1', at, at + 10), 10)
    if (!(length > 0)) break
    const record = data.toString('utf8', at, at + length - 1)
    const [, key, value] = /^\d+ ([^=]+)=(.*)$/s.exec(record) ?? []
    if (key !== undefined) records.set(key, value!)
    at += length
  }
  return records
}

interface Field {
  length: number
  fail: (why: string) => Error
}

function number(head: Buffer, at: number, { length, fail }: Field): number {
  if (head[at]! & 0x80)
    return Number(BigInt.asUintN(8 * length - 1, BigInt(`0x${head.toString('hex', at, at + length)}`)))
  const digits = tarText(head.subarray(at, at + length)).trim()
  if (!/^[0-7]+$/.test(digits)) throw fail('a header of it is damaged')
  return Number.parseInt(digits, 8)
}

function checkSum(head: Buffer, fail: Field['fail']): void {
  let sum = 8 * 32
  for (let i = 0; i < tarBlock; i++) if (i < 148 || i >= 156) sum += head[i]!
  if (sum !== number(head, 148, { length: 8, fail })) throw fail('a header of it is damaged')
}

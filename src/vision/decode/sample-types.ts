import { ImageError } from '../../base/errors.ts'
import type { Pixels } from '../types.ts'

/** A number type by numpy's name: unsigned, signed or float, and its bytes. */
export type NumberType = 'u1' | 'u2' | 'u4' | 'u8' | 'i1' | 'i2' | 'i4' | 'i8' | 'f2' | 'f4' | 'f8'

const types = new Set<string>(['u1', 'u2', 'u4', 'u8', 'i1', 'i2', 'i4', 'i8', 'f2', 'f4', 'f8'])

/** Whether {@link readNumbers} reads the type of this name. */
export const isNumberType = (name: string): name is NumberType => types.has(name)

/** Reads numbers from bytes: one-byte types give Uint8Array, unsigned two-byte types Uint16Array, all others
 *  Float32Array (whole numbers are exact up to 2²⁴). The bytes may be swapped in place. */
export function readNumbers(bytes: Uint8Array, type: NumberType, littleEndian: boolean): Pixels {
  if (type === 'u1') return bytes
  const size = Number(type[1])
  if (!littleEndian) swap(bytes, size)
  const aligned = bytes.byteOffset % size === 0 ? bytes : bytes.slice()
  const at = [aligned.buffer as ArrayBuffer, aligned.byteOffset, Math.floor(bytes.length / size)] as const
  switch (type) {
    case 'u2':
      return new Uint16Array(...at)
    case 'f4':
      return new Float32Array(...at)
    case 'f2':
      return Float32Array.from(new Uint16Array(...at), halfToNumber)
    case 'i1':
      return Float32Array.from(new Int8Array(...at))
    case 'i2':
      return Float32Array.from(new Int16Array(...at))
    case 'i4':
      return Float32Array.from(new Int32Array(...at))
    case 'u4':
      return Float32Array.from(new Uint32Array(...at))
    case 'f8':
      return Float32Array.from(new Float64Array(...at))
    case 'i8':
      return bigToFloat(new BigInt64Array(...at))
    case 'u8':
      return bigToFloat(new BigUint64Array(...at))
  }
}

function bigToFloat(from: BigInt64Array | BigUint64Array): Float32Array {
  const to = new Float32Array(from.length)
  for (let i = 0; i < to.length; i++) to[i] = Number(from[i])
  return to
}

/** Reverses the byte order of numbers of `size` bytes, in place. */
export function swap(bytes: Uint8Array, size: number): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length - (bytes.length % size))
  if (size === 2) buffer.swap16()
  else if (size === 4) buffer.swap32()
  else if (size === 8) buffer.swap64()
  else if (size !== 1) throw new ImageError(`numbers of ${size} bytes are not supported`)
}

/** Converts the bits of an IEEE 754 binary16 to a number. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

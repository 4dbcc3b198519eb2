import { Refused } from './refused.ts'

/** The error for a request that is malformed. */
export const wrong = (message: string) => new Refused(400, 'request', message)

/** A value of JSON that must be an object. */
export function objectOf(value: unknown, name: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw wrong(`${name}: expected an object`)
}

/** Strings with 4 bytes of length before each. */
export function binaryStrings(binary: Uint8Array, name: string): Uint8Array[] {
  const view = new DataView(binary.buffer, binary.byteOffset, binary.byteLength)
  const found: Uint8Array[] = []
  for (let at = 0; at < binary.length; ) {
    const length = at + 4 <= binary.length ? view.getUint32(at, true) : Number.POSITIVE_INFINITY
    if (at + 4 + length > binary.length) throw wrong(`${name}: the binary data end in the middle of a string`)
    found.push(binary.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  return found
}

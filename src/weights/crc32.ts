export { crc32 } from '../base/crc32.ts'

/** A checksum as people compare it: eight hexadecimal digits. */
export const hex32 = (crc: number): string => crc.toString(16).padStart(8, '0')

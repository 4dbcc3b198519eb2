import { createHash } from 'node:crypto'

/** The sha256 of a text, whatever its blanks, line ends and forms of accents. */
export const hashOf = (text: string): string =>
  createHash('sha256').update(text.normalize('NFC').trim().replace(/\s+/g, ' ')).digest('hex')

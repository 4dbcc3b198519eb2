import { readFileSync } from 'node:fs'
import { inflateSync } from 'node:zlib'

/** A small picture that make_pictures.py wrote. */
export interface GoldenPicture {
  name: string
  bytes: Uint8Array
  /** The largest difference allowed. */
  off: number
  width: number
  height: number
  /** [height, width, 3]: the pixels that `by` decodes. */
  rgb: Uint8Array
  by: string
}

/** A file that can't be used, and what the reason must say. */
export interface RefusedPicture {
  name: string
  bytes: Uint8Array
  reason: RegExp
}

interface Case {
  name: string
  file: string
  refused?: string
  off?: number
  size?: [width: number, height: number]
  rgb?: string
  by?: string
}

const golden = JSON.parse(readFileSync(new URL('../golden/pictures.json', import.meta.url), 'utf8')) as {
  base: string
  cases: Case[]
}
const inflated = (text: string) => new Uint8Array(inflateSync(Buffer.from(text, 'base64')))

export const goldenPictures: GoldenPicture[] = golden.cases
  .filter(({ refused }) => refused === undefined)
  .map(({ name, file, off = 0, size = [0, 0], rgb, by = '' }) => ({
    ...{ name, off, by, width: size[0], height: size[1] },
    bytes: inflated(file),
    rgb: inflated(rgb || golden.base),
  }))

export const refusedPictures: RefusedPicture[] = golden.cases
  .filter(({ refused }) => refused !== undefined)
  .map(({ name, file, refused }) => ({ name, bytes: inflated(file), reason: new RegExp(refused!) }))

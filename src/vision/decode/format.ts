import type { Picture } from '../types.ts'
import type { Depth, Raster } from './raster.ts'
import type { FitOptions } from './resize.ts'

/** The kind of picture in a file, from its header alone. */
export interface Kind {
  /** The channels of all its pages together. */
  channels: number
  depth: Depth
  /** `picture` is grey or colour, with or without transparency, as cameras, scanners and drawing programs make it;
   *  `bands` is anything else: two channels, five, one per page, three or four that are no colours. */
  use: 'picture' | 'bands'
}

/** How to fit a picture, and memory for its pixels. */
export interface RgbOptions extends FitOptions {
  room?: (bytes: number) => Uint8Array
}

/** A picture of 8 bits in red, green and blue; `filled` counts values that were missing in the file. */
export type RgbPicture = Picture & { filled?: number }

/** One format of image files: one entry of the list in `formats.ts`. Its functions throw an AnnealError whose message is
 *  the reason alone, such as `its QOI data are cut off`. */
export interface ImageFormat {
  /** As messages call it. */
  name: string
  /** Endings of the names of its files, lower case, parted by blanks. */
  endings: string
  /** Whether a file begins as one of this format. The head has at least 3 bytes, `bytesNeeded` of `formats.ts` at most. */
  sniff(head: Uint8Array): boolean
  /** What the file holds, from its header alone. */
  probe(bytes: Uint8Array): Kind | Promise<Kind>
  /** Decodes a file upright, at full size, without changing its channels. With several pages, `all` of them become channels,
   *  one after another, or only the `first` is used; of an animation always the first frame. A picture of more than `limit`
   *  pixels is refused from its header. */
  decode(bytes: Uint8Array, options: { limit: number; pages: 'all' | 'first' }): Raster | Promise<Raster>
  /** Decodes a file to RGB of 8 bits and fits it, where that is faster than `decode`, or another reading. `decode` and
   *  `rasterToRgb` do it unless given. */
  decodeRgb?(bytes: Uint8Array, limit: number, fit: RgbOptions): RgbPicture | Promise<RgbPicture>
  /** A file holds numbers, no colours: they are fitted as numbers, and never scaled to 8 bits. */
  isArray?: boolean
  /** The version of a library that decodes it: another one may give other pixels. */
  version?(): string
}

/** Bytes of a head as latin1 text. */
export const latin1 = (head: Uint8Array, from: number, to: number): string =>
  Buffer.from(head.subarray(from, to)).toString('latin1')

import { AnnealError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import type { Format } from '../../data/files/sniff.ts'
import { bmpChannels, decodeBmp } from './bmp.ts'
import { decodeHeic } from './heic.ts'
import { decodeAsIs, probeOrdinary } from './libvips.ts'
import { checkValues } from './limits.ts'
import { netpbmKind, readNetpbm } from './netpbm.ts'
import { layoutOf, npyDepth, readNpy, readNpyHeader } from './npy.ts'
import { type Depth, type Raster, stackRasters } from './raster.ts'
import { checkColours, depthOfPage, isPlainPage, jpegInside, readTiffPage } from './tiff.ts'
import { readTiffPages, type TiffPage } from './tiff-tags.ts'

/** The kind of picture in a file, from its header alone. */
export interface Kind {
  /** The channels of all its pages together. */
  channels: number
  depth: Depth
  /** `picture` is grey or colour, with or without transparency, as cameras, scanners and drawing programs make it;
   *  `bands` is anything else: two channels, five, one per page, three or four that are no colours. */
  use: 'picture' | 'bands'
}

/** Finds the kind of a file without decoding it. Throws if its header is damaged. */
export async function kindOf(bytes: Uint8Array, format: Format): Promise<Kind> {
  if (format === 'tiff') return tiffKind(readTiffPages(bytes))
  if (format === 'npy') {
    const { type, shape } = readNpyHeader(bytes)
    const { channels } = layoutOf(shape)
    return { channels, depth: npyDepth(type), use: channels === 1 || channels === 3 ? 'picture' : 'bands' }
  }
  if (format === 'bmp') return { channels: bmpChannels(bytes), depth: 'uint8', use: 'picture' }
  if (format === 'heic') return { channels: 3, depth: 'uint8', use: 'picture' }
  if (format === 'netpbm') {
    const { channels, depth, alpha } = netpbmKind(bytes)
    return { channels, depth, use: [1, 3].includes(channels - (alpha ? 1 : 0)) ? 'picture' : 'bands' }
  }
  return { ...(await probeOrdinary(bytes, format)), use: 'picture' }
}

function tiffKind(pages: readonly TiffPage[]): Kind {
  const page = pages[0]!
  const depth = isPlainPage(page) ? depthOfPage(page) : 'uint8'
  const bandsOf = ({ bands, photometric }: TiffPage) => (photometric === 3 && bands === 1 ? 3 : bands) // a palette
  const channels = pages.reduce((sum, page) => sum + bandsOf(page), 0)
  const greyBands = page.photometric <= 1
  // Several pages in colour or in pure black and white are a document; only its first page counts.
  const document = !greyBands || page.bits === 1
  if (pages.length > 1) return { channels, depth, use: document ? 'picture' : 'bands' }
  const colours = page.bands - (page.alpha ? 1 : 0)
  return {
    channels,
    depth,
    use: colours === (greyBands ? 1 : page.photometric === 5 ? 4 : colours >= 3 ? 3 : 1) ? 'picture' : 'bands',
  }
}

/** Decodes a file upright, at full size, without changing its channels. With several pages in a TIFF file, `all` of
 *  them become channels, one after another, or only the `first` is used; of an animation always the first picture. */
export async function readAsIs(
  bytes: Uint8Array,
  format: Format,
  { limit, pages: which }: { limit: number; pages: 'all' | 'first' },
): Promise<Raster> {
  if (format === 'bmp') return decodeBmp(bytes, limit)
  if (format === 'heic') return decodeHeic(bytes, limit)
  if (format === 'netpbm') return readNetpbm(bytes, limit)
  if (format !== 'npy' && format !== 'tiff') return decodeAsIs(bytes, format, limit)
  bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length) // a Buffer's slices are no copies
  if (format === 'npy') return readNpy(bytes, limit)
  const taken = readTiffPages(bytes, which)
  checkPages(taken, limit)
  const rasters: Raster[] = []
  for (const page of taken) {
    checkColours(page)
    if (isPlainPage(page)) rasters.push(readTiffPage(bytes, page, limit))
    else if (page.compression === 6) rasters.push(await decodeAsIs(jpegInside(bytes, page), 'jpeg', limit))
    else rasters.push(await decodeAsIs(bytes, format, limit, page.index))
  }
  return stackRasters(
    rasters,
    taken.map((_, i) => `page ${i + 1}`),
  )
}

/** Throws unless all pages have one size, so that they can be stacked, and fit into memory together. */
function checkPages(pages: readonly TiffPage[], limit: number): void {
  const { width, height } = pages[0]!
  const other = pages.findIndex(page => page.width !== width || page.height !== height)
  if (other > 0)
    throw new AnnealError(
      `its page ${other + 1} has ${pages[other]!.width} x ${pages[other]!.height} pixels, page 1 has ${width} x ${height}; expected one size, to stack ${plural(pages.length, 'page')} as channels`,
    )
  const { channels, depth } = tiffKind(pages)
  checkValues({ width, height, channels, depth }, limit)
}

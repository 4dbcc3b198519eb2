import { ImageError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { type ImageFormat, type Kind, latin1, type RgbOptions, type RgbPicture } from './format.ts'
import { decodeAsIs, decodeRgb, type VipsFormat } from './libvips.ts'
import { checkValues } from './limits.ts'
import { type Raster, stackRasters } from './raster.ts'
import { vipsVersion } from './sharp.ts'
import { checkColours, depthOfPage, isPlainPage, jpegInside, readTiffPage } from './tiff.ts'
import { fromCmyk } from './tiff-colours.ts'
import { readTiffPages, type TiffPage } from './tiff-tags.ts'
import { rasterToRgb } from './to-rgb.ts'
import { jpegByVips } from './vips-formats.ts'

/** TIFF files of one or several pages: which pages are used, and which of them libvips reads. Cameras' raw files begin
 *  in the same way (a CR2 is recognised by its ninth and tenth bytes, the others by their tags). */
export const tiff: ImageFormat = {
  name: 'TIFF',
  endings: '.tif .tiff',
  sniff: head => /^(II\+\0|MM\0\+|(II\*\0|MM\0\*)(?!.{4}CR))/s.test(latin1(head, 0, 10)),
  probe: bytes => tiffKind(readTiffPages(bytes)),
  decode: readTiff,
  decodeRgb: tiffToRgb,
  version: vipsVersion,
}

const byVips: VipsFormat = { name: tiff.name }

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

async function readTiff(
  file: Uint8Array,
  { limit, pages: which }: { limit: number; pages: 'all' | 'first' },
): Promise<Raster> {
  const bytes = new Uint8Array(file.buffer, file.byteOffset, file.length) // a Buffer's slices are no copies
  const taken = readTiffPages(bytes, which)
  checkPages(taken, limit)
  const rasters: Raster[] = []
  for (const page of taken) {
    checkColours(page)
    if (isPlainPage(page)) rasters.push(readTiffPage(bytes, page, limit))
    else if (page.compression === 6) rasters.push(await decodeAsIs(jpegInside(bytes, page), jpegByVips, limit))
    else rasters.push(await decodeAsIs(bytes, byVips, limit, page.index))
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
    throw new ImageError(
      `its page ${other + 1} has ${pages[other]!.width} x ${pages[other]!.height} pixels, page 1 has ${width} x ${height}; expected one size, to stack ${plural(pages.length, 'page')} as channels`,
    )
  const { channels, depth } = tiffKind(pages)
  checkValues({ width, height, channels, depth }, limit)
}

async function tiffToRgb(file: Uint8Array, limit: number, fit: RgbOptions): Promise<RgbPicture> {
  const bytes = new Uint8Array(file.buffer, file.byteOffset, file.length) // a Buffer's slices are no copies
  const page = readTiffPages(bytes, 'first')[0]!
  checkColours(page)
  checkBands(page)
  if (page.compression === 6) return decodeRgb(jpegInside(bytes, page), jpegByVips, limit, fit)
  if (!isForOwn(page)) return decodeRgb(bytes, byVips, limit, { ...fit, page: page.index })
  const raster = readTiffPage(bytes, page, limit)
  if (page.photometric === 5)
    return rasterToRgb({ ...raster, data: fromCmyk(raster.data, page.bands), channels: 3, alpha: false }, fit)
  return rasterToRgb(raster, fit)
}

/** Whether libvips reads this page differently from other programs: YCbCr or Lab outside of JPEG, CMYK without a
 *  profile, depths other than 1 to 8 and 16 bits, zstd, planes in tiles, an extra channel that is not transparency. */
function isForOwn(page: TiffPage): boolean {
  const { photometric, bits, format, compression, planar, chunk, extra, alpha, profile } = page
  if (!isPlainPage(page)) return false
  const inks = photometric === 5 && !profile
  const depth = format !== 1 || !([1, 2, 4, 8].includes(bits) || bits === 16)
  return inks || photometric >= 6 || depth || compression === 50000 || (planar && chunk.tiled) || (extra > 0 && !alpha)
}

/** Throws if the channels can't be shown as colours, or if there are too many. */
function checkBands({ photometric, bands, extra, alpha, bits, format }: TiffPage): void {
  if (photometric === 32803)
    throw new ImageError("it is a camera's raw mosaic in TIFF, which is not read; develop it to JPEG, PNG or TIFF")
  const further = extra - (alpha ? 1 : 0)
  const most = photometric === 2 && bands === 4 ? 1 : 0 // a fourth of no meaning, as some writers pad
  const few = photometric === 2 ? bands < 3 : photometric === 5 && bands < 4
  if (further > most || few)
    throw new ImageError(
      `it has ${plural(bands, 'channel')} that are not plain grey or colour; keep them all with channels: 'keep' (--channels keep)`,
    )
  if ((format !== 3 && bits > 16) || format === 2 || format > 3)
    if (photometric !== 8)
      throw new ImageError(
        `it holds ${format === 2 ? 'signed ' : ''}numbers of ${bits} bits, and the file does not say which values are black and white; train with channels: 'copy' (--channels copy), which measures them`,
      )
}

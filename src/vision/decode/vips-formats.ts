import { ImageError } from '../../base/errors.ts'
import { decodeJpeg } from '../../torch/index.ts'
import { type ImageFormat, latin1 } from './format.ts'
import { jpegFault, mendedJpeg } from './jpeg-check.ts'
import { decodeAsIs, decodeRgb, probeByVips, type VipsFormat } from './libvips.ts'
import { pngFault } from './png.ts'
import { vipsVersion } from './sharp.ts'

/** The formats that libvips reads. */
const byVips = (vips: VipsFormat, { endings, sniff }: Pick<ImageFormat, 'endings' | 'sniff'>): ImageFormat => ({
  name: vips.name,
  endings,
  sniff,
  probe: async bytes => ({ ...(await probeByVips(bytes, vips)), use: 'picture' }),
  decode: (bytes, { limit }) => decodeAsIs(bytes, vips, limit),
  decodeRgb: (bytes, limit, fit) => decodeRgb(bytes, vips, limit, fit),
  version: vipsVersion,
})

/** JPEG, in files of its own and inside TIFF files. Most are decoded in one call by our own code. Every warning of
 *  libjpeg counts as damage, except extra bytes before the end, since the picture before them is intact. */
export const jpegByVips: VipsFormat = {
  name: 'JPEG',
  fast: decodeJpeg,
  checked(bytes) {
    const fault = jpegFault(bytes)
    if (fault) throw new ImageError(fault)
    return mendedJpeg(bytes)
  },
  harmless: /\d extraneous bytes before marker 0xd9/,
  plainSpoken: true,
}

/** JPEG files, without JPEG-LS, which begins in the same way. */
export const jpeg = byVips(jpegByVips, {
  endings: '.jpg .jpeg .jpe .jfif .mpo',
  sniff: head => head[0] === 0xff && head[1] === 0xd8 && head[2] === 0xff && head[3] !== 0xf7,
})

/** PNG files; of an animated one the first frame. */
export const png = byVips(
  { name: 'PNG', faultOf: pngFault },
  { endings: '.png .apng', sniff: head => latin1(head, 0, 8) === '\x89PNG\r\n\x1a\n' },
)

/** GIF files; of an animation the first frame. */
export const gif = byVips({ name: 'GIF' }, { endings: '.gif', sniff: head => /^GIF8[79]a$/.test(latin1(head, 0, 6)) })

/** WebP files; of an animation the first frame. */
export const webp = byVips(
  { name: 'WebP' },
  { endings: '.webp', sniff: head => latin1(head, 0, 4) === 'RIFF' && latin1(head, 8, 12) === 'WEBP' },
)

/** Some AVIF files have the main brand HEIF (mif1), and name AVIF among their compatible brands. */
export const avif = byVips(
  { name: 'AVIF', known: withPlainBrand },
  {
    endings: '.avif .avifs',
    sniff: head =>
      latin1(head, 4, 8) === 'ftyp' && (/^avi[fs]$/.test(latin1(head, 8, 12)) || latin1(head, 8, 32).includes('avif')),
  },
)

/** Changes the brand of an AVIF film to that of a still picture, the only one that libvips reads; it then decodes the
 *  first picture. */
function withPlainBrand(bytes: Uint8Array): Uint8Array {
  if (bytes[11] !== 0x73) return bytes // avis
  const out = Uint8Array.from(bytes)
  out[11] = 0x66 // avif
  return out
}

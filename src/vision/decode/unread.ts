import { latin1 } from './format.ts'

/** Formats that are known and not read: their names, and what to do. A format that `formats.ts` comes to read leaves this
 *  file. */

/** How many leading bytes are read. */
export const unreadBytes = 352

/** A format by what its first bytes match, as latin1, and the endings of its files' names. */
type Known = readonly [name: string, match: RegExp, endings?: string]

// biome-ignore-start format: tables
// biome-ignore-start lint/suspicious/noControlCharactersInRegex: bytes of files
const pictures: readonly Known[] = [
  ['JPEG 2000', /^(\0\0\0\x0cjP {2}\r\n\x87\n|\xff\x4f\xff\x51)/, '.jp2 .j2k .jpx'],
  ['JPEG XL', /^(\0\0\0\x0cJXL \r\n\x87\n|\xff\x0a)/, '.jxl'],
  ['JPEG XR', /^II\xbc[\x00\x01]/, '.jxr'],
  ['JPEG-LS', /^\xff\xd8\xff\xf7/],
  ['JNG', /^\x8bJNG\r\n\x1a\n/],
  ['MNG', /^\x8aMNG\r\n\x1a\n/],
  ['PSD (Photoshop)', /^8BPS\0[\x01\x02]/, '.psd'],
  ['XCF (GIMP)', /^gimp xcf/],
  ['QOI', /^qoif/, '.qoi'],
  ['ICO (icon)', /^\0\0[\x01\x02]\0[^\0]\0[\s\S]{3}\0/, '.ico'],
  ['ICNS (icon)', /^icns\0/],
  ['PCX', /^\x0a[\0\x02-\x05]\x01[\x01\x02\x04\x08]/, '.pcx'],
  ['SGI', /^\x01\xda[\0\x01][\x01\x02]\0[\x01-\x03]/],
  ['DDS', /^DDS \x7c\0\0\0/, '.dds'],
  ['XPM', /^\/\* XPM \*\//],
  ['Radiance HDR', /^#\?(RADIANCE|RGBE)/],
  ['OpenEXR', /^\x76\x2f\x31\x01/, '.exr'],
  ['MIFF (ImageMagick)', /^id=ImageMagick/],
  ['BPG', /^BPG\xfb/],
  ['FLIF', /^FLIF/],
  ['FITS', /^SIMPLE {2}= {20}/],
]
const raws: readonly Known[] = [
  ['CR2', /^(II\*\0|MM\0\*)[\s\S]{4}CR/, '.cr2'],
  ['CR3', /^[\s\S]{4}ftypcrx /, '.cr3'],
  ['RAF', /^FUJIFILMCCD-RAW/, '.raf'],
  ['ORF', /^(IIR[OS]|MMOR)/, '.orf'],
  ['RW2', /^IIU\0/, '.rw2'],
  ['X3F', /^FOVb/],
  ['MRW', /^\0MRM/],
]
/** Of formats whose first bytes are those of others, or of none. */
const furtherEndings = '.tga .dcm .dng .nef .nrw .arw .pef .srw'

const others: readonly (readonly [name: string, match: RegExp, instead: string])[] = [
  ['a zip archive', /^PK\x03\x04/, 'unpack it first'],
  ['a gzip archive', /^\x1f\x8b/, 'unpack it first'],
  ['a 7z archive', /^7z\xbc\xaf\x27\x1c/, 'unpack it first'],
  ['a rar archive', /^Rar!\x1a\x07/, 'unpack it first'],
  ['an xz archive', /^\xfd7zXZ\0/, 'unpack it first'],
  ['a bzip2 archive', /^BZh[1-9]1AY/, 'unpack it first'],
  ['a tar archive', /^[\s\S]{257}ustar/, 'unpack it first'],
  ['a PDF', /^%PDF/, 'save its pages as pictures, for example with pdftoppm -png'],
  ['an EPS or PostScript drawing', /^(%!PS|\xc5\xd0\xd3\xc6)/, 'render it as PNG'],
  ['a drawing of Windows (EMF)', /^\x01\0\0\0[\s\S]{36} EMF/, 'render it as PNG'],
  ['a drawing of Windows (WMF)', /^\xd7\xcd\xc6\x9a/, 'render it as PNG'],
  [
    'an SVG drawing, which has no pixels',
    /^\s*(<\?xml[^>]*>\s*)?(<!--[\s\S]*?-->\s*)?(<!DOCTYPE svg[^>]*>\s*)?<svg/i,
    'render it as PNG',
  ],
  ['a DjVu document', /^AT&TFORM/, 'save its pages as pictures'],
  [
    'a video',
    /^([\s\S]{4}ftyp|RIFF[\s\S]{4}AVI |\x1aE\xdf\xa3|\0\0\x01[\xb3\xba]|FLV\x01|\x30\x26\xb2\x75|[\s\S]{4}(moov|mdat|wide))/,
    'save frames of it as pictures',
  ],
  ['sound', /^(RIFF[\s\S]{4}WAVE|ID3[\x02-\x04]|fLaC|OggS)/, 'leave it out'],
  ['an HDF5 file', /^\x89HDF\r\n\x1a\n/, 'save its pictures one by one as PNG, TIFF or npy'],
  ['a SQLite database', /^SQLite format 3\0/, 'leave it out'],
  ['a Git LFS pointer', /^version https:\/\/git-lfs/, 'fetch the file with git lfs pull'],
  ['file metadata that macOS wrote (AppleDouble)', /^\0\x05\x16[\0\x07]\0/, 'leave it out'],
  ['thumbnails that Windows wrote, or an old Office file', /^\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1/, 'leave it out'],
]
// biome-ignore-end lint/suspicious/noControlCharactersInRegex: bytes of files
// biome-ignore-end format: tables

/** The extensions of all of them, lower case, separated by blanks. */
export const unreadEndings = [...[...pictures, ...raws].flatMap(([, , endings]) => endings ?? []), furtherEndings].join(
  ' ',
)

/** Whether a file begins as a picture of a format that is known and not read. */
export const isUnreadPicture = (head: Uint8Array): boolean => unreadPicture(head) !== undefined

/** What a file is that can't be used as a picture, and what to do, in a few words. */
export function describeBytes(head: Uint8Array): string {
  if (head.length === 0) return 'it is empty (0 bytes)'
  const known = unreadPicture(head) ?? describeOther(head)
  if (known) return known
  const start = latin1(head, 0, 32)
  if (/^\s*<(!doctype|html|head|body|\?xml|!--)/i.test(start)) return 'it holds HTML or XML text, not a picture'
  if (head.every(byte => byte === 0)) return 'it holds only zero bytes'
  if (/^[\t\n\r -~]+$/.test(start)) return 'it holds text, not a picture'
  return 'its first bytes match no known picture format'
}

/** Why a picture of a known format is not read, and what to do; undefined for other files. */
function unreadPicture(head: Uint8Array): string | undefined {
  const start = latin1(head, 0, 32)
  const known = pictures.find(([, match]) => match.test(start))
  if (known) return unreadFormat(known[0])
  const raw = raws.find(([, match]) => match.test(start))
  if (raw) return rawFile(raw[0])
  if (latin1(head, 128, 132) === 'DICM')
    return 'it is a DICOM file, which is not read; convert it to 16-bit PNG, TIFF or npy'
  if (/^(n\+1|ni1)\0$/.test(latin1(head, 344, 348)))
    return 'it is a NIfTI file, which is not read; save its slices as TIFF or npy'
  return undefined
}

/** Why a format is not read, and what to do. */
export const unreadFormat = (name: string): string =>
  `it is ${article(name)} ${name} picture, which is not read; convert it to PNG or JPEG`

/** Why a camera's raw file is not read, and what to do. */
export const rawFile = (name: string): string =>
  `it is a camera's raw file (${name}), which is not read; develop it to JPEG, PNG or TIFF`

/** What a file is that is not a picture, and what to do; undefined for an unknown format. */
function describeOther(head: Uint8Array): string | undefined {
  const start = latin1(head, 0, unreadBytes)
  const known = others.find(([, match]) => match.test(start))
  if (!known) return undefined
  return `it is ${known[0]}; ${known[2]}`
}

/** The article of a name as it is pronounced: an X-ray, an SVG, a JPEG. */
const article = (name: string): string => (/^([AEHILMNOSX][A-Z]|[AEIO][a-z])/.test(name) ? 'an' : 'a')

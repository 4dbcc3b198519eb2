import { createRequire } from 'node:module'
import { ImageError } from '../../base/errors.ts'
import { type ImageFormat, latin1 } from './format.ts'
import { checkPixels } from './limits.ts'
import type { Raster } from './raster.ts'

/** The part of libheif-js that is used: libheif's own functions, since its class for pictures writes errors to the
 *  console. */
interface Library {
  heif_context_alloc(): object
  heif_context_free(context: object): void
  heif_context_read_from_memory(context: object, bytes: Uint8Array): Failure
  heif_js_context_get_primary_image_handle(context: object): object & Partial<Failure>
  heif_image_handle_get_width(handle: object): number
  heif_image_handle_get_height(handle: object): number
  heif_image_handle_release(handle: object): void
  heif_js_decode_image2(handle: object, colours: unknown, layout: unknown): Shown | Promise<Shown>
  heif_image_release(image: object): void
  heif_error_code: { heif_error_Ok: unknown }
  heif_colorspace: { heif_colorspace_RGB: unknown }
  heif_chroma: { heif_chroma_interleaved_RGBA: unknown }
}
interface Failure {
  code: unknown
  message: string
}
interface Shown extends Partial<Failure> {
  image: object
  channels: { width: number; height: number; stride: number; data: Uint8Array }[]
}

const packageName = 'libheif-js'
const require = createRequire(import.meta.url)
let loaded: Library | undefined

/** libheif compiled to WebAssembly. It is optional because of its licence (LGPL) and its 8 MB: only users with photos
 *  of iPhones install it. */
function library(): Library {
  if (loaded) return loaded
  try {
    loaded = require(`${packageName}/wasm-bundle`) as Library
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error
    throw new ImageError(
      `it is a HEIC picture, as iPhones make them; to read it, install one more package (npm install ${packageName}), or convert it to JPEG`,
      { cause: error },
    )
  }
  return loaded
}

/** HEIC and HEIF, as iPhones make them. `ftyp` also opens films (mp4, mov): only the brands of still pictures count. */
export const heic: ImageFormat = {
  name: 'HEIC',
  endings: '.heic .heics .heif',
  sniff: head => latin1(head, 4, 8) === 'ftyp' && /^(hei[cmsx]|hev[cx]|mif1|msf1)/.test(latin1(head, 8, 32)),
  probe: () => ({ channels: 3, depth: 'uint8', use: 'picture' }),
  decode: (bytes, { limit }) => decodeHeic(bytes, limit),
  version: heicVersion,
}

/** The version of the installed HEIC decoder, for the cache key, since more files can be read with it. */
function heicVersion(): string {
  try {
    return (require(`${packageName}/package.json`) as { version: string }).version
  } catch {
    return 'none'
  }
}

/** Decodes the main picture of a HEIC file, upright (libheif turns it), as RGB, or RGBA where something is transparent.
 *  Runs on the thread that calls. */
async function decodeHeic(bytes: Uint8Array, limit: number): Promise<Raster> {
  const heif = library()
  const context = heif.heif_context_alloc()
  let handle: (object & Partial<Failure>) | undefined
  try {
    const read = heif.heif_context_read_from_memory(context, bytes)
    if (read.code !== heif.heif_error_code.heif_error_Ok) throw damaged(read)
    handle = heif.heif_js_context_get_primary_image_handle(context)
    if (handle.code !== undefined) throw damaged(handle)
    const width = heif.heif_image_handle_get_width(handle)
    const height = heif.heif_image_handle_get_height(handle)
    checkPixels(width, height, limit)
    const { heif_colorspace_RGB: rgb } = heif.heif_colorspace
    const { heif_chroma_interleaved_RGBA: together } = heif.heif_chroma
    const shown = await heif.heif_js_decode_image2(handle, rgb, together)
    const [plane] = shown.channels ?? []
    if (!plane) throw damaged(shown)
    const raster = plainRaster(plane)
    heif.heif_image_release(shown.image)
    return raster
  } finally {
    if (handle?.code === undefined && handle) heif.heif_image_handle_release(handle)
    heif.heif_context_free(context)
  }
}

const damaged = ({ message }: Partial<Failure>) =>
  new ImageError(`its HEIC data are cut off or corrupt${message ? ` (${message.trim()})` : ''}`)

/** Rows of RGBA with padding, as RGB where all is opaque. */
function plainRaster({ width, height, stride, data: rows }: Shown['channels'][number]): Raster {
  const rgba = new Uint8Array(width * height * 4)
  for (let y = 0; y < height; y++) rgba.set(rows.subarray(y * stride, y * stride + 4 * width), 4 * y * width)
  const size = { width, height }
  for (let i = 3; i < rgba.length; i += 4) if (rgba[i] !== 255) return { data: rgba, ...size, channels: 4, alpha: true }
  const data = new Uint8Array(width * height * 3)
  for (let from = 0, to = 0; from < rgba.length; from += 4) for (let c = 0; c < 3; c++) data[to++] = rgba[from + c]!
  return { data, ...size, channels: 3, alpha: false }
}

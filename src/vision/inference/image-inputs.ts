import { fileURLToPath } from 'node:url'
import { isAnyArrayBuffer, isUint8Array } from 'node:util/types' // also of another realm, as under Jest
import { untilAborted } from '../../base/abort.ts'
import { AnnealError, ImageError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import type { Place } from '../../data/index.ts'
import type { RawPixels } from '../../runtime/types.ts'
import type { Pixels } from '../types.ts'

export type { RawPixels }

/** A `URL` object. */
export interface UrlLike {
  readonly href: string
  readonly protocol: string
}
/** A `Blob` or `File`. */
export interface BlobLike {
  readonly size: number
  arrayBuffer(): Promise<ArrayBuffer>
}
/** A stream of bytes: Node's `Readable`, or the web's `ReadableStream`. */
export type ByteStream =
  | AsyncIterable<unknown>
  | { getReader(): { read(): Promise<{ done: boolean; value?: unknown }>; cancel(reason?: unknown): Promise<unknown> } }

/** A picture to predict: the path of a file, its `URL` (`file:`), the bytes of a file (`Uint8Array`, `Buffer`, `ArrayBuffer`,
 *  `Blob`, `File`, a stream of them), raw pixels, or a place of the file system as `listPictures` gives it. */
export type ImageInput = string | UrlLike | Uint8Array | ArrayBufferLike | BlobLike | ByteStream | RawPixels | Place

/** A picture on its way to the net, with the name that errors give it. Plain data: it can go to another thread. */
export type ReadImage = { readonly name: string } & (
  | { readonly place: Place }
  | { readonly bytes: Uint8Array }
  | { readonly pixels: { data: Pixels; width: number; height: number; channels: number; alpha?: boolean } }
)

/** How inputs are read. */
export interface ReadOptions {
  /** What errors call an input that has no path: `image 3`. */
  name: string
  signal?: AbortSignal | undefined
  /** The most bytes that an encoded picture in memory or in a stream may have. */
  maxBytes?: number | undefined
}

/** Node's own limit for one array of bytes. */
const MOST_BYTES = 2 ** 31 - 1

const expected =
  'expected a path, a URL of a file, the bytes of an image file (Uint8Array, ArrayBuffer, Blob, File or a stream of them), or raw pixels { data, width, height, channels }'

/** What errors call an input: its path or URL, else `called` with its kind and size: `image 3 (Uint8Array, 512 bytes)`. */
export function inputName(input: unknown, called = 'one image'): string {
  const named = (what: string) => `${called} (${what})`
  if (typeof input === 'string') return short(input)
  if (ArrayBuffer.isView(input)) return named(`${kindOf(input)}, ${size(input.byteLength)}`)
  if (isAnyArrayBuffer(input)) return named(`${kindOf(input)}, ${size(input.byteLength)}`)
  if (typeof input !== 'object' || input === null) return named(shown(input))
  if (isUrl(input)) return short(input.href)
  if (isPlace(input)) return input.file
  if (isRaw(input)) return named('raw pixels')
  if (isBlob(input)) {
    const file = 'name' in input && typeof input.name === 'string' && input.name !== '' ? ` "${input.name}"` : ''
    return named(`${kindOf(input)}${file}, ${size(input.size)}`)
  }
  return named(isStream(input) ? 'stream' : shown(input))
}

/** Reads an input up to its encoded bytes or pixels, copied: the caller's memory may change afterwards. The file at a path is read
 *  by who decodes it. An error names the input. */
export async function readInput(input: unknown, options: ReadOptions): Promise<ReadImage> {
  const name = inputName(input, options.name)
  if (typeof input === 'string') return { name: input, place: { file: input } }
  if (isUint8Array(input)) return { name, bytes: Uint8Array.from(checkSize(input, name, options)) }
  if (isAnyArrayBuffer(input)) return { name, bytes: Uint8Array.from(checkSize(new Uint8Array(input), name, options)) }
  if (ArrayBuffer.isView(input)) throw new ImageError(`${name}: it is no file of bytes; ${expected}.`)
  if (typeof input === 'object' && input !== null) {
    if (isUrl(input)) return fromUrl(input, name)
    if (isPlace(input)) return fromPlace(input)
    if (isRaw(input)) return { name, pixels: pixelsOf(input, name) }
    if (isBlob(input)) return fromBlob(input, name, options)
    if (isStream(input)) return fromStream(input, name, options)
  }
  throw new ImageError(`${name}: ${expected}.`)
}

const size = (n: number): string => plural(n, 'byte')
const short = (text: string) => (text.length > 200 ? `${text.slice(0, 200)}…` : text)
const kindOf = (value: object): string => Object.prototype.toString.call(value).slice(8, -1)
const shown = (value: unknown): string =>
  typeof value === 'object' && value !== null
    ? `an object of ${Object.keys(value).slice(0, 6).join(', ') || kindOf(value)}`
    : typeof value === 'function'
      ? 'a function'
      : String(value)

const isUrl = (input: object): input is UrlLike =>
  'href' in input && typeof input.href === 'string' && 'protocol' in input && typeof input.protocol === 'string'
const isPlace = (input: object): input is Place => 'file' in input && typeof input.file === 'string'
const isRaw = (input: object): input is RawPixels => 'data' in input && 'width' in input && 'height' in input
const isBlob = (input: object): input is BlobLike =>
  'arrayBuffer' in input && typeof input.arrayBuffer === 'function' && 'size' in input && typeof input.size === 'number'
const isStream = (input: object): input is ByteStream => 'getReader' in input || Symbol.asyncIterator in input

function fromUrl({ href, protocol }: UrlLike, name: string): ReadImage {
  if (protocol !== 'file:')
    throw new ImageError(
      `${name}: a ${protocol} URL is not fetched here; expected a file: URL. Fetch it and give its bytes: predict(await (await fetch(url)).blob()).`,
    )
  try {
    return { name, place: { file: fileURLToPath(href) } }
  } catch (cause) {
    throw new ImageError(`${name}: names no file of this machine (${(cause as Error).message}).`, { cause })
  }
}

function fromPlace({ file, raw, bands }: Place): ReadImage {
  const bare = (p: Place): Place => ({ file: p.file, ...(p.raw ? { raw: Uint8Array.from(p.raw) } : {}) })
  return {
    name: file,
    place: { ...bare({ file, ...(raw ? { raw } : {}) }), ...(bands ? { bands: bands.map(bare) } : {}) },
  }
}

function checkSize(bytes: Uint8Array, name: string, { maxBytes = MOST_BYTES }: ReadOptions): Uint8Array {
  if (bytes.length > maxBytes) throw tooLarge(name, maxBytes)
  return bytes
}
const tooLarge = (name: string, most: number) =>
  new ImageError(`${name}: it has more than ${size(most)}, the most that is taken (maxBytes)`)

async function fromBlob(blob: BlobLike, name: string, options: ReadOptions): Promise<ReadImage> {
  const { signal, maxBytes = MOST_BYTES } = options
  if (blob.size > maxBytes) throw tooLarge(name, maxBytes)
  try {
    return { name, bytes: new Uint8Array(await untilAborted(blob.arrayBuffer(), signal)) }
  } catch (cause) {
    if (signal?.aborted) throw cause
    throw new ImageError(`${name}: it can not be read: ${(cause as Error).message}`, { cause })
  }
}

async function fromStream(
  stream: ByteStream,
  name: string,
  { name: called, signal, maxBytes = MOST_BYTES }: ReadOptions,
): Promise<ReadImage> {
  const parts: Uint8Array[] = []
  let length = 0
  let source: Chunks | undefined
  try {
    source = chunksOf(stream)
    for (;;) {
      const { done, value } = await untilAborted(source.next(), signal)
      if (done) break
      if (!isUint8Array(value))
        throw new ImageError(
          `${name}: it gives ${typeof value === 'string' ? 'text' : shown(value)}; expected bytes (Uint8Array or Buffer)${typeof value === 'string' ? '. A Readable gives text after setEncoding' : ''}`,
        )
      parts.push(value)
      length += value.length
      if (length > maxBytes) throw tooLarge(name, maxBytes)
    }
  } catch (cause) {
    source?.stop(cause)
    if (signal?.aborted || cause instanceof AnnealError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new ImageError(`${name}: it failed after ${size(length)}: ${reason}`, { cause })
  }
  const bytes = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return { name: `${called} (stream, ${size(length)})`, bytes }
}

interface Chunks {
  next(): Promise<{ done?: boolean; value?: unknown }>
  /** Lets go of the stream before its end; what comes of that is passed over. */
  stop(reason: unknown): void
}

function chunksOf(stream: ByteStream): Chunks {
  if ('getReader' in stream) {
    const reader = stream.getReader()
    return { next: () => reader.read(), stop: reason => void reader.cancel(reason).catch(() => {}) }
  }
  const iterator = stream[Symbol.asyncIterator]()
  return {
    next: () => iterator.next(),
    stop() {
      if ('destroy' in stream && typeof stream.destroy === 'function') stream.destroy()
      Promise.resolve(iterator.return?.()).catch(() => {})
    },
  }
}

const pixelTypes = { Uint8Array, Uint8ClampedArray: Uint8Array, Uint16Array, Float32Array } as const

function pixelsOf(raw: RawPixels, name: string): Extract<ReadImage, { pixels: object }>['pixels'] {
  const { data, width, height, alpha } = raw
  const refuse = (what: string) => {
    throw new ImageError(
      `${name}: ${what}; expected { data: Uint8Array, Uint8ClampedArray, Uint16Array or Float32Array of height x width x channels values, width, height, channels }.`,
    )
  }
  const type = ArrayBuffer.isView(data) ? kindOf(data) : ''
  if (!Object.hasOwn(pixelTypes, type)) refuse(`data is ${shown(data)}`)
  for (const [what, value] of Object.entries({ width, height, channels: raw.channels ?? 1 }))
    if (!Number.isInteger(value) || value < 1) refuse(`${what} is ${shown(value)}`)
  const channels = raw.channels ?? data.length / (width * height)
  if (data.length === 0 || !Number.isInteger(channels) || data.length !== width * height * channels)
    refuse(
      `data has ${data.length} values, ${width} x ${height} pixels${raw.channels === undefined ? '' : ` of ${raw.channels} channels`} need ${raw.channels === undefined ? 'a whole number of times ' : ''}${width * height * (raw.channels ?? 1)}`,
    )
  const own = new pixelTypes[type as keyof typeof pixelTypes](data)
  return { data: own, width, height, channels, ...(alpha === undefined ? {} : { alpha }) }
}

import { readFileSync } from 'node:fs'
import { inflateSync } from 'node:zlib'
import type { Pixels } from '../../src/vision/types.ts'

/** A file that tifffile or numpy wrote, with {@link formula}'s values. */
export interface GoldenFile {
  name: string
  kind: string
  channels: number
  bytes: Uint8Array
}

const golden = JSON.parse(readFileSync(new URL('../golden/channels.json', import.meta.url), 'utf8')) as {
  files: { name: string; kind: string; channels: number; file: string }[]
  resize: { interpolation: 'bilinear' | 'bicubic'; short: number; values: number[] }[]
}

export const goldenFiles: GoldenFile[] = golden.files.map(({ file, ...rest }) => ({
  ...rest,
  bytes: new Uint8Array(inflateSync(Buffer.from(file, 'base64'))),
}))
export const goldenResize = golden.resize

/** The values that make_channels.py writes, [height, width, channels]. */
export function formula(kind: string, channels: number, height = 7, width = 9): number[] {
  const spread: Record<string, (v: number) => number> = {
    b1: v => 255 * (v % 2),
    u1: v => v,
    u2: v => v * 261,
    u4: v => v * 70_000,
    u8: v => v * 70_000,
    i1: v => v - 125,
    i2: v => v * 200 - 25_000,
    i4: v => v * 100_000 - 9_000_000,
    i8: v => v * 100_000 - 9_000_000,
    f2: v => v / 8 - 10,
    f4: v => v / 8 - 10,
    f8: v => v / 8 - 10,
  }
  const out: number[] = []
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < channels; c++) out.push(spread[kind]!((31 * y + 17 * x + 101 * c + 7 * x * y) % 251))
  return out
}

export interface TiffOptions {
  height: number
  width: number
  /** One list of values [height, width, bands] for each page. */
  pages: readonly Pixels[]
  bands?: number
  photometric?: number
  /** More tags, or other values for the tags that are written: number, type, values. */
  tags?: readonly (readonly [tag: number, type: number, values: readonly number[]])[]
}

/** An uncompressed little-endian TIFF file with one strip in each page. */
export function tiff({ height, width, pages, bands = 1, photometric = 1, tags = [] }: TiffOptions): Buffer {
  const parts: Buffer[] = [Buffer.from('II*\0\0\0\0\0', 'latin1')]
  let [end, link] = [8, 4]
  const append = (part: Buffer) => {
    const padded = part.length % 2 ? Buffer.concat([part, Buffer.alloc(1)]) : part
    parts.push(padded)
    end += padded.length
    return end - padded.length
  }
  const links: [at: number, to: number][] = []
  for (const data of pages) {
    const size = data.BYTES_PER_ELEMENT
    const strip = append(Buffer.from(data.buffer, data.byteOffset, data.byteLength))
    const all: (readonly [number, number, readonly number[]])[] = [
      [256, 4, [width]],
      [257, 4, [height]],
      [258, 3, new Array<number>(bands).fill(8 * size)],
      [259, 3, [1]],
      [262, 3, [photometric]],
      [273, 4, [strip]],
      [277, 3, [bands]],
      [278, 4, [height]],
      [279, 4, [data.byteLength]],
      [339, 3, new Array<number>(bands).fill(data instanceof Float32Array ? 3 : 1)],
    ]
    const changed = all.filter(([tag]) => !tags.some(([other]) => other === tag))
    all.splice(0, all.length, ...[...changed, ...tags].sort((a, b) => a[0] - b[0]))
    const directory = Buffer.alloc(6 + 12 * all.length)
    directory.writeUInt16LE(all.length, 0)
    all.forEach(([tag, type, values], i) => {
      const bytes = Buffer.concat(values.map(value => number(value, type)))
      directory.writeUInt16LE(tag, 2 + 12 * i)
      directory.writeUInt16LE(type, 4 + 12 * i)
      directory.writeUInt32LE(values.length, 6 + 12 * i)
      if (bytes.length <= 4) bytes.copy(directory, 10 + 12 * i)
      else directory.writeUInt32LE(append(bytes), 10 + 12 * i)
    })
    const at = append(directory)
    links.push([link, at])
    link = at + directory.length - 4
  }
  const file = Buffer.concat(parts)
  for (const [at, to] of links) file.writeUInt32LE(to, at)
  return file
}

function number(value: number, type: number): Buffer {
  const out = Buffer.alloc(type === 3 ? 2 : type === 4 ? 4 : 1)
  if (type === 3) out.writeUInt16LE(value)
  else if (type === 4) out.writeUInt32LE(value)
  else out.writeUInt8(value)
  return out
}

/** A `.npy` file of version 1 with the given header. */
export function npy(header: string, data: Uint8Array, version = 1): Buffer {
  const head = Buffer.from('\x93NUMPY\0\0', 'latin1')
  head[6] = version
  const length = Buffer.alloc(version === 1 ? 2 : 4)
  if (version === 1) length.writeUInt16LE(header.length)
  else length.writeUInt32LE(header.length)
  return Buffer.concat([head, length, Buffer.from(header, 'latin1'), data])
}

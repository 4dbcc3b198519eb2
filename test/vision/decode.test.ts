import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deflateSync } from 'node:zlib'
import sharp from 'sharp'
import { crc32 } from '../../src/base/crc32.ts'
import { decode } from '../../src/vision/decode/decode.ts'
import type { Picture } from '../../src/vision/types.ts'
import { jpeg, pixels, raw } from '../helpers/data.ts'

const [width, height] = [48, 32]
const rgb = pixels(1, width, height)

/** The largest difference between a picture and the RGB expected. */
function off(picture: Picture, expected: Uint8Array, w = width, h = height): number {
  assert.deepEqual([picture.width, picture.height, picture.data.length], [w, h, w * h * 3])
  return Array.from(picture.data).reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0)
}
const each = (change: (r: number, g: number, b: number) => number[]) =>
  Uint8Array.from({ length: rgb.length }, (_, i) => {
    const at = i - (i % 3)
    return change(rgb[at]!, rgb[at + 1]!, rgb[at + 2]!)[i % 3]!
  })

test('every kind of picture becomes right RGB', async () => {
  const grey = Uint8Array.from({ length: width * height }, (_, i) => rgb[3 * i]!)
  const grey3 = each(r => [r, r, r])
  const one = { raw: { width, height, channels: 1 as const } }
  const three = { raw: { width, height, channels: 3 as const } }
  const muted = rgb.map(value => 128 + (value - 128) / 2) // nearer to what ink can print
  const grey16 = Uint16Array.from(grey, value => value * 257)
  const clear = each((r, g, b) => [r, g, b])
  const rgba = new Uint8Array(width * height * 4)
  for (let i = 0; i < width * height; i++) rgba.set([...rgb.subarray(3 * i, 3 * i + 3), i % 2 ? 255 : 0], 4 * i)
  for (let i = 0; i < width * height; i += 2) clear.fill(255, 3 * i, 3 * i + 3) // transparent: white
  const table: [name: string, file: Promise<Buffer> | Buffer, expected: Uint8Array, tolerance: number][] = [
    ['jpeg', raw(1).jpeg({ quality: 100, chromaSubsampling: '4:4:4' }).toBuffer(), rgb, 6],
    [
      'progressive jpeg',
      raw(1).jpeg({ quality: 100, chromaSubsampling: '4:4:4', progressive: true }).toBuffer(),
      rgb,
      6,
    ],
    ['png', raw(1).png().toBuffer(), rgb, 0],
    ['webp', raw(1).webp({ lossless: true }).toBuffer(), rgb, 0],
    ['tiff', raw(1).tiff({ compression: 'lzw' }).toBuffer(), rgb, 0],
    ['bmp', bmp(rgb, width, height), rgb, 0],
    ['grey png', sharp(grey, one).png().toBuffer(), grey3, 0],
    ['grey jpeg', sharp(grey, one).toColourspace('b-w').jpeg({ quality: 100 }).toBuffer(), grey3, 3],
    ['16-bit grey', sharp(grey16, one).toColourspace('grey16').png().toBuffer(), grey3, 1],
    ['palette', raw(1).png({ palette: true, colours: 256, dither: 0 }).toBuffer(), rgb, 40],
    [
      'alpha',
      sharp(rgba, { raw: { width, height, channels: 4 } })
        .png()
        .toBuffer(),
      clear,
      0,
    ],
    [
      'cmyk',
      sharp(muted, three)
        .toColourspace('cmyk')
        .withIccProfile('cmyk')
        .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
        .toBuffer(),
      muted,
      45,
    ],
  ]
  for (const [name, file, expected, tolerance] of table) {
    const distance = off(await decode(await file), expected)
    assert.ok(distance <= tolerance, `${name}: ${distance} from what is expected, at most ${tolerance}`)
  }
})

test('EXIF orientation 6 turns the picture upright, before it is resized too', async () => {
  const file = await raw(1)
    .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
    .withMetadata({ orientation: 6 })
    .toBuffer()
  const upright = new Uint8Array(rgb.length) // turned clockwise by a quarter
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      upright.set(rgb.subarray(3 * (y * width + x), 3 * (y * width + x) + 3), 3 * (x * height + (height - 1 - y)))
  assert.ok(
    off(await decode(file), upright, height, width) <= 6,
    'off(await decode(file), upright, height, width) <= 6',
  )
  const small = await decode(file, { short: 16 })
  assert.deepEqual([small.height, small.width], [24, 16])
})

test('of an animation the first frame', async () => {
  const frames = sharp(Buffer.concat([rgb, pixels(9, width, height)]), {
    raw: { width, height: 2 * height, channels: 3, pageHeight: height },
  })
  const picture = await decode(await frames.webp({ lossless: true }).toBuffer())
  assert.equal(off(picture, rgb), 0)
  const gif = await decode(await frames.gif().toBuffer())
  assert.deepEqual([gif.width, gif.height], [width, height])
})

test('a presized picture has the short side asked for; what is smaller or thin stays whole', async () => {
  const size = async (w: number, h: number, options: object) => {
    const picture = await decode(await raw(2, w, h).png().toBuffer(), options)
    return [picture.width, picture.height]
  }
  assert.deepEqual(await size(100, 80, { short: 40 }), [50, 40])
  assert.deepEqual(await size(30, 20, { short: 40 }), [30, 20])
  assert.deepEqual(await size(400, 40, { short: 20, aspect: 2 }), [40, 20])
  assert.deepEqual(await size(1, 1, { short: 20, aspect: 2 }), [1, 1])
  assert.deepEqual(await size(5000, 1, { short: 20, aspect: 2 }), [2, 1])
})

test('what is no whole picture is refused with its reason', async () => {
  const good = await jpeg(3, 300, 200)
  const middle = Buffer.from(good)
  for (let i = 0; i < 60; i++) middle[(middle.length >> 1) + i] = (i * 97 + 31) & 255
  const png = await raw(1, 200, 200).png().toBuffer()
  const table: [name: string, bytes: Uint8Array, reason: RegExp][] = [
    ['zero bytes', Buffer.alloc(0), /empty \(0 bytes\)/],
    ['half a jpeg', good.subarray(0, good.length / 2), /premature end/],
    ['jpeg without its tail', good.subarray(0, -20), /premature end/],
    ['jpeg header', good.subarray(0, 20), /premature end/],
    ['jpeg with a damaged middle', middle, /corrupt/],
    ['half a png', png.subarray(0, png.length / 2), /./],
    ['html', Buffer.from('<!doctype html><html>404</html>'), /HTML/],
    ['text', Buffer.from('hello, I am a text file'), /text/],
    ['svg', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), /SVG/],
    ['zeros', Buffer.alloc(100), /zero bytes/],
    ['lfs', Buffer.from('version https://git-lfs.github.com/spec/v1\n'), /git lfs pull/],
    ['bomb', pngHeader(30_000, 30_000), /30,000 x 30,000 pixels, the limit is/],
    ['header bomb', pngHeader(2 ** 31 - 1, 2 ** 31 - 1), /corrupt|pixels/],
  ]
  for (const [name, bytes, reason] of table)
    await assert.rejects(decode(bytes), { name: 'AnnealError', message: reason }, name)
})

test('a picture too large is refused from its header, in little memory', async () => {
  const before = process.memoryUsage().rss
  const start = performance.now()
  await assert.rejects(decode(pngHeader(60_000, 60_000)), /limit/)
  assert.ok(performance.now() - start < 1000, 'performance.now() - start < 1000')
  assert.ok(process.memoryUsage().rss - before < 50e6, 'process.memoryUsage().rss - before < 50e6')
})

function pngHeader(w: number, h: number): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type), data])
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)]
    length.writeUInt32BE(data.length)
    sum.writeUInt32BE(crc32(body) >>> 0)
    return Buffer.concat([length, body, sum])
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(w, 0)
  header.writeUInt32BE(h, 4)
  header.set([8, 2, 0, 0, 0], 8)
  const data = deflateSync(Buffer.alloc(0))
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk('IDAT', data),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

/** A 24-bit bitmap, bottom row first. */
function bmp(data: Uint8Array, w: number, h: number): Buffer {
  const stride = Math.ceil((w * 3) / 4) * 4
  const file = Buffer.alloc(54 + stride * h)
  file.write('BM')
  file.writeUInt32LE(54, 10)
  file.writeUInt32LE(40, 14)
  file.writeInt32LE(w, 18)
  file.writeInt32LE(h, 22)
  file.writeUInt16LE(1, 26)
  file.writeUInt16LE(24, 28)
  for (let y = 0; y < h; y++)
    for (let x = 0; x < w; x++)
      for (let c = 0; c < 3; c++) file[54 + (h - 1 - y) * stride + 3 * x + c] = data[3 * (y * w + x) + 2 - c]!
  return file
}

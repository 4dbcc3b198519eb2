import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import sharp from 'sharp'
import { sha256 } from '../../src/base/digest.ts'
import { cachePictures } from '../../src/vision/cache/cache.ts'
import { type ContentHash, contentHashes } from '../../src/vision/cache/hashes.ts'
import { channelStatistics } from '../../src/vision/channel-statistics.ts'
import { checkChannels, chooseChannels } from '../../src/vision/decode/choose-channels.ts'
import { type ChannelMode, decode, decodeFile } from '../../src/vision/decode/decode.ts'
import { decoderVersion } from '../../src/vision/decode/formats.ts'
import { loadPicture } from '../../src/vision/decode/load-picture.ts'
import { preview } from '../../src/vision/decode/preview.ts'
import { rangeOf } from '../../src/vision/decode/value-range.ts'
import { imageFolder, openPictures } from '../../src/vision/index.ts'
import type { Picture, Pixels } from '../../src/vision/types.ts'
import { formula, goldenFiles, goldenResize, npy, tiff } from '../helpers/channels.ts'
import { jpeg, put, raw, tempFolder } from '../helpers/data.ts'

const [width, height] = [13, 10]
const noise = (count: number, most: number, seed = 1) =>
  Array.from({ length: count }, (_, i) => Math.floor(Math.abs(Math.sin(seed * 12.9 + i * 78.233)) * 1e7) % (most + 1))
const words = (channels: number, most = 65_535, seed = 1) =>
  Uint16Array.from(noise(width * height * channels, most, seed))
const bytes = (channels: number, seed = 1) => Uint8Array.from(noise(width * height * channels, 255, seed))
const floats = (channels: number, seed = 1) =>
  Float32Array.from(noise(width * height * channels, 1e6, seed), v => v / 1e5 - 3)
const png = (data: Pixels, channels: 1 | 2 | 3 | 4) => {
  const space = data instanceof Uint16Array ? (channels < 3 ? 'grey16' : 'rgb16') : channels < 3 ? 'b-w' : 'srgb'
  const image = sharp(data, { raw: { width, height, channels } })
  return (space === 'srgb' ? image : image.toColourspace(space)).png().toBuffer()
}
const same = (picture: Picture, data: ArrayLike<number>, channels: number, h = height, w = width) => {
  assert.deepEqual([picture.height, picture.width, picture.channels], [h, w, channels])
  assert.deepEqual(Array.from(picture.data), Array.from(data))
}

test('kept as tifffile and numpy wrote them: every type, layout and compression', async () => {
  assert.ok(goldenFiles.length > 70, `goldenFiles.length > 70, got ${goldenFiles.length}`)
  const arrays: Record<string, string> = { b1: 'Uint8Array', u1: 'Uint8Array', u2: 'Uint16Array' }
  for (const { name, kind, channels, bytes } of goldenFiles) {
    const picture = await decode(bytes, { channels: 'keep' }).catch(error => assert.fail(`${name}: ${error}`))
    assert.equal(picture.data.constructor.name, arrays[kind] ?? 'Float32Array', name)
    assert.deepEqual([picture.height, picture.width, picture.channels], [7, 9, channels], name)
    assert.deepEqual(Array.from(picture.data), formula(kind, channels), name)
    const buffer = Buffer.from(bytes)
    await decode(buffer, { channels: 'keep' })
    assert.ok(buffer.equals(bytes), `${name}: the file's bytes were changed`)
  }
})

test('kept, usual formats hold what they hold: grey, transparency, 16 bits, CMYK', async () => {
  for (const channels of [1, 2, 3, 4] as const) {
    same(await decode(await png(bytes(channels), channels), { channels: 'keep' }), bytes(channels), channels)
    same(await decode(await png(words(channels), channels), { channels: 'keep' }), words(channels), channels)
  }
  const upright = await sharp(bytes(3), { raw: { width, height, channels: 3 } })
    .withMetadata({ orientation: 6 })
    .png()
    .toBuffer()
  assert.deepEqual((await decode(upright, { channels: 'keep' })).height, width)
  const cmyk = await raw(1, 40, 30).toColourspace('cmyk').jpeg().toBuffer()
  assert.equal((await decode(cmyk, { channels: 'keep' })).channels, 4)
  const grey = await raw(1, 40, 30).toColourspace('b-w').jpeg().toBuffer()
  assert.equal((await decode(grey, { channels: 'keep' })).channels, 1)
  await assert.rejects(decode(grey.subarray(0, -30), { channels: 'keep' }), /premature end/)
})

test('TIFF: all eight orientations, white is zero, few bits, palettes, missing values, pages of two sizes', async () => {
  const data = Uint8Array.from({ length: 6 }, (_, i) => i) // 0 1 2 above 3 4 5
  // prettier-ignore
  const turned = [
    [],
    [0, 1, 2, 3, 4, 5],
    [2, 1, 0, 5, 4, 3],
    [5, 4, 3, 2, 1, 0],
    [3, 4, 5, 0, 1, 2],
    [0, 3, 1, 4, 2, 5],
    [3, 0, 4, 1, 5, 2],
    [5, 2, 4, 1, 3, 0],
    [2, 5, 1, 4, 0, 3],
  ]
  for (let orientation = 1; orientation <= 8; orientation++) {
    const file = tiff({ height: 2, width: 3, pages: [data], tags: [[274, 3, [orientation]]] })
    const [h, w] = orientation < 5 ? [2, 3] : [3, 2]
    same(await decode(file, { channels: 'keep' }), turned[orientation]!, 1, h, w)
  }
  const white = tiff({ height: 2, width: 3, pages: [data], photometric: 0 })
  same(await decode(white, { channels: 'keep' }), [255, 254, 253, 252, 251, 250], 1, 2, 3)
  const packed = async (bits: number, pages: Uint8Array[], photometric = 1) =>
    decode(tiff({ height: 2, width: 3, pages, photometric, tags: [[258, 3, [bits]]] }), { channels: 'keep' })
  same(await packed(1, [Uint8Array.of(0b101_00000, 0b010_00000)]), [255, 0, 255, 0, 255, 0], 1, 2, 3)
  same(await packed(1, [Uint8Array.of(0b101_00000, 0b010_00000)], 0), [0, 255, 0, 255, 0, 255], 1, 2, 3)
  same(await packed(4, [Uint8Array.of(0x12, 0x30, 0xfe, 0xd0)]), [17, 34, 51, 255, 238, 221], 1, 2, 3)
  const twelve = Uint8Array.of(0x12, 0x34, 0x56, 0x78, 0x90, 0xab, 0xcd, 0xef, 0xff, 0xf0)
  same(await packed(12, [twelve]), [0x123, 0x456, 0x789, 0xabc, 0xdef, 0xfff], 1, 2, 3)
  const palette = Array.from({ length: 768 }, (_, i) => (i % 256) * 256 + Math.floor(i / 256))
  const coloured = tiff({ height: 2, width: 3, pages: [data], photometric: 3, tags: [[320, 3, palette]] })
  same(await decode(coloured, { channels: 'keep' }), [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5], 3, 2, 3)
  const holes = Float32Array.of(1, 2, -9999, 4, Number.NaN, 5)
  const measured = tiff({ height: 2, width: 3, pages: [holes], tags: [[42113, 2, [...Buffer.from('-9999\0')]]] })
  const filled = await decode(measured, { channels: 'keep' })
  same(filled, [1, 2, 3, 4, 3, 5], 1, 2, 3)
  assert.equal(filled.filled, 2)
  const small = new Uint8Array(6)
  const pages = tiff({ height: 2, width: 3, pages: [small, small, small] })
  const odd = Buffer.from(pages)
  const second = odd.readUInt32LE(odd.readUInt32LE(4) + 2 + 12 * 10) + 2
  odd.writeUInt32LE(4, second + 8)
  await assert.rejects(
    decode(odd, { channels: 'keep' }),
    /page 2 has 4 x 2 pixels, page 1 has 3 x 2; .* 3 pages as channels/,
  )
  const nothing = tiff({ height: 1, width: 2, pages: [Float32Array.of(Number.NaN, Number.POSITIVE_INFINITY)] })
  await assert.rejects(decode(nothing, { channels: 'keep' }), /channel 1 of 1 holds no finite number/)
})

test('resized, each channel is what Pillow makes of it, in any type', async () => {
  const source = Float32Array.from(formula('f4', 2, 40, 56))
  for (const { interpolation, short, values } of goldenResize) {
    const file = tiff({ height: 40, width: 56, pages: [source], bands: 2 })
    const { data } = await decode(file, { channels: 'keep', short, interpolation })
    const off = values.reduce((most, value, i) => Math.max(most, Math.abs(value - data[i]!)), 0)
    assert.ok(off < 2e-3, `${interpolation} ${short}: ${off}`)
    const whole = Uint16Array.from(source, v => 2000 + 80 * v)
    const rounded = await decode(tiff({ height: 40, width: 56, pages: [whole], bands: 2 }), {
      channels: 'keep',
      short,
      interpolation,
    })
    const far = values.reduce((most, v, i) => Math.max(most, Math.abs(2000 + 80 * v - rounded.data[i]!)), 0)
    assert.ok(far <= 0.7, `${interpolation} ${short}, 16 bits: ${far}`)
  }
  const photo = await raw(3, 90, 60).png().toBuffer()
  const [kept, rgb] = [await decode(photo, { channels: 'keep', short: 24 }), await decode(photo, { short: 24 })]
  const gap =
    Array.from(kept.data).reduce((sum, value, i) => sum + Math.abs(value - rgb.data[i]!), 0) / kept.data.length
  assert.ok(gap < 1, `${gap} from libvips' own`)
  const strip = await decode(tiff({ height: 2, width: 100, pages: [new Float32Array(1000)], bands: 5 }), {
    channels: 'keep',
    short: 1,
    aspect: 2,
  })
  assert.deepEqual([strip.height, strip.width, strip.channels], [1, 2, 5])
})

test('copied: 16 bits and floats stay, grey becomes three, transparency white, the range fills the type', async () => {
  const twelve = words(1, 4095)
  const grey = await decode(await png(twelve, 1), { channels: 'copy' })
  same(
    grey,
    Array.from(twelve).flatMap(v => [v, v, v]),
    3,
  )
  const spread = await decode(await png(twelve, 1), { channels: 'copy', range: [0, 4095] })
  same(
    spread,
    Array.from(twelve).flatMap(v => Array(3).fill(Math.round((v * 65_535) / 4095))),
    3,
  )
  const clear = words(4).map((v, i) => (i % 4 === 3 ? 0 : v))
  same(await decode(await png(clear, 4), { channels: 'copy' }), Array(width * height * 3).fill(65_535), 3)
  const measured = tiff({ height, width, pages: [floats(1)] })
  const stretched = await decode(measured, { channels: 'copy', range: [-3, 7] })
  same(
    stretched,
    Array.from(floats(1)).flatMap(v => Array(3).fill(Math.fround((v + 3) * 0.1))),
    3,
  )
  const photo = await jpeg(1)
  assert.deepEqual(await decode(photo, { channels: 'copy' }), await decode(photo))
  await assert.rejects(
    decode(tiff({ height, width, pages: [words(6)], bands: 6 }), { channels: 'copy' }),
    /6 channels.*--channels keep/,
  )
})

test('what has too many channels for colour says how to keep them', async () => {
  for (const bands of [5, 13])
    await assert.rejects(decode(tiff({ height, width, pages: [bytes(bands)], bands })), /channels.*--channels keep/)
  const array = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (10, 13), }", Buffer.from(floats(1).buffer))
  await assert.rejects(decode(array), /float32 values of 1 channel,.*--channels keep/)
  const rgb = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (10, 13, 3), }", bytes(3))
  same(await decode(rgb), bytes(3), 3)
  const grey = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (10, 13), }", bytes(1))
  same(
    await decode(grey),
    Array.from(bytes(1)).flatMap(v => [v, v, v]),
    3,
  )
})

/** Files in the form that a scan gives. */
async function cached(
  dir: string,
  files: Record<string, Uint8Array>,
  options: { channels?: ChannelMode; range?: [number, number] },
) {
  put(dir, files)
  const places = Object.keys(files).map(name => ({ file: join(dir, name) }))
  const hashes = await contentHashes(dir, places)
  const store = await cachePictures(
    places.map((place, i) => ({ ...place, ...(hashes[i] as ContentHash) })),
    { short: 64, ...options },
  )
  return { places, store }
}

test('the cache keeps channels and types, aligned, and each mode by itself', async t => {
  const dir = tempFolder(t)
  const files = {
    'a.tif': tiff({ height, width, pages: [bytes(1)] }), // an odd number of bytes before the others
    'b.tif': tiff({ height: 3, width: 5, pages: [Uint8Array.from(noise(15, 255))] }),
    'c.tif': tiff({ height, width, pages: [words(6)], bands: 6 }),
    'd.tif': tiff({ height: 3, width: 5, pages: [Uint8Array.from(noise(15, 255, 2))] }),
    'e.tif': tiff({ height, width, pages: [floats(2)], bands: 2 }),
  }
  for (let again = 0; again < 2; again++) {
    const { store } = await cached(dir, files, { channels: 'keep' })
    same(store.picture(0), bytes(1), 1)
    same(store.picture(2), words(6), 6)
    same(store.picture(4), floats(2), 2)
    assert.ok(
      store.picture(2).data instanceof Uint16Array && store.picture(4).data instanceof Float32Array,
      'store.picture(2).data instanceof Uint16Array && store.picture(4).da…',
    )
  }
  const more = { ...files, 'f.tif': tiff({ height, width, pages: [words(6, 900, 5)], bands: 6 }) }
  const { store } = await cached(dir, more, { channels: 'keep' }) // the others are copied from the store before
  same(store.picture(2), words(6), 6)
  same(store.picture(5), words(6, 900, 5), 6)
  const before = sha256(`2 64 2 bilinear ${decoderVersion()}`).slice(0, 12) // where colour was kept all along
  const grey = { 'g.png': await png(words(1, 4095), 1) }
  const [narrow, wide, rgb] = [
    await cached(dir, grey, { channels: 'copy', range: [0, 4095] }),
    await cached(dir, grey, { channels: 'copy' }),
    await cached(dir, grey, {}),
  ]
  assert.deepEqual(
    narrow.store.picture(0),
    await decode(grey['g.png'], { channels: 'copy', range: [0, 4095] }).then(({ channels, ...rest }) => rest),
  )
  assert.notDeepEqual(narrow.store.picture(0).data, wide.store.picture(0).data)
  assert.ok(rgb.store.picture(0).data instanceof Uint8Array, 'rgb.store.picture(0).data instanceof Uint8Array')
  const kept = readdirSync(join(process.env.ANNEAL_CACHE!, 'pictures')).filter(name => name.endsWith('.bin'))
  assert.equal(kept.filter(name => name.startsWith(`${before}-`)).length, 1)
})

test('all pictures must be of one kind; an error counts the kinds and names one of each', () => {
  const six = { file: 'a.tif', channels: 6, depth: 'uint16' as const }
  assert.deepEqual(checkChannels([six, six]), { channels: 6, depth: 'uint16' })
  assert.deepEqual(checkChannels([{ file: 'a.jpg' }]), { channels: 3, depth: 'uint8' })
  assert.throws(
    () => checkChannels([{ file: 'b.png' }, six, six, { ...six, file: 'c.tif', channels: 5 }]),
    /2 with 6 channels of 16 bits \(a\.tif\), 1 with 3 channels of 8 bits \(b\.png\), 1 with 5 channels of 16 bits \(c\.tif\).*channels: "rgb"/,
  )
})

test('the channels are chosen from the files, with the reason', async t => {
  const dir = tempFolder(t)
  const choose = async (files: Record<string, Uint8Array>, asked?: ChannelMode) => {
    put(dir, files)
    return chooseChannels(
      Object.keys(files).map(name => ({ file: join(dir, name) })),
      asked && { asked },
    )
  }
  const grey12 = Object.fromEntries(
    await Promise.all([1, 2, 3].map(async i => [`x${i}.png`, await png(words(1, 4000, i), 1)])),
  )
  const [six, rgb] = [tiff({ height, width, pages: [words(6)], bands: 6 }), await jpeg(1)]
  const table: [name: string, files: Record<string, Uint8Array>, expected: RegExp, asked?: ChannelMode][] = [
    ['photos', { 'a.jpg': rgb, 'b.png': await png(bytes(4), 4) }, /^rgb: rgb, all 2 .* grey or colour of 8 bits$/],
    [
      'bands',
      { 'a.tif': six, 'b.tif': six, 'c.jpg': rgb },
      /^keep: keep, 6 channels of 16 bits, 2 of 3 examined pictures .*: 6 channels of 16 bits$/,
    ],
    ['pages', { 'a.tif': tiff({ height, width, pages: [bytes(1), bytes(1, 2)] }) }, /^keep: .*2 channels of 8 bits/],
    ['four bands', { 'a.tif': tiff({ height, width, pages: [bytes(4)], bands: 4 }) }, /^keep: .*4 channels of 8 bits/],
    [
      'RGBA',
      { 'a.tif': tiff({ height, width, pages: [bytes(4)], bands: 4, photometric: 2, tags: [[338, 3, [2]]] }) },
      /^rgb/,
    ],
    ['12 bits', grey12, /^copy \[0 4095\]: copy, black 0, white 4095, all 3 .* 16 bits.*so 4,095 is white/],
    ['floats', { 'a.tif': tiff({ height, width, pages: [floats(1)] }) }, /^copy \[-2\.\S+ 6\.\S+\]: .*floats/],
    ['mixed', { 'a.jpg': rgb, 'b.jpg': await jpeg(2), ...grey12 }, /^copy/],
    ['asked', grey12, /^rgb: rgb, as asked/, 'rgb'],
    ['unreadable', { 'a.jpg': Buffer.from('x') }, /^rgb: rgb, no picture could be examined$/],
  ]
  for (const [name, files, expected, asked] of table) {
    const { mode, range, choice } = await choose(files, asked)
    const line = `${mode}${range ? ` [${range.join(' ')}]` : ''}: ${choice.value}, ${choice.reason}`
    assert.match(line, expected, name)
  }
})

test('a range is that of a number of bits where the values fill a quarter of it', () => {
  const range = (low: number, high: number, whole = true) => rangeOf(low, high, whole).values
  assert.deepEqual(range(20, 3801), [0, 4095])
  assert.deepEqual(range(0, 65_000), [0, 65_535])
  assert.deepEqual(range(32_000, 36_000), [32_000, 36_000])
  assert.deepEqual(range(0.01, 0.98, false), [0, 1])
  assert.deepEqual(range(0, 254.5, false), [0, 255])
  assert.deepEqual(range(-1000, 1800, false), [-1000, 1800])
  assert.deepEqual(range(7, 7), [7, 8])
})

test('mean and std of each channel are exact, whatever the type; a constant one stays finite', () => {
  const pictures: Picture[] = [
    { data: words(3, 65_535, 1), height, width },
    { data: words(3, 3000, 2).map((v, i) => (i % 3 === 2 ? 500 : v)), height, width },
  ]
  const { mean, std } = channelStatistics(n => pictures[n]!, [0, 1])
  for (let c = 0; c < 3; c++) {
    const values = pictures.flatMap(({ data }) => Array.from(data).filter((_, i) => i % 3 === c)).map(v => v / 65_535)
    const average = values.reduce((a, b) => a + b) / values.length
    const variance = values.reduce((sum, v) => sum + (v - average) ** 2, 0) / values.length
    assert.ok(
      Math.abs(mean[c]! - average) < 1e-12 && Math.abs(std[c]! - Math.sqrt(variance)) < 1e-12,
      'Math.abs(mean[c]! - average) < 1e-12 && Math.abs(std[c]! - Math.sqr…',
    )
  }
  const flat = { data: Float32Array.of(5, 1e6, 5, Number.NaN, 5, 1e6 + 1), height: 1, width: 3, channels: 2 }
  const result = channelStatistics(() => flat, [0])
  assert.deepEqual(result, { mean: [5, 1e6 + 0.5], std: [1, 0.5], pictures: 1 })
  const many = Array.from({ length: 100 }, (_, i) => i)
  const seen: number[] = []
  const watched = (n: number) => {
    seen.push(n)
    return flat
  }
  channelStatistics(watched, many, { sample: 4 })
  assert.deepEqual([...new Set(seen)], [0, 25, 50, 75])
})

test('any picture can be looked at', () => {
  const rgb = { data: bytes(3), height, width }
  assert.deepEqual(preview(rgb), rgb)
  const ramp = { data: Float32Array.from({ length: 101 }, (_, i) => i - 50), height: 1, width: 101, channels: 1 }
  const { data } = preview(ramp)
  assert.deepEqual([data[0], data[3 * 50], data[3 * 100]], [0, 128, 255])
  assert.deepEqual(Array.from(data.subarray(60, 63)), Array(3).fill(data[60]))
  const seven = preview({ data: bytes(7), height, width, channels: 7 })
  assert.deepEqual(Array.from(seven.data.subarray(3, 6)), Array.from(bytes(7).subarray(7, 10)))
  const constant = preview({ data: new Uint16Array(4).fill(9), height: 2, width: 2, channels: 1 })
  assert.deepEqual(new Set(constant.data), new Set([128]))
})

test('a picture to predict must have the channels that the model was trained on', async t => {
  const dir = tempFolder(t)
  put(dir, { 'a.tif': tiff({ height, width, pages: [words(4)], bands: 4 }) })
  const file = join(dir, 'a.tif')
  const trained = { short: 32, mode: 'keep' as const, channels: 4 }
  assert.deepEqual(await loadPicture(file, trained), await decodeFile(file, { channels: 'keep' }))
  await assert.rejects(loadPicture(file, { ...trained, channels: 6 }), {
    name: 'AnnealError',
    message: /a\.tif has 4 channels; the model was trained on 6/,
  })
})

test('values that were missing are told for each picture, which stays', async t => {
  const dir = tempFolder(t)
  for (let n = 0; n < 8; n++) {
    const values = Float32Array.from({ length: 16 }, (_, i) => i + n)
    if (n === 3) values[5] = Number.NaN
    if (n === 6) values.fill(Number.NaN, 0, 4)
    put(dir, { [`${n % 2 ? 'odd' : 'even'}/${n}.tif`]: tiff({ height: 4, width: 4, pages: [values] }) })
  }
  for (let again = 0; again < 2; again++) {
    const { data } = await openPictures(await imageFolder(dir), { short: 4, channels: 'keep' })
    assert.equal(data.items.length, 8)
    assert.deepEqual(data.problems, [
      {
        kind: 'missing-values',
        file: 'even/6.tif',
        reason: '4 missing values (NaN or nodata) became the mean of their channels',
        kept: true,
        counted: false,
      },
      {
        kind: 'missing-values',
        file: 'odd/3.tif',
        reason: '1 missing value (NaN or nodata) became the mean of its channel',
        kept: true,
        counted: false,
      },
    ])
  }
})

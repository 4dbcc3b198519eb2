import assert from 'node:assert/strict'
import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import sharp, { type JpegOptions } from 'sharp'
import { sha256 } from '../../src/base/digest.ts'
import { decodeJpeg, decodeJpegFiles, hashFiles } from '../../src/torch/index.ts'
import { decode } from '../../src/vision/decode/decode.ts'
import { jpegFault, mendedJpeg } from '../../src/vision/decode/jpeg-check.ts'
import { resize } from '../../src/vision/decode/resize.ts'
import { pixels, put, tempFolder } from '../helpers/data.ts'

/** Sampled 4:2:2, with a restart every two units and custom Huffman tables, by libjpeg-turbo. */
const restarts = Buffer.from(
  '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1RV19iZ2hnPk1xeXBkeFxlZ2P/2wBDARESEhgVGC8aGi9jQjhCY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2P/wAARCAAWACUDASEAAhEBAxEB/8QAGAAAAwEBAAAAAAAAAAAAAAAABAUGAAP/xAAgEAACAgMAAgMBAAAAAAAAAAABAwACBAUREiETMUEU/8QAGQEAAwEBAQAAAAAAAAAAAAAAAwQFAQYC/8QAIBEAAgMAAgMAAwAAAAAAAAAAAQIAAwQREgUiMRMjQf/dAAQAAv/aAAwDAQACEQMRAD8AoGfCxHrneSS21LUYTQQnjq+ze00bBT+oTnrHX+QCxMrcfGS5Pbc+ofctdJ5ihyM1n5TP/9AjOxUrdwATQi66eJTTWqqBA9VsLv5UmOHa6r1eRENawzDtOaFDPp7H5P/REzEjDYSPydsHb26KdgnV93yUdliJn4X7GhX/AEAXJmmjHWo6kzjTbaTP/9IPEWMW4I9x+jYkr8fEz15T2pBj+utaauwi/ZpD6k/Unwopd6P7GMTDPl5/sj43bW/Vp//TK1zCcf3NJr12Oxbt9jZw1qeJ/9k=',
  'base64',
)

const most = (list: readonly number[]) => list.reduce((a, b) => Math.max(a, b), 0)

/** Decoded by our own decoder, upright, at full size; `undefined` if it leaves the file to libvips. */
const own = async (file: Uint8Array): Promise<Uint8Array | undefined> => (await decodeJpeg(file, { limit: 1e9 }))?.data

/** Decoded by libjpeg within libvips, which fails at every warning. */
const libjpeg = (file: Uint8Array) =>
  sharp(file, { failOn: 'warning', autoOrient: true }).toColourspace('srgb').raw({ depth: 'uchar' }).toBuffer()

const stamped = (path: string) => {
  const { size, ino, mtimeNs, ctimeNs } = statSync(path, { bigint: true })
  return { path, stamp: `${size} ${ino} ${mtimeNs} ${ctimeNs}` }
}

const encode = (width: number, height: number, options: JpegOptions, orientation?: number, grey = false) => {
  let image = sharp(pixels(width + height, width, height), { raw: { width, height, channels: 3 } })
  if (grey) image = image.toColourspace('b-w')
  if (orientation) image = image.withMetadata({ orientation })
  return image.jpeg({ mozjpeg: false, ...options }).toBuffer()
}

test('baseline JPEG decodes to the bits of libjpeg, whatever its size, sampling, quality and orientation', async () => {
  let orientation = 1
  for (const [width, height] of [[8, 8], [5, 3], [16, 16], [17, 33], [131, 70], [64, 129], [7, 200]] as const) // biome-ignore format: a table
    for (const chromaSubsampling of ['4:4:4', '4:2:0'])
      for (const quality of [20, 75, 100])
        for (const grey of [false, true]) {
          orientation = (orientation % 8) + 1
          const file = await encode(width, height, { quality, chromaSubsampling }, orientation, grey)
          const name = `${width} x ${height}, ${chromaSubsampling}, quality ${quality}, orientation ${orientation}${grey ? ', grey' : ''}`
          assert.ok((await libjpeg(file)).equals((await own(file))!), name)
        }
  assert.ok((await libjpeg(restarts)).equals((await own(restarts))!), '4:2:2 with restarts')
})

test('decoded at a half, a quarter and an eighth it is nearer to the whole picture resized than libvips comes', async () => {
  for (const chromaSubsampling of ['4:4:4', '4:2:0'])
    for (const short of [90, 55, 30]) {
      const [width, height] = [403, 301]
      const file = await encode(width, height, { quality: 90, chromaSubsampling })
      const got = (await decodeJpeg(file, { short, limit: 1e9 }))!
      const data = new Uint8Array(await libjpeg(file))
      const expected = resize({ data, width, height, channels: 3 }, got).data
      const vips = await sharp(file).resize(got.width, got.height, { fit: 'fill', kernel: 'linear' }).raw().toBuffer()
      const off = (pixels: Uint8Array) =>
        pixels.reduce((sum, value, i) => sum + Math.abs(value - expected[i]!), 0) / pixels.length
      assert.ok(off(got.data) < 7, `${chromaSubsampling} to ${short}: ${off(got.data)} off`)
      assert.ok(off(got.data) < off(vips) / 2, `${chromaSubsampling} to ${short}: ${off(got.data)} and ${off(vips)}`)
    }
})

test('what it resizes is what libtorch resizes, antialiased, to the nearest of 256', async () => {
  const file = await encode(300, 200, { quality: 95 })
  const data = await libjpeg(file)
  for (const interpolation of ['bilinear', 'bicubic'] as const)
    for (const short of [199, 150, 101]) {
      const got = await decode(file, { short, interpolation })
      const expected = resize({ data: new Uint8Array(data), width: 300, height: 200, channels: 3 }, got, interpolation)
      assert.deepEqual([got.width, got.height], [Math.trunc(1.5 * short), short])
      const off = Array.from(got.data, (value, i) => Math.abs(value - expected.data[i]!))
      assert.ok(most(off) <= 1, `${interpolation} ${short}: ${most(off)} off`)
      assert.ok(off.filter(by => by > 0).length < off.length / 50, `${interpolation} ${short}: often off by one`)
    }
})

test('long pictures are cut and turned pictures are fitted as by libvips', async () => {
  for (const orientation of [1, 3, 6, 8]) {
    const file = await encode(90, 260, { quality: 90 }, orientation)
    const whole = await decode(file, { short: 60 })
    const cut = await decode(file, { short: 60, aspect: 2 })
    const upright = orientation < 5
    assert.deepEqual([whole.width, whole.height], upright ? [60, 173] : [173, 60])
    assert.deepEqual([cut.width, cut.height], upright ? [60, 120] : [120, 60])
    const reference = await sharp(file, { autoOrient: true })
      .resize(whole.width, whole.height, { fit: 'fill', kernel: 'linear' })
      .raw()
      .toBuffer()
    const off = Array.from(whole.data, (value, i) => Math.abs(value - reference[i]!))
    assert.ok(most(off) <= 3, `orientation ${orientation}: ${most(off)} from libvips`)
  }
})

test('of damaged files it takes only what libjpeg takes with no warning or a harmless one, and then the same pixels', async () => {
  const files = [restarts, await encode(61, 47, { quality: 80 }), await encode(40, 30, { chromaSubsampling: '4:4:4' })]
  let seed = 11
  const random = (n: number) => ((seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 8) % n
  const seen = { taken: 0, left: 0 }
  for (let round = 0; round < 600; round++) {
    let file = Buffer.from(files[round % files.length]!)
    for (let k = 1 + random(3); k > 0; k--) file[random(file.length)]! ^= 1 << random(8)
    if (round % 10 === 0) file = file.subarray(0, random(file.length))
    const got = (await decodeJpeg(file, { limit: 1e6 }))?.data
    seen[got ? 'taken' : 'left']++
    if (!got) continue
    assert.equal(jpegFault(file), undefined, `round ${round}`)
    const harmless = mendedJpeg(file) // another version of JFIF, another last coefficient
    assert.ok((await libjpeg(harmless)).equals(got), `round ${round}`)
  }
  assert.ok(seen.taken > 50 && seen.left > 100, JSON.stringify(seen))
})

test('progressive, CMYK and cut-off JPEG are left to libvips, which says what is wrong', async () => {
  assert.equal(await own(await encode(32, 32, { progressive: true })), undefined)
  const cmyk = await sharp(pixels(1, 32, 32), { raw: { width: 32, height: 32, channels: 3 } })
    .toColourspace('cmyk')
    .jpeg()
    .toBuffer()
  assert.equal(await own(cmyk), undefined)
  const whole = await encode(64, 64, { quality: 90 })
  for (const length of [whole.length - 2, whole.length - 40, 700]) {
    assert.equal(await own(whole.subarray(0, length)), undefined)
    await assert.rejects(decode(whole.subarray(0, length)), /premature end of JPEG/)
  }
})

test('files are read, told by their stamps, fitted as their bytes are, and written one after another', async t => {
  const dir = tempFolder(t)
  for (const [i, [width, height]] of [[300, 200], [90, 400], [40, 40], [64, 300]].entries()) // biome-ignore format: a table
    put(dir, { [`${i}.jpg`]: await encode(width!, height!, { quality: 80 }, 1 + ((3 * i) % 8)) })
  put(dir, { 'progressive.jpg': await encode(64, 64, { progressive: true }) })
  const files = ['0.jpg', '1.jpg', '2.jpg', '3.jpg'].map(name => stamped(join(dir, name)))
  const others = [
    { ...files[0]!, stamp: files[0]!.stamp.replace(/\d$/, '9x') },
    stamped(join(dir, 'progressive.jpg')),
    stamped(dir),
    { path: join(dir, 'none.jpg'), stamp: '' },
  ]
  const fit = { short: 64, aspect: 2, limit: 1e9 }
  const file = openSync(join(dir, 'pixels'), 'w+')
  t.after(() => closeSync(file))
  const end = BigInt64Array.of(10n) // of 10 bytes by another
  const made = await decodeJpegFiles([...others, ...files], fit, { to: file, end })
  assert.deepEqual(made.slice(0, 4), [undefined, undefined, undefined, undefined])
  let offset = 10
  for (const [i, { path }] of files.entries()) {
    const { data, height, width } = await decode(readFileSync(path), fit)
    assert.deepEqual(made[4 + i], { offset, height, width })
    const got = new Uint8Array(data.length)
    readSync(file, got, 0, got.length, offset)
    assert.deepEqual(got, new Uint8Array(data as Uint8Array))
    offset += data.length
  }
  assert.equal(end[0], BigInt(offset))
  const bytes = files.map(({ path, stamp }) => ({ path: Buffer.from(path), stamp }))
  const again = await decodeJpegFiles(bytes, fit, { to: file, end })
  assert.deepEqual(again.map(row => row!.offset - offset + 10), made.slice(4).map(row => row!.offset)) // biome-ignore format: one line
  const many = Array.from({ length: 40 }, (_, i) => files[i % 4]!)
  const before = end[0]!
  const together = await decodeJpegFiles(many, fit, { to: file, end, threads: 3 })
  const sizes = together.map(row => 3 * row!.height * row!.width)
  for (const [i, { path }] of many.entries()) {
    const got = new Uint8Array(sizes[i]!)
    readSync(file, got, 0, got.length, together[i]!.offset)
    assert.deepEqual(got, new Uint8Array((await decode(readFileSync(path), fit)).data as Uint8Array))
  }
  assert.equal(end[0]! - before, BigInt(sizes.reduce((a, b) => a + b)))
  const large = await decodeJpegFiles(files, { ...fit, limit: 4000 }, { to: file, end })
  assert.deepEqual(large.map(row => row !== undefined), [false, false, true, false], 'too large') // biome-ignore format: one line
  const closed = openSync(join(dir, 'pixels'), 'r')
  assert.deepEqual(await decodeJpegFiles(files.slice(0, 1), fit, { to: closed, end }), [undefined], 'not to be written')
  closeSync(closed)
})

test('files are hashed by the sha256 that Node gives', async t => {
  const dir = tempFolder(t)
  const lengths = [0, 1, 55, 56, 63, 64, 65, 119, 120, 4096, 131072, 131073, 300001]
  for (const length of lengths) put(dir, { [`${length}.bin`]: pixels(length, length, 1).subarray(0, length) })
  const files = lengths.map(length => stamped(join(dir, `${length}.bin`)))
  assert.deepEqual(await hashFiles(files, 3), await hashFiles(files))
  const hashes = await hashFiles([...files, { ...files[1]!, stamp: '1 2 3 4' }, stamped(dir)])
  assert.deepEqual(hashes.splice(lengths.length), [undefined, undefined], 'another stamp, a folder')
  const has = process.platform === 'darwin' || / (sha_ni|sha2)\s/.test(readFileSync('/proc/cpuinfo', 'utf8'))
  assert.deepEqual(hashes, has ? files.map(({ path }) => sha256(readFileSync(path))) : lengths.map(() => undefined))
})

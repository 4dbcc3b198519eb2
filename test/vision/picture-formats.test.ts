import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import sharp from 'sharp'
import { findSamples } from '../../src/data/labels/list-files.ts'
import { decodeJpeg } from '../../src/torch/index.ts'
import { decode, decodeFile } from '../../src/vision/decode/decode.ts'
import { formatOf, pictureFiles } from '../../src/vision/decode/formats.ts'
import { jpegFault } from '../../src/vision/decode/jpeg-check.ts'
import { loadPicture } from '../../src/vision/decode/load-picture.ts'
import { jpeg, pixels, put, tempFolder } from '../helpers/data.ts'
import { type GoldenPicture, goldenPictures, refusedPictures } from '../helpers/pictures.ts'

/** The largest difference from Pillow, of 255, by what a picture's name begins with: the first that fits counts. What has no
 *  loss of its own is Pillow's to the bit; transparency and 16 bits are rounded at another place. libheif gives each pixel the
 *  colour of its block where libavif blends those beside it, which shows at edges of AVIF with fewer colours than pixels. */
// prettier-ignore
const largest: readonly (readonly [kind: RegExp, off: number])[] = [
  [/^jpeg/, 0],
  [/^png .*(alpha|rgba|half clear|background|grey of 16)/, 1],
  [/^png/, 0],
  [/^gif smaller/, 5],
  [/^gif/, 0],
  [/^webp .*alpha/, 1],
  [/^webp/, 1],
  [/^avif (4:4:4|grey|of 10)/, 3],
  [/^avif/, 20],
  [/^heic/, 4],
  [/^bmp .*alpha/, 1],
  [/^bmp/, 0],
  [/^(pbm|pgm|ppm|pfm|grey P|rgb P)/, 0],
  [/^pam .*(alpha|rgba)/, 1],
  [/^pam/, 0],
  [/^tiff .*Lab/, 5],
  [/^tiff YCbCr .*video/, 4],
  [/^tiff YCbCr/, 1],
  [/^tiff .*(alpha|rgba)/, 1],
  [/^tiff/, 0],
]

const off = ({ data }: { data: ArrayLike<number> }, expected: Uint8Array) =>
  expected.reduce((most, value, i) => Math.max(most, Math.abs(value - data[i]!)), 0)

const named = (part: RegExp): GoldenPicture[] => goldenPictures.filter(({ name }) => part.test(name))

test('every format, colour space, depth, orientation, transparency and profile: the pixels of Pillow', async () => {
  assert.ok(goldenPictures.length > 280, `${goldenPictures.length} pictures`)
  const used = new Set<number>()
  for (const { name, bytes, rgb, width, height, by } of goldenPictures) {
    const row = largest.findIndex(([kind]) => kind.test(name))
    assert.ok(row >= 0, `${name} is in no row of the table`)
    used.add(row)
    const picture = await decode(bytes).catch(error => assert.fail(`${name}: ${error.message}`))
    assert.deepEqual([picture.width, picture.height, picture.data.length], [width, height, rgb.length], name)
    const distance = off(picture, rgb)
    assert.ok(distance <= largest[row]![1], `${name}: ${distance} from ${by}, at most ${largest[row]![1]}`)
  }
  assert.equal(used.size, largest.length, 'every row of the table is of some picture')
})

test('what is not read is refused, and the reason names it', async () => {
  assert.ok(refusedPictures.length > 80, `${refusedPictures.length} files`)
  for (const { name, bytes, reason } of refusedPictures)
    await assert.rejects(decode(bytes), { name: 'AnnealError', message: reason }, name)
})

test('colours are the same however channels are asked for: as they are, copied or RGB', async () => {
  const kinds =
    /^(bmp|ppm|pgm|tiff (YCbCr|palette|planes|tiles|jpeg|old|orientation)|jpeg|png (rgb|grey|palette)$|gif$|webp loss)/
  let compared = 0
  for (const { name, bytes } of named(kinds)) {
    const rgb = await decode(bytes)
    const copied = await decode(bytes, { channels: 'copy' })
    assert.deepEqual(copied.data, rgb.data, `${name}, copied`)
    const kept = await decode(bytes, { channels: 'keep' })
    const { channels = 3, width, height } = kept
    assert.deepEqual([width, height], [rgb.width, rgb.height], name)
    assert.equal(channels, (await formatOf(bytes)!.probe(bytes)).channels, `${name}: the kind told beforehand`)
    if (channels > 3) continue // transparency and inks stay
    const three = Array.from(rgb.data, (_, i) => kept.data[channels === 3 ? i : Math.floor(i / 3)]!)
    assert.ok(off({ data: three }, rgb.data as Uint8Array) <= 1, `${name}, kept`)
    compared++
  }
  assert.ok(compared > 120, `${compared} compared`)
})

test('inks are kept as the file has them', async () => {
  for (const { name, bytes } of named(/^(jpeg cmyk, Adobe|tiff cmyk none|tiff cmyk, planes)$/)) {
    const { data, channels } = await decode(bytes, { channels: 'keep' })
    assert.equal(channels, 4, name)
    const naive = Array.from({ length: (data.length / 4) * 3 }, (_, i) => {
      const at = 4 * Math.floor(i / 3)
      return Math.round(((255 - data[at + (i % 3)]!) * (255 - data[at + 3]!)) / 255)
    })
    assert.ok(off({ data: naive }, (await decode(bytes)).data as Uint8Array) <= 1, name)
  }
})

test('both ways to decode JPEG give the same: our own, and libvips', async () => {
  let [own, other] = [0, 0]
  for (const { name, bytes, rgb } of named(/^jpeg/)) {
    const picture = await decodeJpeg(bytes, { limit: 1e9 })
    picture ? own++ : other++
    if (picture) assert.equal(off(picture, rgb), 0, `${name}, by our own`)
    if (!picture || /JFIF|Huffman|last coefficient|AVI|cmyk|ycck/.test(name)) continue
    const vips = await sharp(bytes, { autoOrient: true, ignoreIcc: true })
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer()
    assert.equal(off({ data: vips }, rgb), 0, `${name}, by libvips`)
  }
  assert.ok(own > 45 && other > 30, `${own} by our own, ${other} by libvips`)
  for (const name of ['JFIF 0.0', 'last coefficient 0, Samsung', 'a frame of AVI', 'no Huffman tables, motion JPEG']) {
    const { bytes } = named(new RegExp(`^jpeg ${name}$`))[0]!
    assert.ok(await decodeJpeg(bytes, { limit: 1e9 }), `${name} takes the quick way`)
  }
})

test('bytes too many behind the last block are passed over, blocks too many are damage', async () => {
  const whole = await jpeg(5, 160, 120)
  const end = whole.length - 2
  const bytesBefore = (more: Uint8Array) => Buffer.concat([whole.subarray(0, end), more, whole.subarray(end)])
  for (const count of [1, 8, 9, 500, 20_000]) {
    const noise = pixels(count, count, 1)
      .subarray(0, count)
      .map(value => value % 255)
    const file = bytesBefore(noise)
    assert.equal(jpegFault(file), undefined, `${count} bytes`)
    assert.deepEqual((await decode(file)).data, (await decode(whole)).data, `${count} bytes`)
  }
  const scan = whole.lastIndexOf(Buffer.from([0xff, 0xda])) + 14
  const again = bytesBefore(whole.subarray(scan + 200, end))
  assert.match(jpegFault(again) ?? 'nothing', /corrupt|nothing/, 'the middle of the data once more')
  // Without bytes in the middle, the data end too early or are shifted.
  let refused = 0
  for (let at = scan + 40; at < end - 60; at += 37) {
    const damaged = Buffer.from(whole)
    damaged[at]! ^= 0x5a
    if (damaged[at] === 0xff || whole[at] === 0xff || whole[at - 1] === 0xff) continue
    await decode(damaged).catch(() => refused++)
  }
  assert.ok(refused > 20, `${refused} of the damaged ones are refused`)
})

test('a picture is refused for its own reason, whatever is decoded beside it', async () => {
  const cut = (name: RegExp) => named(name)[0]!.bytes
  const webp = cut(/^webp lossless$/)
  const files = [
    ...refusedPictures
      .filter(({ name }) => /(cut off|half of it|no end|damaged)$/.test(name))
      .map(({ bytes }) => bytes),
    (await sharp(pixels(3, 90, 80), { raw: { width: 90, height: 80, channels: 3 } }).jpeg({ progressive: true }).toBuffer()).subarray(0, 2000), // biome-ignore format: one line
    webp.subarray(0, webp.length - 30),
    cut(/^gif$/).subarray(0, 300),
    cut(/^tiff jpeg, grey$/).map((byte, i) => (i >= 8 && i < 200 ? 0 : byte)),
  ]
  const reasonOf = (bytes: Uint8Array) => decode(bytes).then(() => 'none', error => String(error.message)) // biome-ignore format: one line
  const alone: string[] = []
  for (const bytes of files) alone.push(await reasonOf(bytes))
  assert.ok(!alone.includes('none'), alone.join('; '))
  const good = named(/^(png rgb|webp|gif|tiff fax|jpeg progressive)/)
  for (let round = 0; round < 12; round++) {
    const order = files.map((_, i) => (i * 7 + round) % files.length)
    const work = order.flatMap(i => [reasonOf(files[i]!), reasonOf(good[(i + round) % good.length]!.bytes)])
    const reasons = await Promise.all(work)
    for (const [k, i] of order.entries()) {
      assert.equal(reasons[2 * k], alone[i], `round ${round}`)
      assert.equal(reasons[2 * k + 1], 'none', `round ${round}: ${good[(i + round) % good.length]!.name}`)
    }
  }
})

test('what lies in a folder beside pictures is passed over with a word, what claims to be one is counted', async t => {
  const dir = tempFolder(t)
  const content = (name: string) => Buffer.from(refusedPictures.find(refused => refused.name === name)!.bytes)
  put(dir, {
    'good.jpg': await jpeg(1),
    'notes.txt': 'hello',
    'Thumbs.db': 'x',
    '.DS_Store': 'x',
    'film.mp4': content('film, mp4'),
    'all.zip': content('zip'),
    'scan.pdf': content('pdf'),
    'scan.dcm': content('dicom'),
    'photo.cr2': content('cr2'),
    'photo.jp2': content('jpeg 2000'),
    'empty.png': '',
    'page.jpg': '<html></html>',
  })
  const { samples: pictures, problems } = findSamples(Buffer.from(dir), Buffer.from(dir), pictureFiles)
  const names = pictures.map(({ file }) => file.slice(dir.length + 1)).sort()
  assert.deepEqual(names, ['good.jpg', 'photo.cr2', 'photo.jp2', 'scan.dcm'])
  const told = Object.fromEntries(problems.map(({ file, reason, counted }) => [file, `${counted ? '!' : ''}${reason}`]))
  assert.deepEqual(told, {
    'all.zip': 'it is a zip archive; unpack it first',
    'empty.png': '!it is empty (0 bytes)',
    'film.mp4': 'it is a video; save frames of it as pictures',
    'notes.txt': 'it holds text, not a picture',
    'page.jpg': '!it holds HTML or XML text, not a picture',
    'scan.pdf': 'it is a PDF; save its pages as pictures, for example with pdftoppm -png',
  })
  await assert.rejects(
    decodeFile(join(dir, 'photo.cr2')),
    /photo\.cr2 is no picture that can be used: it is a camera's raw file/,
  )
})

test('a small file that claims to be a huge picture takes no memory', async () => {
  const bombs: [name: RegExp, at: number, size: Buffer][] = [
    [/^bmp RLE8$/, 18, Buffer.from([0xff, 0x3f, 0, 0, 0xff, 0x3f, 0, 0])], // 16,383 x 16,383
    [/^bmp of 24 bits$/, 18, Buffer.from([0xff, 0x3f, 0, 0, 0xff, 0x3f, 0, 0])],
    [/^ppm by Pillow$/, 3, Buffer.from('16000 16000\n255\n')],
    [/^pam rgb$/, 3, Buffer.from('WIDTH 16000\nHEIGHT 16000\nDEPTH 3\nMAXVAL 255\nENDHDR\n')],
  ]
  const before = process.memoryUsage().rss
  for (const [name, at, size] of bombs) {
    const file = Buffer.from(named(name)[0]!.bytes)
    size.copy(file, at)
    await assert.rejects(decode(file), { name: 'AnnealError', message: /cut off/ }, String(name))
  }
  assert.ok(process.memoryUsage().rss - before < 300e6, 'memory')
})

test('predicting fits a picture as training does, transparency, 16 bits and inks too', async t => {
  const dir = tempFolder(t)
  for (const { name, bytes } of named(
    /^(png rgba|png grey and alpha of 16|bmp alpha, header of 124|tiff cmyk none|ppm by|webp alpha|gif one|heic$)/,
  )) {
    put(dir, { picture: Buffer.from(bytes) })
    const trained = await decode(bytes, { short: 12, aspect: 2 })
    const predicted = await loadPicture(join(dir, 'picture'), { short: 12 })
    assert.deepEqual(predicted.data, trained.data, name)
  }
})

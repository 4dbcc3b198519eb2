import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import sharp, { type Sharp } from 'sharp'
import { crc32 } from '../../src/base/crc32.ts'
import { readHeader } from '../../src/runtime/header.ts'
import { load } from '../../src/runtime/node.ts'
import { toModelPixels } from '../../src/runtime/pixels.ts'
import { decodePng } from '../../src/runtime/png.ts'
import { decodeFile } from '../../src/vision/decode/decode.ts'
import { goldenPictures, refusedPictures } from '../helpers/pictures.ts'
import { colourModel, testCard } from '../helpers/served.ts'

const work = mkdtempSync(join(tmpdir(), 'anneal-golden-'))
after(() => rmSync(work, { recursive: true, force: true }))
const model = colourModel()
const most = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((m, v, i) => Math.max(m, Math.abs(v - b[i]!)), 0)

test('in Node, golden pictures are those of other programs', async () => {
  await using loaded = await load(model, { kind: 'picture' })
  let count = 0
  for (const { name, bytes, width, height, rgb, off } of goldenPictures) {
    if (!/^(jpeg|png|gif|webp|avif)/.test(name)) continue
    const got = await loaded.decode(bytes).catch(error => assert.fail(`${name}: ${error.message}`))
    count++
    assert.deepEqual([got.width, got.height], [width, height], name)
    const difference = most(got.data, rgb)
    assert.ok(difference <= off, `${name}: differs by ${difference}`)
  }
  assert.ok(count > 100, `${count} pictures`)
  // libvips reads lossless JPEG files; training refuses them.
  for (const { name, bytes } of refusedPictures)
    if (/^(jpeg|png|gif|webp|avif)/.test(name) && name !== 'jpeg lossless')
      await assert.rejects(loaded.decode(bytes), /can not be used/, name)
})

test('in Node, a TIFF file gets the pixels of training, or is refused', async () => {
  await using loaded = await load(model, { kind: 'picture' })
  const [wrong, refused]: string[][] = [[], []]
  let same = 0
  for (const { name, bytes, rgb, off } of goldenPictures) {
    if (!name.startsWith('tiff')) continue
    try {
      const got = await loaded.decode(bytes)
      if (got.data.length === rgb.length && most(got.data, rgb) <= off) same++
      else wrong!.push(name)
    } catch {
      refused!.push(name)
    }
  }
  assert.deepEqual(wrong, [])
  assert.ok(same > 60 && refused!.length > 20, `${same} the same, ${refused!.length} refused`)
  const four = sharp(new Uint8Array(48).fill(7), { raw: { width: 4, height: 3, channels: 4 } })
  assert.equal((await loaded.decode(await four.tiff().toBuffer())).channels, 3, 'a fourth channel that is alpha')
})

/** Decodes PNG by the runtime's own decoder, which browsers and workers use. */
const own = async (bytes: Uint8Array) => {
  const { orientation } = await readHeader(bytes, 'PNG')
  return toModelPixels(await decodePng(bytes, orientation), testCard().input)
}

test('our own decoder of PNG gives the pixels of training', async () => {
  let count = 0
  for (const { name, bytes } of goldenPictures) {
    if (!name.startsWith('png')) continue
    count++
    writeFileSync(join(work, 'a.png'), bytes)
    const trained = await decodeFile(join(work, 'a.png'))
    const got = await own(bytes)
    assert.deepEqual([got.width, got.height], [trained.width, trained.height], name)
    const difference = most(got.data, trained.data)
    assert.ok(difference <= (/16 bits/.test(name) ? 1 : 0), `${name}: differs by ${difference}`)
  }
  assert.ok(count > 30, `${count} pictures`)
  for (const { name, bytes } of refusedPictures)
    if (name.startsWith('png')) await assert.rejects(own(bytes), /PNG data are cut off or corrupt/, name)
})

test('every filter, width, depth and interlacing of PNG', async () => {
  for (const [width, height] of [
    [1, 1],
    [3, 2],
    [9, 17],
    [64, 5],
  ] as const)
    for (const channels of [1, 2, 3, 4] as const)
      for (const progressive of [false, true])
        for (const palette of [false, true]) {
          const data = Uint8Array.from({ length: width * height * channels }, (_, i) => (i * i * 31 + i * 7) % 256)
          const picture: Sharp = sharp(data, { raw: { width, height, channels } })
          const bytes = await picture.png({ progressive, palette, adaptiveFiltering: true }).toBuffer()
          writeFileSync(join(work, 'b.png'), bytes)
          const trained = await decodeFile(join(work, 'b.png'))
          const got = await own(bytes)
          assert.deepEqual(
            [...got.data],
            [...trained.data],
            `${width} x ${height} x ${channels}${progressive ? ', interlaced' : ''}${palette ? ', palette' : ''}`,
          )
        }
})

test('EXIF in PNG turns the picture if it stands before the pixels, as in training', async () => {
  const chunk = (kind: string, data: readonly number[]) => {
    const body = Buffer.concat([Buffer.from(kind), Buffer.from(data)])
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)]
    length.writeUInt32BE(data.length)
    sum.writeUInt32BE(crc32(body) >>> 0)
    return Buffer.concat([length, body, sum])
  }
  const png = await sharp(
    Uint8Array.from({ length: 90 }, (_, i) => i * 2),
    { raw: { width: 6, height: 5, channels: 3 } },
  )
    .png()
    .toBuffer()
  const exif = (orientation: number, little: boolean) =>
    little
      ? [0x49, 0x49, 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0]
      : [0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0]
  for (let orientation = 0; orientation <= 9; orientation++)
    for (const little of [false, true])
      for (const at of [33, png.length - 12]) {
        const bytes = Buffer.concat([png.subarray(0, at), chunk('eXIf', exif(orientation, little)), png.subarray(at)])
        writeFileSync(join(work, 'exif.png'), bytes)
        const trained = await decodeFile(join(work, 'exif.png'))
        const got = await own(bytes)
        const where = `orientation ${orientation} at byte ${at}${little ? ', little-endian' : ''}`
        assert.deepEqual([got.width, got.height], [trained.width, trained.height], where)
        assert.equal(most(got.data, trained.data), 0, where)
      }
})

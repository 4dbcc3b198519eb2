import assert from 'node:assert/strict'
import { test } from 'node:test'
import sharp from 'sharp'
import { rng } from '../../src/base/random.ts'
import { decodeFile } from '../../src/runtime/decode-node.ts'
import { toModelPixels } from '../../src/runtime/pixels.ts'
import { byAddon, decodePicture } from '../../src/serve/pictures/decode.ts'
import { smallAddon } from '../../src/setup/index.ts'
import { goldenPictures, refusedPictures } from '../helpers/pictures.ts'
import { testCard } from '../helpers/served.ts'

const card = testCard()
const limit = 1e9
const bySharp = async (bytes: Uint8Array) => toModelPixels(await decodeFile(bytes, card, limit), card.input)

/** A photo-like JPEG of this many pixels. */
async function photo(width: number, height: number): Promise<Uint8Array> {
  const random = rng(5)
  const few = Uint8Array.from({ length: 40 * 30 * 3 }, () => random.uniform(0, 255))
  const raw = { width: 40, height: 30, channels: 3 as const }
  return sharp(few, { raw }).resize(width, height, { fit: 'fill' }).jpeg({ quality: 95 }).toBuffer()
}

test('the addon decodes usual JPEG files for the server, to the pixels of sharp; sharp decodes the rest', async () => {
  assert.ok(smallAddon()?.decodePixels, 'set-up has built an addon with the decoder')
  let taken = 0
  for (const { name, bytes } of goldenPictures) {
    if (!/^(jpeg|png|webp)/.test(name)) continue
    const expected = await bySharp(bytes)
    if (await byAddon(bytes, limit)) taken++
    const got = await decodePicture(bytes, card, limit)
    assert.deepEqual({ ...got, data: 0 }, { ...expected, data: 0 }, name)
    assert.equal(Buffer.compare(got.data, expected.data), 0, name)
  }
  assert.ok(taken > 20, `${taken} golden pictures by the addon`)
})

test('a large file is decoded beside the server, a small one in its thread, both to the same pixels', async () => {
  for (const [width, height] of [
    [320, 240],
    [2400, 1800],
  ] as const) {
    const bytes = await photo(width, height)
    const got = await byAddon(bytes, limit)
    assert.deepEqual([got?.width, got?.height], [width, height])
    assert.equal(
      Buffer.compare(got!.data, (await bySharp(bytes)).data),
      0,
      `${width} x ${height}, ${bytes.length} bytes`,
    )
  }
})

test('what the addon refuses gets the words of the runtime', async () => {
  const whole = await photo(320, 240)
  const cut = whole.subarray(0, whole.length / 2)
  assert.equal(await byAddon(cut, limit), undefined, 'cut off')
  await assert.rejects(decodePicture(cut, card, limit), /JPEG data are cut off or corrupt/)
  assert.equal(await byAddon(whole, 1000), undefined, 'too many pixels')
  await assert.rejects(decodePicture(whole, card, 1000), /320 x 240 pixels, the limit is 1000/)
  for (const { name, bytes } of refusedPictures)
    if (name.startsWith('jpeg') && name !== 'jpeg lossless')
      await assert.rejects(decodePicture(bytes, card, limit), Error, name)
})

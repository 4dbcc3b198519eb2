import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import sharp from 'sharp'
import { decodeJpeg } from '../../src/torch/index.ts'
import { planFit, shrunk, sizeAt } from '../../src/vision/decode/resize.ts'

type Golden = readonly [width: number, height: number, short: number, newWidth: number, newHeight: number]
const golden: Golden[] = JSON.parse(readFileSync(new URL('../golden/sizes.json', import.meta.url), 'utf8'))

/** The rule in whole numbers of any size. */
const inWhole = (side: number, short: number, now: number) => Number((BigInt(short) * BigInt(side)) / BigInt(now))

const sizeOf = (width: number, height: number, short: number) => {
  const { width: w, height: h } = planFit(width, height, { short }).resize ?? { width, height }
  return [w, h]
}

test('pictures are fitted to the sizes of torchvision', () => {
  assert.ok(golden.length > 200, `${golden.length} golden sizes`)
  for (const [width, height, short, ...expected] of golden)
    assert.deepEqual(sizeOf(width, height, short), expected, `${width} x ${height} at ${short}`)
})

test('a square stays a square at every size', () => {
  for (const short of [1, 28, 64, 128, 146, 224, 232, 256, 292, 342, 384, 439, 518])
    for (let side = 1; side <= 2000; side++) {
      const now = short < side ? short : side
      assert.deepEqual(sizeOf(side, side, short), [now, now], `${side} x ${side} at ${short}`)
    }
})

test('the long side is cut to a whole number, never lost to a product of doubles', () => {
  const ratios = [[3, 2], [2, 1], [4, 3], [16, 9], [5, 4], [21, 9], [7, 5], [3, 1]] // biome-ignore format: a table
  for (const short of [64, 224, 256, 342])
    for (const [a, b] of ratios)
      for (let k = 1; k <= 700; k++) {
        const [width, height] = [a! * k, b! * k]
        if (short >= height) continue
        const expected = [inWhole(width, short, height), short]
        assert.deepEqual(sizeOf(width, height, short), expected, `${width} x ${height} at ${short}`)
        assert.deepEqual(sizeOf(height, width, short), [expected[1], expected[0]], `${height} x ${width} at ${short}`)
      }
})

test('the decoder of JPEG files and the trials of augmentation take the same sizes', async () => {
  const sides = [[322, 322], [347, 347], [374, 374], [483, 322], [521, 347], [374, 748], [500, 375], [301, 299]] // biome-ignore format: a table
  for (const [width, height] of sides as [number, number][]) {
    const file = await sharp({ create: { width, height, channels: 3, background: '#567' } })
      .jpeg()
      .toBuffer()
    const expected = sizeAt(256, { width, height })
    const name = `${width} x ${height} at 256`
    const made = (await decodeJpeg(file, { short: 256, limit: 1e9 }))!
    assert.deepEqual({ width: made.width, height: made.height }, expected, `decoder: ${name}`)
    const picture = { data: new Uint8Array(width * height), width, height, channels: 1 }
    const small = shrunk(picture, 256)
    assert.deepEqual({ width: small.width, height: small.height }, expected, `shrunk: ${name}`)
  }
})

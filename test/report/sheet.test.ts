import assert from 'node:assert/strict'
import { test } from 'node:test'
import sharp from 'sharp'
import { drawSheet } from '../../src/report/page/augment-sheet.ts'

const side = 60
const tile = (r: number, g: number, b: number) =>
  Uint8Array.from({ length: side * side * 3 }, (_, i) => [r, g, b][i % 3]!)
const colours: [number, number, number][] = [
  [250, 0, 0],
  [0, 250, 0],
  [0, 0, 250],
  [250, 250, 0],
]
const rows = (caption: string) => [0, 1].map(r => ({ caption, tiles: [0, 1].map(c => tile(...colours[2 * r + c]!)) }))
const sheet = (caption: string, title = 'side-on') => ({
  title,
  columns: ['plain', 'epoch 1'],
  rows: rows(caption),
  side,
})

async function pixels(image: Buffer) {
  const { data, info } = await sharp(image).raw().toBuffer({ resolveWithObject: true })
  const at = (x: number, y: number) => [
    ...data.subarray(info.channels * (y * info.width + x), info.channels * (y * info.width + x) + 3),
  ]
  return { at, data, ...info }
}
/** The bounding box of a colour and its number of pixels. */
function box({ at, width, height }: Awaited<ReturnType<typeof pixels>>, colour: readonly number[]) {
  const found: [number, number][] = []
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) if (at(x, y).join() === colour.join()) found.push([x, y])
  const [xs, ys] = [found.map(p => p[0]), found.map(p => p[1])]
  return {
    count: found.length,
    left: Math.min(...xs),
    top: Math.min(...ys),
    right: Math.max(...xs),
    bottom: Math.max(...ys),
  }
}

test('pictures stand in rows and columns, pixel for pixel, with words above them', async () => {
  const image = await pixels(await drawSheet(sheet('cat (cat/1.jpg)')))
  const boxes = colours.map(colour => box(image, colour))
  for (const { count, left, right, top, bottom } of boxes)
    assert.deepEqual([count, right - left + 1, bottom - top + 1], [side * side, side, side])
  assert.ok(boxes[1]!.left > boxes[0]!.right && boxes[1]!.top === boxes[0]!.top, 'a row goes to the right')
  assert.ok(boxes[2]!.top > boxes[0]!.bottom && boxes[2]!.left === boxes[0]!.left, 'the next is below')
  assert.ok(
    boxes[3]!.right < image.width && boxes[3]!.bottom < image.height,
    'boxes[3]!.right < image.width && boxes[3]!.bottom < image.height',
  )
  const dark = (top: number, bottom: number) => {
    let count = 0
    for (let y = top; y < bottom; y++)
      for (let x = 0; x < image.width; x++) if (image.at(x, y).every(v => v < 120)) count++
    return count
  }
  const first = boxes[0]!.top
  assert.ok(dark(0, first - 45) > 20, 'the title')
  assert.ok(dark(first - 18, first) > 20, 'a caption')
  assert.ok(dark(boxes[0]!.bottom + 1, boxes[2]!.top) > 20, 'the next caption')
})

test('names are text, whatever they hold', async () => {
  for (const name of ['<script>&"\'', 'a\u0000b\ud800\u202e', '</text></svg>', 'ü'.repeat(500), ''])
    assert.equal(
      (await pixels(await drawSheet(sheet(name, name)))).height,
      (await pixels(await drawSheet(sheet('x')))).height,
    )
})

test('as JPEG; large pictures are made smaller', async () => {
  const jpeg = await drawSheet(sheet('x'), { format: 'jpeg' })
  assert.deepEqual([...jpeg.subarray(0, 2)], [0xff, 0xd8])
  const large = {
    title: 'x',
    columns: ['plain'],
    side: 512,
    rows: [{ caption: 'x', tiles: [new Uint8Array(512 * 512 * 3)] }],
  }
  const image = await pixels(await drawSheet(large))
  const { right, left } = box(image, [0, 0, 0])
  assert.equal(right - left + 1, 224)
})

// The effect of each change on pixels, compared with fastai and torchvision if they do the same (test/golden/augment.json).
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setThreads } from '../../src/torch/index.ts'
import { colour } from '../../src/vision/augment/colour.ts'
import { boxPixels } from '../../src/vision/augment/erase.ts'
import { pictureMap } from '../../src/vision/augment/geometry.ts'
import { augmentation, type Change, drawChange, unchanged } from '../../src/vision/augment/index.ts'
import { windowSize } from '../../src/vision/augment/resized-crop.ts'
import { warp } from '../../src/vision/augment/warp.ts'
import { pictureBatch } from '../../src/vision/batch.ts'
import type { Picture } from '../../src/vision/types.ts'

interface Golden {
  warp: { x: number; y: number; matrix: number[] }[]
  warped: { x: number; y: number; size: number; pad: Change['pad']; pixels: number[] }[]
  lit: { brightness: number; contrast: number; pixels: number[] }[]
  windows: { height: number; width: number; tries: [number, number][]; size: [number, number] }[]
  erased: { height: number; width: number; area: number; aspect: number; places: number[][] }[]
  saturated: { factor: number; pixels: number[] }[]
}
const golden = JSON.parse(readFileSync(new URL('../golden/augment.json', import.meta.url), 'utf8')) as Golden

/** Values in [0, 1] as pixels of the type. */
const scaled = { mean: [0], std: [1] }
/** The same as in make_augment.py. */
const formula = (height: number, width: number): Picture => ({
  data: Uint8Array.from({ length: height * width * 3 }, (_, i) => (7 * i) % 251),
  height,
  width,
})
const seen = (
  picture: Picture,
  change: Partial<Change>,
  size: number,
  more: { short?: number; channels?: number } = {},
) => pictureBatch([picture], [{ ...unchanged, ...change }], { size, normalization: scaled, ...more })
const values = (...args: Parameters<typeof seen>) => seen(...args).data() as Float32Array
function near(actual: ArrayLike<number>, wanted: ArrayLike<number>, tolerance: number, what = '') {
  assert.equal(actual.length, wanted.length, what)
  for (let i = 0; i < wanted.length; i++)
    if (!(Math.abs(actual[i]! - wanted[i]!) <= tolerance))
      assert.fail(`${what} at ${i}: ${actual[i]}, expected ${wanted[i]} within ${tolerance}`)
}
/** The picture's rows as planes, [3, H, W] of 0 to 1, cut out of it. */
function planes({ data, width }: Picture, top: number, left: number, height: number, span: number): number[] {
  return [0, 1, 2].flatMap(c =>
    Array.from({ length: height * span }, (_, i) => {
      const at = (top + Math.floor(i / span)) * width + left + (i % span)
      return data[3 * at + c]! / 255
    }),
  )
}

test("the perspective warp is fastai's matrix; its corners are where it says", () => {
  for (const { x, y, matrix } of golden.warp) near(warp(x, y), matrix, 1e-6, `warp ${x}, ${y}`)
  const [x, y] = [0.13, -0.2]
  const m = warp(x, y)
  const at = (u: number, v: number) => {
    const w = m[6] * u + m[7] * v + m[8]
    return [(m[0] * u + m[1] * v + m[2]) / w, (m[3] * u + m[4] * v + m[5]) / w]
  }
  near(
    [...at(-1 - y, -1 - x), ...at(-1 + y, 1 + x), ...at(1 + y, -1 + x), ...at(1 - y, 1 - x)],
    [-1, -1, -1, 1, 1, -1, 1, 1],
    1e-12,
  )
})

test("a warped picture is grid_sample's, beyond the edge by each of the three paddings", () => {
  for (const { x, y, size, pad, pixels } of golden.warped)
    near(
      values(formula(size, size), { warpX: x, warpY: y, pad }, size),
      pixels.map(v => v / 255),
      1e-5,
      pad,
    )
})

test("lighting in logit space is fastai's Brightness and Contrast", () => {
  for (const { brightness, contrast, pixels } of golden.lit) {
    const change = { logitShift: Math.log(brightness / (1 - brightness)), logitGain: contrast }
    const picture = formula(4, 5)
    // A crop is square: two of them cover the picture.
    const plane = (c: number, all: number[]) => all.slice(20 * c, 20 * (c + 1))
    for (const [cropX, left] of [
      [0, 0],
      [1, 1],
    ] as const) {
      const wanted = [0, 1, 2].flatMap(c => plane(c, pixels).filter((_, i) => i % 5 >= left && i % 5 < left + 4))
      near(values(picture, { ...change, cropX }, 4), wanted, 2e-6, `${brightness}, ${contrast}`)
    }
  }
})

test("saturation is torchvision's; hue turns colours and keeps greys and brightness", () => {
  for (const { factor, pixels } of golden.saturated) {
    const wanted = [0, 1, 2].flatMap(c => pixels.slice(20 * c, 20 * (c + 1)).filter((_, i) => i % 5 < 4))
    near(values(formula(4, 5), { saturation: factor, cropX: 0 }, 4), wanted, 1e-3, `saturation ${factor}`)
  }
  const times = (m: readonly number[], v: readonly number[]) =>
    [0, 1, 2].map(r => m[3 * r]! * v[0]! + m[3 * r + 1]! * v[1]! + m[3 * r + 2]! * v[2]!)
  const grey = ([r, g, b]: readonly number[]) => 0.299 * r! + 0.587 * g! + 0.114 * b!
  const pixel = [0.3, 0.45, 0.6]
  near(colour(1, 0), [1, 0, 0, 0, 1, 0, 0, 0, 1], 1e-12, 'no change')
  for (const hue of [0.4, -1.5, Math.PI]) {
    near(times(colour(1, hue), [0.7, 0.7, 0.7]), [0.7, 0.7, 0.7], 1e-12, 'grey')
    near([grey(times(colour(1, hue), pixel))], [grey(pixel)], 1e-12, 'brightness')
    near(times(colour(1, -hue), times(colour(1, hue), pixel)), pixel, 1e-12, 'there and back')
  }
  const red = times(colour(1, (2 * Math.PI) / 3), [1, 0, 0])
  assert.notEqual(red.indexOf(Math.max(...red)), 0, 'a third of the circle takes red to another colour')
})

test("a random resized crop has the size that fastai's would have, and shows that part of the picture", () => {
  for (const { height, width, tries, size } of golden.windows) {
    const window = { tries: tries.map(([area, ratio]) => ({ area, ratio })), minRatio: 3 / 4, maxRatio: 4 / 3 }
    assert.deepEqual(windowSize(window, { height, width }), { height: size[0], width: size[1] })
  }
  // A window as large as the crop is a plain crop; it may lie anywhere.
  const picture = formula(20, 32)
  const tries = [{ area: (8 * 8) / (20 * 32), ratio: 1 }]
  const window = { tries, minRatio: 3 / 4, maxRatio: 4 / 3 }
  near(values(picture, { window, cropX: 0, cropY: 1 }, 8), planes(picture, 12, 0, 8, 8), 1e-4, 'lower left')
  near(values(picture, { window, cropX: 0.25, cropY: 0 }, 8), planes(picture, 0, 6, 8, 8), 1e-4, 'a quarter in')
})

test('a picture made much smaller is the mean of its blocks, not every third pixel', () => {
  const stripes: Picture = {
    data: Uint8Array.from({ length: 48 * 48 * 3 }, (_, i) => (Math.floor(i / 3) % 3 === 1 ? 240 : 0)),
    height: 48,
    width: 48,
  }
  const window = { tries: [{ area: 1, ratio: 1 }], minRatio: 1, maxRatio: 1 }
  near(values(stripes, { window }, 16), new Float32Array(3 * 256).fill(80 / 255), 1e-5, 'stripes')
  // 50 = 3 · 16 + 2: the blocks leave a rest, but the middle stays in the middle.
  const ramp: Picture = {
    data: Float32Array.from({ length: 50 * 50 * 3 }, (_, i) => Math.floor(i / 3) % 50),
    height: 50,
    width: 50,
  }
  const row = values(ramp, { window }, 16).subarray(16 * 8, 16 * 9)
  near(
    row,
    Float32Array.from({ length: 16 }, (_, i) => ((i + 0.5) / 16) * 50 - 0.5),
    0.51,
    'ramp',
  )
  near(
    row.subarray(4, 12),
    Float32Array.from({ length: 8 }, (_, i) => ((i + 4.5) / 16) * 50 - 0.5),
    1e-3,
    'its middle',
  )
})

test('a mirror image turned by 180° is the picture with top and bottom swapped', () => {
  const picture = formula(8, 8)
  const wanted = [0, 1, 2].flatMap(c =>
    Array.from({ length: 64 }, (_, i) => picture.data[3 * (8 * (7 - (i >> 3)) + (i % 8)) + c]! / 255),
  )
  near(values(picture, { mirror: true, quarterTurns: 2 }, 8), wanted, 1e-5)
})

test('stretch enlarges one axis about the centre; a warp and a turn make one map', () => {
  const frame = { height: 40, width: 40, size: 40 }
  const [a, , c, , e, f] = pictureMap({ ...unchanged, stretchX: 1.25 }, frame)
  near([a, c, e, f], [1 / 1.25, 0, 1, 0], 1e-12)
  const both = pictureMap({ ...unchanged, warpX: 0.2, angle: 0.3 }, frame)
  const turn = pictureMap({ ...unchanged, angle: 0.3 }, frame)
  const corner = (m: readonly number[], x: number, y: number) => {
    const w = m[6]! * x + m[7]! * y + m[8]!
    return [(m[0]! * x + m[1]! * y + m[2]!) / w, (m[3]! * x + m[4]! * y + m[5]!) / w]
  }
  for (const [x, y] of [
    [-1, -1.2],
    [1, -0.8],
  ] as const)
    near(corner(both, x, y), corner(turn, Math.sign(x), Math.sign(y)), 1e-9, 'what the warp brings to the corner')
})

test("erased boxes are fastai's, filled with noise that the seed alone decides", () => {
  for (const { height, width, area, aspect, places } of golden.erased) {
    const box = { height: Math.sqrt(area * aspect), width: Math.sqrt(area / aspect), seed: 1 }
    for (const [i, [top, bottom, left, right]] of places.entries()) {
      const at = boxPixels({ ...box, x: i && 0.999999, y: i && 0.999999 }, { height, width })
      // fastai sizes each side by the square root of its own area and lets slices run over the edge.
      const [h, w] = [
        Math.round(Math.sqrt(area * height * width * aspect)),
        Math.round(Math.sqrt((area * height * width) / aspect)),
      ]
      if (height === width)
        assert.deepEqual([at.top, at.left, at.h, at.w], [top, left, Math.min(height, h), Math.min(width, w)])
      assert.ok(bottom! - top! === h && right! - left! === w, 'bottom! - top! === h && right! - left! === w')
    }
  }
  const picture: Picture = { data: new Uint8Array(32 * 32 * 3).fill(100), height: 32, width: 32 }
  const erase = [{ height: 0.5, width: 0.25, x: 0, y: 0.999, seed: 7 }]
  const once = values(picture, { erase }, 32)
  assert.deepEqual(values(picture, { erase, angle: 0 }, 32), once)
  const changed = Array.from(once.subarray(0, 1024).keys()).filter(i => Math.abs(once[i]! - 100 / 255) > 1e-6)
  assert.equal(changed.length, 16 * 8)
  assert.ok(
    changed.every(i => i % 32 < 8 && i >= 16 * 32),
    'changed.every(i => i % 32 < 8 && i >= 16 * 32)',
  )
  const noise = changed.map(i => once[i]!)
  const mean = noise.reduce((a, b) => a + b, 0) / noise.length
  const deviation = Math.sqrt(noise.reduce((a, b) => a + (b - mean) ** 2, 0) / noise.length)
  assert.ok(Math.abs(mean) < 0.3 && Math.abs(deviation - 1) < 0.2, `mean ${mean}, deviation ${deviation}`)
  assert.notDeepEqual(values(picture, { erase: [{ ...erase[0]!, seed: 8 }] }, 32), once)
})

test('pictures of one, two, four channels, of 16 bits and of floats', () => {
  const of = (channels: number, data: Picture['data']): Picture => ({ data, height: 4, width: 4, channels })
  const bytes = (channels: number) => Uint8Array.from({ length: 16 * channels }, (_, i) => 15 * (i % 17))
  for (const channels of [1, 2, 4, 5]) {
    const x = seen(of(channels, bytes(channels)), { mirror: true }, 4)
    assert.deepEqual(x.shape, [1, channels, 4, 4])
    const plane = (c: number) =>
      Array.from({ length: 16 }, (_, i) => bytes(channels)[channels * (i - (i % 4) + 3 - (i % 4)) + c]! / 255)
    near(
      x.data() as Float32Array,
      Array.from({ length: channels }, (_, c) => plane(c)).flat(),
      1e-5,
      `${channels} channels`,
    )
  }
  for (const [channels, order] of [
    [1, [0, 0, 0]],
    [2, [0, 1, 0]],
  ] as const)
    near(
      values(of(channels, bytes(channels)), {}, 4, { channels: 3 }),
      order.flatMap(c => Array.from({ length: 16 }, (_, i) => bytes(channels)[channels * i + c]! / 255)),
      1e-6,
      `${channels} copied up to 3`,
    )
  const deep = Uint16Array.from({ length: 16 }, (_, i) => 4369 * i)
  near(values(of(1, deep), {}, 4), deep.map(v => v).length ? Array.from(deep, v => v / 65535) : [], 1e-6, '16 bits')
  near(
    values(of(1, deep), { angle: 1e-9 }, 4),
    Array.from(deep, v => v / 65535),
    1e-4,
    '16 bits by the map',
  )
  const floats = Float32Array.from({ length: 16 }, (_, i) => i / 4 - 1) // -1 to 2.75
  near(values(of(1, floats), {}, 4), floats, 1e-6, 'floats')
  const lit = values(of(1, floats), { brightness: 0.1, gain: 1 }, 4)
  near(
    lit,
    floats.map(v => Math.min(2.75, v + 0.375)),
    1e-5,
    'floats are lit within what they hold',
  )
  const strong = values(of(1, floats), { logitGain: 1.5 }, 4)
  assert.ok(
    Math.min(...strong) >= -1 && Math.max(...strong) <= 2.75 && strong.every((v, i) => i === 0 || v > strong[i - 1]!),
    'Math.min(...strong) >= -1 && Math.max(...strong) <= 2.75 && strong.…',
  )
  const grey = values(of(1, bytes(1)), { saturation: 0, hue: 1 }, 4)
  near(
    grey,
    Array.from(bytes(1), v => v / 255),
    1e-6,
    'colour is for three channels',
  )
  const mixed = pictureBatch([of(1, deep), of(1, bytes(1)), of(1, floats)], undefined, {
    size: 4,
    normalization: { mean: [0.5], std: [0.5] },
  })
  near(
    mixed.data() as Float32Array,
    [...Array.from(deep, v => v / 65535), ...Array.from(bytes(1), v => v / 255), ...floats].map(v => 2 * v - 1),
    1e-5,
    'of three types',
  )
})

test('what does not fit together is said', () => {
  const four: Picture = { data: new Uint8Array(64), height: 4, width: 4, channels: 4 }
  assert.throws(() => seen(four, {}, 4, { channels: 3 }), /has 4 channels, but the net takes 3/)
  assert.throws(
    () => pictureBatch([four], undefined, { size: 4, normalization: { mean: [0, 0, 0], std: [1] } }),
    /mean has 3 numbers and the pictures 4 channels/,
  )
  assert.throws(() => seen({ ...four, channels: 3 }, {}, 4), /4 × 4 pixels and 3 channels has 64 values; expected 48/)
})

test('the same bits with one thread and with more, alone and in a batch', () => {
  const everything = augmentation({
    preset: 'side-on',
    maxWarp: 0.2,
    minScale: 0.3,
    maxLighting: 0.2,
    erase: 1,
    saturation: 0.3,
    hue: 0.1,
  })
  const pictures = [formula(30, 40), formula(44, 30), formula(36, 36)]
  const changes = pictures.map((_, i) => drawChange({ ...everything, brightness: 0, contrast: 0 }, 3, 1, i))
  const batch = () =>
    Float32Array.from(pictureBatch(pictures, changes, { size: 24, normalization: scaled }).data() as Float32Array)
  setThreads(1)
  const one = batch()
  setThreads(2)
  assert.deepEqual(batch(), one)
  const row = 3 * 24 * 24
  pictures.forEach((picture, i) => {
    assert.deepEqual(values(picture, changes[i]!, 24), one.subarray(i * row, (i + 1) * row))
  })
})

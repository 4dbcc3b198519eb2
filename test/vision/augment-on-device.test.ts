// The GPU path that makes batches from standard operators, run on the CPU and compared with the CPU path.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rng } from '../../src/base/random.ts'
import { empty, library, liveTensors, noGrad, scope } from '../../src/torch/index.ts'
import { augmentation, type Change, drawChange, keptOn, unchanged } from '../../src/vision/augment/index.ts'
import { isSeenTogether, viewsOnDevice } from '../../src/vision/augment/on-device.ts'
import { pictureBatch } from '../../src/vision/batch.ts'
import type { Picture } from '../../src/vision/types.ts'

const { mean, std } = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }

function noise(height: number, width: number, channels: number, seed = 1): Picture {
  const random = rng(seed, height, width, channels)
  const data = Uint8Array.from({ length: height * width * channels }, () => random.integer(256))
  return { data, height, width, channels }
}
const together = (
  pictures: readonly Picture[],
  changes: readonly Change[],
  options: { size: number; short?: number },
) =>
  noGrad(() =>
    scope(() => {
      const rows = empty([pictures.length, options.size, options.size, 3])
      const seen = pictures.map((picture, row) => ({ picture, change: changes[row]!, row }))
      viewsOnDevice(rows, seen.toReversed(), { ...options, mean, std })
      return rows.data() as Float32Array
    }),
  )
function same(
  what: string,
  pictures: readonly Picture[],
  changes: readonly Change[],
  options: { size: number; short?: number },
) {
  const made = together(pictures, changes, options)
  const right = scope(() =>
    pictureBatch(pictures, changes, { ...options, channels: 3, normalization: { mean, std } })
      .permute(0, 2, 3, 1)
      .data(),
  ) as Float32Array
  assert.equal(made.length, right.length)
  made.forEach((v, i) => {
    if (!(Math.abs(v - right[i]!) <= 5e-4)) assert.fail(`${what}, at ${i}: ${v}, expected ${right[i]}`)
  })
}

for (const settings of [
  'none',
  'side-on',
  'medical',
  'none,flip=1',
  'none,flip=0.5,flipVertical=0.5,randomCrop',
  'side-on,maxRotate=180',
  'side-on,maxWarp=0.35,pWarp=1,maxStretch=0.5',
  'none,dihedral,minScale=0.5',
  'none,minScale=0.08',
  'none,minZoom=0.15,maxZoom=0.6,pZoom=1,maxWarp=0.2,maxRotate=30',
  'none,brightness=0.3,contrast=2',
  'none,maxLighting=0.5,pLighting=0.5',
  'none,saturation=0.5,hue=0.5,pLighting=0.5',
  'none,brightness=0.3,contrast=2,saturation=0.5,hue=0.5,maxLighting=0.5,pLighting=0.5',
])
  test(`views of all pictures together: ${settings}, all paddings, sizes, grey and colour`, () => {
    for (const pad of ['zeros', 'border', 'reflection'] as const)
      for (const { height, width, size } of [
        { height: 37, width: 50, size: 32 },
        { height: 30, width: 21, size: 48 },
        { height: 200, width: 131, size: 24 },
        { height: 32, width: 32, size: 32 },
        { height: 1, width: 1, size: 5 },
        { height: 1, width: 9, size: 7 },
        { height: 9, width: 1, size: 7 },
      ]) {
        const pictures = [3, 1, 3, 3].map((channels, i) => noise(height + i, width + 2 * i, channels, i))
        const drawn = augmentation(`${settings},pad=${pad}`)
        const changes = pictures.map((_, i) => drawChange(drawn, 5, height, i))
        same(`${pad}, ${height} × ${width} to ${size}`, pictures, changes, { size })
        same(`${pad}, ${height} × ${width} to ${size} at ${2 * size}`, pictures, changes, { size, short: 2 * size })
      }
  })

test('pictures of other paddings, and as they are, in one batch', () => {
  const pictures = [0, 1, 2, 3].map(i => noise(40 + i, 50 - i, 3, i))
  const pads = ['zeros', 'border', 'reflection', 'zeros'] as const
  const changes = pads.map((pad, i) => ({ ...unchanged, pad, angle: i === 3 ? 0 : 0.4, gain: 1 + i / 4 }))
  same('paddings', pictures, changes, { size: 32 })
})

test('pixels that are kept on a device are those of the picture, and go there once', () => {
  const pictures = [noise(12, 14, 3), noise(9, 11, 1, 2)]
  const floats: Picture = { data: new Float32Array(12), height: 2, width: 2 }
  const kept = keptOn('cpu', n => [...pictures, floats][n]!)
  const before = liveTensors()
  const first = kept(0).pixels
  assert.equal(kept(0).pixels, first)
  assert.deepEqual(kept(1).pixels!.numbers(), Array.from(pictures[1]!.data))
  assert.equal(kept(2).pixels, undefined)
  assert.equal(liveTensors(), before + 2)
  const shown = [kept(0), kept(1)]
  assert.deepEqual(
    together(shown, [unchanged, unchanged], { size: 8 }),
    together(pictures, [unchanged, unchanged], { size: 8 }),
  )
  assert.ok(
    isSeenTogether(pictures[1]!, 3) && !isSeenTogether(floats, 3),
    'isSeenTogether(pictures[1]!, 3) && !isSeenTogether(floats, 3)',
  )
})

test('a batch on a GPU is that of the CPU', { skip: library().cudaDevices === 0 && 'no GPU here' }, () => {
  const pictures = [0, 1, 2, 3].map(i => noise(140 + i, 150 - i, i % 2 ? 3 : 1, i))
  const drawn = augmentation('side-on,saturation=0.3')
  const changes = pictures.map((_, i) => drawChange(drawn, 1, 1, i))
  const of = (device: string) =>
    scope(() =>
      pictureBatch(pictures, changes, { size: 128, channels: 3, device, normalization: { mean, std } }).numbers(),
    )
  const right = of('cpu')
  of('cuda').forEach((v, i) => {
    if (!(Math.abs(v - right[i]!) <= 5e-4)) assert.fail(`at ${i}: ${v}, expected ${right[i]}`)
  })
})

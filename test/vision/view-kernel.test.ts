// The kernel that makes batches of uint8 pictures, compared with libtorch's operators in sequence (view, light, normalize).
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { rng } from '../../src/base/random.ts'
import { kernelSetInUse, kernelSets, setThreads, withKernelSet, withKernels } from '../../src/torch/index.ts'
import { native } from '../../src/torch/native.ts'
import { augmentation, type Change, drawChange, unchanged } from '../../src/vision/augment/index.ts'
import { type BatchOptions, pictureBatch } from '../../src/vision/batch.ts'
import type { Picture } from '../../src/vision/types.ts'
import { ran } from '../helpers/kernels.ts'

const threads = native.threads()
after(() => setThreads(threads))
const sets = kernelSets('float32')
const normalization = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }

/** Noise, with large differences between neighbours. */
function noise(height: number, width: number, channels: number, seed = 1): Picture {
  const random = rng(seed, height, width, channels)
  const data = Uint8Array.from({ length: height * width * channels }, () => random.integer(256))
  return { data, height, width, channels }
}
const batch = (
  kernels: 'own' | 'aten',
  pictures: readonly Picture[],
  changes: readonly Change[] | undefined,
  options: Omit<BatchOptions, 'normalization'>,
) =>
  withKernels(kernels, () => {
    const x = pictureBatch(pictures, changes, { normalization, channels: 3, ...options })
    assert.equal(x.strides[1], 1, 'channels last')
    return x.data() as Float32Array
  })
function compare(what: string, ...args: [Picture[], Change[] | undefined, Omit<BatchOptions, 'normalization'>]) {
  const own = ran('view_batch', kernelSetInUse('float32')!, () => batch('own', ...args))
  const twin = batch('aten', ...args)
  assert.equal(own.length, twin.length, 'as many values')
  own.forEach((v, i) => {
    if (!(Math.abs(v - twin[i]!) <= 1e-4)) assert.fail(`${what}, at ${i}: ${v}, by libtorch ${twin[i]}`)
  })
}

const augmentations = [
  'none',
  'side-on',
  'top-down',
  'medical',
  'none,flip=1',
  'none,flip=0.5,flipVertical=0.5,randomCrop',
  'side-on,maxRotate=180',
  'side-on,maxWarp=0.35,pWarp=1,maxStretch=0.5',
  'none,flip=0.5,minScale=0.08',
  'none,dihedral,minScale=0.5',
  'none,minZoom=0.15,maxZoom=0.6,pZoom=1',
  'none,minZoom=0.15,maxZoom=0.6,pZoom=1,maxWarp=0.2,maxRotate=30',
  'none,brightness=0.3,contrast=2',
  'none,maxLighting=0.5,pLighting=1',
  'none,saturation=0.5,hue=0.5,pLighting=1',
  'none,brightness=0.3,contrast=2,saturation=0.5,hue=0.5,maxLighting=0.5,pLighting=1',
  'side-on,maxWarp=0.2,maxLighting=0.3,saturation=0.3,hue=0.1,grey=0.2,erase=0.5',
]
const sizes = [
  { height: 37, width: 50, size: 32 },
  { height: 146, width: 110, size: 96 },
  { height: 30, width: 21, size: 48 }, // enlarged
  { height: 200, width: 131, size: 24 }, // made much smaller
  { height: 32, width: 32, size: 32 },
  { height: 1, width: 1, size: 5 },
  { height: 1, width: 9, size: 7 },
  { height: 9, width: 1, size: 7 },
  { height: 2, width: 2, size: 3 },
]

describe('views by a kernel of our own', { skip: sets.length === 0 && 'neither AVX2 nor NEON here' }, () => {
  for (const set of sets)
    for (const settings of augmentations)
      test(`${set}: ${settings}, all paddings, sizes, grey and colour`, () => {
        withKernelSet(set, () => {
          for (const pad of ['zeros', 'border', 'reflection'] as const)
            for (const { height, width, size } of sizes)
              for (const channels of [1, 3]) {
                const pictures = [1, 2, 3].map(seed => noise(height, width, channels, seed))
                const drawn = augmentation(`${settings},pad=${pad}`)
                const changes = pictures.map((_, i) => drawChange(drawn, 5, height, i))
                compare(`${pad}, ${height} × ${width} × ${channels} to ${size}`, pictures, changes, { size })
              }
        })
      })

  test('grey stays grey where the net takes one channel, and sees pictures at their short side', () => {
    const one = { normalization: { mean: [0.4], std: [0.2] }, channels: 1 }
    const changes = [{ ...unchanged, angle: 0.2, gain: 1.3, logitShift: 0.4 }, unchanged]
    compare('one channel', [noise(40, 50, 1), noise(33, 40, 1)], changes, { size: 32, ...one })
    compare('short side 60', [noise(40, 50, 3)], [unchanged], { size: 32, short: 60 })
    compare('no changes', [noise(40, 50, 3), noise(31, 64, 1)], undefined, { size: 32 })
  })

  test('black and white under strong lighting', () => {
    for (const value of [0, 1, 254, 255])
      for (const change of [{ logitGain: 0.3 }, { logitGain: 5, logitShift: -2 }, { gain: 3, brightness: 0.9 }]) {
        const flat: Picture = { data: new Uint8Array(8 * 8 * 3).fill(value), height: 8, width: 8 }
        compare(`${value}, ${JSON.stringify(change)}`, [flat], [{ ...unchanged, ...change }], { size: 8 })
      }
  })

  test('beside floats, 16 bits and other channel counts, which libtorch makes, each is what it is alone', () => {
    const bytes = noise(40, 50, 3)
    const floats: Picture = { ...bytes, data: Float32Array.from(bytes.data, v => v / 255) }
    const deep: Picture = { ...bytes, data: Uint16Array.from(bytes.data, v => v * 257) }
    const two = noise(40, 50, 2)
    const change = { ...unchanged, angle: 0.1, mirror: true, logitGain: 1.2 }
    const pictures = [floats, bytes, deep, two, noise(35, 60, 1)]
    const all = batch('own', pictures, Array(5).fill(change), { size: 32 })
    const row = all.length / 5
    pictures.forEach((picture, i) => {
      assert.deepEqual(batch('own', [picture], [change], { size: 32 }), all.slice(i * row, (i + 1) * row), `${i}`)
    })
  })

  test('the same bits on one thread and on more, whatever else is in the batch, in whatever order', () => {
    const pictures = Array.from({ length: 7 }, (_, i) => noise(40 + 5 * i, 64 - 3 * i, i % 3 ? 3 : 1, i))
    for (const settings of [
      'side-on,maxWarp=0.2,maxLighting=0.3,saturation=0.3,contrast=0.5',
      'side-on,maxWarp=0.2,pLighting=0', // threads share the rows of one picture
      'none',
    ]) {
      const drawn = augmentation(settings)
      const changes = pictures.map((_, i) => drawChange(drawn, 1, 2, i))
      setThreads(1)
      const one = batch('own', pictures, changes, { size: 33 })
      const row = (i: number) => one.slice((i * one.length) / 7, ((i + 1) * one.length) / 7)
      for (const n of [2, 3, 8]) {
        setThreads(n)
        assert.deepEqual(batch('own', pictures, changes, { size: 33 }), one, `${n} threads`)
        for (const [i, picture] of pictures.entries())
          assert.deepEqual(batch('own', [picture], [changes[i]!], { size: 33 }), row(i), `${n} threads, ${i} alone`)
      }
      setThreads(threads)
      const turned = batch('own', pictures.toReversed(), changes.toReversed(), { size: 33 })
      pictures.forEach((_, i) => {
        assert.deepEqual(turned.slice(((6 - i) * one.length) / 7, ((7 - i) * one.length) / 7), row(i), `picture ${i}`)
      })
    }
  })

  test('nothing outside a picture is read: what lies around it does not show', () => {
    const picture = noise(12, 14, 3)
    const drawn = augmentation('side-on,maxRotate=90,minScale=0.3,maxWarp=0.3')
    const changes = Array.from({ length: 20 }, (_, i) => drawChange(drawn, 9, 1, i))
    const among = (fill: number) => {
      const memory = new Uint8Array(picture.data.length + 64).fill(fill)
      memory.set(picture.data, 32)
      const inside = { ...picture, data: memory.subarray(32, 32 + picture.data.length) }
      return batch('own', Array(20).fill(inside), changes, { size: 16 })
    }
    assert.deepEqual(among(255), among(0))
  })

  test('values that do not fill the picture are said', () => {
    const picture = noise(8, 8, 3)
    assert.throws(
      () => batch('own', [{ ...picture, height: 9 }], undefined, { size: 8 }),
      /a picture of 9 × 8 pixels and 3 channels has 192 values; expected 216/,
    )
  })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { epochOrder, trainingBatches } from '../../src/data/sampler.ts'
import {
  augmentation,
  augmentations,
  type Change,
  drawChange,
  pictureMap,
  unchanged,
} from '../../src/vision/augment/index.ts'
import { pictureBatch } from '../../src/vision/batch.ts'
import { pictureSource } from '../../src/vision/picture-source.ts'
import type { Picture } from '../../src/vision/types.ts'
import { pixels } from '../helpers/data.ts'

const plain = { mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] } // batches as pixel values
const picture = (seed: number, width: number, height: number): Picture => ({
  data: pixels(seed, width, height),
  width,
  height,
})
const batch = (pictures: Picture[], changes: Change[] | undefined, size: number) =>
  pictureBatch(pictures, changes, { size, normalization: plain })
const values = (pictures: Picture[], changes: Change[] | undefined, size: number) =>
  batch(pictures, changes, size).data() as ArrayLike<number>

/** A crop in the layout of the batch, [3, size, size]; its value at (y, x) is given by `at`. */
const expected = ({ data, width }: Picture, size: number, at: (y: number, x: number) => [y: number, x: number]) =>
  Float32Array.from({ length: 3 * size * size }, (_, i) => {
    const [y, x] = at(Math.floor(i / size) % size, i % size)
    return data[3 * (y * width + x) + Math.floor(i / (size * size))]!
  })
function close(actual: ArrayLike<number>, wanted: ArrayLike<number>, tolerance: number, what: string) {
  assert.equal(actual.length, wanted.length, what)
  const off = Array.from(wanted).reduce((most, value, i) => Math.max(most, Math.abs(value - actual[i]!)), 0)
  assert.ok(off <= tolerance, `${what}: ${off} away, at most ${tolerance}`)
}

test('an unchanged picture is its centre crop, pixel for pixel', () => {
  const p = picture(1, 40, 30)
  close(
    values([p], undefined, 20),
    expected(p, 20, (y, x) => [y + 5, x + 10]),
    1e-4,
    'centre',
  )
  // The same through the map: a tiny angle moves no pixel but disables the shortcut.
  close(
    values([p], [{ ...unchanged, angle: 1e-9 }], 20),
    expected(p, 20, (y, x) => [y + 5, x + 10]),
    0.01,
    'by the map',
  )
  const corner = { ...unchanged, cropX: 0, cropY: 1 }
  close(
    values([p], [corner], 20),
    expected(p, 20, (y, x) => [y + 10, x]),
    1e-4,
    'lower left corner',
  )
})

test('mirrors and quarter turns are those of arrays, in all eight ways', () => {
  const p = picture(2, 24, 24)
  const turn = (y: number, x: number, n: number): [number, number] => (n === 0 ? [y, x] : turn(x, 23 - y, n - 1))
  for (const quarterTurns of [0, 1, 2, 3])
    for (const mirror of [false, true]) {
      const change = { ...unchanged, mirror, quarterTurns }
      const wanted = expected(p, 24, (y, x) => turn(y, mirror ? 23 - x : x, quarterTurns))
      const other = expected(p, 24, (y, x) => turn(y, mirror ? 23 - x : x, (4 - quarterTurns) % 4))
      const actual = values([p], [change], 24)
      const best = [wanted, other].find(
        w => Math.abs(w[1]! - actual[1]!) < 0.01 && Math.abs(w[30]! - actual[30]!) < 0.01,
      )
      assert.ok(best, `${quarterTurns} turns, mirror ${mirror}`)
      close(actual, best, 0.01, `${quarterTurns} turns, mirror ${mirror}`)
    }
})

test('a turn by an angle and a zoom move points as trigonometry says', () => {
  for (const angle of [0.3, -0.1, Math.PI / 2])
    for (const zoom of [1, 1.25]) {
      const [a, b, c, d, e, f] = pictureMap({ ...unchanged, angle, zoom }, { height: 60, width: 60, size: 60 })
      for (const [x, y] of [
        [0, 0],
        [1, 0],
        [-0.5, 0.7],
      ] as const) {
        close([a * x + b * y + c], [(Math.cos(angle) * x - Math.sin(angle) * y) / zoom], 1e-12, 'x')
        close([d * x + e * y + f], [(Math.sin(angle) * x + Math.cos(angle) * y) / zoom], 1e-12, 'y')
      }
    }
  // With the view turned by a quarter, a point 10 right of the centre is 10 above or below it.
  const dot: Picture = { data: new Uint8Array(41 * 41 * 3), width: 41, height: 41 }
  dot.data.fill(255, 3 * (20 * 41 + 30), 3 * (20 * 41 + 30) + 3)
  const seen = Array.from(values([dot], [{ ...unchanged, angle: Math.PI / 2 }], 41)).slice(0, 41 * 41)
  const at = seen.indexOf(Math.max(...seen))
  assert.deepEqual([Math.floor(at / 41), at % 41], [10, 20])
})

test('what a turn brings into view is a reflection, never black', () => {
  const bright: Picture = { data: new Uint8Array(32 * 32 * 3).fill(200), width: 32, height: 32 }
  close(values([bright], [{ ...unchanged, angle: 0.7 }], 32), new Float32Array(3 * 32 * 32).fill(200), 0.01, 'bright')
})

test('a picture smaller than the crop is enlarged to fill it', () => {
  const small: Picture = { data: new Uint8Array(10 * 6 * 3).fill(90), width: 10, height: 6 }
  assert.deepEqual(batch([small], undefined, 16).shape, [1, 3, 16, 16])
  close(values([small], undefined, 16), new Float32Array(3 * 256).fill(90), 0.01, 'enlarged')
})

test("lighting is fastai 0.7's: clip((x - mean) * c + mean + b, 0, 1)", () => {
  const p = picture(3, 16, 16)
  const change = { ...unchanged, brightness: 0.04, gain: 1.3 }
  const x = Array.from(values([p], undefined, 16), value => value / 255)
  const mean = x.reduce((sum, value) => sum + value, 0) / x.length
  const wanted = x.map(value => 255 * Math.min(1, Math.max(0, (value - mean) * 1.3 + mean + 0.04)))
  close(values([p], [change], 16), wanted, 0.01, 'lighting')
})

test('mean and std as torchvision takes them', () => {
  const p = picture(4, 8, 8)
  const [mean, std] = [
    [0.485, 0.456, 0.406],
    [0.229, 0.224, 0.225],
  ]
  const x = pictureBatch([p], undefined, { size: 8, normalization: { mean, std } }).data() as ArrayLike<number>
  const wanted = Array.from(
    expected(p, 8, (y, x) => [y, x]),
    (value, i) => {
      const c = Math.floor(i / 64)
      return (value / 255 - mean[c]!) / std[c]!
    },
  )
  close(x, wanted, 1e-4, 'normalised')
})

test('changes depend on seed, epoch and sample alone: the same bits whatever the batch', () => {
  const pictures = Array.from({ length: 12 }, (_, i) => picture(i, 40, 30))
  const source = pictureSource({
    picture: number => pictures[number]!,
    samples: pictures.map((_, i) => ({ picture: i, labels: [i % 3] })),
    augmentation: augmentations['side-on'],
    seed: 5,
    size: 20,
    normalization: plain,
  })
  const row = 3 * 20 * 20
  const pixelsOf = (samples: number[], epoch: number) =>
    Float32Array.from(source.batch(Uint32Array.from(samples), epoch).x.data() as ArrayLike<number>)
  const all = pixelsOf([...pictures.keys()], 1)
  for (const batchOf of [[3], [7, 3], [11, 0, 5, 3]])
    assert.deepEqual(pixelsOf(batchOf, 1).subarray(-row), all.subarray(3 * row, 4 * row))
  assert.notDeepEqual(pixelsOf([3], 2), all.subarray(3 * row, 4 * row))
  assert.deepEqual(Array.from(source.batch(Uint32Array.of(4, 2), 0).y.data() as ArrayLike<bigint>, Number), [1, 2])
})

test('what is drawn keeps to the strengths of its preset', () => {
  for (const [name, preset] of Object.entries(augmentations)) {
    const drawn = Array.from({ length: 2000 }, (_, i) => drawChange(preset, 1, 0, i))
    const share = (holds: (c: Change) => boolean) => drawn.filter(holds).length / drawn.length
    for (const c of drawn) {
      assert.ok(
        Math.abs(c.angle) <= (preset.maxRotate * Math.PI) / 180 && c.zoom >= 1 && c.zoom <= preset.maxZoom,
        'Math.abs(c.angle) <= (preset.maxRotate * Math.PI) / 180 && c.zoom >…',
      )
      assert.ok(
        Math.abs(c.brightness) <= preset.brightness &&
          c.gain <= 1 + preset.contrast &&
          c.gain >= 1 / (1 + preset.contrast),
        'Math.abs(c.brightness) <= preset.brightness && c.gain <= 1 + preset…',
      )
      assert.ok(
        c.cropX >= 0 && c.cropX <= 1 && c.cropY >= 0 && c.cropY <= 1,
        'c.cropX >= 0 && c.cropX <= 1 && c.cropY >= 0 && c.cropY <= 1',
      )
    }
    assert.ok(Math.abs(share(c => c.mirror) - (preset.dihedral ? 0.5 : preset.flip)) < 0.05, name)
    assert.ok(Math.abs(share(c => c.angle !== 0) - (preset.maxRotate > 0 ? preset.pRotate : 0)) < 0.05, name)
    assert.ok(Math.abs(share(c => c.quarterTurns !== 0) - (preset.dihedral ? 0.75 : 0)) < 0.05, name)
  }
  assert.deepEqual(drawChange(augmentations.none, 1, 2, 3), unchanged)
  assert.throws(() => augmentation('side-onn'), /unknown augmentation "side-onn".*Did you mean "side-on"/)
})

test('an epoch sees every sample once, in batches that are never of one', () => {
  for (const [count, size] of [
    [10, 3],
    [9, 3],
    [7, 7],
    [8, 7],
    [1, 4],
    [5, 1],
    [33, 16],
  ] as const) {
    const order = epochOrder(count, 1, 2)
    assert.deepEqual(
      [...order].sort((a, b) => a - b),
      Array.from({ length: count }, (_, i) => i),
    )
    const batches = trainingBatches(order, size)
    assert.deepEqual(
      batches.flatMap(b => [...b]),
      [...order],
    )
    if (count > 1 && size > 1)
      assert.ok(
        batches.every(b => b.length > 1),
        `${count} in batches of ${size}`,
      )
  }
  assert.deepEqual(epochOrder(20, 1, 2), epochOrder(20, 1, 2))
  assert.notDeepEqual(epochOrder(20, 1, 2), epochOrder(20, 1, 3))
})

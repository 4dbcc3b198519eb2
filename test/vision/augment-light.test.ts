// Light and colour as one matrix and one tone curve: their composition, in every code path that makes pictures.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { rng } from '../../src/base/random.ts'
import { empty, hasOwnKernels, noGrad, scope, withKernels } from '../../src/torch/index.ts'
import { colour } from '../../src/vision/augment/colour.ts'
import { augmentation, augmentations, type Change, drawChange, unchanged } from '../../src/vision/augment/index.ts'
import { lightingOf } from '../../src/vision/augment/lighting.ts'
import { drawnApart, drawnTogether, parts } from '../../src/vision/augment/list.ts'
import { viewsOnDevice } from '../../src/vision/augment/on-device.ts'
import { pictureBatch } from '../../src/vision/batch.ts'
import type { Picture } from '../../src/vision/types.ts'

const plain = { mean: [0], std: [1] }
/** The picture [H, W, C] in [0, 1], by each code path. */
const ways: Record<string, (picture: Picture, change: Change, size: number) => number[]> = {
  ...(hasOwnKernels() ? { kernel: (...of) => withKernels('own', () => crop(...of)) } : {}),
  libtorch: (...of) => withKernels('aten', () => crop(...of)),
  device: (picture, change, size) =>
    noGrad(() =>
      scope(() => {
        const channels = picture.channels ?? 3
        const rows = empty([1, size, size, channels])
        const numbers = (value: number) => Array.from({ length: channels }, () => value)
        viewsOnDevice(rows, [{ picture, change, row: 0 }], { size, mean: numbers(0), std: numbers(1) })
        return rows.numbers()
      }),
    ),
}
const crop = (picture: Picture, change: Change, size: number) =>
  scope(() =>
    pictureBatch([picture], [change], { size, normalization: plain }).permute(0, 2, 3, 1).contiguous().numbers(),
  )

function near(actual: readonly number[], wanted: readonly number[], tolerance: number, what: string) {
  assert.equal(actual.length, wanted.length, what)
  for (const [i, v] of wanted.entries())
    if (!(Math.abs(actual[i]! - v) <= tolerance)) assert.fail(`${what} at ${i}: ${actual[i]}, expected ${v}`)
}
const noise = (size: number, channels: number, seed: number): Picture => {
  const random = rng(seed)
  const data = Uint8Array.from({ length: size * size * channels }, () => random.integer(256))
  return { data, height: size, width: size, channels }
}
const clip = (v: number) => Math.min(1, Math.max(0, v))

for (const [way, made] of Object.entries(ways))
  describe(`light and colour, ${way}`, () => {
    test('brightness and contrast keep their order and the mean; then colours, clipped once; then the tone', () => {
      for (const [seed, change] of (
        [
          { brightness: 0.1, gain: 1.3 },
          { brightness: -0.2, gain: 0.7, saturation: 1.4, hue: 0.5 },
          { gain: 1.5, saturation: 0, logitShift: 0.4 },
          { saturation: 0.5, logitGain: 1.4, logitShift: -0.3 },
          { brightness: 0.3, hue: -1, logitGain: 0.8 },
        ] as Partial<Change>[]
      ).entries()) {
        const picture = noise(12, 3, seed)
        const x = Array.from(picture.data, v => v / 255)
        const mean = x.reduce((a, b) => a + b, 0) / x.length
        const { brightness, gain, saturation, hue, logitShift, logitGain } = { ...unchanged, ...change }
        const m = colour(saturation, hue)
        const wanted = x.map((_, i) => {
          const pixel = [0, 1, 2].map(k => gain * x[i - (i % 3) + k]! + (1 - gain) * mean + brightness)
          const row = 3 * (i % 3)
          const v = clip(m[row]! * pixel[0]! + m[row + 1]! * pixel[1]! + m[row + 2]! * pixel[2]!)
          const p = Math.min(1 - 1e-7, Math.max(1e-7, v))
          return logitShift === 0 && logitGain === 1
            ? v
            : 1 / (1 + Math.exp((Math.log(p / (1 - p)) + logitShift) * -logitGain))
        })
        // The curve is linear between two points, and steep near black and white.
        const tolerance = logitGain < 1 ? 2e-3 : logitGain > 1 || logitShift !== 0 ? 1e-4 : 2e-6
        near(made(picture, { ...unchanged, ...change }, 12), wanted, tolerance, JSON.stringify(change))
      }
    })

    test('posterized values of 8 bits keep their upper bits, of colour and grey, as torchvision makes them', () => {
      for (const channels of [1, 3])
        for (const bits of [1, 2, 4, 7, 8]) {
          const picture = noise(9, channels, bits)
          const wanted = Array.from(picture.data, v => (v & (0xff << (8 - bits))) / 255)
          near(made(picture, { ...unchanged, bits }, 9), wanted, 1e-6, `${bits} bits, ${channels} channels`)
        }
    })

    test('colours of a grey picture stay, light changes it', () => {
      const picture = noise(8, 1, 3)
      const grey = Array.from(picture.data, v => v / 255)
      near(made(picture, { ...unchanged, saturation: 0, hue: 2 }, 8), grey, 1e-6, 'colour')
      const lit = made(picture, { ...unchanged, brightness: 0.25, saturation: 0.2 }, 8)
      near(
        lit,
        grey.map(v => clip(v + 0.25)),
        1e-6,
        'brightness',
      )
    })
  })

test('a picture without light has no matrix and no curve; light alone treats all channels alike', () => {
  assert.deepEqual(lightingOf(unchanged, 3), { alike: true })
  assert.equal(lightingOf({ ...unchanged, gain: 1.2 }, 3).alike, true)
  assert.equal(lightingOf({ ...unchanged, gain: 1.2, hue: 0.1 }, 3).alike, false)
  assert.deepEqual(Array.from(lightingOf({ ...unchanged, gain: 1.5, brightness: 0.1 }, 1).matrix!), [1.5, -0.5, 0.1])
})

test('posterize is drawn with its probability, off unless asked for, and moves none of the others', () => {
  const drawn = (text: string) => Array.from({ length: 1000 }, (_, i) => drawChange(augmentation(text), 1, 0, i))
  const before = drawn('side-on,erase=0.3')
  const after = drawn('side-on,erase=0.3,posterize=0.25,posterizeBits=3')
  for (const [i, change] of after.entries()) assert.deepEqual({ ...change, bits: 8 }, before[i], `picture ${i}`)
  const share = after.filter(({ bits }) => bits === 3).length / after.length
  assert.ok(Math.abs(share - 0.25) < 0.05, `${share} of the pictures`)
  for (const [name, preset] of Object.entries(augmentations)) assert.equal(preset.posterize, 0, name)
  assert.throws(
    () => augmentation('side-on,posterizeBits=0'),
    /posterizeBits is 0; expected a whole number from 1 to 8/,
  )
  assert.throws(() => augmentation('side-on,posterise=1'), /Did you mean "posterize"\?/)
})

test('those that share a stream of random numbers are these, in this order: others get a stream of their own', () => {
  assert.deepEqual(
    drawnTogether.map(([name]) => name),
    [
      ...['zoom', 'rotate', 'brightness', 'contrast', 'flip', 'crop', 'stretch', 'perspective', 'logitLighting'],
      ...['saturation', 'hue', 'grey', 'resizedCrop', 'flipVertical', 'pad', 'erasing'],
    ],
  )
  const settings = parts.flatMap(part => Object.keys(part.settings))
  assert.equal(new Set(settings).size, settings.length, `a setting has two owners: ${settings}`)
  for (const [name, part] of drawnApart)
    assert.deepEqual(
      { ...part.unchanged, ...part.draw(augmentations.none, rng(1), part.unchanged) },
      part.unchanged,
      `${name} is off by default`,
    )
})

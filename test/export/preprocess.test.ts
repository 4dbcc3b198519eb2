import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as ort from 'onnxruntime-web/wasm'
import { rng } from '../../src/base/random.ts'
import { addPreprocessing, type PreprocessInput } from '../../src/export/preprocess.ts'
import { Graph } from '../../src/onnx/index.ts'
import { scope } from '../../src/torch/index.ts'
import { pictureBatch } from '../../src/vision/batch.ts'
import { fitRaster } from '../../src/vision/decode/resize.ts'

ort.env.wasm.numThreads = 1

const usual = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }

async function sessionOf(input: PreprocessInput): Promise<ort.InferenceSession> {
  const graph = new Graph()
  const image = graph.input('image', 'uint8', ['N', 'H', 'W', input.channels])
  const pixels = addPreprocessing(graph, image, input)
  graph.output(pixels, 'float', ['N', input.channels, input.size, input.size])
  return ort.InferenceSession.create(graph.encode({ producer: 'anneal', version: '0' }))
}

interface Sides {
  width: number
  height: number
  channels: number
}
type Kind = 'noise' | 'smooth'

function picture({ width, height, channels }: Sides, kind: Kind, seed: number): Uint8Array {
  const random = rng(seed, width, height, channels)
  const data = new Uint8Array(width * height * channels)
  for (let y = 0, i = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < channels; c++, i++)
        data[i] =
          kind === 'noise'
            ? random.uniform() * 256
            : 127.5 + 127.5 * Math.sin((3 + c) * (x / width) + 5 * (y / height) + seed)
  return data
}

/** The largest difference from what training sees, in levels of 255, over a batch of two pictures. */
async function difference(session: ort.InferenceSession, sides: Sides, kind: Kind, input: PreprocessInput) {
  const { width, height, channels } = sides
  const two = [1, 2].map(seed => picture(sides, kind, seed))
  const { pixels } = await session.run({
    image: new ort.Tensor('uint8', Uint8Array.from(two.flatMap(p => [...p])), [2, height, width, channels]),
  })
  const { size, short, interpolation, mean, std } = input
  const seen = two.map(data =>
    fitRaster({ data, width, height, channels, alpha: false }, { short, interpolation, aspect: 2 }),
  )
  const expected = scope(() =>
    pictureBatch(seen, undefined, { size, short, channels, normalization: { mean, std } }).contiguous().data(),
  ) as Float32Array
  assert.deepEqual(pixels!.dims, [2, channels, size, size], `${width} x ${height}`)
  const got = pixels!.data as Float32Array
  let most = 0
  for (let i = 0; i < got.length; i++) {
    const c = Math.floor(i / (size * size)) % channels
    most = Math.max(most, Math.abs(got[i]! - expected[i]!) * std[c % std.length]! * 255)
  }
  return most
}

const sizes = [
  [70, 20], [20, 70], [20, 300], [900, 25], [33, 31], [50, 50], [63, 64], [64, 63], [64, 64], [65, 64], [64, 129], [74, 74],
  [75, 74], [81, 200], [130, 97], [131, 93], [300, 64], [200, 200], [347, 347], [374, 322], [700, 100], [1200, 100], [333, 500],
  [1200, 700], [1, 1], [1, 40], [3, 2],
] as const // biome-ignore format: a table

for (const interpolation of ['bilinear', 'bicubic'] as const)
  for (const [size, short] of [[64, 74], [64, 64], [57, 60]] as const) // biome-ignore format: a table
    test(`the graph sees pictures as training does: ${interpolation}, ${short} to ${size}`, async () => {
      const input: PreprocessInput = { channels: 3, size, short, interpolation, ...usual }
      const session = await sessionOf(input)
      for (const kind of ['noise', 'smooth'] as const)
        for (const [width, height] of sizes) {
          const off = await difference(session, { width, height, channels: 3 }, kind, input)
          if (process.env.SHOW) console.log(interpolation, size, short, kind, width, height, off.toFixed(4))
          const small = Math.min(width, height) < short
          assert.ok(off <= (small ? 0.02 : 1.001), `${kind} of ${width} x ${height}: off by ${off} levels of 255`)
        }
      await session.release()
    })

for (const channels of [1, 2, 4, 7])
  test(`the graph takes ${channels} channels`, async () => {
    const few = { mean: [0.4], std: [0.3] }
    const each = {
      mean: Array.from({ length: channels }, (_, c) => c / 10),
      std: Array.from({ length: channels }, (_, c) => 0.2 + c / 10),
    }
    for (const normal of [few, each]) {
      const input: PreprocessInput = { channels, size: 32, short: 37, interpolation: 'bilinear', ...normal }
      const session = await sessionOf(input)
      for (const [width, height] of [
        [90, 70],
        [20, 35],
        [400, 38],
      ] as const) {
        // biome-ignore format: a table
        const off = await difference(session, { width, height, channels }, 'noise', input)
        assert.ok(off <= 1.001, `${width} x ${height}: off by ${off} levels of 255`)
      }
      await session.release()
    }
  })

test('a crop that is larger than the resized picture is refused', () => {
  const graph = new Graph()
  graph.input('image', 'uint8', ['N', 'H', 'W', 3])
  assert.throws(
    () => addPreprocessing(graph, 'image', { channels: 3, size: 224, short: 200, interpolation: 'bilinear', ...usual }),
    /resizes pictures to 200 pixels and crops 224 of them/,
  )
})

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { inputShape, type Preprocessing, spectrogramInput, speechInput } from '../../src/sound/features/inputs.ts'
import { melFilters } from '../../src/sound/features/mel.ts'
import { speechEmbedding, speechState, speechWeights } from '../../src/sound/models/speech-embedding.ts'
import { fromArray, noGrad, scope, stack, type Tensor } from '../../src/torch/index.ts'
import { rising } from './sound.make.ts'

interface Some {
  shape: number[]
  at: number[]
  values: number[]
}
const golden = JSON.parse(readFileSync(new URL('../golden/sounds.json', import.meta.url), 'utf8')) as Record<
  'speech' | 'speechQuiet' | 'spectrogram',
  Some
> &
  Record<'embedding' | 'embeddingByFormula', Record<'maps' | 'pooled', Some>>

const row = (x: Float32Array) => fromArray(x, [1, x.length])
const offBy = (got: ArrayLike<number>, { at, values }: Some) =>
  Math.max(...at.map((i, k) => Math.abs((got[i] ?? Number.NaN) - values[k]!)))

const x = rising(16_400, 16_000)
const quiet = new Float32Array(16_400)
quiet.set(x.subarray(0, 9000), 4000)

test('log-mel of the speech embedding equals the oracle to 1e-6, also with silence before and after', () => {
  for (const [name, samples] of [
    ['speech', x],
    ['speechQuiet', quiet],
  ] as const)
    scope(() => {
      const mel = speechInput()(row(samples))
      assert.deepEqual(mel.shape, [1, 1, 100, 32], 'shape')
      const off = offBy(mel.data() as Float32Array, golden[name])
      assert.ok(off <= 1e-6, `${name}: off by ${off}`)
    })
})

test('a batch gives each window what it gives alone', () => {
  scope(() => {
    const both = speechInput()(stack([row(x).squeeze(0), row(quiet).squeeze(0)])).data() as Float32Array
    const alone = speechInput()(row(quiet)).data() as Float32Array
    assert.deepEqual([...both.subarray(3200)], [...alone])
  })
})

const picture: Preprocessing = {
  input: 'spectrogram',
  rate: 16_000,
  samples: 16_400,
  hop: 320,
  fft: 2048,
  frames: [400, 800, 1600],
  bands: 128,
}

test('the spectra of three frame lengths equal the oracle', () => {
  scope(() => {
    const map = spectrogramInput(picture)(row(x))
    assert.deepEqual(map.shape, [1, ...golden.spectrogram.shape], 'shape')
    assert.deepEqual(map.shape.slice(1), inputShape(picture), 'the announced shape')
    const off = offBy(map.contiguous().data() as Float32Array, golden.spectrogram)
    assert.ok(off < 2e-5, `off by ${off}`)
  })
})

test('silence has a spectrum without NaN', () => {
  scope(() => {
    for (const make of [speechInput(), spectrogramInput(picture)])
      assert.ok(
        (
          make(row(new Float32Array(16_400)))
            .contiguous()
            .data() as Float32Array
        ).every(Number.isFinite),
        'finite',
      )
  })
})

test('mel filters have areas of 1 and lie between their two ends', () => {
  const [fft, bands, rate] = [2048, 40, 22_050]
  const filters = melFilters({ rate, fft, bands, low: 100, high: 8000 })
  for (let b = 0; b < bands; b++) {
    let area = 0
    for (let k = 0; k <= fft / 2; k++) area += (filters[k * bands + b]! * rate) / fft
    assert.ok(Math.abs(area - 1) < 0.06, `band ${b}: area ${area}`)
  }
  assert.equal(
    filters.subarray(0, Math.floor((100 * fft) / rate) * bands).some(v => v > 0),
    false,
    'nothing below 100 Hz',
  )
})

/** The embedding and its pooled form of two clips. */
const embedded = (net: ReturnType<typeof speechEmbedding>): Record<'maps' | 'pooled', Float32Array> =>
  noGrad(() =>
    scope(() => {
      const mel = speechInput()(stack([row(x).squeeze(0), row(x.slice().reverse()).squeeze(0)]))
      const maps: Tensor = net.features(mel) // [2, 96, 4, 1]
      assert.deepEqual(maps.shape, [2, 96, 4, 1], 'one window every 8 frames')
      return {
        maps: maps.squeeze(3).transpose(1, 2).contiguous().data() as Float32Array,
        pooled: net.pooled(mel).data() as Float32Array,
      }
    }),
  )

const checkEmbedding = (net: ReturnType<typeof speechEmbedding>, golden: Record<'maps' | 'pooled', Some>) => {
  const got = embedded(net)
  for (const key of ['maps', 'pooled'] as const) {
    const scale = Math.max(...golden[key].values.map(Math.abs))
    const off = offBy(got[key], golden[key])
    assert.ok(off < 2e-5 * scale, `${key}: off by ${off} of ${scale}`)
  }
}

test('the speech embedding computes what onnxruntime computes from the same graph, with weights by a formula', () => {
  const net = speechEmbedding()
  noGrad(() => {
    for (const [name, t] of net.stateDict()) {
      const fan = t.shape.slice(1).reduce((a, b) => a * b, 1)
      const scale = name.endsWith('weight') ? 1 / Math.sqrt(fan) : 0.1
      const values = Float32Array.from(
        { length: t.numel },
        (_, i) => scale * 1.5 * Math.sin(i * 0.7 + t.shape.length + t.shape[0]!),
      )
      t.copy_(fromArray(values, t.shape))
    }
  })
  assert.equal(net.stateDict().size, 39, 'tensors')
  checkEmbedding(net, golden.embeddingByFormula)
  net.to({ memoryFormat: 'channels_last' })
  checkEmbedding(net, golden.embeddingByFormula)
})

const path = speechWeights.cached() ? await speechWeights.fetch() : undefined
if (path !== undefined)
  test("Google's weights give onnxruntime's numbers, where they were fetched before", () => {
    const net = speechEmbedding()
    net.loadStateDict(speechState(path))
    checkEmbedding(net, golden.embedding)
  })

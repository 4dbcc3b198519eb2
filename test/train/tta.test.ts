import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromArray, liveTensors } from '../../src/torch/index.ts'
import { objective } from '../../src/train/objective.ts'
import type { Source } from '../../src/train/source.ts'
import { Stopped } from '../../src/train/stop.ts'
import { mirrorTta, outputsOf, tta, ViewMean } from '../../src/train/tta.ts'
import { assertFreed, close, golden, small } from '../helpers/explain.ts'
import { source } from '../helpers/train.ts'

const classes = 4
const names = ['a', 'b', 'c', 'd']
const numbers = { objective: objective('single', names), batchSize: 8 }

test("views are joined by fastai's formula", () => {
  const { plain, views, quarter, half, max } = golden.tta
  for (const [share, expected] of [
    [0.25, quarter],
    [0.5, half],
    ['max', max],
  ] as const) {
    const mix = new ViewMean(share)
    for (const view of views) mix.add(Float32Array.from(view))
    mix.plain(Float32Array.from(plain))
    close(mix.outputs(), expected, 1e-6, String(share))
  }
})

test('view v is epoch v of the augmented source, the plain one weighs a quarter', async () => {
  const network = small()
  const alive = liveTensors()
  const [plain, augmented] = [source(21, { name: 'plain' }), source(21, { name: 'plain', fresh: true })]
  const seen: number[] = []
  const onBatch = (done: number, total: number) => seen.push(done / total)
  const got = await tta(network, { plain, augmented }, { ...numbers, views: 2, onBatch })
  const at = (s: Source, epoch: number) => outputsOf(network, s, { ...numbers, epoch })
  const [p, one, two] = [await at(plain, 0), await at(augmented, 1), await at(augmented, 2)]
  const expected = p.map((v, i) => 0.25 * v + 0.75 * ((one[i]! + two[i]!) / 2))
  close(got, expected, 1e-6)
  assert.notDeepEqual([...one], [...two])
  assert.deepEqual(await tta(network, { plain, augmented }, { ...numbers, views: 2 }), got, 'the same bits again')
  assert.equal(seen.at(-1), 1)
  assertFreed(alive)
  for (let row = 0; row < 21; row++)
    assert.ok(
      Math.abs(
        Array.from(got)
          .slice(row * classes, (row + 1) * classes)
          .reduce((a, b) => a + b) - 1,
      ) < 1e-5,
      'Math.abs( Array.from(got) .slice(row * classes, (row + 1) * classes…',
    )
})

test('the outputs are what the task makes of them: softmax, sigmoids, themselves', async () => {
  const network = small()
  const data = source(9)
  const raw = await outputsOf(network, data, { ...numbers, objective: objective('regression', names) })
  const multi = await outputsOf(network, data, { ...numbers, objective: objective('multi', names) })
  const single = await outputsOf(network, data, numbers)
  close(
    multi,
    raw.map(v => 1 / (1 + Math.exp(-v))),
    1e-6,
  )
  const row = [...raw.subarray(0, classes)].map(Math.exp)
  close(
    single.subarray(0, classes),
    row.map(v => v / row.reduce((a, b) => a + b)),
    1e-6,
  )
})

test('the mirror image weighs as much as the picture', async () => {
  const network = small()
  const data = source(9)
  const mirrored: Source = {
    count: data.count,
    batch: (samples, epoch) => {
      const { x, y } = data.batch(samples, epoch)
      const [n, c, h, w] = x.shape as [number, number, number, number]
      const pixels = x.data() as Float32Array
      const flipped = pixels.map((_, i) => pixels[i - (i % w) + (w - 1 - (i % w))]!)
      return { x: fromArray(flipped, [n, c, h, w]), y }
    },
  }
  const [p, m] = [await outputsOf(network, data, numbers), await outputsOf(network, mirrored, numbers)]
  close(
    await mirrorTta(network, data, numbers),
    p.map((v, i) => (v + m[i]!) / 2),
    1e-6,
  )
})

test('what cannot be joined is refused; a signal ends it', async () => {
  const network = small()
  const [plain, augmented] = [source(9), source(8)]
  await assert.rejects(
    tta(network, { plain, augmented }, numbers),
    /the plain source has 9 samples and the augmented one 8/,
  )
  await assert.rejects(tta(network, { plain, augmented: plain }, { ...numbers, views: 0 }), /views must be .* got 0/)
  await assert.rejects(tta(network, { plain, augmented: plain }, { ...numbers, plain: 2 }), /share must be .* got 2/)
  await assert.rejects(tta(network, { plain, augmented: plain }, { ...numbers, signal: AbortSignal.abort() }), Stopped)
})

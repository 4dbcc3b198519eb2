import assert from 'node:assert/strict'
import { test } from 'node:test'
import { liveTensors } from '../../src/torch/index.ts'
import { Stopped } from '../../src/train/stop.ts'
import { hashDistance, nearDuplicates, pictureHash } from '../../src/vision/interpret/near-duplicates.ts'
import { formulaPicture, hashed } from '../golden/formula.ts'
import { assertFreed, close } from '../helpers/explain.ts'

const width = 256
/** `count` different samples, then copies of those given with a little noise. */
function features(count: number, copies: readonly number[] = [], noise = 0.1): Float32Array {
  const own = Float32Array.from(hashed('samples', count * width), v => v + 3) // far from 0, as features behind ReLU are
  const extra = hashed('noise', copies.length * width)
  const rows = copies.flatMap((s, c) =>
    Array.from({ length: width }, (_, f) => own[s * width + f]! + noise * extra[c * width + f]!),
  )
  return Float32Array.from([...own, ...rows])
}

test('copies are found, the closest first, with the sets that they form; different samples are not', async () => {
  const alive = liveTensors()
  const { pairs, groups } = await nearDuplicates(features(100, [3, 3, 70]), 103)
  assertFreed(alive)
  assert.deepEqual(
    pairs.map(p => [p.a, p.b]).sort((p, q) => p[0]! - q[0]! || p[1]! - q[1]!),
    [
      [3, 100],
      [3, 101],
      [70, 102],
      [100, 101],
    ],
  )
  assert.ok(
    pairs.every((p, i) => i === 0 || p.similarity <= pairs[i - 1]!.similarity),
    'pairs.every((p, i) => i === 0 || p.similarity <= pairs[i - 1]!.simi…',
  )
  assert.deepEqual(groups, [
    [3, 100, 101],
    [70, 102],
  ])
  assert.deepEqual(await nearDuplicates(features(100), 100), { pairs: [], groups: [] })
})

test('similarity is the cosine of centred features, the ratio their distance over that of the tenth neighbours', async () => {
  const count = 41
  const x = features(40, [5], 0.6)
  const mean = Array.from({ length: width }, (_, f) => x.reduce((s, v, i) => (i % width === f ? s + v : s), 0) / count)
  const rows = Array.from({ length: count }, (_, i) => {
    const row = mean.map((m, f) => x[i * width + f]! - m)
    const norm = Math.hypot(...row)
    return row.map(v => v / norm)
  })
  const cosine = (i: number, j: number) => rows[i]!.reduce((s, v, f) => s + v * rows[j]![f]!, 0)
  const tenth = (i: number) => {
    const others = rows.map((_, j) => (j === i ? -2 : cosine(i, j))).sort((a, b) => b - a)
    return 1 - others[9]!
  }
  const { pairs } = await nearDuplicates(x, count, { threshold: 0.99 })
  const pair = pairs.find(p => p.a === 5 && p.b === 40)!
  close([pair.similarity, pair.ratio], [cosine(5, 40), (1 - cosine(5, 40)) / ((tenth(5) + tenth(40)) / 2)], 1e-5)
})

test('a film of many pictures almost the same is one set, though its neighbours are as close', async () => {
  const film = Array.from({ length: 30 }, () => 8)
  const { groups } = await nearDuplicates(features(100, film), 130)
  assert.deepEqual(groups, [[8, ...Array.from({ length: 30 }, (_, i) => 100 + i)]])
})

test('across splits only what leaks counts', async () => {
  const parts = Int8Array.from({ length: 103 }, (_, i) => (i === 102 ? 1 : 0))
  const { pairs } = await nearDuplicates(features(100, [3, 3, 70]), 103, { parts })
  assert.deepEqual(
    pairs.map(p => [p.a, p.b]),
    [[70, 102]],
  )
})

test('more pictures than a block of rows; a signal ends it; few pictures are no trouble', async () => {
  const count = 2101
  const done: number[] = []
  const { pairs } = await nearDuplicates(features(2100, [2099]), count, { onRows: d => done.push(d) })
  assert.deepEqual(
    pairs.map(p => [p.a, p.b]),
    [[2099, 2100]],
  )
  assert.deepEqual(done, [1024, 2048, count])
  const alive = liveTensors()
  await assert.rejects(nearDuplicates(features(100), 100, { signal: AbortSignal.abort() }), Stopped)
  assertFreed(alive)
  assert.deepEqual(await nearDuplicates(features(1), 1), { pairs: [], groups: [] })
  assert.deepEqual((await nearDuplicates(features(8, [2]), 9)).groups, [[2, 8]])
  await assert.rejects(nearDuplicates(new Float32Array(10), 3), /got 10 numbers for 3 pictures/)
})

/** One picture [h × w] of the golden formula, from 0 to 255. */
function picture(name: number, h = 40, w = 64) {
  const values = formulaPicture([4, 3, h, w]).subarray(name * 3 * h * w, (name + 1) * 3 * h * w)
  const data = Uint8Array.from({ length: 3 * h * w }, (_, i) => 128 + 60 * values[(i % 3) * h * w + Math.floor(i / 3)]!)
  return { data, height: h, width: w }
}
const mirrored = ({ data, height, width }: ReturnType<typeof picture>) => ({
  data: data.map((_, i) => {
    const p = Math.floor(i / 3)
    const x = p % width
    return data[3 * (p - x + (width - 1 - x)) + (i % 3)]!
  }),
  height,
  width,
})

test('a hash is the same for a lighter, a mirrored and a smaller picture, and another for another one', () => {
  const own = pictureHash(picture(0))
  const lighter = { ...picture(0), data: picture(0).data.map(v => 40 + 0.7 * v) }
  assert.ok(hashDistance(own, pictureHash(lighter)) <= 2, 'hashDistance(own, pictureHash(lighter)) <= 2')
  assert.ok(
    hashDistance(own, pictureHash(mirrored(picture(0)))) <= 6,
    'hashDistance(own, pictureHash(mirrored(picture(0)))) <= 6',
  )
  const { data, height, width } = picture(0)
  const half = { data: data.filter((_, i) => Math.floor(i / 3) % 2 === 0), height, width: width / 2 }
  assert.ok(hashDistance(own, pictureHash(half)) <= 6, 'hashDistance(own, pictureHash(half)) <= 6')
  assert.ok(hashDistance(own, pictureHash(picture(1))) > 15, 'hashDistance(own, pictureHash(picture(1))) > 15')
})

test('with the pictures a pair that is close, but not close enough, counts where the hashes agree', async () => {
  const x = features(100, [3, 50], 2.2)
  const plain = await nearDuplicates(x, 102)
  assert.deepEqual(plain.pairs, [])
  const { pairs } = await nearDuplicates(x, 102, {
    picture: i => (i === 3 || i === 100 ? picture(0) : picture(1 + (i % 2))),
  })
  const one = pairs.find(p => p.a === 3)!
  assert.deepEqual([one.b, one.bits], [100, 0])
  assert.ok(one.ratio > 0.6 && one.ratio < 0.9, 'one.ratio > 0.6 && one.ratio < 0.9')
})

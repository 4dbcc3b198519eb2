import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rng } from '../../src/base/random.ts'
import { nearCopies } from '../../src/sound/interpret/near-copies.ts'

const rate = 16_000

/** Noise of its own for each number. */
function noisy(n: number, seconds: number): Float32Array {
  const random = rng(n, 0, 0, 0)
  return Float32Array.from({ length: seconds * rate }, () => random.uniform(-0.5, 0.5))
}

/** Recordings in pairs with features that say to compare them. */
async function found(waves: readonly (readonly [samples: Float32Array, rate: number])[]) {
  const features = new Float32Array(waves.length * 4)
  for (let i = 0; i < waves.length; i++) features[i * 4 + (Math.floor(i / 2) % 4)] = 1
  return nearCopies(features, waves.length, i => ({ samples: waves[i]![0], rate: waves[i]![1] }))
}

test('a copy that is shifted, quieter, cut or at another rate is found; another recording is not', async () => {
  const own = noisy(1, 1)
  const shifted = new Float32Array(rate * 1.2)
  shifted.set(
    own.map(v => v * 0.2),
    3000,
  )
  const slow = Float32Array.from({ length: own.length / 2 }, (_, i) => (own[2 * i]! + own[2 * i + 1]!) / 2)
  const { pairs, groups } = await found([
    [own, rate],
    [shifted, rate],
    [noisy(2, 1), rate],
    [noisy(2, 1).subarray(4000), rate],
    [noisy(3, 1), rate],
    [noisy(4, 1), rate],
    [own.map(v => -v), rate],
    [slow, rate / 2],
  ])
  const told = pairs.map(({ a, b }) => `${a} ${b}`).sort()
  assert.deepEqual(told, ['0 1', '2 3', '6 7'], JSON.stringify(pairs))
  assert.ok(pairs[0]!.similarity > 0.99, `the best: ${pairs[0]!.similarity}`)
  assert.deepEqual(groups, [
    [0, 1],
    [2, 3],
    [6, 7],
  ])
})

test('silence, one recording and none are no copies', async () => {
  const silent = [new Float32Array(rate), rate] as const
  assert.deepEqual(await found([silent, silent]), { pairs: [], groups: [] })
  assert.deepEqual(await found([silent]), { pairs: [], groups: [] })
  assert.deepEqual(await found([]), { pairs: [], groups: [] })
  const long = await found([
    [noisy(5, 1), rate],
    [noisy(5, 1), rate],
    [noisy(6, 1), rate],
    [noisy(5, 1), rate],
  ])
  assert.deepEqual(long.groups, [[0, 1]], 'the features say what is compared')
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { philox, purpose, rng, shuffle } from '../../src/base/random.ts'

test('philox 4x32-10 gives the known answers of Random123', () => {
  // kat_vectors of the Random123 library: counter, key, expected.
  const table: [number[], [number, number], number[]][] = [
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [Array(4).fill(0xffffffff), [0xffffffff, 0xffffffff], [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ]
  for (const [counter, [low, high], expected] of table) {
    const out = new Uint32Array(4)
    philox(out, Uint32Array.from(counter), low, high)
    assert.deepEqual([...out], expected)
  }
})

test('a stream depends on its seed and each of its keys, and on nothing else', () => {
  const first = (seed: number, ...keys: number[]) => rng(seed, ...keys).uniform()
  assert.equal(first(42, 1, 2, 3), first(42, 1, 2, 3))
  const values = [
    first(42),
    first(43),
    first(42, 1),
    first(42, 0, 1),
    first(42, 0, 0, 1),
    first(42 + 2 ** 32),
    first(-1),
  ]
  assert.equal(new Set(values).size, values.length)
  assert.throws(() => rng(0.5), /whole number, got 0.5/)
  assert.throws(() => rng(0, -1), /got -1/)
  assert.throws(() => rng(0, 1, 2, 3, 4), /three keys/)
})

test('uniform, normal and integer have the moments of their distributions', () => {
  const random = rng(7)
  const n = 40000
  const uniform = Float64Array.from({ length: n }, () => random.uniform(-1, 3))
  const normal = Float64Array.from({ length: n }, () => random.normal(2, 0.5))
  const counts = new Array(7).fill(0)
  for (let i = 0; i < n; i++) counts[random.integer(7)]++
  const mean = (v: Float64Array) => v.reduce((a, b) => a + b) / n
  const deviation = (v: Float64Array, centre = mean(v)) =>
    Math.sqrt(v.reduce((sum, x) => sum + (x - centre) ** 2, 0) / n)
  assert.ok(
    Math.abs(mean(uniform) - 1) < 0.03 && Math.min(...uniform) >= -1 && Math.max(...uniform) < 3,
    'Math.abs(mean(uniform) - 1) < 0.03 && Math.min(...uniform) >= -1 &&…',
  )
  assert.ok(
    Math.abs(mean(normal) - 2) < 0.015 && Math.abs(deviation(normal) - 0.5) < 0.015,
    'Math.abs(mean(normal) - 2) < 0.015 && Math.abs(deviation(normal) - …',
  )
  for (const count of counts) assert.ok(Math.abs(count - n / 7) < 350, `${counts}`)
})

test('shuffle keeps every element and gives every permutation about as often', () => {
  const seen = new Map<string, number>()
  for (let i = 0; i < 6000; i++) {
    const key = shuffle(['a', 'b', 'c'], rng(1, i)).join('')
    seen.set(key, (seen.get(key) ?? 0) + 1)
  }
  assert.equal(seen.size, 6)
  for (const [key, count] of seen) assert.ok(Math.abs(count - 1000) < 130, `${key} ${count}`)
})

test('no two purposes share a key', () => {
  const keys = Object.values(purpose)
  assert.equal(new Set(keys).size, keys.length)
})

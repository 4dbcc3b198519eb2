import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { formulaPicture, formulaValues, hashed } from '../golden/formula.ts'

const golden = JSON.parse(readFileSync(new URL('../golden/models.json', import.meta.url), 'utf8')).formula as {
  values: Record<string, number[]>
  'picture 2x3x12x20': { first: number[]; last: number[]; sum: number }
}

test('formula values equal the Python twin, bit for bit', () => {
  assert.deepEqual([...hashed('conv1.weight', 4)], golden[`hashed('conv1.weight', 4)` as keyof typeof golden])
  assert.equal(Object.keys(golden.values).length, 6)
  for (const [key, expected] of Object.entries(golden.values)) {
    const [name = '', shape = ''] = key.split(' ')
    const values = formulaValues(name, shape === '' ? [] : shape.split('x').map(Number))
    assert.deepEqual([...values.slice(0, 6)], expected, key)
  }
})

test('the formula picture equals the Python twin at both ends and in its sum', () => {
  const picture = formulaPicture([2, 3, 12, 20])
  const { first, last, sum } = golden['picture 2x3x12x20']
  assert.deepEqual([...picture.slice(0, 6)], first)
  assert.deepEqual([...picture.slice(-6)], last)
  assert.ok(
    Math.abs(picture.reduce((total, v) => total + v, 0) - sum) < 1e-9,
    'Math.abs(picture.reduce((total, v) => total + v, 0) - sum) < 1e-9',
  )
})

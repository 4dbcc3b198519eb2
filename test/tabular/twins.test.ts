import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rng } from '../../src/base/random.ts'
import { twins } from '../../src/tabular/twins.ts'
import type { FrameColumn } from '../../src/tabular/types.ts'

/** Counts by the texts of whole rows. */
function plainly(columns: readonly FrameColumn[], train: Int32Array, rows: Int32Array) {
  const textOf = (row: number) =>
    columns
      .map(c => (c.type === 'words' ? c.values.codes[row] : Object.is(c.values[row], -0) ? '-0' : c.values[row]))
      .join('|')
  const known = new Set(Array.from(train, textOf))
  return { again: Array.from(rows, textOf).filter(text => known.has(text)).length, different: known.size }
}

/** Columns with so few values that many rows are equal in the first ones, and some in all of them. */
function table(rows: number, cardinalities: readonly number[], seed: number): FrameColumn[] {
  const random = rng(seed)
  return cardinalities.map((n, i): FrameColumn => {
    const values = Array.from({ length: rows }, () => random.integer(n))
    if (i % 2 === 0)
      return { name: `n${i}`, type: 'number', values: Float64Array.from(values, v => (v === 0 ? Number.NaN : v / 3)) }
    const words = Array.from({ length: n }, (_, k) => `w${k}`)
    return { name: `w${i}`, type: 'words', values: { codes: Int32Array.from(values, v => v - 1), words } }
  })
}

for (const [what, cardinalities] of [
  ['rows that differ at once', [5000, 5000, 5000, 5000, 9, 9, 9, 9, 9]],
  ['rows that differ late', [1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4]],
  ['rows that repeat', [2, 3, 2, 3, 1]],
  ['as many columns as are looked at first', [6, 6, 6, 6]],
  ['two columns', [30, 30]],
] as const)
  test(`equal rows are counted as by a look at whole rows: ${what}`, () => {
    const columns = table(3000, cardinalities, 4)
    const all = Int32Array.from({ length: 3000 }, (_, i) => i)
    const [train, valid] = [all.filter(i => i % 4 !== 0), all.filter(i => i % 4 === 0)]
    assert.deepEqual(twins(columns, train, valid), plainly(columns, train, valid))
    assert.deepEqual(twins(columns, train, train), plainly(columns, train, train))
  })

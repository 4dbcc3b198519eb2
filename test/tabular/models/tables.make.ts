import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { rng } from '../../../src/base/random.ts'
import type { Encoded, LabelledRows, TargetInfo } from '../../../src/tabular/types.ts'

/** Values of test/golden/tabular.json, written by make_tabular.py. */
export const golden = JSON.parse(readFileSync(new URL('../../golden/tabular.json', import.meta.url), 'utf8')) as {
  forests: { name: string; text: string; rows: (number | null)[][]; raw: number[]; predicted: number[] }[]
  scales: { name: string; values: number[]; median: number; scale: number; clipped: number[] }[]
  realmlp: {
    name: string
    task: 'single' | 'regression'
    numbers: number
    others: number
    cards: number[]
    hidden: number[]
    members: number
    rows: number
    outputs: number
    out: number[]
    loss: number
    targets: number[]
    gradientNorms: Record<string, number[]>
  }[]
  coslog4: [number, number][]
}

const names = (start: string, count: number) => Array.from({ length: count }, (_, i) => `${start}${i}`)

/** Rows of numbers and category codes, side by side in one matrix, as encoded rows. */
export function encodedOf(data: Float32Array, numbers: number, categories: number, cardinality = 16): Encoded {
  const width = numbers + categories
  const rows = data.length / width
  const part = (from: number, to: number) =>
    [...Array(rows).keys()].flatMap(r => [...data.subarray(r * width + from, r * width + to)])
  return {
    rows,
    numbers: Float32Array.from(part(0, numbers)),
    numberNames: names('n', numbers),
    categories: Int32Array.from(part(numbers, width)),
    categoryNames: names('c', categories),
    cardinalities: Array(categories).fill(cardinality),
  }
}

export const target = (task: TargetInfo['task'], count: number): TargetInfo => ({
  task,
  columns: task === 'single' ? ['y'] : names('t', count),
  classes: names('t', count),
})

export interface MakeTable {
  task?: TargetInfo['task']
  /** Classes or targets. */
  outputs?: number
  seed?: number
  /** Share of the numbers that is missing. */
  missing?: number
  numbers?: number
  /** Words of each category. */
  words?: readonly number[]
  log?: readonly boolean[]
}

/** A table whose target follows from its columns: a wave of the first number, a product of two, and a category. */
export function makeTable(rows: number, options: MakeTable = {}): LabelledRows {
  const { task = 'regression', outputs = task === 'single' ? 2 : 1, seed = 1, missing = 0 } = options
  const { numbers = 4, words = [5, 12], log } = options
  const random = rng(seed, 77)
  const x: Encoded = {
    rows,
    numbers: Float32Array.from({ length: rows * numbers }, () => random.normal()),
    numberNames: names('n', numbers),
    categories: Int32Array.from(
      { length: rows * words.length },
      (_, i) => 2 + random.integer(words[i % words.length]!),
    ),
    categoryNames: names('c', words.length),
    cardinalities: words.map(n => n + 2),
  }
  const values = Float64Array.from({ length: task === 'single' ? rows : rows * outputs }, (_, i) => {
    const t = task === 'single' ? 0 : i % outputs
    const row = task === 'single' ? i : Math.floor(i / outputs)
    const n = (c: number) => (c < numbers ? x.numbers[row * numbers + c]! : 0)
    const code = words.length > 0 ? x.categories[row * words.length]! : 0
    const y = Math.sin(2 * n(0)) + n(1) * n(2) + (code % 3) + 0.1 * random.normal()
    if (task === 'single') return Math.min(outputs - 1, Math.max(0, Math.floor((y + 1) * (outputs / 4))))
    return log?.[t] ? Math.exp(y) : (t + 1) * 100 * y + 1000 * t
  })
  for (let i = 0; i < x.numbers.length; i++) if (random.chance(missing)) x.numbers[i] = Number.NaN
  return { x, y: { ...target(task, outputs), ...(log ? { log } : {}), values } }
}

/** The root mean squared error or the log loss of the mean of the training rows: what a model must beat. */
export function plainLoss(train: LabelledRows, test: LabelledRows): number {
  const { task, classes, values } = train.y
  if (task === 'single') {
    const share = classes.map((_, c) => values.filter(v => v === c).length / values.length)
    return -test.y.values.reduce((sum, v) => sum + Math.log(share[v] || 1e-15), 0) / test.y.values.length
  }
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length
  return Math.sqrt(test.y.values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / test.y.values.length)
}

/** Fails if a value is further away than the tolerance, relative to 1 and to what is wanted. */
export function near(found: ArrayLike<number>, wanted: readonly number[], tolerance: number, what: string): void {
  assert.equal(found.length, wanted.length, what)
  for (const [i, value] of wanted.entries())
    assert.ok(
      Math.abs(found[i]! - value) <= tolerance * Math.max(1, Math.abs(value)),
      `${what} ${i}: ${found[i]}, expected ${value}`,
    )
}

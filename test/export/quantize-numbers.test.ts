import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { rng } from '../../src/base/random.ts'
import { Histogram, rangeMethods } from '../../src/export/quantize/histogram.ts'
import { quantizedBias, quantizedWeights, scaleOf } from '../../src/export/quantize/numbers.ts'
import { verdictOf } from '../../src/export/quantize/verdict.ts'
import type { ModelCard } from '../../src/vision/inference/saved.ts'

const golden = JSON.parse(readFileSync(new URL('../golden/quantize.json', import.meta.url), 'utf8'))

test("scales and zero points are those of onnxruntime's tool, and its operators round by them as planned", () => {
  for (const { low, high, scale, zero, values, integers, floats } of golden.ranges) {
    const found = scaleOf({ low, high })
    const where = `range ${low} to ${high}`
    assert.ok(Math.abs(found.scale / scale - 1) < 1e-6, `${where}: scale ${found.scale}, expected ${scale}`)
    assert.equal(found.zero, zero, `${where}: zero`)
    for (const [i, v] of values.entries()) {
      const exact = v / found.scale + found.zero
      const clipped = Math.min(255, Math.max(0, exact))
      assert.ok(Math.abs(integers[i] - clipped) < 0.501, `${where}: ${v} is ${integers[i]}, exactly ${exact}`)
      const inside = v >= Math.min(0, low) && v <= Math.max(0, high)
      // The zero point is rounded, too: an end may be half a step off.
      if (inside) assert.ok(Math.abs(floats[i] - v) < found.scale * 1.001, `${where}: ${v} comes back as ${floats[i]}`)
    }
  }
  assert.deepEqual(scaleOf({ low: 0, high: 0 }), { scale: 1, zero: 0 }, 'a value that is always 0')
  assert.deepEqual(scaleOf({ low: 0, high: 1e-40 }), { scale: 1, zero: 0 }, 'a range below float32')
})

/** The index of the output channel of each weight. */
const channels = (shape: readonly number[], axis: number) => {
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1)
  return (i: number) => Math.floor(i / inner) % shape[axis]!
}

const shapes: [shape: number[], axis: number, paired: boolean][] = [
  [[8, 6, 3, 3], 0, true],
  [[8, 1, 3, 3], 0, false],
  [[5, 7], 0, true],
  [[7, 5], 1, true],
  [[4, 3, 1, 5], 0, true],
]
for (const [shape, axis, paired] of shapes)
  test(`weights [${shape}]: each channel of axis ${axis} has its scale${paired ? ', pairs fit into int16' : ''}`, () => {
    const random = rng(1)
    const channelOf = channels(shape, axis)
    const size = shape.reduce((a, b) => a * b)
    const weights = Float32Array.from({ length: size }, (_, i) => random.normal() * 10 ** ((channelOf(i) % 4) - 2))
    const { scales, values } = quantizedWeights(weights, { shape, axis, paired })
    for (const [i, w] of weights.entries()) {
      const scale = scales[channelOf(i)]!
      assert.ok(Math.abs(values[i]! * scale - w) <= 0.5001 * scale, `${w} is ${values[i]} of ${scale}`)
    }
    for (let c = 0; c < shape[axis]!; c++) {
      const own = [...values].filter((_, i) => channelOf(i) === c)
      const largest = Math.max(...own.map(Math.abs))
      if (!paired) assert.equal(largest, 127, `channel ${c} takes all 8 bits`)
      else assert.ok(largest >= 63 && largest <= 127, `channel ${c} goes to ${largest}`)
      if (!paired) continue
      // As a kernel reads them: position by position, and in it channel by channel.
      const kernel = shape.slice(2).reduce((a, b) => a * b, 1)
      const depth = own.length / kernel
      const order = own.map((_, n) => own[(n % depth) * kernel + Math.floor(n / depth)]!)
      for (const [n, v] of order.entries()) {
        const next = order[n + 1] ?? 0
        const up = 255 * (Math.max(v, 0) + Math.max(next, 0))
        const down = 255 * (Math.min(v, 0) + Math.min(next, 0))
        assert.ok(up < 2 ** 15 && down >= -(2 ** 15), `${v} and ${next} give ${up} or ${down}`)
      }
    }
  })

test('biases fit into int32: of a channel of zeros, and one that is large for its weights', () => {
  const bias = Float32Array.of(5, 3e6)
  const { scales, values } = quantizedWeights(Float32Array.of(0, 0, 1e-3, 1e-3), {
    shape: [2, 2],
    axis: 0,
    paired: true,
    bias: { values: bias, input: 1e-3 },
  })
  const stored = quantizedBias(bias, 1e-3, scales)
  for (const [c, b] of bias.entries()) {
    const back = stored[c]! * Math.fround(1e-3 * scales[c]!)
    assert.ok(Math.abs(back - b) < 1e-3 * b, `bias ${b} is stored as ${stored[c]}, which is ${back}`)
  }
  assert.deepEqual([...values.subarray(0, 2)], [0, 0], 'zeros stay zeros')
})

test('ranges: all values, all but the outer ones, the least error', () => {
  const random = rng(2)
  const h = new Histogram()
  for (let n = 0; n < 20; n++) h.add(Float32Array.from({ length: 4000 }, () => random.normal()))
  const outlier = new Float32Array(1000)
  outlier[7] = 50
  h.add(outlier)
  const [all, most, mse] = rangeMethods.map(method => h.range(method)) as [Range, Range, Range]
  assert.ok(all.high === 50 && all.low < -3, `${all.low} to ${all.high}`)
  assert.ok(most.high > 3 && most.high < 5, `without the outer 0.01 %: to ${most.high}`)
  assert.ok(mse.high > 3 && mse.high < 50, `the least squared error: to ${mse.high}`)
  assert.ok(mse.low > -6 && mse.low < -2.5, `the low end has no outlier: ${mse.low}`)
  for (const method of rangeMethods) assert.ok(h.range(method, { positive: true }).low === 0, `${method} before a Relu`)
  // Evenly distributed numbers of one sign need their whole range.
  const even = new Histogram()
  even.add(Float32Array.from({ length: 5000 }, () => random.uniform(0.2, 3)))
  for (const method of rangeMethods) {
    const { low, high } = even.range(method)
    assert.ok(low >= 0 && low <= 0.21 && high > 2.9 && high <= 3, `${method}: ${low} to ${high}`)
  }
  const zeros = new Histogram()
  zeros.add(new Float32Array(9))
  assert.deepEqual(zeros.range('mse'), { low: 0, high: 0 })
  const none = new Histogram()
  none.add(Float32Array.of(1, Number.POSITIVE_INFINITY))
  assert.equal(none.finite, false, 'infinity')
  const nan = new Histogram()
  nan.add(Float32Array.of(1, Number.NaN, 2))
  assert.equal(nan.finite, false, 'no number')
})
type Range = { low: number; high: number }

const card = (task: 'single' | 'multi' | 'regression', classes: string[]): ModelCard =>
  ({ task, classes, architecture: 'resnet18', metrics: {}, scale: { mean: [0], std: [2] } }) as unknown as ModelCard

test('of few pictures one may get another label, whatever their number', () => {
  const single = card('single', ['a', 'b', 'c'])
  const sure = [0.9, 0.06, 0.04]
  const tied = (first: number) => [first, 0.81 - first, 0.19]
  for (let count = 3; count <= 30; count++) {
    // Those that change are wrong before and after, so that neither loss nor accuracy change much.
    const rows = (others: number, first: number) =>
      Float32Array.from(Array.from({ length: count }, (_, i) => (i < others ? tied(first) : sure)).flat())
    const verdict = (others: number) => {
      const targets = Int32Array.from({ length: count }, (_, i) => (i < others ? 2 : 0))
      return verdictOf(rows(others, 0.41), rows(others, 0.4), targets, single)
    }
    const one = verdict(1)
    assert.ok(one.holds, `1 of ${count}: ${JSON.stringify(one)}`)
    const most = Math.max(1, Math.floor(count / 10 + 1e-9))
    assert.ok(verdict(most).holds, `${most} of ${count}`)
    assert.ok(!verdict(most + 1).holds, `${most + 1} of ${count}`)
  }
})

test('what rounding costs: paired, against what validation leaves open', () => {
  const random = rng(6)
  const [count, width] = [200, 3]
  const before = new Float32Array(count * width)
  const targets = new Int32Array(count)
  for (let i = 0; i < count; i++) {
    const logits = [0, 1, 2].map(() => 2 * random.normal())
    const sum = logits.reduce((a, x) => a + Math.exp(x), 0)
    for (let c = 0; c < width; c++) before[i * width + c] = Math.exp(logits[c]!) / sum
    targets[i] = random.chance(0.85) ? logits.indexOf(Math.max(...logits)) : random.integer(3)
  }
  const noisy = (share: number) => {
    const p = before.map(v => v * Math.exp(share * random.normal()))
    for (let from = 0; from < p.length; from += width) {
      const row = p.subarray(from, from + width)
      const sum = row.reduce((a, b) => a + b, 0)
      for (let c = 0; c < width; c++) row[c]! /= sum
    }
    return p
  }
  const single = card('single', ['a', 'b', 'c'])
  const same = verdictOf(before, before, targets, single)
  assert.ok(same.holds && same.strain === 0 && same.same === 1, `${same.strain}`)
  assert.deepEqual(same.loss.cost, [0, 0])
  const { holds, loss } = verdictOf(before, noisy(0.05), targets, single)
  assert.ok(holds && loss.cost[1] < 0.2 * loss.allowed, `paired: ${loss.cost}, accepted ${loss.allowed}`)
  const much = verdictOf(before, noisy(2), targets, single)
  assert.ok(!much.holds && much.strain > 1, `much noise: ${JSON.stringify(much)}`)
  const none = before.map(() => Number.NaN)
  assert.ok(!verdictOf(before, none, targets, single).holds, 'answers that are no numbers')
  // The less validation knows, the more is accepted; but labels must stay the same.
  const few = verdictOf(before.subarray(0, 60), noisy(2).subarray(0, 60), targets.subarray(0, 20), single)
  assert.ok(few.loss.allowed > 2 * loss.allowed && !few.holds, `20 pictures: ${JSON.stringify(few)}`)

  // Several labels, and numbers in standard deviations of 2.
  const given = Float32Array.from(before, (_, i) => (targets[Math.floor(i / width)] === i % width ? 1 : 0))
  const many = card('multi', ['a', 'b', 'c'])
  assert.ok(verdictOf(before, noisy(0.05), given, many).holds, 'several labels, little noise')
  assert.ok(!verdictOf(before, noisy(2), given, many).holds, 'several labels, much noise')
  const values = Float64Array.from({ length: 300 }, () => 2 * random.normal())
  const wanted = values.map(v => v + 0.4 * random.normal())
  const off = (by: number) => values.map(v => v + by * random.normal())
  const numbers = card('regression', ['a'])
  assert.ok(verdictOf(values, off(0.02), wanted, numbers).holds, 'numbers, little noise')
  assert.ok(!verdictOf(values, off(0.5), wanted, numbers).holds, 'numbers, much noise')
})

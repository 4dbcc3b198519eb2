import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { liveTensors } from '../../src/torch/index.ts'
import { lbfgs } from '../../src/train/linear/lbfgs.ts'
import { type LinearModel, logisticPath, sigmoidPath } from '../../src/train/linear/logistic.ts'
import { ridgePath } from '../../src/train/linear/ridge.ts'
import { Stopped } from '../../src/train/stop.ts'
import { hashed } from '../golden/formula.ts'

type Case = {
  name: string
  n: number
  width: number
  classes: number
  results: { l2: number; probabilities: number[] }[]
}
type Results = { l2: number; outputs: number[] }[]
type Several = { name: string; n: number; width: number; targets: number; sigmoid: Results; ridge: Results }
const { cases, several } = JSON.parse(readFileSync(new URL('../golden/logistic.json', import.meta.url), 'utf8')) as {
  cases: Case[]
  several: Several[]
}

/** The same as in make_logistic.py. */
function features({ name, n, width, classes }: Omit<Case, 'results'>): { x: Float32Array; y: Int32Array } {
  const y = Int32Array.from({ length: n }, (_, i) => i % classes)
  const noise = hashed(`${name} noise`, n * width)
  const centres = hashed(`${name} centres`, classes * width)
  const x = Float32Array.from({ length: n * width }, (_, i) => {
    const [row, f] = [Math.floor(i / width), i % width]
    const scale = 10 ** ((f % 4) - 1)
    return f === width - 1 ? 7 : (3 * noise[i]! + centres[y[row]! * width + f]!) * scale + 2 * scale
  })
  return { x, y }
}

/** The same as in make_logistic.py: several labels and the same number of targets per sample. */
function answers({ name, n, width, targets }: Several) {
  const { x, y } = features({ name, n, width, classes: 3 })
  const noise = hashed(`${name} answers`, n * targets)
  const of = (number: (v: number, label: number, t: number) => number) =>
    Float32Array.from(noise, (v, i) => number(v, y[Math.floor(i / targets)]!, i % targets))
  const limit = (t: number) => 0.45 + ((0.1 - 0.45) * t) / (targets - 1)
  return {
    x,
    labels: of((v, label, t) => (v + 0.2 * (label % 2) > limit(t) ? 1 : 0)),
    numbers: of((v, label, t) => 4 * v + ((label + t) % 3) + 10 * t),
  }
}

/** [N × C], row by row. */
function outputs(x: Float32Array, width: number, { weight, bias }: LinearModel): number[][] {
  return Array.from({ length: x.length / width }, (_, row) =>
    Array.from(bias, (b, c) => {
      let sum = b
      for (let f = 0; f < width; f++) sum += weight[c * width + f]! * x[row * width + f]!
      return sum
    }),
  )
}

function probabilities(x: Float32Array, width: number, model: LinearModel) {
  return outputs(x, width, model).flatMap(logits => {
    const top = Math.max(...logits)
    const exps = logits.map(v => Math.exp(v - top))
    const total = exps.reduce((a, b) => a + b)
    return exps.map(v => v / total)
  })
}
const worstOf = (expected: readonly number[], got: readonly number[]) =>
  Math.max(...expected.map((v, k) => Math.abs(v - got[k]!)))

for (const given of cases)
  test(`logistic regression equals scikit-learn's to 5e-6: ${given.name}`, async () => {
    const data = features(given)
    const before = liveTensors()
    const models = await logisticPath(
      data,
      given.classes,
      given.results.map(r => r.l2),
    )
    assert.equal(liveTensors(), before, 'every tensor is freed')
    for (const [i, { l2, probabilities: expected }] of given.results.entries()) {
      const p = probabilities(data.x, given.width, models[i]!)
      const worst = worstOf(expected, p)
      assert.ok(worst < 5e-6, `l2 ${l2}: off by ${worst.toExponential(2)} after ${models[i]!.iterations} iterations`)
    }
  })

for (const given of several) {
  const { x, labels, numbers } = answers(given)
  const { width, targets } = given
  test(`a logistic regression a label equals scikit-learn's to 5e-6: ${given.name}`, async () => {
    const before = liveTensors()
    const l2s = given.sigmoid.map(r => r.l2)
    const models = await sigmoidPath({ x, y: labels }, targets, l2s)
    assert.equal(liveTensors(), before, 'every tensor is freed')
    for (const [i, { l2, outputs: expected }] of given.sigmoid.entries()) {
      const p = outputs(x, width, models[i]!).flatMap(row => row.map(v => 1 / (1 + Math.exp(-v))))
      const worst = worstOf(expected, p)
      assert.ok(worst < 5e-6, `l2 ${l2}: off by ${worst.toExponential(2)} after ${models[i]!.iterations} iterations`)
    }
  })

  test(`ridge regression equals scikit-learn's to 1e-4: ${given.name}`, async () => {
    const before = liveTensors()
    const l2s = given.ridge.map(r => r.l2)
    const models = await ridgePath({ x, y: numbers }, targets, l2s)
    assert.equal(liveTensors(), before, 'every tensor is freed')
    for (const [i, { l2, outputs: expected }] of given.ridge.entries()) {
      const worst = worstOf(expected, outputs(x, width, models[i]!).flat())
      assert.ok(worst < 1e-4, `l2 ${l2}: off by ${worst.toExponential(2)}`)
    }
  })
}

// Rows that are told apart entirely, where little L2 makes a flat valley, and rows that are not.
for (const [what, n, width] of [
  ['fewer rows than features', 40, 120],
  ['more rows than features', 400, 30],
] as const)
  test(`rounding in the features does not decide where a search ends: ${what}`, async () => {
    const { x, y } = features({ name: what, n, width, classes: 5 })
    const noise = hashed('rounding', x.length)
    const rounded = x.map((v, i) => v * (1 + 4e-7 * noise[i]!))
    const hot = Float32Array.from({ length: n * 5 }, (_, i) => (y[Math.floor(i / 5)] === i % 5 ? 1 : 0))
    const searches = {
      classes: (x: Float32Array) => logisticPath({ x, y }, 5, [0.01]),
      labels: (x: Float32Array) => sigmoidPath({ x, y: hot }, 5, [0.01]),
    }
    for (const [kind, search] of Object.entries(searches)) {
      const [[one], [other]] = [await search(x), await search(rounded)]
      assert.ok(one!.converged && other!.converged, `${kind}: ${one!.iterations} and ${other!.iterations} iterations`)
      const apart = worstOf([...one!.weight], [...other!.weight])
      assert.ok(apart < 5e-5, `${kind}: weights are ${apart.toExponential(2)} apart`)
    }
  })

test('a label that every sample has, or none, gets the odds of half a sample and no weights', async () => {
  const { x, y } = features({ name: 'one-sided', n: 20, width: 4, classes: 2 })
  const labels = Float32Array.from({ length: 60 }, (_, i) => [1, 0, y[Math.floor(i / 3)]!][i % 3]!)
  const [model] = await sigmoidPath({ x, y: labels }, 3, [0.1])
  assert.deepEqual([...model!.weight.subarray(0, 8)], Array(8).fill(0))
  const odds = Math.log(19.5 / 0.5)
  assert.deepEqual([...model!.bias.subarray(0, 2)], [...Float32Array.of(odds, -odds)])
  assert.ok(
    model!.weight.subarray(8).some(w => Math.abs(w) > 0.01),
    'model!.weight.subarray(8).some(w => Math.abs(w) > 0.01)',
  )
})

test('ridge regression over blocks of rows is that over all of them, and needs a penalty', async () => {
  const n = 5000
  const x = Float32Array.from(hashed('rows', n * 3), v => 10 * v)
  const y = Float32Array.from({ length: n }, (_, i) => 2 * x[i * 3]! - x[i * 3 + 2]! + 7)
  const [model] = await ridgePath({ x, y }, 1, [1e-9])
  assert.ok(worstOf([2, 0, -1, 7], [...model!.weight, ...model!.bias]) < 1e-5, `${model!.weight} ${model!.bias}`)
  await assert.rejects(ridgePath({ x, y }, 1, [0]), /l2 must be a number above 0, got 0/)
  await assert.rejects(ridgePath({ x, y: y.subarray(1) }, 2, [1]), /got 4999 targets for rows of 2/)
})

const hot = Float32Array.from({ length: 180 }, (_, i) => (i % 4 === 0 ? 1 : 0))
const endless = { tolerance: 0 }
for (const [name, solve] of Object.entries({
  logisticPath: signal => logisticPath(features(cases[0]!), 3, [1, 1e-9], { ...endless, signal }),
  sigmoidPath: signal => sigmoidPath({ x: features(cases[0]!).x, y: hot }, 3, [1, 1e-9], { ...endless, signal }),
  ridgePath: signal => ridgePath({ x: features(cases[0]!).x, y: hot }, 3, Array(1000).fill(1), { signal }),
} satisfies Record<string, (signal: AbortSignal) => Promise<unknown>>))
  test(`a signal stops ${name} between two iterations, and nothing is kept`, async () => {
    const before = liveTensors()
    const stop = new AbortController()
    setImmediate(() => stop.abort())
    await assert.rejects(solve(stop.signal), Stopped)
    assert.equal(liveTensors(), before)
  })

test('L-BFGS finds the minimum of a badly scaled quadratic, and stays where the gradient is 0', async () => {
  const scales = Float64Array.of(1, 10, 100, 1000)
  const bowl = (x: Float64Array, g: Float64Array) => {
    let value = 0
    for (const [i, s] of scales.entries()) {
      g[i] = s * (x[i]! - i)
      value += (s / 2) * (x[i]! - i) ** 2
    }
    return value
  }
  const found = await lbfgs(bowl, new Float64Array(4).fill(5), { tolerance: 1e-14 })
  assert.ok(found.converged, 'found.converged')
  for (const [i, v] of found.x.entries()) assert.ok(Math.abs(v - i) < 1e-5, `x[${i}] = ${v}`)
  const stay = await lbfgs(bowl, Float64Array.of(0, 1, 2, 3))
  assert.deepEqual([stay.iterations, stay.converged], [0, true])
})

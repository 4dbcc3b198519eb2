import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { liveTensors } from '../src/torch/index.ts'
import { lbfgs } from '../src/train/lbfgs.ts'
import { logisticPath } from '../src/train/logistic.ts'
import { Stopped } from '../src/train/turn.ts'
import { hashed } from './golden/formula.ts'

type Case = {
  name: string
  n: number
  width: number
  classes: number
  results: { l2: number; probabilities: number[] }[]
}
const { cases } = JSON.parse(readFileSync(new URL('golden/logistic.json', import.meta.url), 'utf8')) as {
  cases: Case[]
}

/** The same as make_logistic.py's. */
function features({ name, n, width, classes }: Case): { x: Float32Array; y: Int32Array } {
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

function probabilities(x: Float32Array, width: number, { weight, bias }: { weight: Float32Array; bias: Float32Array }) {
  return Array.from({ length: x.length / width }, (_, row) => {
    const logits = Array.from(bias, (b, c) => {
      let sum = b
      for (let f = 0; f < width; f++) sum += weight[c * width + f]! * x[row * width + f]!
      return sum
    })
    const top = Math.max(...logits)
    const exps = logits.map(v => Math.exp(v - top))
    const total = exps.reduce((a, b) => a + b)
    return exps.map(v => v / total)
  }).flat()
}

for (const given of cases)
  test(`logistic regression equals scikit-learn's to 1e-3: ${given.name}`, async () => {
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
      const worst = Math.max(...expected.map((v, k) => Math.abs(v - p[k]!)))
      assert.ok(worst < 1e-3, `l2 ${l2}: off by ${worst.toExponential(2)} after ${models[i]!.iterations} iterations`)
    }
  })

test('a signal stops it between two iterations, and nothing is kept', async () => {
  const data = features(cases[0]!)
  const before = liveTensors()
  const stop = new AbortController()
  setImmediate(() => stop.abort())
  await assert.rejects(logisticPath(data, 3, [1, 1e-9], { tolerance: 0, signal: stop.signal }), Stopped)
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
  assert.ok(found.converged)
  for (const [i, v] of found.x.entries()) assert.ok(Math.abs(v - i) < 1e-5, `x[${i}] = ${v}`)
  const stay = await lbfgs(bowl, Float64Array.of(0, 1, 2, 3))
  assert.deepEqual([stay.iterations, stay.converged], [0, true])
})

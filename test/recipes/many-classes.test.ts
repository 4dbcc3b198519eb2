import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { rng } from '../../src/base/random.ts'
import { planSearch } from '../../src/recipes/steps/search-plan.ts'
import { lbfgs } from '../../src/train/linear/lbfgs.ts'
import { logisticPath, sigmoidPath } from '../../src/train/linear/logistic.ts'
import { confusions } from '../../src/train/metrics.ts'
import { Stopped } from '../../src/train/stop.ts'
import { allMarks, marked, runsFolder } from '../helpers/recipe.ts'

const work = runsFolder()
after(() => work.remove())

describe('how far the optimum of the last layer is looked for', () => {
  const plan = (rows: number, classes: number, each: number, width = 512) =>
    planSearch({ rows, classes, width, strengths: 6, seconds: () => each })
  test('a usual head is neither measured nor limited', () => {
    const never = () => assert.fail('measured')
    assert.deepEqual(planSearch({ rows: 50_000, classes: 100, width: 512, strengths: 6, seconds: never }), {})
    assert.deepEqual(plan(50_000, 1000, 0.4), {}, 'fast enough here')
  })
  test('a large one is limited to two minutes, and says so', () => {
    const { iterations, reason } = plan(60_000, 2000, 3)
    assert.equal(iterations, 6)
    assert.match(
      reason!,
      /^over 60,000 rows and 2,000 classes one evaluation of the loss takes 3\.0 s here: at most 6 steps/,
    )
  })
  test('one of 20,000 classes trains by epochs, and says what the optimum would take', () => {
    const { iterations, reason } = plan(120_000, 20_000, 75)
    assert.equal(iterations, 0)
    assert.match(
      reason!,
      /takes 1:15 here, and the search for the optimum would take about 5:00:00; the head is trained by epochs instead$/,
    )
  })
  test('measured in a moment, whatever the size', () => {
    const began = performance.now()
    const { reason } = planSearch({ rows: 1e9, classes: 20_000, width: 512, strengths: 6 })
    assert.match(reason!, /the head is trained by epochs/)
    assert.ok(performance.now() - began < 20_000, `${performance.now() - began} ms`)
  })
})

describe('more logits than fit at a time are made in blocks', () => {
  // A block has 2 ** 26 numbers, so 9,000 classes of 7,600 rows need two blocks.
  const [classes, count, width] = [9000, 7600, 2]
  const random = rng(20, 0, 0)
  const x = Float32Array.from({ length: count * width }, () => random.normal())
  const y = Int32Array.from({ length: count }, (_, i) => i % classes)

  test('a signal is heard between two of them', async () => {
    const stop = new AbortController()
    setImmediate(() => stop.abort())
    await assert.rejects(logisticPath({ x, y }, classes, [1], { signal: stop.signal, iterations: 1 }), Stopped)
  })
  test('to the same solution as all at once', async () => {
    // The same rows once and twice: the mean loss is the same, the deviation nearly.
    const few = 40
    const [some, labels] = [x.subarray(0, 60 * width), Int32Array.from({ length: 60 }, (_, i) => i % few)]
    const times = Math.ceil(2 ** 26 / few / 60) + 1
    const many = new Float32Array(some.length * times)
    const answers = new Int32Array(labels.length * times)
    for (let k = 0; k < times; k++) {
      many.set(some, k * some.length)
      answers.set(labels, k * labels.length)
    }
    const settings = { iterations: 2, tolerance: 1e-12 }
    const [one] = await logisticPath({ x: some, y: labels }, few, [0.1], settings)
    const [all] = await logisticPath({ x: many, y: answers }, few, [0.1], settings)
    for (const [i, w] of one!.weight.entries())
      assert.ok(Math.abs(w - all!.weight[i]!) < 2e-3, `weight ${i}: ${all!.weight[i]}, expected ${w}`)
  })
  test('a path goes on from a point to the same bits', async () => {
    const few = { x: x.subarray(0, 80 * width), y: Int32Array.from({ length: 80 }, (_, i) => i % 4) }
    const points: Float64Array[] = []
    const enough = (_: unknown, point: Float64Array) => void points.push(point.slice()) as unknown as boolean
    const whole = await logisticPath(few, 4, [1, 0.1, 0.01], { enough })
    const rest = await logisticPath(few, 4, [0.1, 0.01], { from: points[0]! })
    assert.deepEqual(rest, whole.slice(1))
    const hot = { x: few.x, y: Float32Array.from({ length: 320 }, (_, i) => Number(few.y[i >> 2] === i % 4)) }
    points.length = 0
    const labels = await sigmoidPath(hot, 4, [1, 0.1], { enough })
    assert.deepEqual(await sigmoidPath(hot, 4, [0.1], { from: points[0]! }), labels.slice(1))
  })
  test('a function that takes turns is minimised as one that does not', async () => {
    const bowl = (v: Float64Array, g: Float64Array) => {
      for (let i = 0; i < v.length; i++) g[i] = 2 * (v[i]! - i)
      return v.reduce((sum, value, i) => sum + (value - i) ** 2, 0)
    }
    const start = new Float64Array(5)
    assert.deepEqual(await lbfgs(async (v, g) => bowl(v, g), start), await lbfgs(bowl, start))
  })
})

test('a confusion of 20,000 classes has no cell for what does not occur', () => {
  const actual = Int32Array.from({ length: 40_000 }, (_, i) => i % 20_000)
  const found = confusions(
    actual.map(c => (c * 7) % 20_000),
    actual,
    20_000,
  )
  assert.equal(found.length, 20_000)
})

describe('a run of many classes', () => {
  const classes = 600
  before(async () => {
    for (let c = 0; c < classes; c++)
      for (let n = 0; n < 3; n++) work.put({ [`many/${c}/${n}.png`]: await marked(3 * c + n, [allMarks[c % 3]!], 24) })
  })
  test('ends, with its files', async () => {
    const { result, interpretation } = await work.train('many', 'many-run', {
      epochs: 0,
      views: 0,
      headCycles: 1,
      headLr: 1e-2,
    })
    assert.equal(result.classes.length, classes)
    assert.ok(interpretation.confusion.length <= 600, 'no more cells than pictures')
  })
})

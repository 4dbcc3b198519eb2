import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { rng } from '../../src/base/random.ts'
import {
  accuracy,
  applyTemperature,
  argmaxRows,
  bootstrap,
  brierScore,
  expectedCalibrationError,
  fitTemperature,
  type LabelIssue,
  labelIssues,
  labelIssuesMulti,
  logLoss,
  reliability,
  take,
  toLogits,
} from '../../src/train/metrics.ts'
import { meanOf, sampleLosses } from '../../src/train/paired-losses.ts'
import { meanByPart, onceByPart } from '../../src/train/pooled.ts'

type Calibration = { bins: number; rows: [number, number, number][]; ece: number; mce: number }
type Case = {
  name: string
  classes: number
  probabilities: number[]
  brier: number
  calibration: Calibration[]
  logits: number[]
  temperature: { temperature: number; before: number; after: number }
}
const read = <T>(name: string) => JSON.parse(readFileSync(new URL(`../golden/${name}`, import.meta.url), 'utf8')) as T
const golden = read<{
  cases: (Case & { actual: number[]; predicted: number[]; softened: number[] })[]
  multi: (Case & { targets: number[] })[]
}>('metrics.json')
const all = [
  ...golden.cases.map(c => ({ ...c, task: 'single' as const, targets: c.actual })),
  ...golden.multi.map(c => ({ ...c, task: 'multi' as const })),
]

const close = (actual: number, expected: number, what: string, tolerance = 1e-6) =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what}: got ${actual}, expected ${expected}`)

test('reliability, ECE, MCE and the Brier score are those of NumPy and scikit-learn', () => {
  for (const { name, task, probabilities, targets, classes, brier, calibration } of all) {
    for (const { bins, rows, ece, mce } of calibration) {
      const got = reliability(probabilities, targets, classes, { task, bins })
      close(got.ece, ece, `${name}, ECE`)
      close(got.mce, mce, `${name}, MCE`)
      assert.equal(got.bins.length, rows.length)
      for (const [i, [count, confidence, right]] of rows.entries()) {
        assert.equal(got.bins[i]!.count, count)
        close(got.bins[i]!.confidence, confidence, name)
        close(got.bins[i]!.accuracy, right, name)
      }
      assert.equal(
        got.count,
        got.bins.reduce((sum, b) => sum + b.count, 0),
      )
    }
    close(brierScore(probabilities, targets, classes, { task }), brier, `${name}, Brier`)
  }
})

test('the temperature is that of SciPy, and lowers the loss', () => {
  for (const { name, task, logits, targets, classes, temperature: expected } of all) {
    const got = fitTemperature(logits, targets, classes, { task })
    close(got.temperature, expected.temperature, name, 2e-6 * expected.temperature)
    close(got.before, expected.before, `${name}, before`)
    close(got.after, expected.after, `${name}, after`)
  }
})

test('a temperature of log-probabilities is that of the logits; applied, it keeps the top class', () => {
  for (const c of golden.cases) {
    close(
      applyTemperature(c.logits, c.classes, 3)
        .slice(0, c.softened.length)
        .reduce((sum, p, i) => sum + Math.abs(p - c.softened[i]!), 0),
      0,
      c.name,
    )
    const probabilities = applyTemperature(c.logits, c.classes, 1)
    const again = toLogits(probabilities)
    const { temperature, after } = fitTemperature(again, c.actual, c.classes)
    close(temperature, c.temperature.temperature, c.name, 1e-4)
    const cooled = applyTemperature(again, c.classes, temperature)
    close(logLoss(cooled, c.actual, c.classes), after, c.name, 1e-5)
    assert.deepEqual(argmaxRows(cooled, c.classes), argmaxRows(probabilities, c.classes))
  }
  for (const c of golden.multi) {
    const probabilities = applyTemperature(c.logits, c.classes, 1, { task: 'multi' })
    const { temperature } = fitTemperature(toLogits(probabilities, { task: 'multi' }), c.targets, c.classes, {
      task: 'multi',
    })
    close(temperature, c.temperature.temperature, c.name, 1e-3 * temperature)
  }
})

test('with a prior: the mode of the posterior, as a grid finds it; few pictures leave it near the prior, many do not', () => {
  const prior = { temperature: 1.25, deviation: 0.4 }
  for (const { name, task, logits, targets, classes, temperature: likely } of all) {
    const pictures = logits.length / classes
    const { temperature } = fitTemperature(logits, targets, classes, { task, prior })
    const posterior = (ln: number) => {
      const probabilities = applyTemperature(logits, classes, Math.exp(ln), { task })
      const losses = sampleLosses(probabilities, targets, classes, { task })
      const total = losses.reduce((sum, loss) => sum + loss, 0)
      return total + (ln - Math.log(prior.temperature)) ** 2 / (2 * prior.deviation ** 2)
    }
    const grid = Array.from({ length: 4001 }, (_, i) => Math.log(0.1) + (i / 4000) * Math.log(100))
    const best = grid.reduce((a, b) => (posterior(b) < posterior(a) ? b : a))
    close(Math.log(temperature), best, `${name}, ${pictures} pictures`, 5e-3)
    const [low, high] = [likely.temperature, prior.temperature].sort((a, b) => a - b) as [number, number]
    assert.ok(temperature >= low && temperature <= high, `${name}: ${temperature} is not between ${low} and ${high}`)
    const times = 500
    const many = Array.from({ length: times }, () => [...logits]).flat()
    const same = Array.from({ length: times }, () => [...targets]).flat()
    const sure = fitTemperature(many, same, classes, { task, prior })
    close(Math.log(sure.temperature), Math.log(likely.temperature), `${name}, ${times} times`, 0.02)
  }
  const three = fitTemperature([2, 0, 0, 3, 0, 2], [0, 1, 1], 2, { prior })
  assert.ok(three.temperature > 0.9 && three.temperature < 1.25, `three right pictures: ${three.temperature}`)
  const wrong = { prior: { temperature: 0, deviation: 1 } }
  assert.throws(() => fitTemperature([2, 0], [0], 2, wrong), /prior temperature 0/)
})

test('calibration after the temperature is better than before where the model was too sure', () => {
  const c = golden.cases[0]!
  const at = (t: number) => expectedCalibrationError(applyTemperature(c.logits, c.classes, t), c.actual, c.classes)
  const hot = c.logits.map(z => 4 * z)
  const { temperature } = fitTemperature(hot, c.actual, c.classes)
  close(temperature, 4 * c.temperature.temperature, 'four times the logits', 1e-4)
  assert.ok(at(c.temperature.temperature) < at(0.25), 'at(c.temperature.temperature) < at(0.25)')
})

test('a set without a mistake, or with nothing but mistakes, ends at the bounds; probabilities of 0 and 1 are finite', () => {
  assert.equal(fitTemperature([2, 0, 0, 3], [0, 1], 2).temperature, 0.1)
  assert.equal(fitTemperature([2, 0, 0, 3], [1, 0], 2).temperature, 10)
  assert.equal(fitTemperature([0, 0], [1], 2).temperature, 10, 'any is as likely')
  for (const task of ['single', 'multi'] as const)
    assert.ok(
      toLogits([0, 1, 1e-40, 1 - 2 ** -24], { task }).every(Number.isFinite),
      'toLogits([0, 1, 1e-40, 1 - 2 ** -24], { task }).every(Number.isFinite)',
    )
  assert.throws(() => fitTemperature([0, Number.NEGATIVE_INFINITY], [0], 2), /got -Infinity as logit 1 of picture 0/)
  assert.throws(() => reliability([1.5, -0.5], [0], 2), /got probability 1.5/)
})

test('bins: a bound belongs to the bin below it; empty ones are left out', () => {
  const { bins, ece, mce } = reliability([0.5, 0.5, 0.75, 0.25, 1, 0], [0, 1, 1], 2, { bins: 4 })
  assert.deepEqual(
    bins.map(b => [b.from, b.to, b.count, b.accuracy]),
    [
      [0.25, 0.5, 1, 1],
      [0.5, 0.75, 1, 0],
      [0.75, 1, 1, 0],
    ],
  )
  close(ece, (0.5 + 0.75 + 1) / 3, 'ECE')
  assert.equal(mce, 1)
  assert.ok(Number.isNaN(reliability([], [], 2).ece), 'Number.isNaN(reliability([], [], 2).ece)')
})

test('the bootstrap: the same seed gives the same interval, near the one that is known', () => {
  const [n, p] = [400, 0.8]
  const actual = new Int32Array(n)
  const predicted = Int32Array.from({ length: n }, (_, i) => Number(i >= n * p))
  const right = (rows: Int32Array) => accuracy(take(predicted, rows), take(actual, rows))
  const options = { seed: 3, rounds: 2000 }
  const got = bootstrap(right, n, options)
  assert.equal(got.value, p)
  assert.deepEqual(bootstrap(right, n, options), got)
  assert.notDeepEqual(bootstrap(right, n, { ...options, seed: 4 }), got)
  const half = 1.96 * Math.sqrt((p * (1 - p)) / n)
  close(got.low, p - half, 'low', 0.004)
  close(got.high, p + half, 'high', 0.004)
  const narrow = bootstrap(right, n, { seed: 3, level: 0.5 })
  assert.ok(narrow.low > got.low && narrow.high < got.high, 'narrow.low > got.low && narrow.high < got.high')
  const lost = bootstrap(rows => (rows.includes(0) ? 1 : Number.NaN), 3, { rounds: 50 })
  assert.deepEqual([lost.low, lost.high], [1, 1])
  assert.throws(() => bootstrap(right, 0), /got 0 samples/)
})

test('rows of a matrix by their numbers', () => {
  assert.deepEqual([...take([1, 2, 3, 4, 5, 6], [2, 0, 2], 2)], [5, 6, 1, 2, 5, 6])
})

type Issues = { name: string; classes: number; given: number[]; probabilities: number[] }
const issues = read<{
  single: (Issues & { self_confidence: number[]; normalized_margin: number[] })[]
  multi: (Issues & { labels: number[][] })[]
}>('issues.json')

test('label issues are those of cleanlab, in its order', () => {
  const places = (list: LabelIssue[]) => list.map(issue => issue.index)
  for (const c of issues.single) {
    const found = labelIssues(c.probabilities, c.given, c.classes)
    assert.deepEqual(places(found), c.self_confidence, c.name)
    assert.deepEqual(places(labelIssues(c.probabilities, c.given, c.classes, { by: 'margin' })), c.normalized_margin)
    const top = argmaxRows(c.probabilities, c.classes)
    for (const { index, given, suggested, score } of found) {
      assert.deepEqual([given, suggested], [c.given[index], top[index]])
      assert.equal(score, c.probabilities[index * c.classes + given])
    }
  }
  for (const c of issues.multi) {
    const found = labelIssuesMulti(c.probabilities, c.given, c.classes)
    for (const [label, expected] of c.labels.entries())
      assert.deepEqual(places(found.filter(issue => issue.label === label)), expected, `${c.name}, ${label}`)
    for (const { index, label, given, suggested } of found)
      assert.deepEqual([given, suggested], [c.given[index * c.classes + label], 1 - given])
  }
})

test('of several confident classes the most probable is suggested', () => {
  const probabilities = [0.3, 0.1, 0.6, 0.3, 0.4, 0.3, 0.35, 0.45, 0.2, 0.1, 0.1, 0.8] // thresholds 0.3, 0.4, 0.5
  assert.deepEqual(
    labelIssues(probabilities, [0, 1, 2, 2], 3).map(i => [i.index, i.suggested]),
    [
      [2, 1],
      [0, 2],
    ],
  )
})

test('a class that no picture was given is never suggested; labels that the model agrees with are no issue', () => {
  assert.deepEqual(labelIssues([0.1, 0, 0.9, 0.9, 0.1, 0], [0, 0], 3), [])
  assert.deepEqual(labelIssues([0.9, 0.1, 0.2, 0.8], [0, 1], 2), [])
  assert.deepEqual(labelIssues([0.9, 0.1, 0.2, 0.8, 0.05, 0.95], [0, 1, 0], 2), [
    { index: 2, given: 0, suggested: 1, score: 0.05 },
  ])
  // Class 0 is confident from 0.9, class 1 from 0.4. The last picture has a second candidate, but its own class is more probable.
  assert.deepEqual(
    labelIssues([1, 0, 1, 0, 0.6, 0.4, 0.6, 0.4], [0, 0, 1, 0], 2).map(i => i.index),
    [],
  )
})

test('two classes are computed as any number of classes, to the same bits', () => {
  const random = rng(9)
  const prior = { temperature: 1, deviation: 0.4 }
  const logits = Array.from({ length: 600 }, (_, i) => (i % 20 === 0 ? 0 : random.normal(0, 3)))
  const targets = Array.from({ length: 300 }, () => Number(random.chance(0.4)))
  // A third class whose share is 0 adds 0 to every sum.
  const three = Array.from({ length: 900 }, (_, i) => (i % 3 === 2 ? -1e6 : logits[2 * Math.floor(i / 3) + (i % 3)]!))
  assert.deepEqual(fitTemperature(logits, targets, 2, { prior }), fitTemperature(three, targets, 3, { prior }))
})

/** Windows of recordings: half of a recording's windows show its class, the others show nothing. */
function windows(task: 'single' | 'multi', recordings: number, classes = 3) {
  const random = rng(7)
  const [logits, targets, parts] = [[] as number[], [] as number[], [] as number[]]
  for (let r = 0; r < recordings; r++) {
    const real = Math.floor(random.uniform() * classes)
    const said = random.uniform() < 0.2 ? Math.floor(random.uniform() * classes) : real
    for (let w = 0; w < 1 + (r % 6); w++) {
      const shows = w % 2 === 0
      for (let c = 0; c < classes; c++)
        logits.push((shows && c === said ? 6 : 0) + 2 * random.uniform() - (task === 'multi' ? 3 : 0))
      if (task === 'single') targets.push(real)
      else for (let c = 0; c < classes; c++) targets.push(c === real ? 1 : 0)
      parts.push(r)
    }
  }
  return { logits, targets: Float64Array.from(targets), parts: Uint32Array.from(parts), classes }
}

test('with parts the temperature is the best one for the mean of their probabilities; with one part each, the usual one', () => {
  for (const task of ['single', 'multi'] as const) {
    const { logits, targets, parts, classes } = windows(task, 400)
    const width = task === 'single' ? 1 : classes
    const answers = onceByPart(targets, parts, width)
    const lossAt = (t: number) =>
      meanOf(
        sampleLosses(meanByPart(applyTemperature(logits, classes, t, { task }), parts, classes), answers, classes, {
          task,
        }),
      )
    const found = fitTemperature(logits, targets, classes, { task, parts })
    close(found.after, lossAt(found.temperature), `${task}, the loss that is reported`)
    close(found.before, lossAt(1), `${task}, the loss before`)
    for (let log = Math.log(0.1); log <= Math.log(10); log += 0.01)
      assert.ok(
        found.after <= lossAt(Math.exp(log)) + 1e-7,
        `${task}: ${found.after} at ${found.temperature}, but ${lossAt(Math.exp(log))} at ${Math.exp(log)}`,
      )
    const ofRows = fitTemperature(logits, targets, classes, { task })
    assert.ok(found.after < lossAt(ofRows.temperature) - 1e-3, `${task}: no better than the one of rows`)
    const prior = { temperature: 1.2, deviation: 0.4 }
    const each = Uint32Array.from(parts, (_, i) => i)
    for (const how of [{ task }, { task, prior }])
      close(
        fitTemperature(logits, targets, classes, { ...how, parts: each }).temperature,
        fitTemperature(logits, targets, classes, how).temperature,
        `${task}, one part each`,
        1e-4,
      )
  }
})

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { DebiasedMean } from '../../src/train/debiased-mean.ts'
import { chooseRate } from '../../src/train/rates/choose.ts'
import { defaultRate, suggestRate } from '../../src/train/rates/suggest.ts'

const rules = ['steep', 'valley', 'minimum', 'slide'] as const
type Curve = {
  name: string
  planned: number
  lrs: number[]
  losses: number[]
  suggestions: Record<(typeof rules)[number], number>
}
const file = readFileSync(new URL('../golden/schedules.json', import.meta.url), 'utf8')
const curves = (JSON.parse(file).curves as (Curve & { losses: (number | null)[] })[]).map(
  (curve): Curve => ({ ...curve, losses: curve.losses.map(loss => loss ?? Number.NaN) }),
)
const named = (name: string) => curves.find(curve => curve.name === name)!
const sweep = (n: number) => Array.from({ length: n }, (_, i) => 1e-7 * 1e8 ** (i / 99))

test('suggestions are those of fastai 2.8 on real and written curves', () => {
  assert.equal(curves.length, 7)
  for (const curve of curves)
    for (const rule of rules) {
      const { lr, ...rest } = suggestRate(curve, rule, curve)
      assert.ok(Math.abs(lr / curve.suggestions[rule] - 1) < 1e-6, `${curve.name}, ${rule}: ${lr}`)
      assert.deepEqual(rest, { rule }, curve.name)
    }
})

test('the numbers of the notes: valley 2.48e-4, steep 9.1e-4, minimum 1.15e-2', () => {
  const curve = named('written')
  assert.equal(suggestRate(curve, 'valley').lr.toExponential(2), '2.48e-4')
  assert.equal(suggestRate(curve).lr.toExponential(1), '9.1e-4')
  assert.equal(suggestRate(curve, 'minimum').lr.toExponential(2), '1.15e-2')
})

test('no run is too short for a suggestion', () => {
  for (let n = 0; n <= 40; n++)
    for (const rule of rules)
      for (const losses of [
        Array.from({ length: n }, (_, i) => 2 - i / n),
        Array(n).fill(Number.NaN),
        Array(n).fill(1),
      ]) {
        const { lr, note } = suggestRate({ lrs: sweep(n), losses }, rule)
        assert.ok(lr > 0 && lr <= 10, `${rule} of ${n} steps: ${lr}`)
        if (n <= 12) assert.match(note!, /points have a finite loss/)
        assert.ok(chooseRate({ lrs: sweep(n), losses }).lr > 0, 'chooseRate({ lrs: sweep(n), losses }).lr > 0')
      }
  assert.deepEqual(suggestRate({ lrs: [1e-7], losses: [Number.NaN] }), {
    lr: defaultRate,
    rule: 'default',
    note: 'nothing to read: 0 of 1 points have a finite loss',
  })
  assert.equal(suggestRate({ lrs: [1e-3, 1e-2, 1e-1], losses: [3, 2, 2.5] }, 'slide').rule, 'minimum')
  assert.equal(suggestRate({ lrs: [1e-3, 1e-2, 1e-1], losses: [3, 2, 2.5] }).lr, 1e-3)
})

test('where every loss falls, valley stays within the curve', () => {
  // fastai's start index is -1 here: for such a short valley, Python takes the last element, the highest rate.
  assert.equal(suggestRate({ lrs: [1e-3, 1e-2], losses: [2, 1] }, 'valley').lr, 1e-3)
})

test('the recipe takes the steepest fall where it is one', () => {
  const written = chooseRate(named('written'))
  assert.equal(written.rule, 'steep')
  assert.ok(Math.abs(written.lr / 9.11e-4 - 1) < 0.01, 'Math.abs(written.lr / 9.11e-4 - 1) < 0.01')
  for (const name of ['digits', 'digits, 200 steps']) {
    const { lr, rule } = chooseRate(named(name), named(name))
    assert.equal(rule, 'steep')
    assert.ok(lr > named(name).suggestions.steep / 2 && lr < named(name).suggestions.steep * 2, `${name}: ${lr}`)
  }
})

test('the recipe is not led by the noise that leads fastai to 1e-6', () => {
  for (const name of [
    'digits, batches of 4',
    'digits, batches of 4, half the labels wrong',
    'digits, batches of 2, most labels wrong',
  ]) {
    assert.ok(named(name).suggestions.steep < 1e-5, 'the trap is there')
    const { lr, reason } = chooseRate(named(name), named(name))
    assert.ok(lr >= 1e-3 && lr <= 0.3, `${name}: ${lr}, ${reason}`)
  }
})

test('noise on a clear fall moves the choice by less than a factor of 5, whatever the seed', () => {
  const lrs = sweep(100)
  let state = 1
  const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32 - 0.5
  for (let seed = 0; seed < 200; seed++) {
    const mean = new DebiasedMean({ beta: 0.9 })
    const losses = lrs.map(lr => {
      const x = Math.log10(lr)
      return mean.add(1 - 0.8 / (1 + Math.exp(-3 * (x + 3))) + 0.02 * Math.exp(4 * (x + 0.2)) + 0.3 * random())
    })
    const { lr, reason } = chooseRate({ lrs, losses })
    assert.ok(lr > 1e-3 / 5 && lr < 2e-3 * 5, `run ${seed}: ${lr}, ${reason}`)
  }
})

test('a trained net: the loss only rises, and the choice lies more than a decade before', () => {
  const lrs = sweep(100)
  const losses = lrs.map((lr, i) => 0.3 + 0.002 * Math.sin(i) + 0.5 * (lr / 0.01) ** 2)
  const { lr, rule, reason } = chooseRate({ lrs, losses })
  assert.equal(rule, 'rise')
  assert.ok(lr > 3e-5 && lr < 5e-4, `${lr}`)
  assert.match(reason, /does not fall and rises above/)
})

test('a flat curve gives the usual rate, and says so', () => {
  const { lr, rule, reason } = chooseRate({ lrs: sweep(100), losses: Array(100).fill(2.3) })
  assert.deepEqual({ lr, rule }, { lr: defaultRate, rule: 'default' })
  assert.match(reason, /neither falls nor rises/)
})

test('the debiased mean is fastai 0.7’s, and goes on to the same bits from its state', () => {
  const losses = [2.3, 1.9, 2.1, 1.2, 0.8]
  const mean = new DebiasedMean()
  assert.ok(Number.isNaN(mean.value), 'Number.isNaN(mean.value)')
  let average = 0
  for (const [i, loss] of losses.entries()) {
    average = average * 0.98 + loss * (1 - 0.98)
    assert.equal(mean.add(loss), average / (1 - 0.98 ** (i + 1)))
  }
  assert.ok(Math.abs(new DebiasedMean().add(5) - 5) < 1e-12, 'Math.abs(new DebiasedMean().add(5) - 5) < 1e-12')
  const resumed = new DebiasedMean(JSON.parse(JSON.stringify(mean.state)))
  assert.equal(resumed.add(0.5), mean.add(0.5))
})

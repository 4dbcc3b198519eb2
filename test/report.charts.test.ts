import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lossChart, scheduleChart, timeChart } from '../src/report/charts.ts'
import { confusionChart, mistakes } from '../src/report/confusion.ts'
import { rateFinderChart } from '../src/report/finder.ts'
import { html, plain, raw, short } from '../src/report/html.ts'
import { loadPlot } from '../src/report/plot.ts'
import { interval, stretches, thin } from '../src/report/series.ts'
import type { BatchEvent, LrFindEvent } from '../src/runs/index.ts'

const kit = await loadPlot()
const batch = (step: number, lrs: number[], phase = 'whole', smooth = 1): BatchEvent => {
  return { type: 'batch', phase, step, epoch: 1, loss: smooth, smooth, lrs }
}
const sweep = (losses: number[], chosen = 1e-3): LrFindEvent => {
  const lrs = losses.map((_, i) => 1e-5 * 10 ** i)
  return {
    type: 'lrFind',
    phase: 'head',
    lrs,
    losses,
    smoothed: losses,
    suggestions: { steep: chosen },
    chosen,
    how: 'steep',
  }
}

test('text is escaped, markup kept, nothing left out', () => {
  assert.equal(
    html`<b title="${'"'}">${'<&>'}${raw('<i>')}${[1, undefined, false, ['x']]}</b>`.markup,
    '<b title="&quot;">&lt;&amp;&gt;<i>1x</b>',
  )
  assert.equal(plain('a\u0007b\nc\ud800d\u202e'), 'a\ufffdb c\ufffdd\ufffd')
  assert.equal(short('abcdefghij', 5), 'abc…j')
  assert.equal(short('😀😀😀', 3), '😀😀😀')
})

test('the interval of a share is that of SciPy (binomtest, wilson)', () => {
  const near = (a: number[], b: number[]) => {
    for (const [i, v] of a.entries()) assert.ok(Math.abs(v - b[i]!) < 1e-6, `${a} against ${b}`)
  }
  near(interval(0.5, 10), [0.236593, 0.763407])
  near(interval(1, 20), [0.838875, 1])
  near(interval(0, 20), [0, 0.161125])
})

test('mistakes: most pictures first, with their share of the class', () => {
  const found = mistakes(
    ['a', 'b', 'c'],
    [
      [8, 2, 0],
      [1, 1, 2],
      [0, 0, 0],
    ],
  )
  assert.deepEqual(
    found.map(m => [m.actual, m.predicted, m.count, m.share]),
    [
      ['b', 'c', 2, 0.5],
      ['a', 'b', 2, 0.2],
      ['b', 'a', 1, 0.25],
    ],
  )
})

test('points are thinned without losing the bounds of phases', () => {
  const points = Array.from({ length: 10_001 }, (_, i) => batch(i + 1, [1], i < 777 ? 'head' : 'whole'))
  assert.deepEqual(stretches(points), [
    { phase: 'head', from: 1, to: 777 },
    { phase: 'whole', from: 778, to: 10_001 },
  ])
  const steps = thin(points, 400, [777]).map(p => p.step)
  assert.ok(steps.length <= 405)
  for (const step of [1, 777, 778, 10_001]) assert.ok(steps.includes(step), `${step}`)
})

test('nothing to draw gives no chart; one point, equal points and no numbers give one', () => {
  assert.equal(rateFinderChart(kit, sweep([Number.NaN, Number.NaN]), 'x'), undefined)
  assert.equal(scheduleChart(kit, [], []), undefined)
  assert.equal(scheduleChart(kit, [batch(1, [0, 0])], []), undefined)
  assert.equal(lossChart(kit, [batch(1, [1], 'head', Number.NaN)], []), undefined)
  assert.equal(timeChart(kit, [{ phase: 'x', seconds: 0 }]), undefined)
  const few = [
    rateFinderChart(kit, sweep([2]), 'x'),
    rateFinderChart(kit, sweep([2, 2, 2]), 'x'),
    rateFinderChart(kit, sweep([2, Number.NaN, 1, 1e30], Number.NaN), 'x'),
    scheduleChart(kit, [batch(1, [1e-3])], []),
    lossChart(kit, [batch(1, [1])], []),
    lossChart(kit, [batch(1, [1], 'head', 0), batch(2, [1], 'head', 1e300)], []),
  ]
  for (const chart of few) assert.doesNotMatch(chart?.file ?? 'NaN', /NaN|Infinity|undefined/)
})

test('the schedule: a line a group that was trained; rates far apart take a logarithmic scale', () => {
  const lines = (file: string) => [...file.matchAll(/aria-label="line"/g)].length
  const near = scheduleChart(
    kit,
    [1, 2, 3].map(s => batch(s, [0, 1e-3 / s, 3e-3 / s])),
    ['body', 'middle', 'head'],
  )!
  assert.equal(lines(near.file), 3)
  assert.match(near.alt, /body frozen, middle at most 1e-3, head at most 3e-3/)
  assert.equal(near.note, undefined)
  const far = scheduleChart(kit, [batch(1, [1e-2], 'head'), batch(2, [1e-5, 1e-4, 1e-3])], [])!
  assert.match(far.note!, /Logarithmic/)
  assert.match(
    far.alt,
    /group 1 at most 1e-5, group 2 at most 1e-4, head at most 1e-2/,
    'fewer rates are those of the last groups',
  )
})

test('the finder: the chosen rate and every suggestion are in the legend', () => {
  const event = { ...sweep([3, 3, 2, 1, 5]), suggestions: { steep: 1e-3, valley: 2e-3, minimum: 1e-3 } }
  const chart = rateFinderChart(kit, event, 'x')!
  for (const said of ['chosen: 1e-3', 'steepest fall: 1e-3', 'valley: 2e-3', 'minimum ÷ 10: 1e-3'])
    assert.ok(chart.file.includes(`>${said}<`), said)
})

test('a matrix: names of narrow columns stand upright, counts are shown where they fit their cell', () => {
  const matrix = (n: number, right: number) => {
    const classes = Array.from({ length: n }, (_, i) => `a long class name ${i}`)
    const counts = classes.map((_, i) => classes.map((_, j) => (i === j ? right : 0)))
    return confusionChart(kit, classes, counts, 'test')!.file
  }
  const shown = (file: string, count: number) => file.split(`>${count}</text>`).length - 1
  const large = matrix(30, 123)
  assert.match(large, /rotate\(-90\)/)
  assert.doesNotMatch(large, /rotate\(-45\)/)
  assert.equal(shown(large, 123), 30)
  assert.match(matrix(10, 123), /rotate\(-45\)/)
  assert.equal(shown(matrix(10, 1234), 1234), 10)
  assert.equal(shown(matrix(14, 123456), 123456), 0)
})

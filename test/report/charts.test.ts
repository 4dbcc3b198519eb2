import assert from 'node:assert/strict'
import { test } from 'node:test'
import { confusionChart, mistakes } from '../../src/report/charts/confusion.ts'
import { recallChart, reliabilityChart, scatterChart, sizeChart } from '../../src/report/charts/curves.ts'
import { loadPlot } from '../../src/report/charts/plot.ts'
import { rateFinderChart } from '../../src/report/charts/rate-finder.ts'
import { scoreChart } from '../../src/report/charts/score.ts'
import { interval, stretches, thin } from '../../src/report/charts/series.ts'
import { lossChart, scheduleChart, timeChart } from '../../src/report/charts/training.ts'
import { html, plain, raw, short } from '../../src/report/page/html.ts'
import {
  type BatchEvent,
  type EpochEvent,
  type LabelScore,
  type LrFindEvent,
  leadingMetric,
  metricInfo,
} from '../../src/runs/index.ts'

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
  const cells = [
    [0, 0, 8],
    [0, 1, 2],
    [1, 0, 1],
    [1, 1, 1],
    [1, 2, 2],
  ].map(([actual, predicted, count]) => ({ actual: actual!, predicted: predicted!, count: count! }))
  const found = mistakes(['a', 'b', 'c'], cells)
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
  assert.ok(steps.length <= 405, `steps.length <= 405, got ${steps.length}`)
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
    const cells = classes.map((_, i) => ({ actual: i, predicted: i, count: right }))
    return confusionChart(kit, classes, cells, 'test')!.file
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

const epoch = (epoch: number, metrics: Record<string, number>, best = false): EpochEvent => {
  return {
    type: 'epoch',
    phase: 'head',
    epoch,
    step: epoch,
    trainLoss: 1,
    validLoss: 1,
    metrics,
    seconds: 1,
    lrs: [1],
    best,
  }
}

test('the score of each epoch: the metric of the task, in its own words; what lies far below is cut off and said', () => {
  const accuracy = scoreChart(
    kit,
    [epoch(1, { accuracy: 0.5 }), epoch(2, { accuracy: 0.75 }, true)],
    leadingMetric('single'),
  )!
  assert.equal(accuracy.name, 'accuracy')
  assert.match(accuracy.alt, /from 50.0 % to 75.0 %; best epoch 2 with 75.0 %/)
  const map = scoreChart(kit, [epoch(1, { mAP: 0.5, accuracy: 0.9 }, true)], leadingMetric('multi'))!
  assert.match(map.alt, /^Validation mAP by epoch, from 0.500 to 0.500; best epoch 1/)
  const r2 = scoreChart(
    kit,
    [epoch(1, { r2: -40 }), epoch(2, { r2: 0.5 }), epoch(3, { r2: 0.75 }, true)],
    leadingMetric('regression'),
  )!
  assert.equal(r2.note, 'Cut off below: the lowest is -40.000.')
  assert.equal(r2.file.match(/<circle[^>]*r="3.2"/g)?.length, 2)
  const bad = scoreChart(kit, [epoch(1, { r2: -40 }, true)], leadingMetric('regression'))!
  assert.doesNotMatch(bad.file, /NaN|Infinity/)
  const lost = scoreChart(kit, [epoch(1, { mae: 0 }), epoch(2, { mae: 0 })], metricInfo('mae'))!
  assert.doesNotMatch(lost.file, /NaN|Infinity/)
  assert.equal(scoreChart(kit, [epoch(1, { accuracy: Number.NaN })], leadingMetric('single')), undefined)
  assert.equal(scoreChart(kit, [epoch(1, { accuracy: 1 })], leadingMetric('multi')), undefined)
})

test('an unknown metric keeps its name; one that is no number is a dash', () => {
  assert.deepEqual(
    [metricInfo('toString').title, metricInfo('x').say(0.25), metricInfo('mAP').say(NaN)],
    ['toString', '0.25', '–'],
  )
})

test('a curve of a label ends where all are found, the threshold is a dot on it', () => {
  const label = {
    name: 'a',
    support: 2,
    ap: 0.75,
    precision: 0.5,
    recall: 1,
    f1: 0.67,
    tn: 2,
    fp: 2,
    fn: 0,
    tp: 2,
    threshold: 0.4,
  }
  const points: [number, number][] = [
    [1, 0.25],
    [0.5, 1],
    [0, 1],
    [1, 0.667],
  ]
  const chart = recallChart(kit, { name: 'a', points }, label, 1)!
  const [, line] = /aria-label="line"[\s\S]*?<path[^>]* d="([^"]+)"/.exec(chart.file)!
  const ys = [...line!.matchAll(/[,V]([\d.]+)/g)].map(m => Number(m[1]))
  assert.equal(Math.max(...ys), 8 + 0.5 * (160 - 8 - 38), 'precision below that of the threshold is left out')
  assert.equal(chart.file.match(/<circle/g)?.length, 1)
  assert.match(chart.alt, /average precision 0.750. At threshold 0.40: recall 1.000, precision 0.500/)
  assert.ok(
    recallChart(kit, { name: 'a', points }, undefined, 1),
    `recallChart(kit, { name: 'a', points }, undefined, 1)`,
  )
  assert.equal(recallChart(kit, { name: 'a', points: [[NaN, 1]] }, label as LabelScore, 1), undefined)
})

test('nothing to draw gives no chart of certainty, of numbers, of sizes', () => {
  const bin = { from: 0, to: 1, count: 3, confidence: 0.5, accuracy: 0.25 }
  assert.equal(reliabilityChart(kit, { before: { bins: [], ece: 0 } }), undefined)
  const one = reliabilityChart(kit, { before: { bins: [bin], ece: 0.25 } })!
  assert.match(one.alt, /the model: expected calibration error 25.0 %/)
  assert.doesNotMatch(one.note!, /temperature/)
  const target = { name: 'age', r2: 1, mae: 0, rmse: 0 }
  assert.equal(scatterChart(kit, { ...target, points: [] }, 1), undefined)
  assert.doesNotMatch(scatterChart(kit, { ...target, points: [[3, 3]] }, 1)!.file, /NaN|Infinity/)
  const many = scatterChart(kit, { ...target, points: Array.from({ length: 4000 }, (_, i) => [i, i]) }, 1)!
  assert.match(many.note!, /1334 of 4000 pictures are drawn/)
  assert.equal(sizeChart(kit, [{ size: 128, accuracy: 0.5, loss: 1 }], leadingMetric('single')), undefined)
})

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import sharp from 'sharp'
import type { Interpretation, RunResult } from '../../src/runs/index.ts'
import { assertSelfContained, picture, report } from '../helpers/read-report.ts'
import { everything, measured, several } from '../helpers/report-tasks.ts'

const jpegs = await Promise.all(Array.from({ length: 6 }, async (_, i) => (await picture(i)).toString('base64')))
const thumbnails = (i: number) => jpegs[i % jpegs.length]!
const labels = ['clear', 'primary', 'road', 'water', 'slash_burn']

type Page = Awaited<ReturnType<typeof report>>['document']

/** Rows of the table under a heading, cell by cell. */
function rowsUnder(document: Page, heading: string): string[][] {
  const card = [...document.querySelectorAll('.card')].find(c => c.querySelector('h3')?.textContent === heading)
  assert.ok(card, heading)
  return [...card.querySelectorAll('tbody tr')].map(row =>
    [...row.querySelectorAll('td')].map(cell => cell.textContent.trim()),
  )
}

test('several labels: what each is told by is there, and nothing of an accuracy of classes', async () => {
  const { document, text, tiles, markup, plots, dir } = await report(several(labels, thumbnails))
  assertSelfContained(document, markup)
  const result = JSON.parse(readFileSync(join(dir, 'result.json'), 'utf8'))
  const { multi } = JSON.parse(readFileSync(join(dir, 'interpret.json'), 'utf8')) as Required<Interpretation>
  assert.equal(
    tiles[0],
    `Validation mAP${result.metrics.mAP.toFixed(3)}of 300 pictures95 % interval 0.710\u2060–\u20600.790`,
  )
  assert.match(tiles[1]!, new RegExp(`^F2${result.metrics.f2.toFixed(3)}`))
  assert.match(tiles[2]!, new RegExp(`^F1${result.metrics.f1.toFixed(3)}`))
  assert.match(tiles[3]!, /^Label accuracy91.0 %/)
  assert.ok(tiles.includes('Pictures1,5341,234 train, 300 validation'), `${tiles}`)
  assert.match(text, /reaches mAP 0\.\d+ on 300 validation pictures, over 5 labels; its F2 is/)
  assert.doesNotMatch(text, /guessing among|Confusion matrix|NaN|undefined/)
  assert.ok(
    plots.includes('map.svg') && !plots.includes('accuracy.svg') && !plots.some(p => /confusion/.test(p)),
    `plots.includes('map.svg') && !plots.includes('accuracy.svg') && !pl…`,
  )
  assert.equal(plots.filter(p => /^precision-recall-\d\.svg$/.test(p)).length, labels.length)
  const sorted = multi.perClass.toSorted((a, b) => (a.ap ?? 2) - (b.ap ?? 2))
  const rows = rowsUnder(document, 'By label, validation pictures')
  assert.deepEqual(
    rows.map(r => r.slice(0, 6)),
    sorted.map(s => [s.name, ...[s.ap!, s.precision, s.recall, s.f1].map(v => v.toFixed(3)), s.threshold.toFixed(2)]),
  )
  const cells = [...document.querySelectorAll('.multiple')].map(m =>
    [...m.querySelectorAll('tbody td')].map(td => td.textContent),
  )
  assert.deepEqual(
    cells,
    sorted.map(s => [s.tp, s.fn, s.fp, s.tn].map(String)),
  )
  for (const [i, chart] of [...document.querySelectorAll('.multiple svg')].entries()) {
    const { name, ap, threshold, recall, precision } = sorted[i]!
    const said = `Precision against recall of ${name}, average precision ${ap!.toFixed(3)}. At threshold ${threshold.toFixed(2)}: recall ${recall.toFixed(3)}, precision ${precision.toFixed(3)}.`
    assert.equal(chart.getAttribute('aria-label'), said)
  }
  assert.match(text, /Largest errors by label.*is (there|not), \d+ %/)
  assert.match(text, /clear perhaps not clear probability 1.0 %|clearperhaps not clearprobability 1.0 %/)
})

test('numbers: R², errors, predicted against actual; no accuracy anywhere', async () => {
  const { document, text, tiles, markup, plots, dir } = await report(measured(['age', 'height'], thumbnails))
  assertSelfContained(document, markup)
  const result = JSON.parse(readFileSync(join(dir, 'result.json'), 'utf8'))
  assert.equal(result.metrics.accuracy, undefined)
  assert.equal(tiles[0], `Validation R²${result.metrics.r2.toFixed(3)}of 400 pictures`)
  assert.match(tiles[1]!, /^MAE\d.*mean absolute error; RMSE \d/)
  assert.doesNotMatch(text, /accuracy|NaN|undefined/i)
  assert.match(text, /Cut off below: the lowest is -3.200/)
  const charts = [...document.querySelectorAll('svg[aria-label^="Predicted against actual values"]')]
  assert.equal(charts.length, 2)
  assert.equal(charts[0]!.querySelectorAll('circle').length, 400)
  for (const name of ['predicted-1.svg', 'predicted-2.svg', 'r2.svg', 'sizes.svg'])
    assert.ok(plots.includes(name), name)
  const { regression } = JSON.parse(readFileSync(join(dir, 'interpret.json'), 'utf8')) as Required<Interpretation>
  assert.deepEqual(
    rowsUnder(document, 'By target, validation pictures').map(r => r.slice(0, 2)),
    regression.targets.map(t => [t.name, t.r2.toFixed(3)]),
  )
  const [worst] = document.querySelectorAll('#pictures li')
  assert.match(worst!.textContent, /age \d+(\.\d+)? ✗\s\d+.*height \d+(\.\d+)? ✗\s\d+.*picture-0.jpg/)
})

test('one class each: heat maps beside their pictures, certainty, sizes, doubts, near duplicates, changes tried', async () => {
  const { document, text, tiles, markup, plots } = await report(everything(['hat', 'shirt', 'shoes'], thumbnails))
  assertSelfContained(document, markup)
  assert.ok(
    tiles.some(t => /^Balanced accuracy81.2 %/.test(t)),
    'tiles.some(t => /^Balanced accuracy81.2 %/.test(t))',
  )
  const heats = [...document.querySelectorAll('ul.heats li')]
  assert.equal(heats.length, 6)
  for (const [i, heat] of heats.entries()) {
    const [plain, over] = [...heat.querySelectorAll('img')].map(image => image.getAttribute('src')!)
    assert.deepEqual(
      [plain, over],
      [i, i + 50].map(k => `data:image/jpeg;base64,${thumbnails(k)}`),
    )
  }
  assert.match(text, /as trained: ECE 10.8 %at temperature 1.62: ECE 6.6 %/)
  const sizes = document.querySelector('svg[aria-label*="by picture size"]')!
  assert.match(sizes.getAttribute('aria-label')!, /128 px 81.0 %, 192 px 86.0 %, 224 px 88.4 %, 288 px 87.9 %/)
  assert.match(text, /best: 224 px/)
  assert.deepEqual(rowsUnder(document, 'Augmentations that were tried'), [
    ['mirror', '88.0 %', '0.4 %', 'used'],
    ['rotate to 10°', '87.1 %', '1.3 %', 'used'],
    ['upside down', '52.0 %', '36.4 %', ''],
  ])
  assert.equal(document.querySelectorAll('ul.groups > li').length, 3)
  assert.match(text, /99.0 % alike.*hat train.*shirt valid/)
  assert.match(text, /hatperhaps shirtprobability 0.2 %/)
  for (const heading of ['Most certain and wrong', 'Most certain and right', 'Where it looked'])
    assert.ok(text.includes(heading), 'text.includes(heading)')
  for (const id of ['issues', 'duplicates'])
    assert.ok(document.querySelector(`#${id}`) && document.querySelector(`a[href="#${id}"]`), id)
  assert.ok(
    plots.includes('calibration.png') && plots.includes('sizes.png'),
    `plots.includes('calibration.png') && plots.includes('sizes.png')`,
  )
})

test('feature maps are drawn a pixel a value, layer by layer; one that holds other than it says is left out', async () => {
  const made = everything(['hat', 'shirt'], thumbnails)
  const { document, text } = await report(made)
  const cards = [...document.querySelectorAll('.features > li')]
  assert.equal(cards.length, 2)
  for (const [i, { layers }] of made.interpret!.featureMaps!.entries()) {
    const rows = [...cards[i]!.querySelectorAll('.maps')]
    assert.equal(rows.length, 3)
    for (const [l, { maps, rows: height, columns: width }] of layers.entries())
      for (const [k, image] of [...rows[l]!.querySelectorAll('img')].entries()) {
        const png = Buffer.from(image.getAttribute('src')!.replace('data:image/png;base64,', ''), 'base64')
        const { data, info } = await sharp(png).toColourspace('b-w').raw().toBuffer({ resolveWithObject: true })
        assert.deepEqual([info.height, info.width, info.channels], [height, width, 1])
        assert.equal(data.toString('base64'), maps[k]!.data)
      }
  }
  assert.match(text, /conv_stem 32 maps of 112 × 112.*blocks\.2 64 maps of 56 × 56.*last layer 128 maps of 24 × 24/)
  const [first, second] = structuredClone(made.interpret!.featureMaps!)
  first!.layers[0]!.maps[0]!.data = 'AAAA'
  first!.layers[1]!.rows = 1e9
  second!.layers = [{ layer: 'x' } as never, null as never]
  const damaged = await report({ ...made, interpret: { ...made.interpret, featureMaps: [first!, second!] } })
  assert.equal(damaged.document.querySelectorAll('.features > li').length, 1)
  assert.deepEqual(
    [...damaged.document.querySelectorAll('.maps')].map(row => row.querySelectorAll('img').length),
    [3, 4],
  )
})

test('a run over folds: each of them, their mean, and how far they lie apart', async () => {
  const fold = (k: number, accuracy: number): RunResult => ({
    run: `/runs/whole/fold-${k}`,
    model: 'resnet18',
    classes: ['hat', 'shirt'],
    loss: 0.4 + k / 100,
    metrics: { accuracy, balancedAccuracy: accuracy - 0.05 },
    epochs: 7 + k,
    seconds: { total: 60 + k },
  })
  const folds = [fold(1, 0.8), fold(2, 0.9)]
  const spread = {
    accuracy: { mean: 0.85, std: 0.0707 },
    balancedAccuracy: { mean: 0.8, std: 0.0707 },
    loss: { mean: 0.415, std: 0.007 },
  }
  const result = { ...fold(1, 0.85), folds, spread }
  const { document, text, tiles, markup, plots } = await report({ head: 0, whole: 0, test: false, result })
  assertSelfContained(document, markup)
  assert.deepEqual(
    rowsUnder(document, 'Folds').map(row => row.map(cell => cell.replaceAll('\u00a0', ' '))),
    [
      ['fold-1', '80.0 %', '75.0 %', '0.410', '8', '1:01'],
      ['fold-2', '90.0 %', '85.0 %', '0.420', '9', '1:02'],
      ['mean', '85.0 %', '80.0 %', '0.415', '', ''],
      ['standard deviation', '7.1 %', '7.1 %', '0.007', '', ''],
    ],
  )
  assert.equal(tiles[0]!.replaceAll('\u00a0', ' '), 'Validation accuracy85.0 %mean of 2 foldsstandard deviation 7.1 %')
  assert.match(text, /holds its own report\.html/)
  assert.ok(!plots.includes('time.svg'), 'of a total without parts there is nothing to draw')
  for (const wrong of [null, 3, [null, {}], {}]) {
    const { text } = await report({
      head: 1,
      whole: 0,
      steps: 1,
      result: { folds: wrong as never, spread: wrong as never },
    })
    assert.doesNotMatch(text, /NaN|undefined|\[object/)
  }
})

test('test-time augmentation stands beside the plain result, by the same metrics', async () => {
  const heading = 'Test-time augmentation'
  const parts = {
    valid: { plain: { accuracy: 0.85, balancedAccuracy: 0.8 }, augmented: { accuracy: 0.875, balancedAccuracy: 0.8 } },
    test: { plain: { accuracy: 0.9 }, augmented: { accuracy: 0.885 } },
  }
  const one = everything(['hat', 'shirt'], thumbnails)
  const { document, text } = await report({ ...one, result: { tta: { views: 4, join: 'mean', ...parts } } })
  assert.deepEqual(rowsUnder(document, heading), [
    ['validation accuracy', '85.0\u00a0%', '87.5\u00a0%', '+2.5\u00a0%'],
    ['validation balanced accuracy', '80.0\u00a0%', '80.0\u00a0%', '0.0\u00a0%'],
    ['test accuracy', '90.0\u00a0%', '88.5\u00a0%', '−1.5\u00a0%'],
  ])
  assert.match(text, /the mean of the plain view and 4 changed views of each picture\. predict/)
  const many = several(labels, thumbnails, 40)
  const valid = { plain: { mAP: 0.5, f1: 0.4 }, augmented: { mAP: 0.512, f1: 0.4 } }
  const most = await report({ ...many, result: { ...many.result, tta: { views: 1, join: 'max', valid } } })
  assert.deepEqual(rowsUnder(most.document, heading), [
    ['validation mAP', '0.500', '0.512', '+0.012'],
    ['validation F1', '0.400', '0.400', '0.000'],
  ])
  assert.match(
    most.text,
    /the highest output of the plain view and 1 changed view of each picture, at the same thresholds\./,
  )
  for (const tta of [null, 3, {}, { valid: null }, { valid: { augmented: { accuracy: null } } }]) {
    const { text } = await report({ head: 1, whole: 0, steps: 1, result: { tta: tta as never } })
    assert.doesNotMatch(text, /Test-time|NaN|undefined/)
  }
})

test('the test part of several labels, and its interval, stand first', async () => {
  const made = several(labels, thumbnails, 40)
  const test = { loss: 0.3, samples: 55, metrics: { mAP: 0.5, f2: 0.25, accuracy: 0.9 } }
  const { tiles, text } = await report({ ...made, result: { ...made.result, test } })
  assert.equal(tiles[0], 'Test mAP0.500of 55 pictures')
  assert.match(tiles[1]!, /^Validation mAP/)
  assert.match(tiles[2]!, /^F20.250/)
  assert.match(tiles[3]!, /^F1.*validation: at the thresholds found/)
  assert.match(text, /reaches mAP 0.500 on 55 test pictures/)
})

test('a run that ended early is known by the metrics of its epochs; sizes of its phases are said in words', async () => {
  const end = { after: 2, how: 'stopped' as const }
  const many = await report({ ...several(labels, thumbnails, 20), end })
  assert.match(many.tiles[0]!, /^Validation mAP0\.\d/)
  assert.ok(many.plots.includes('map.svg'), `many.plots.includes('map.svg')`)
  const numbers = await report({ ...measured(['age'], thumbnails, 20), end })
  assert.match(numbers.text, /reaches R² 0.617 on 20 validation pictures so far; its mean absolute error is 4.5/)
  const sized = await report({ end }, dir => {
    const path = join(dir, 'events.jsonl')
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll('"phase":"head"', '"phase":"head@128"'))
  })
  assert.match(sized.text, /Learning rate finder, head at 128 px/)
  assert.doesNotMatch(sized.text, /head@128/)
})

test('a label without pictures has no average precision and stands last; many labels are folded', async () => {
  const names = Array.from({ length: 130 }, (_, i) => `label_${i}`)
  const made = several(names, () => '', 30)
  const perClass = made.interpret!.multi!.perClass
  perClass[0] = { ...perClass[0]!, ap: null }
  const { document, plots } = await report(made)
  const shown = [...document.querySelectorAll('.multiple figcaption')].map(c => c.textContent.trim())
  assert.equal(shown.length, 120)
  assert.ok(!shown.some(name => name.startsWith('label_0 ')), `!shown.some(name => name.startsWith('label_0 '))`)
  assert.equal(document.querySelectorAll('details .multiple').length, 96)
  assert.equal(plots.filter(p => /^precision-recall-\d+\.svg$/.test(p)).length, 120)
})

test('charts of the tasks are well-formed files that stand alone, whatever the names', async () => {
  const names = ['a & b', '<c>', "'; DROP", 'عربي', '"><script>alert(1)</script>']
  for (const made of [several(names, thumbnails, 30), measured(names, thumbnails, 30), everything(names, thumbnails)]) {
    const { document, markup, dir, plots } = await report(made)
    assertSelfContained(document, markup)
    assert.equal(document.querySelectorAll('script').length, 0)
    for (const name of plots.filter(n => n.endsWith('.svg'))) {
      const file = join(dir, 'plots', name)
      assert.ok((await sharp(file).metadata()).width > 200, name) // an XML error throws here
      assert.doesNotMatch(readFileSync(file, 'utf8'), /var\(|NaN|undefined|Infinity/, name)
    }
  }
})

test('damaged parts cost themselves alone', async () => {
  const wrong: unknown[] = [null, 3, 'x', [], [null, 3], {}, [{}], { before: {}, targets: [{}], perClass: [{}] }]
  const parts = [
    'multi',
    'regression',
    'calibration',
    'heatmaps',
    'featureMaps',
    'sizes',
    'labelIssues',
    'nearDuplicates',
  ]
  for (const task of ['single', 'multi', 'regression'])
    for (const value of task === 'multi' ? wrong : wrong.slice(-3)) {
      const { text, markup, document } = await report({ head: 1, whole: 0, steps: 1 }, dir => {
        const path = join(dir, 'interpret.json')
        const all = JSON.parse(readFileSync(path, 'utf8'))
        for (const part of [...parts, 'mostCorrect', 'augmentAuto', 'task']) all[part] = value
        all.task = task
        writeFileSync(path, JSON.stringify(all))
      })
      assertSelfContained(document, markup)
      assert.match(text, /How it was made/, JSON.stringify(value))
      assert.doesNotMatch(text, /NaN|undefined|\[object/, JSON.stringify(value))
    }
  const inner = {
    perClass: [{ name: 'a', tp: 'x' }, null],
    curves: [{ name: 'a', points: [[1], [0, null], 3] }],
    worst: [{ name: 'a', pictures: [{ actual: 3 }] }],
    averages: { samples: null, macro: {} },
  }
  const { text } = await report({ head: 1, whole: 0, steps: 1 }, dir => {
    writeFileSync(join(dir, 'interpret.json'), JSON.stringify({ task: 'multi', classes: ['a'], multi: inner }))
  })
  assert.match(text, /Largest errors by label/)
  assert.doesNotMatch(text, /NaN|undefined|\[object/)
})

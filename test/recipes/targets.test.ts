import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { evaluateFolder } from '../../src/api/evaluate.ts'
import { rng } from '../../src/base/random.ts'
import { scaleOfTargets, targetWarnings } from '../../src/recipes/prepare/targets.ts'
import { targetText } from '../../src/train/objective.ts'
import { images } from '../../src/vision/domain/images.ts'
import { loadClassifier } from '../../src/vision/inference/classifier.ts'
import { workspace } from '../helpers/cli.ts'
import { disc, runsFolder, type Trained } from '../helpers/recipe.ts'

const work = runsFolder()
const command = workspace()
after(() => {
  work.remove()
  command.remove()
})

const count = 60
const random = rng(16, 4, 0)
/** Whole numbers from 0 to 120, shown by the brightness of the pictures. */
const plain = Array.from({ length: count }, () => random.integer(121))
const part = (n: number) => (n < 40 ? 'train' : n < 54 ? 'valid' : 'test')
const table = (columns: Record<string, (v: number, n: number) => string>) =>
  [
    ['file', ...Object.keys(columns), 'split'].join(','),
    ...plain.map((v, n) => [`${n}.png`, ...Object.values(columns).map(text => text(v, n)), part(n)].join(',')),
  ].join('\n')
const train = (name: string, columns: Parameters<typeof table>[0], data = 'discs') => {
  work.put({ [`${name}.csv`]: table(columns) })
  const options = { labels: work.path(`${name}.csv`), targets: Object.keys(columns), splitColumn: 'split', epochs: 1 }
  return work.train(data, name, options)
}
let small: Trained

before(async () => {
  for (const [n, v] of plain.entries()) work.put({ [`discs/${n}.png`]: await disc(n, 2 * v, 10) })
  small = await train('small', { when: v => String(v) })
})

describe('numbers that are large and close together, tiny or huge are learnt as the plain ones are', () => {
  const day = (v: number) => new Date(Date.UTC(2024, 0, 1) + v * 864e5).toISOString().slice(0, 10).replaceAll('-', '')
  const kinds: Record<string, { text(v: number): string; unit: number; shown: RegExp }> = {
    'epoch seconds': { text: v => `${1_700_000_000 + v}`, unit: 1, shown: /^1700000\d{3}(\.\d\d?)?$/ },
    'epoch milliseconds': { text: v => `${1_700_000_000_000 + v}`, unit: 1, shown: /^1700000000\d{3}(\.\d\d?)?$/ },
    'micro-units': { text: v => `${1_700_000_000_000_000 + v}`, unit: 1, shown: /^170000000000\d{4}(\.\d\d?)?$/ },
    ids: { text: v => `${4_123_456_000 + v}`, unit: 1, shown: /^4123456\d{3}(\.\d\d?)?$/ },
    coordinates: { text: v => (52.52 + v * 1e-7).toFixed(7), unit: 1e-7, shown: /^52\.5200\d{3}\d*$/ },
    money: { text: v => `${12_345_678 + v}.25`, unit: 1, shown: /^12345[67]\d\d(\.\d\d?)?$/ },
    nanometres: { text: v => `${v}e-9`, unit: 1e-9, shown: /^\d(\.\d+)?e-[78]$/ },
    astronomic: { text: v => `${v}e30`, unit: 1e30, shown: /^\d(\.\d+)?e\+3[12]$/ },
    "beyond float32's range": { text: v => `${v}e38`, unit: 1e38, shown: /^\d(\.\d+)?e\+(39|40)$/ },
  }
  test('each is told as the plain ones are, all in one table', async () => {
    const texts = Object.entries(kinds).map(([name, { text }]) => [name, text] as const)
    const run = await train('kinds', { plain: String, ...Object.fromEntries(texts) })
    const [plain, ...others] = run.interpretation.regression!.targets
    const classifier = loadClassifier(run.dir, { task: 'regression' })
    const { values } = await classifier.predict(work.path('discs', '3.png'))
    for (const { name, r2, mae } of others) {
      const { unit, shown } = kinds[name]!
      // Every target has separate weights, and their random start still has a small effect.
      assert.ok(Math.abs(r2 - plain!.r2) < 0.05, `${name}: R² ${r2}, of the plain numbers ${plain!.r2}`)
      assert.ok(Math.abs(mae / unit / plain!.mae - 1) < 0.1, `${name}: MAE ${mae}, ${plain!.mae} of the plain`)
      assert.match(classifier.text(values![name]!, name), shown, name)
    }
  })

  for (const name of ['epoch seconds', 'nanometres'])
    test(`alone, to the same figures: ${name}`, async () => {
      const { text, unit } = kinds[name]!
      const { metrics, loss } = (await train(name.replaceAll(/\W/g, '-'), { when: text })).result
      const { r2, mae } = metrics
      assert.ok(
        Math.abs(r2! - small.result.metrics.r2!) < 1e-4,
        `R² ${r2}, of the plain numbers ${small.result.metrics.r2!}`,
      )
      assert.ok(Math.abs(loss - small.result.loss) < 1e-4, `loss ${loss}, of the plain numbers ${small.result.loss}`)
      assert.ok(
        Math.abs(mae! / unit / small.result.metrics.mae! - 1) < 1e-3,
        `MAE ${mae}, ${small.result.metrics.mae!} of the plain`,
      )
    })

  test('dates as numbers keep their days', async () => {
    const { card, result } = await train('dates', { when: day })
    assert.ok(result.metrics.r2! < 1 && Number.isFinite(result.metrics.r2!), `R² ${result.metrics.r2!}`)
    assert.deepEqual(card.scale!.decimals, [0])
    assert.ok(card.scale!.std[0]! > 1 && card.scale!.mean[0]! > 20240000, `${JSON.stringify(card.scale)}`)
  })

  test('targets of unlike units in one table: each as it is alone', async () => {
    const run = await train('mixed', { tiny: v => `${v}e-6`, huge: v => `${v}e9`, near: v => `${1_700_000_000 + v}` })
    const { targets } = run.interpretation.regression!
    for (const { name, r2, mae, rmse } of targets) {
      const unit = { tiny: 1e-6, huge: 1e9, near: 1 }[name]!
      assert.ok(r2 > -3 && r2 < 1, `${name}: R² ${r2}`)
      assert.ok(mae / unit > 1 && mae / unit < 200 && rmse >= mae, `${name}: MAE ${mae}, RMSE ${rmse}`)
    }
    const spread = Math.max(...targets.map(t => t.r2)) - Math.min(...targets.map(t => t.r2))
    assert.ok(spread < 0.5, 'no target drowns the others')
    const { report, metrics } = await evaluateFolder(run.dir, work.path('discs'), {
      labels: work.path('mixed.csv'),
      targets: ['tiny', 'huge', 'near'],
      splitColumn: 'split',
    })
    assert.match(report!, /R² +MAE +RMSE\n *tiny +-?\d\.\d{3} +\S+e-[56] +\S+e-[56]\n/)
    assert.ok(Number.isFinite(metrics.r2), 'evaluated')
  })

  test('anneal predict prints all digits that the target has', async () => {
    const { stdout, stderr } = await command.run(['predict', work.path('epoch-seconds'), work.path('discs', '3.png')])
    assert.match(stdout, / {2}when 1700000\d{3}(\.\d\d?)?\n$/, stderr)
  })
})

describe('nothing to learn, or more than can be held, is one line before training', () => {
  const refused = async (name: string, columns: Parameters<typeof table>[0], message: RegExp) => {
    await assert.rejects(train(name, columns), error => {
      assert.match((error as Error).message, message)
      assert.doesNotMatch((error as Error).message, /lower rate|\n/)
      return true
    })
  }
  test('a constant target', () =>
    refused(
      'constant',
      { when: () => '1700000000.25' },
      /^target "when": all 40 training samples have the value 1700000000\.25,/,
    ))
  test('one constant target of several', () =>
    refused('one', { age: v => `${v}`, when: () => '0' }, /^target "when": all 40 training samples have the value 0,/))
  test('digits beyond 2^53 that 64-bit floats drop', () =>
    refused('beyond', { id: v => `90071992547409920${v % 3}` }, /same 64-bit float: subtract a constant/))
  test('further apart than can be held', () =>
    refused(
      'far',
      { x: v => `${v % 2 ? '-' : ''}1.7e308` },
      /^target "x": its numbers go from -1\.7e\+308 to 1\.7e\+308, further/,
    ))
  test('nearer than can be held', () => refused('near', { x: v => `${v % 2}e-310` }, /closer together than 64-bit/))
})

describe('where R² is undefined it is said, and no number stands there', () => {
  const constantIn = (split: string) => (v: number, n: number) => (part(n) === split ? '7' : String(v))

  test('constant in validation: weights are chosen by the loss', async () => {
    const run = await train('same', { when: constantIn('valid') })
    const warned = run.events.flatMap(e => (e.type === 'warning' ? [e.message] : []))
    const said =
      'R² of the validation pictures is undefined: in all 14 validation pictures "when" is 7; weights are chosen'
    assert.ok(
      warned.some(w => w.startsWith(said)),
      warned.join('\n'),
    )
    assert.ok(
      Number.isNaN(run.result.metrics.r2!) && Number.isFinite(run.result.metrics.mae!),
      `R² ${run.result.metrics.r2!}`,
    )
    assert.equal(work.json('same', 'result.json').metrics.r2, null)
    assert.equal(run.result.intervals, undefined)
    assert.ok(Number.isFinite(run.result.test!.metrics!.r2), 'the test pictures have one')
    const told = run.events.flatMap(e => (e.type === 'choice' ? [`${e.value} ${e.reason}`] : []))
    assert.ok(
      told.some(t => t.includes('R² undefined, loss')),
      told.join('\n'),
    )
    assert.doesNotMatch(told.join('\n'), /NaN|R² -?\d/)
    assert.match(run.interpretation.regression!.targets[0]!.name, /when/)
    assert.equal(run.interpretation.regression!.targets[0]!.r2, null)
  })

  test('one target of two is constant there: R² is that of the other', async () => {
    const run = await train('half', { age: v => `${v}`, when: constantIn('valid') })
    const [age, when] = run.interpretation.regression!.targets
    assert.equal(when!.r2, null)
    assert.equal(run.result.metrics.r2!, age!.r2)
  })

  test('evaluate on one picture, and on pictures with one number', async () => {
    work.put({ 'lone.csv': 'file,when\n3.png,5', 'same2.csv': 'file,when\n3.png,5\n4.png,5\n5.png,5' })
    for (const [labels, reason] of [
      ['lone.csv', 'there is one picture'],
      ['same2.csv', 'in all 3 pictures "when" is 5'],
    ] as const) {
      const args = ['evaluate', small.dir, work.path('discs'), '--labels', work.path(labels), '--targets', 'when']
      const { stdout, stderr, code } = await command.run(args)
      assert.equal(code, 0, stderr)
      assert.match(stdout, /^R² undefined, MAE [\d.]+, RMSE [\d.]+, loss [\d.]+, \d pictures?\n$/m)
      assert.ok(stderr.includes(`R² of "when" is undefined: ${reason}`), stderr)
    }
  })

  test('folds: the spread is over those that have it', () => {
    const items = (values: number[]) => values.map(v => ({ values: [v] }))
    const parts = { train: items([1, 2, 3]), valid: items([4]), test: items([5, 5]) }
    assert.deepEqual(
      targetWarnings(['x'], parts, images.words).map(w => w.split(':')[0]),
      ['R² of the validation pictures is undefined', 'R² of the test pictures is undefined'],
    )
  })
})

describe('the scale of targets', () => {
  const scale = (values: number[]) =>
    scaleOfTargets(
      ['x'],
      values.map(v => ({ values: [v] })),
    )
  test('mean and deviation are exact for numbers that are large and close together', () => {
    for (const far of [0, 1.7e9, 1.7e12, 2 ** 52]) {
      const { mean, std } = scale([far + 1, far + 2, far + 3, far + 6])
      assert.equal(mean[0]! - far, 3)
      assert.ok(Math.abs(std[0]! - Math.sqrt(3.5)) < 1e-15, `deviation ${std[0]}`)
    }
  })
  test('decimals are those that the numbers have', () => {
    const decimals = (...values: number[]) => scale(values).decimals![0]
    assert.equal(decimals(1700000000.123, 1700000120.5), 3)
    assert.equal(decimals(20240131, 20240228), 0)
    assert.equal(decimals(1200, 3500), -2)
    assert.equal(decimals(3.2e-9, 8e-9), 10)
    assert.equal(decimals(1e30, 3e30), -30)
    assert.equal(decimals(1 / 3, 2 / 3), 9, 'more than the net can tell would be made up')
  })
  test('answers are printed with them, and with four digits of the deviation at least', () => {
    const ages = { mean: [40], std: [20], decimals: [0] }
    assert.equal(targetText(37.4824, 0, ages), '37.48')
    assert.equal(targetText(1700000012.3456, 0, { mean: [1.7e9], std: [40], decimals: [3] }), '1700000012.346')
    assert.equal(targetText(3.21456789e-9, 0, { mean: [3e-9], std: [1e-9], decimals: [12] }), '3.215e-9')
    assert.equal(targetText(2.34567e31, 0, { mean: [1e31], std: [1e31], decimals: [-30] }), '2.346e+31')
    assert.equal(targetText(0, 0, ages), '0')
    assert.equal(targetText(123.456, 0, undefined), '123.46', 'a card of an earlier version')
  })
  test('numbers near the limit of 64-bit floats are warned of', () => {
    const items = [0, 1, 2, 90].map(v => ({ values: [2 ** 53 + 2 * v] }))
    const [warned] = targetWarnings(['id'], { train: items, valid: items, test: [] }, images.words)
    assert.match(
      warned!,
      /^target "id": its numbers differ by at most 180, and 64-bit floats of this size are 2 apart;/,
    )
  })
})

import assert from 'node:assert/strict'
import { cpSync, readFileSync, rmSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { type Evaluated, type EvaluateFolderOptions, evaluateFolder } from '../../src/api/index.ts'
import { kernelSets } from '../../src/torch/index.ts'
import { loadClassifier } from '../../src/vision/inference/classifier.ts'
import { shape, workspace } from '../helpers/cli.ts'
import { allMarks, disc, type Mark, marked, runsFolder, type Trained } from '../helpers/recipe.ts'

const work = runsFolder()
const command = workspace()
after(() => {
  work.remove()
  command.remove()
})

const tags = (n: number): Mark[] => allMarks.filter((_, i) => (n >> i) & 1)
const by = { epochs: 0, headCycles: 1 }
let single: Trained
let multi: Trained
let numbers: Trained

before(async () => {
  const names = ['circle', 'square', 'triangle']
  for (const name of names)
    for (let n = 0; n < 30; n++) {
      // The test pictures have more circles, and every third has a wrong label.
      const part = n < 10 ? 'train' : n < 15 ? 'valid' : 'test'
      if (part === 'test' && name !== 'circle' && n >= 20) continue
      const shown = part === 'test' && n % 3 === 0 ? names[(names.indexOf(name) + 1) % 3]! : name
      work.put({ [`shapes/${part}/${name}/${n}.png`]: await shape(shown, 100 + n) })
    }
  const [marks, discs] = [['file,tags'], ['file,radius,split']]
  for (let n = 0; n < 40; n++) {
    work.put({ [`marks/${n}.png`]: await marked(n, tags(n)), [`discs/${n}.png`]: await disc(n, 200, 3 + (n % 11)) })
    marks!.push(`${n}.png,${tags(n).join(' ')}`)
    discs!.push(`${n}.png,${3 + (n % 11)},${n % 4 ? 'train' : 'valid'}`)
  }
  work.put({ 'marks.csv': marks!.join('\n'), 'discs.csv': discs!.join('\n') })
  const learned = work.path('learned')
  cpSync(work.path('shapes'), learned, { recursive: true })
  rmSync(work.path('learned/test'), { recursive: true })
  single = await work.train('learned', 'single', by)
  multi = await work.train('marks', 'multi', { ...by, labels: work.path('marks.csv') })
  numbers = await work.train('discs', 'numbers', { ...by, labels: work.path('discs.csv'), targets: ['radius'] })
})

const evaluate = (run: Trained, ...args: string[]) => command.run(['evaluate', run.dir, ...args])
async function evaluated(run: Trained, ...args: string[]): Promise<Evaluated> {
  const { code, stdout, stderr } = await evaluate(run, ...args, '--json')
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout)
}
async function labelsOf(run: Trained, files: readonly string[]): Promise<string[]> {
  const found: string[] = []
  for await (const { label } of loadClassifier(run.dir, { task: 'single' }).predictAll(files)) found.push(label)
  return found
}
const near = (found: number, expected: number, what = '', within = 1e-6) =>
  assert.ok(Math.abs(found - expected) <= within, `${what}: ${found}, expected ${expected}`)

describe('class folders', () => {
  const files = (name: string, to: number) =>
    Array.from({ length: to - 15 }, (_, i) => work.path('shapes/test', name, `${15 + i}.png`))
  const sizes = { circle: 30, square: 20, triangle: 20 }

  test('the test part: accuracy, confusion and report are those of the predictions', async () => {
    const found = await evaluated(single, work.path('shapes'))
    const { classes } = single.card
    const confusion: number[][] = []
    for (const name of classes) {
      const told = await labelsOf(single, files(name, sizes[name as keyof typeof sizes]))
      confusion.push(classes.map(c => told.filter(t => t === c).length))
    }
    const cells = confusion.flatMap((row, actual) => row.map((count, predicted) => ({ actual, predicted, count })))
    assert.deepEqual(
      found.confusion,
      cells.filter(c => c.count > 0),
    )
    const right = classes.map((_, c) => confusion[c]![c]!)
    const support = confusion.map(row => row.reduce((a, b) => a + b))
    assert.deepEqual([found.samples, support], [25, [15, 5, 5]])
    near(found.metrics.accuracy!, right.reduce((a, b) => a + b) / 25)
    near(found.metrics.balancedAccuracy!, right.reduce((sum, r, c) => sum + r / support[c]!, 0) / 3)
    for (const [c, name] of classes.entries()) {
      const given = confusion.reduce((sum, row) => sum + row[c]!, 0)
      const [precision, recall] = [given ? right[c]! / given : 0, right[c]! / support[c]!]
      const row = new RegExp(`^ *${name} +([\\d.]+) +([\\d.]+) +([\\d.]+) +${support[c]}$`, 'm').exec(found.report!)!
      near(Number(row[1]), precision, `${name} precision`, 0.0051)
      near(Number(row[2]), recall, `${name} recall`, 0.0051)
      near(Number(row[3]), precision + recall ? (2 * precision * recall) / (precision + recall) : 0, 'f1', 0.0051)
    }
    assert.ok(found.metrics.accuracy! < 0.9, 'each third bears the wrong name')
  })

  test('a second look at the same pictures is told, and noted', async () => {
    const { code, stdout, stderr } = await evaluate(single, work.path('shapes'))
    assert.equal(code, 0)
    assert.match(stdout, /precision +recall +f1-score +support/)
    assert.match(stdout, /^accuracy [\d.]+ %, balanced accuracy [\d.]+ %, loss [\d.]+, 25 pictures$/m)
    assert.match(stderr, /^part: test \(.*shapes holds folders of parts\)$/m)
    assert.match(stderr, /^anneal: this model was evaluated on these pictures 1 time before; choices made after/m)
    const lines = readFileSync(work.path('single/evaluations.jsonl'), 'utf8').split('\n').slice(0, -1)
    const [first, second] = lines.map(line => JSON.parse(line))
    assert.equal(lines.length, 2)
    assert.equal(first.fingerprint, second.fingerprint)
    assert.deepEqual(first.metrics, second.metrics)
    assert.ok(Date.parse(first.at) <= Date.parse(second.at), 'Date.parse(first.at) <= Date.parse(second.at)')
    const byName = await command.run(['evaluate', work.path('single/best.json'), work.path('shapes'), '--json'])
    assert.equal(JSON.parse(byName.stdout).before, 2, 'by the name of its weights it is the same model')
    assert.equal((await evaluated(single, work.path('shapes'), '--part', 'valid')).before, 0)
  })

  test('the validation part: what the run told of it', async () => {
    const { metrics, samples: pictures } = await evaluated(single, work.path('learned'))
    assert.deepEqual([metrics.accuracy, pictures], [single.result.metrics.accuracy, 15])
    assert.equal((await evaluated(single, work.path('shapes'), '--part', 'all')).samples, 70)
  })

  test('pictures that the run was trained or validated on are counted, by their content', async () => {
    const found = await evaluated(single, work.path('shapes'), '--part', 'all')
    assert.deepEqual(found.seen, { train: 30, valid: 15 })
    assert.equal((await evaluated(single, work.path('shapes'))).seen!.train, 0)
    for (const [from, to] of [
      ['train/circle/0', 'renamed/circle/a'],
      ['train/square/0', 'renamed/square/b'],
      ['valid/square/10', 'renamed/square/c'],
      ['test/square/15', 'renamed/square/d'],
    ])
      cpSync(work.path(`shapes/${from}.png`), work.path(`${to}.png`))
    const { stderr } = await evaluate(single, work.path('renamed'), '--part', 'test')
    assert.match(stderr, /^anneal: 2 of 4 pictures were in this run's training part; the figures are too good$/m)
    assert.match(stderr, /^anneal: 1 of 4 pictures was in this run's validation part, .*somewhat too good$/m)
    assert.match(stderr, /^part: all \(test was requested, but .*renamed has no parts: every picture is used\)$/m)
    const json = await evaluate(single, work.path('renamed'), '--json')
    assert.match(json.stderr, /^anneal: 2 of 4 pictures were in this run's training part/)
    const { seen, warnings } = JSON.parse(json.stdout)
    assert.deepEqual([seen, warnings.length], [{ train: 2, valid: 1 }, 3], 'the third is that this is a second look')
    rmSync(work.path('single/pictures.json'))
    const old = await evaluated(single, work.path('renamed'))
    assert.deepEqual([old.seen, old.warnings.length], [undefined, 1], 'a run from before keeps no list')
  })

  test('a class that the model does not know is refused, or left out', async () => {
    cpSync(work.path('shapes/valid'), work.path('more'), { recursive: true })
    work.put({ 'more/cirle/1.png': await shape('circle', 300) })
    const { code, stdout, stderr } = await evaluate(single, work.path('more'))
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(
      stderr,
      /^anneal: cirle holds 1 picture, but the model does not know the class "cirle".*Did you mean "circle"/,
    )
    assert.match(stderr, /\(--leave-out\)/)
    assert.equal((await evaluated(single, work.path('more'), '--leave-out')).samples, 15)
  })
})

describe('labels from elsewhere', () => {
  test('names: a regular expression', async () => {
    for (const name of ['circle', 'square'])
      for (let n = 0; n < 3; n++)
        cpSync(work.path('shapes/valid', name, `${10 + n}.png`), work.path('flat', `${name}-${n}.png`))
    const { samples: pictures, metrics } = await evaluated(single, work.path('flat'), '--label-regex', '^([a-z]+)-')
    assert.equal(pictures, 6)
    const told = await labelsOf(
      single,
      ['circle', 'square'].flatMap(s => [0, 1, 2].map(n => work.path('flat', `${s}-${n}.png`))),
    )
    near(metrics.accuracy!, told.filter((label, i) => label === (i < 3 ? 'circle' : 'square')).length / 6)
  })

  test('a table of several labels: decided by the saved thresholds', async () => {
    const {
      metrics,
      samples: pictures,
      report,
    } = await evaluated(multi, work.path('marks'), '--labels', work.path('marks.csv'))
    assert.equal(pictures, 40)
    const files = Array.from({ length: 40 }, (_, n) => work.path('marks', `${n}.png`))
    let right = 0
    const counts = new Map(multi.card.classes.map(name => [name, [0, 0, 0] as [tp: number, fp: number, fn: number]]))
    for await (const { file, labels } of loadClassifier(multi.dir, { task: 'multi' }).predictAll(files)) {
      const own = tags(Number(/(\d+)\.png/.exec(file)![1]))
      for (const [name, count] of counts) {
        const [there, given] = [own.includes(name as Mark), labels!.includes(name)]
        if (there === given) right++
        if (given) count[there ? 0 : 1]++
        else if (there) count[2]++
      }
    }
    near(metrics.accuracy!, right / 120)
    const f1 = [...counts.values()].map(([tp, fp, fn]) => (2 * tp) / (2 * tp + fp + fn))
    near(metrics.f1!, f1.reduce((a, b) => a + b) / 3)
    assert.match(report!, /samples avg/)
    const whole = await evaluate(multi, work.path('marks'), '--labels', work.path('marks.csv'), '--part', 'test')
    assert.match(
      whole.stderr,
      /^part: all \(test was requested, but .*marks\.csv has no parts: every picture is used\)$/m,
    )
    assert.match(
      whole.stderr,
      /^anneal: 32 of 40 pictures were in this run's training part; the figures are too good$/m,
    )
    assert.match(report!, new RegExp(`macro avg .* ${(f1.reduce((a, b) => a + b) / 3).toFixed(2)} `))
  })

  test('numbers: in their own units, by the columns that the model names', async () => {
    const table = work.path('discs.csv')
    const { metrics, samples: pictures, report } = await evaluated(numbers, work.path('discs'), '--labels', table)
    assert.deepEqual([pictures, report], [10, undefined])
    for (const name of ['r2', 'mae', 'rmse']) near(metrics[name]!, numbers.result.metrics![name]!, name, 1e-4)
    const { stdout } = await evaluate(numbers, work.path('discs'), '--labels', table)
    assert.match(stdout, /^R² -?[\d.]+, MAE [\d.]+, RMSE [\d.]+, loss [\d.]+, 10 pictures$/m)
  })

  test('labels that the model does not know', async () => {
    work.put({ 'odd.csv': 'file,tags\n1.png,red purple\n2.png,green\n3.png,red green\n' })
    const args = [work.path('marks'), '--labels', work.path('odd.csv')]
    const { code, stderr } = await evaluate(multi, ...args)
    assert.equal(code, 1)
    assert.match(stderr, /odd\.csv, line 2: the model does not know the label "purple"; expected .*--leave-out/)
    assert.equal((await evaluated(multi, ...args, '--leave-out')).samples, 3)
  })
})

describe('refused', () => {
  test('with the reason', async () => {
    const shapes = work.path('shapes')
    const table: [run: string, dir: string, options: EvaluateFolderOptions, reason: RegExp][] = [
      ['nope', shapes, {}, /nope: no such run or model/],
      [single.dir, 'nope', {}, /the folder nope can not be read: it does not exist/],
      [shapes, shapes, {}, /there is no saved model here/],
      [
        multi.dir,
        shapes,
        {},
        /class folders give one class per picture, but the model predicts several labels.*\(labels\)/,
      ],
      [numbers.dir, shapes, {}, /the model predicts numbers \(radius\)/],
      [multi.dir, work.path('marks'), { labels: 'nope.csv' }, /nope\.csv can not be read: it does not exist/],
      [single.dir, shapes, { batchSize: 0 }, /^batchSize: expected a whole number from 1 to 4096, got 0/],
      [single.dir, shapes, { device: 'gpu' }, /^device: expected cpu, cuda, cuda:1 or mps, got "gpu"/],
      [single.dir, shapes, { device: 'cuda:63' }, /^device: "cuda:63": /],
    ]
    for (const [run, dir, options, reason] of table)
      await assert.rejects(evaluateFolder(run, dir, options), { name: 'AnnealError', message: reason })
  })

  const rows: [name: string, args: () => string[], reason: RegExp, code: number][] = [
    [
      'batches of words',
      () => [single.dir, work.path('shapes'), '--batch', 'x'],
      /--batch: .* got x\. Example: --batch 32/,
      1,
    ],
    ['an unknown part', () => [single.dir, work.path('shapes'), '--part', 'some'], /train, valid, test, all/, 2],
    ['no folder', () => [single.dir], /missing required argument 'folder'/, 2],
  ]
  for (const [name, args, reason, expected] of rows)
    test(`by the command: ${name}`, async () => {
      const { code, stdout, stderr } = await command.run(['evaluate', ...args()])
      assert.deepEqual([code, stdout], [expected, ''], stderr)
      assert.match(stderr, reason)
      assert.match(stderr, /^(anneal|error): [^\n]+\n( {2}[^\n]+\n|\([^\n]+\)\n)*$/)
    })
})

describe('precision', () => {
  const half = kernelSets('bfloat16').length > 0
  const files = Array.from({ length: 10 }, (_, n) =>
    work.path(`shapes/valid/${n < 5 ? 'circle' : 'square'}/${10 + (n % 5)}.png`),
  )
  const probabilities = async (of: string, options: { precision?: 'float32' | 'bfloat16' } = {}) => {
    const found: number[] = []
    for await (const p of loadClassifier(of, { task: 'single', ...options }).predictAll(files))
      found.push(...Object.values(p.probabilities))
    return found
  }
  let run: Trained
  before(async () => {
    run = await work.train('learned', 'half', {
      epochs: 1,
      headCycles: 1,
      precision: half ? 'bfloat16' : 'float32',
    })
  })

  test('evaluation and prediction compute as the run validated, and say so', async () => {
    assert.equal(run.card.precision, half ? 'bfloat16' : 'float32')
    const found = await evaluated(run, work.path('learned'), '--part', 'valid')
    assert.equal(found.precision, run.card.precision)
    near(found.metrics.accuracy!, run.card.metrics.accuracy!)
    near(found.loss, run.card.metrics.loss!, 'loss', 1e-4)
    assert.equal(loadClassifier(run.dir).precision, run.card.precision)
    assert.deepEqual(await probabilities(run.dir), await probabilities(run.dir, { precision: run.card.precision! }))
  })

  test('another precision is taken where it is asked for', { skip: !half && 'no bfloat16 here' }, async () => {
    const found = await evaluated(run, work.path('learned'), '--part', 'valid', '--precision', 'float32')
    assert.equal(found.precision, 'float32')
    const [asked, usual] = [await probabilities(run.dir, { precision: 'float32' }), await probabilities(run.dir)]
    assert.notDeepEqual(asked, usual)
    // bfloat16 keeps 8 bits of each value, and the temperature scales what that changes.
    for (const [i, p] of asked.entries()) near(p, usual[i]!, 'probability', 0.1)
    const { stdout } = await command.run(['predict', run.dir, files[0]!, '--json', '--precision', 'float32'])
    const line = JSON.parse(stdout)
    assert.equal(line.precision, 'float32')
    for (const [i, p] of (Object.values(line.probabilities) as number[]).entries()) near(p, asked[i]!, 'alone', 1e-5)
  })

  test('a card without one, and one of a type that the processor has not, predict in float32', async () => {
    const card = work.json('half', 'best.json')
    for (const precision of [undefined, 'float16']) {
      cpSync(work.path('half/best.safetensors'), work.path('other.safetensors'))
      work.put({ 'other.json': JSON.stringify({ ...card, precision }) })
      assert.equal(loadClassifier(work.path('other')).precision, 'float32')
      assert.deepEqual(await probabilities(work.path('other')), await probabilities(run.dir, { precision: 'float32' }))
    }
  })
})

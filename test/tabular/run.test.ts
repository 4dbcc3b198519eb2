import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { type RunEvent, type RunResult, readRun } from '../../src/runs/index.ts'
import type { TableCard } from '../../src/tabular/run/card.ts'
import { type Ended, workspace } from '../helpers/cli.ts'
import { makeCustomers } from './table.make.ts'

const work = workspace()
const env = { ANNEAL_THREADS: '1' }
const anneal = (...args: string[]) => work.run(args, { env })
const lines = (text: string) => text.split('\n').slice(0, -1)
const json = <T>(...path: string[]) => JSON.parse(readFileSync(work.path(...path), 'utf8')) as T
const quick = ['--model', 'realmlp', '--members', '1', '--epochs', '12']
let whole: Ended

before(async () => {
  makeCustomers(work.path('customers.csv'))
  makeCustomers(work.path('new.csv'), 60, 2)
  whole = await anneal(
    'train',
    'customers.csv',
    '--target',
    'bought',
    '--drop',
    'price',
    ...quick,
    '--test',
    '0.2',
    '--out',
    'whole',
    '--json',
  )
})
after(() => work.remove())

test('a run on a table has the files of a run: config, events, result, card, report', () => {
  assert.equal(whole.code, 0, whole.stderr)
  const { type, ...result } = JSON.parse(lines(whole.stdout).at(-1)!) as RunResult & { type: string }
  assert.deepEqual(
    [type, result.model, result.classes, result.leading, result.sample],
    ['done', 'realmlp', ['no', 'yes'], 'rocAuc', 'row'],
  )
  assert.ok(result.metrics.rocAuc! > 0.85, `AUC ${result.metrics.rocAuc}`)
  assert.ok(result.test && result.test.samples === 48, `test ${result.test?.samples}`)
  const { config, events, state, interpret } = readRun(work.path('whole'))
  assert.deepEqual([state, config?.domain, config?.classes], ['done', 'tables', ['no', 'yes']])
  const of = <T extends RunEvent['type']>(type: T) =>
    events.filter(e => e.type === type) as Extract<RunEvent, { type: T }>[]
  assert.deepEqual(
    of('phase').map(e => e.phase),
    ['read', 'realmlp', 'baselines', 'interpret'],
  )
  const left = of('choice')
    .filter(e => e.value === 'left out')
    .map(e => e.what)
  assert.deepEqual(left, ['column "id"', 'column "bought"', 'column "price"'])
  for (const { what, reason } of of('choice')) assert.ok(reason !== '', `${what} has a reason`)
  const table = interpret!.table!
  assert.deepEqual(
    table.baselines.map(b => b.name),
    ['class shares', 'linear', 'trees', 'realmlp'],
  )
  assert.deepEqual(
    table.importance
      .slice(0, 2)
      .map(i => i.column)
      .sort(),
    ['age', 'city'],
  )
  assert.deepEqual(table.dependence.map(d => d.column).sort(), ['age', 'city', 'income', 'when'])
  const report = readFileSync(work.path('whole', 'report.html'), 'utf8')
  for (const words of ['Beside simpler models', 'What the model uses', 'Leak check', 'predict whole TABLE'])
    assert.ok(report.includes(words), `the report says "${words}"`)
  const [, shown = ''] = report.split('</style>')
  assert.deepEqual(shown.match(/.{0,40}picture.{0,40}/gi), null, 'a table has no pictures')
  assert.deepEqual(readdirSync(work.path('whole')).includes('resume'), false, 'no resume state is left')
})

test('a run that was killed goes on to the same result', async () => {
  const args = [
    'train',
    'customers.csv',
    '--target',
    'bought',
    '--drop',
    'price',
    ...quick,
    '--test',
    '0.2',
    '--out',
    'killed',
  ]
  const { ended } = work.start([...args, '--json'], {
    env,
    onLine: (line, child) => {
      const event = JSON.parse(line) as RunEvent
      if (event.type === 'epoch' && event.epoch === 7) child.kill('SIGKILL')
    },
  })
  assert.equal((await ended).signal, 'SIGKILL')
  const resumed = await anneal('train', '--resume', 'killed', '--json')
  assert.equal(resumed.code, 0, resumed.stderr)
  const [a, b] = ['whole', 'killed'].map(run => {
    const { seconds: _, run: __, ...result } = json<RunResult>(run, 'result.json')
    return result
  })
  assert.deepEqual(b, a)
  assert.deepEqual(
    readFileSync(work.path('killed', 'best', 'realmlp.safetensors')),
    readFileSync(work.path('whole', 'best', 'realmlp.safetensors')),
  )
  const epochs = (run: string) =>
    readRun(work.path(run))
      .events.filter(e => e.type === 'epoch')
      .map(e => e.epoch)
  assert.deepEqual(epochs('killed'), epochs('whole'), 'each epoch stands once in the log')
})

test('Ctrl-C stops a run with 130 and says how to go on; a table that has changed is refused', async () => {
  makeCustomers(work.path('changing.csv'))
  const { ended } = work.start(
    [
      'train',
      'changing.csv',
      '--target',
      'price',
      '--model',
      'realmlp',
      '--members',
      '1',
      '--epochs',
      '400',
      '--out',
      'stopped',
      '--json',
    ],
    {
      env,
      onLine: (line, child) => {
        if ((JSON.parse(line) as RunEvent).type === 'batch') child.kill('SIGINT')
      },
    },
  )
  const { code, stderr } = await ended
  assert.equal(code, 130, stderr)
  assert.match(stderr, /Go on with:\n {2}npx anneal train --resume stopped/)
  makeCustomers(work.path('changing.csv'), 241)
  const other = await anneal('train', '--resume', 'stopped')
  assert.equal(other.code, 1)
  assert.match(other.stderr, /the rows of .*changing\.csv are not those that this run began with/)
})

test('predict writes scores as CSV and Parquet, by the order of the rows; single rows by the API agree', async () => {
  const csv = await anneal('predict', 'whole', 'new.csv', '--out', 'scores.csv')
  assert.equal(csv.code, 0, csv.stderr)
  const [head, ...rows] = lines(readFileSync(work.path('scores.csv'), 'utf8'))
  assert.deepEqual([head, rows.length], ['id,predicted,p_no,p_yes', 60])
  const parquet = await anneal('predict', 'whole', 'new.csv', '--out', 'scores.parquet', '--keep', 'city,age')
  assert.equal(parquet.code, 0, parquet.stderr)
  const { readTable } = await import('../../src/tabular/read/read-table.ts')
  const frame = await readTable(work.path('scores.parquet'))
  assert.deepEqual(
    frame.columns.map(c => c.name),
    ['city', 'age', 'predicted', 'p_no', 'p_yes'],
  )
  const yes = frame.columns.find(c => c.name === 'p_yes')!.values as Float64Array
  assert.deepEqual(
    Array.from(yes),
    rows.map(row => Number(row.split(',')[3])),
  )
  const { predictRows } = await import('../../src/api/tables.ts')
  const [, first] = lines(readFileSync(work.path('new.csv'), 'utf8'))
  const [, age, city, when, income] = first!
    .match(/("[^"]*"|[^,]*)(,|$)/g)!
    .map(cell => cell.replace(/,$/, '').replaceAll('"', ''))
  const [one] = await predictRows(work.path('whole'), [{ age: Number(age), city, when, income: Number(income) }])
  assert.ok(
    one?.task === 'single' && Math.abs(one.probabilities.yes! - yes[0]!) < 1e-6,
    `${JSON.stringify(one)} and ${yes[0]}`,
  )
  for (const file of ['scores.sqlite', 'scores.duckdb']) {
    const database = await anneal('predict', 'whole', 'new.csv', '--out', file, '--out-table', 'may')
    assert.equal(database.code, 0, database.stderr)
    const { columns } = await readTable(work.path(file), { table: 'may' })
    assert.deepEqual(columns.find(c => c.name === 'p_yes')!.values, yes, file)
    const again = await anneal('predict', 'whole', 'new.csv', '--out', file, '--out-table', 'may')
    assert.match(again.stderr, /holds a table "may" already\. --replace replaces it/)
    assert.equal(
      (await anneal('predict', 'whole', 'new.csv', '--out', file, '--out-table', 'may', '--replace')).code,
      0,
    )
  }
  const printed = await anneal('predict', 'whole', 'new.csv', '--json')
  assert.deepEqual(
    lines(printed.stdout).map(line => (JSON.parse(line) as { probabilities: { yes: number } }).probabilities.yes),
    Array.from(yes),
  )
})

test('rows with missing values, unknown words and further columns are predicted; a missing column is named', async () => {
  writeFileSync(work.path('odd.csv'), 'extra,income,when,city,age\nx,,2030-01-01,Atlantis,\ny,50,,,30\n')
  const odd = await anneal('predict', 'whole', 'odd.csv', '--json')
  assert.equal(odd.code, 0, odd.stderr)
  for (const line of lines(odd.stdout)) {
    const { yes } = (JSON.parse(line) as { probabilities: { yes: number } }).probabilities
    assert.ok(yes >= 0 && yes <= 1, line)
  }
  writeFileSync(work.path('less.csv'), 'age,when,income\n30,2024-01-01,50\n')
  const less = await anneal('predict', 'whole', 'less.csv')
  assert.deepEqual([less.code, /no column "city"/.test(less.stderr)], [1, true], less.stderr)
})

test('evaluate gives the metrics of the rows with a target, and counts the looks at them', async () => {
  const first = await anneal('evaluate', 'whole', 'new.csv', '--json')
  assert.equal(first.code, 0, first.stderr)
  const found = JSON.parse(first.stdout) as {
    samples: number
    before: number
    seen: number
    metrics: Record<string, number>
  }
  assert.deepEqual([found.samples, found.before, found.seen], [60, 0, 0])
  assert.ok(found.metrics.rocAuc! > 0.8, `AUC ${found.metrics.rocAuc}`)
  const again = await anneal('evaluate', 'whole', 'new.csv')
  const trained = await anneal('evaluate', 'whole', 'customers.csv', '--json')
  const { seen, warnings } = JSON.parse(trained.stdout) as { seen: number; warnings: string[] }
  const scan = readRun(work.path('whole')).events.find(e => e.type === 'scan')
  const count = scan?.type === 'scan' ? scan.pictures!.train : 0
  assert.ok(count > 140 && seen === count, `${seen} of ${count} rows for training`)
  assert.match(warnings[0]!, new RegExp(`^${count} rows of 240 equal rows that the model was trained on`))
  assert.match(again.stderr, /evaluated on these rows 1 time before/)
  assert.match(again.stdout, /ROC AUC 0\.\d+ \(95 % interval /)
})

test('folds: each row validates once; the mean, its deviation and one averaged model', async () => {
  const args = [
    'train',
    'customers.csv',
    '--target',
    'price',
    '--drop',
    'bought',
    '--model',
    'trees',
    '--folds',
    '3',
    '--out',
    'folds',
    '--json',
  ]
  const { code, stdout, stderr } = await anneal(...args)
  assert.equal(code, 0, stderr)
  const result = JSON.parse(lines(stdout).at(-1)!) as RunResult
  assert.equal(result.folds?.length, 3)
  const mean = result.folds!.reduce((sum, fold) => sum + fold.metrics.rmse!, 0) / 3
  assert.ok(Math.abs(result.metrics.rmse! - mean) < 1e-12 && result.spread!.rmse!.std > 0, 'the mean over the folds')
  const card = json<TableCard>('folds', 'best.json')
  assert.deepEqual(card.members, ['fold-1-best', 'fold-2-best', 'fold-3-best'])
  const predicted = await anneal('predict', 'folds', 'new.csv', '--out', 'prices.csv')
  assert.equal(predicted.code, 0, predicted.stderr)
  assert.equal(lines(readFileSync(work.path('prices.csv'), 'utf8'))[0], 'id,predicted')
})

test('what is no run on a table is refused with what to do', async () => {
  mkdirSync(work.path('photos', 'cat'), { recursive: true })
  const cases: [string[], number, RegExp][] = [
    [
      ['train', 'customers.csv'],
      2,
      /name the column to predict: --target COLUMN\. Its columns: id, age, city, when, income, bought, price\./,
    ],
    [['train', 'customers.csv', '--target', 'prise'], 1, /no column "prise"\. Did you mean "price"\?/],
    [
      ['train', 'photos', '--target', 'x'],
      2,
      /--target is for the rows of a table, and photos is a folder\. .*npx anneal train photos/,
    ],
    [['train', '.', '--target', 'x'], 2, /Its tables: .*customers\.csv/],
    [['train', 'customers.csv', '--target', 'price', '--size', '128'], 2, /--size is for pictures/],
    [
      ['train', 'customers.csv', '--target', 'price', '--labels', 'new.csv'],
      2,
      /--target trains on the rows of a table, --labels on files/,
    ],
    [['train', 'customers.csv', '--target', 'price', '--model', 'resnet34'], 2, /expected both, realmlp/],
    [['train', 'none.csv', '--target', 'price'], 1, /none\.csv: no such file/],
    [['predict', 'whole', 'new.csv', '--out', 'scores.xlsx'], 1, /ends with \.csv or \.parquet/],
    [['predict', 'whole', 'new.csv', '--out-table', 'x'], 1, /--out-table x is for a table in a database/],
    [['predict', 'whole', 'new.csv', '--keep', 'name'], 1, /no column "name"/],
    [['evaluate', 'whole', 'odd.csv'], 1, /no column "bought", which the model predicts/],
    [['evaluate', 'whole', 'new.csv', '--split-column', 'x'], 2, /--split-column is for pictures/],
  ]
  for (const [args, code, words] of cases) {
    const ended = await anneal(...args)
    assert.deepEqual([ended.code, words.test(ended.stderr)], [code, true], `${args.join(' ')}: ${ended.stderr}`)
  }
  assert.equal(existsSync(work.path('runs')), false, 'no folder is left of a run that did not begin')
  const listed = await anneal('runs', '.')
  assert.match(listed.stdout, /whole +done +realmlp +ROC AUC 0\.\d+ +12 /)
})

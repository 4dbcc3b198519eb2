import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { parseHTML } from 'linkedom'
import { describe as lines } from '../../src/cli/describe.ts'
import { writeReport } from '../../src/report/index.ts'
import { listRuns, openRun, readResult, readRun } from '../../src/runs/index.ts'
import { metricColumns } from '../../src/runs/metric-info.ts'
import { partOf, resultOf } from '../../src/runs/result.ts'

// Runs of commit 6ab7535, shortened: their results have metrics beside `metrics`, their phases are strings (`head@48`).
const root = mkdtempSync(join(tmpdir(), 'anneal-stored-'))
after(() => rmSync(root, { recursive: true, force: true }))
cpSync(new URL('./stored', import.meta.url), root, { recursive: true })
const stored = (name: string) => JSON.parse(readFileSync(join(root, name, 'result.json'), 'utf8'))

test('the result of an older run has all its metrics in `metrics`, and nowhere else', () => {
  for (const name of ['single', 'multi', 'regression', 'folds', 'sized']) {
    const [old, now] = [stored(name), readResult(join(root, name))!]
    for (const key of ['accuracy', 'balancedAccuracy', 'mAP', 'f1', 'f2', 'r2', 'mae'])
      assert.ok(!Object.hasOwn(now, key), `${name}: ${key} stands beside metrics`)
    assert.deepEqual(now.metrics, old.metrics, name)
    assert.deepEqual([now.run, now.model, now.loss, now.epochs], [old.run, old.model, old.loss, old.epochs], name)
  }
  const { test: part } = readResult(join(root, 'multi'))!
  assert.deepEqual(part!.metrics, stored('multi').test.metrics)
  assert.equal(part!.samples, 4)
  assert.deepEqual(
    readResult(join(root, 'folds'))!.folds!.map(f => f.metrics),
    stored('folds').folds.map((f: { metrics: object }) => f.metrics),
  )
})

test('the first results had no `metrics` at all; null is NaN again', () => {
  const first = { run: 'r', model: 'm', classes: ['a', 'b'], epochs: 1, seconds: { total: 1 }, loss: 0.5 }
  const { metrics, test: part } = resultOf({ ...first, accuracy: 0.75, test: { accuracy: 0.5, loss: 1, pictures: 4 } })
  assert.deepEqual([metrics, part!.metrics, part!.samples], [{ accuracy: 0.75 }, { accuracy: 0.5 }, 4])
  assert.deepEqual(resultOf({ ...first, accuracy: 0.75, balancedAccuracy: 0.6 }).metrics, {
    accuracy: 0.75,
    balancedAccuracy: 0.6,
  })
  assert.deepEqual(resultOf({ ...first, accuracy: null, r2: null, metrics: { r2: null, mae: 2 } }).metrics, {
    r2: Number.NaN,
    mae: 2,
  })
  assert.deepEqual(partOf({ loss: null }), { loss: Number.NaN, metrics: {} })
  const now = { ...first, metrics: { mAP: 0.5, mine: 3 }, thresholds: [0.5, 0.5] }
  assert.deepEqual(resultOf(now), now, 'a result of today stays as it is')
})

test('older runs are listed with their leading metric and read with their phases', () => {
  const found = Object.fromEntries(listRuns(root).map(run => [run.name, run]))
  assert.equal(found.single!.state, 'done')
  assert.deepEqual(found.single!.metrics.accuracy, stored('single').accuracy)
  assert.deepEqual(found.multi!.metrics.mAP, stored('multi').mAP)
  assert.deepEqual(found.regression!.metrics.r2, stored('regression').r2)
  const { events } = readRun(join(root, 'sized'))
  const phases = new Set(events.flatMap(e => (e.type === 'epoch' ? [`${e.phase} ${e.size}`] : [])))
  assert.deepEqual([...phases], ['head undefined', 'whole undefined', 'head 48', 'whole 48'])
  const done = events.at(-1)!
  assert.ok(done.type === 'done' && done.result.metrics.accuracy === stored('sized').accuracy, 'the event as well')
  assert.match(lines(done).join('\n'), /^valid accuracy \d+\.\d %, loss /)
})

test('reports of older runs show every metric', async () => {
  const multi = ['Test mAP0.889', 'F20.884', 'F10.756', 'Label accuracy66.7 %']
  const shown: Record<string, string[]> = {
    single: ['Validation accuracy83.3 %'],
    multi,
    regression: ['Validation R²', 'MAE'],
    folds: ['Validation accuracy'],
    sized: ['Validation accuracy'],
  }
  for (const [name, starts] of Object.entries(shown)) {
    const dir = join(root, name)
    await writeReport(dir)
    const { document } = parseHTML(readFileSync(join(dir, 'report.html'), 'utf8'))
    const text = document.body.textContent
    const tiles = [...document.querySelectorAll('.tile')].map(t => t.textContent.replace(/\s+/g, ' ').trim())
    for (const start of starts)
      assert.ok(
        tiles.some(tile => tile.startsWith(start)),
        `${name}: ${start} is none of ${tiles.join(' | ')}`,
      )
    assert.doesNotMatch(text, /NaN|undefined|@48/, name)
    assert.equal(text.includes('head at 48 px'), name === 'sized', name)
  }
})

test('a run that goes on makes its table anew, whatever columns the old one had', () => {
  const dir = join(root, 'single')
  const rows = readFileSync(join(dir, 'metrics.csv'), 'utf8').split('\n').length
  writeFileSync(join(dir, 'metrics.csv'), 'epoch,phase\n')
  openRun(dir, 'append').close()
  const [header = '', ...rest] = readFileSync(join(dir, 'metrics.csv'), 'utf8').split('\n')
  assert.deepEqual(header.split(',').slice(4, -3), [...metricColumns])
  assert.equal(rest.length, rows - 1)
})

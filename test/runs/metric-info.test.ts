import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { describe as lines } from '../../src/cli/describe.ts'
import {
  type EpochEvent,
  leadingMetric,
  listRuns,
  metricInfo,
  metricsText,
  metricText,
  openRun,
  orderMetrics,
  taskOfMetrics,
} from '../../src/runs/index.ts'
import { metricColumns } from '../../src/runs/metric-info.ts'
import { summariseMetrics } from '../../src/runs/metrics.ts'
import { reportedMetrics, scoresOf } from '../../src/train/metrics.ts'

const root = mkdtempSync(join(tmpdir(), 'anneal-metrics-'))
after(() => rmSync(root, { recursive: true, force: true }))

test('a metric is printed as its line says: shares in percent, scores with three decimals, amounts with four digits', () => {
  const texts = {
    accuracy: 'accuracy 75.6 %',
    balancedAccuracy: 'balanced accuracy 75.6 %',
    mAP: 'mAP 0.756',
    f1: 'F1 0.756',
    f2: 'F2 0.756',
    r2: 'R² 0.756',
    mae: 'MAE 0.7564',
    rmse: 'RMSE 0.7564',
    medianAe: 'median absolute error 0.7564',
  }
  for (const [key, text] of Object.entries(texts)) assert.equal(metricText(key, 0.75637), text)
  assert.equal(metricText('mae', 1_234_567.8), 'MAE 1234568')
  assert.equal(metricText('mae', 3.2e-9), 'MAE 3.2e-9')
  assert.equal(metricText('accuracy', 0.75637, { digits: 2 }), 'accuracy 75.64 %')
  for (const none of [Number.NaN, Number.POSITIVE_INFINITY, undefined, null as never])
    assert.equal(metricText('r2', none), 'R² undefined')
  assert.equal(metricInfo('mAP').say(Number.NaN), '–')
  assert.deepEqual(
    [metricInfo('mae').better, metricInfo('rmse').better, metricInfo('r2').better],
    ['lower', 'lower', 'higher'],
  )
})

test('a metric of a user is printed under its own name', () => {
  assert.equal(metricText('dice', 0.91234), 'dice 0.9123')
  assert.equal(metricText('top5Accuracy', 0.5), 'top5Accuracy 50.0 %')
  assert.equal(metricText('cost in €', 12345.6), 'cost in € 12346')
  for (const key of ['toString', '__proto__', 'constructor', 'hasOwnProperty']) {
    const { title, name, better } = metricInfo(key)
    assert.deepEqual([title, name, better, metricText(key, 0.25)], [key, key, undefined, `${key} 0.25`])
  }
})

test('multi-label accuracy is named as what it is; the leading metric of a task comes first', () => {
  assert.equal(
    metricsText({ mAP: 0.5, f1: 0.25, f2: 0.75, accuracy: 0.96 }),
    'mAP 0.500, F2 0.750, F1 0.250, label accuracy 96.0 %',
  )
  assert.equal(metricsText({ balancedAccuracy: 0.5, accuracy: 0.96 }), 'accuracy 96.0 %, balanced accuracy 50.0 %')
  assert.equal(metricsText({ rmse: 4, mae: 3, r2: Number.NaN }), 'R² undefined, MAE 3, RMSE 4')
  assert.deepEqual(orderMetrics(['mine', 'accuracy', 'other', 'mAP', 'mine'], 'multi'), [
    'mAP',
    'accuracy',
    'mine',
    'other',
  ])
  assert.deepEqual(
    (['single', 'multi', 'regression'] as const).map(task => leadingMetric(task).key),
    ['accuracy', 'mAP', 'r2'],
  )
  assert.deepEqual(
    [{ accuracy: 1 }, { accuracy: 1, mAP: 1 }, { r2: Number.NaN, mae: 1 }, { mine: 1 }, {}].map(taskOfMetrics),
    ['single', 'multi', 'regression', undefined, undefined],
  )
})

test('every metric that a run reports has its line and its column, and its leading metric among them', () => {
  for (const [task, metrics] of Object.entries(reportedMetrics)) {
    const keys = Object.keys(metrics)
    assert.ok(keys.includes(leadingMetric(task as 'single').key), `${task}: ${keys}`)
    for (const key of keys) {
      assert.ok(metricColumns.includes(key), `${key} has no column`)
      assert.ok(metricInfo(key).better !== undefined, `${key} has no line in metric-info.ts`)
    }
  }
  const judged = { outputs: [0.9, 0.1, 0.2, 0.8, 0.6, 0.4], targets: [0, 1, 1], classes: 2 }
  assert.deepEqual(scoresOf('single', judged), { accuracy: 2 / 3, balancedAccuracy: 0.75 })
  assert.deepEqual(scoresOf('single', judged, { without: ['balancedAccuracy'] }), { accuracy: 2 / 3 })
})

test("a user's metric goes the whole way: metrics.csv, the list, the log", () => {
  const run = openRun(join(root, 'mine'), 'create')
  run.writeConfig({ format: 1, model: 'm', classes: ['a', 'b'] } as never)
  const epoch = (n: number, metrics: Record<string, number>): EpochEvent => ({
    type: 'epoch',
    phase: 'head',
    epoch: n,
    step: n,
    trainLoss: 1,
    validLoss: 1,
    metrics,
    seconds: 1,
    lrs: [1e-3],
    best: n === 3,
  })
  run.append(epoch(1, { accuracy: 0.5 }))
  run.append(epoch(2, { accuracy: 0.5, dice: 0.25 }))
  run.append(epoch(3, { accuracy: 0.75, dice: 0.5, 'cost, in €': 12 }))
  const csv = readFileSync(run.paths.metrics, 'utf8').trimEnd().split('\n')
  assert.match(csv[0]!, /,rmse,dice,"cost, in €",lr,seconds,best$/)
  assert.match(csv[1]!, /^1,head,1,1,.*,0\.5,.*,,,0\.001,1,0$/)
  assert.match(csv[3]!, /^3,head,1,1,.*,0\.75,.*,0\.5,12,0\.001,1,1$/)
  assert.deepEqual(summariseMetrics(`${csv.join('\n')}\n`), {
    epochs: 3,
    metrics: { accuracy: 0.75, dice: 0.5, 'cost, in €': 12 },
  })
  const metrics = { accuracy: 0.75, dice: 0.5 }
  const result = { run: run.dir, model: 'm', classes: ['a', 'b'], metrics, loss: 1, epochs: 3, seconds: { total: 1 } }
  run.finish(result)
  run.close()
  assert.deepEqual(listRuns(root)[0]!.metrics.dice, 0.5)
  assert.match(lines({ type: 'done', t: 1, result }).join('\n'), /^valid accuracy 75\.0 %, dice 0\.5, loss 1\.0000/)
})

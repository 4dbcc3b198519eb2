import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { describe as lines } from '../../src/cli/describe.ts'
import { asGood, isBetter } from '../../src/recipes/steps/best-weights.ts'
import { metricsRow } from '../../src/runs/metrics.ts'
import { fromArray, type Tensor } from '../../src/torch/index.ts'
import { evaluate } from '../../src/train/evaluate.ts'
import {
  averagePrecision,
  bootstrap,
  classificationReport,
  classReport,
  classReportMulti,
  explainedVariance,
  mae,
  pearson,
  r2,
  rmse,
  rocAuc,
} from '../../src/train/metrics.ts'
import { labelScores, objective, said } from '../../src/train/objective.ts'
import { judgeLikeness } from '../../src/vision/imagenet-distance.ts'

type Numbers = (number | null)[]
interface Golden {
  targets: ({ name: string; columns: number; targets: number[]; predictions: number[] } & Record<
    'r2' | 'mae' | 'rmse' | 'explainedVariance',
    Numbers
  >)[]
  single: Report[]
  multi: Report[]
}
interface Report {
  name: string
  classes: number
  actual: number[]
  predicted: number[]
  each: Numbers[]
  means: Record<string, Numbers>
}
const golden = JSON.parse(readFileSync(new URL('../golden/undefined.json', import.meta.url), 'utf8')) as Golden

/** Fails if a number differs from the expected one, or if there is a number where none is expected. */
function same(found: number, expected: number | null, what: string, within = 1e-9): void {
  if (expected === null) assert.ok(Number.isNaN(found), `${what}: ${found}, expected none`)
  else
    assert.ok(
      Math.abs(found - expected) <= within * Math.max(1e-300, Math.abs(expected)),
      `${what}: ${found}, expected ${expected}`,
    )
}

describe("numbers of any size are scored as by scikit-learn's float64", () => {
  for (const c of golden.targets)
    test(c.name, () => {
      const [told, actual] = [Float64Array.from(c.predictions), Float64Array.from(c.targets)]
      // scikit-learn rounds the mean of values near 1.7e15 to quarters; here the first value is subtracted before.
      const within = c.name === 'epoch microseconds' ? 1e-4 : 1e-6
      for (const [name, metric] of Object.entries({ r2, mae, rmse, explainedVariance }))
        for (const [t, expected] of c[name as 'r2'].entries())
          same(metric(told, actual, c.columns).targets[t]!, expected, `${name} of target ${t}`, within)
      const defined = c.r2.filter(v => v !== null)
      const mean = defined.length === 0 ? null : defined.reduce((a, b) => a + b, 0) / defined.length
      same(objective('regression', c.r2.map(String)).score(told, actual).r2!, mean, 'R²', within)
    })

  test('units beyond the squares of float64, in which scikit-learn overflows', () => {
    const [told, actual] = [
      [1, 2, 3, 5],
      [1, 3, 2, 4],
    ]
    const [plain, off] = [r2(told!, actual!).mean, rmse(told!, actual!).mean]
    for (const unit of [1e200, 1e-200]) {
      const of = (values: number[]) => values.map(v => v * unit)
      same(r2(of(told!), of(actual!)).mean, plain, `R² × ${unit}`)
      same(rmse(of(told!), of(actual!)).mean / unit, off, `RMSE × ${unit}`)
      same(pearson(of(told!), of(actual!)).mean, pearson(told!, actual!).mean, `correlation × ${unit}`)
    }
  })
})

describe('shares of nothing are undefined, and left out of the means', () => {
  const keys = ['precision', 'recall', 'f1'] as const
  const compare = (c: Report, found: ReturnType<typeof classReport>) => {
    for (const [i, row] of c.each.entries())
      for (const [k, expected] of row.entries()) same(found.classes[i]![keys[k]!], expected, `${keys[k]} of ${i}`)
    for (const average of ['macro', 'weighted', 'micro', 'samples'] as const)
      for (const [k, expected] of (c.means[average] ?? []).entries())
        if (average in found) same(found[average as 'macro'][keys[k]!], expected, `${average} ${keys[k]}`)
  }
  const zeroDivision = Number.NaN
  for (const c of golden.single)
    test(`one class: ${c.name}`, () => compare(c, classReport(c.predicted, c.actual, c.classes, { zeroDivision })))
  for (const c of golden.multi)
    test(`several labels: ${c.name}`, () => {
      const given = Float32Array.from(c.predicted)
      compare(c, classReportMulti(given, c.actual, c.classes, { zeroDivision }))
      const { f1 } = labelScores(given, c.actual, c.classes)
      same(f1, c.means.macro![2]!, 'F1 as the log has it')
    })

  test('the table has a dash for them, and says what it means', () => {
    const text = classificationReport([0, 0, 0], [0, 0, 1], ['a', 'b', 'c'], { zeroDivision })
    assert.match(text, /\n +b +- +0\.00 +0\.00 +1\n +c +- +- +- +0\n/)
    assert.match(text, /\n-: undefined, and left out of the averages/)
    assert.doesNotMatch(classificationReport([0, 1], [0, 1], ['a', 'b'], { zeroDivision }), /-:|NaN/)
  })

  test('labels that nobody has, or everybody: no average precision, no area', () => {
    const [none, all] = [
      [0, 0, 0, 0],
      [1, 1, 1, 1],
    ]
    const p = [0.1, 0.5, 0.2, 0.9]
    assert.ok(Number.isNaN(averagePrecision(p, none!, 1).mean), 'AP without positives')
    for (const y of [none!, all!]) assert.ok(Number.isNaN(rocAuc(p, y, 1).mean), 'area of one class alone')
    const { low, high, value } = bootstrap(() => Number.NaN, 4)
    assert.deepEqual([low, high, value], [Number.NaN, Number.NaN, Number.NaN], 'no interval of no number')
    assert.ok(Number.isNaN(pearson([1, 2, 3], [5, 5, 5]).mean), 'correlation with a constant')
  })
})

describe('a metric that is undefined', () => {
  const evaluated = (targets: number[]) => {
    const numbers = objective('regression', ['age'], { scale: { mean: [10], std: [2] } })
    const net = Object.assign((x: Tensor) => x, { eval() {} }) as never
    const source = {
      count: targets.length,
      batch: (samples: Uint32Array) => ({
        x: fromArray(
          Float32Array.from(samples, i => i),
          [samples.length, 1],
        ),
        y: fromArray(
          Float64Array.from(samples, i => targets[i]!),
          [samples.length, 1],
        ),
      }),
    }
    return evaluate(net, source, { objective: numbers, batchSize: 2 })
  }

  for (const [what, targets] of [
    ['one picture', [12]],
    ['two pictures with one number', [12, 12]],
    ['many with one large number', Array.from({ length: 7 }, () => 1_700_000_000.25)],
  ] as const)
    test(`is no loss with its sign turned: ${what}`, async () => {
      const { score, metrics, loss } = await evaluated([...targets])
      assert.ok(Number.isNaN(score) && Number.isNaN(metrics.r2), `score ${score}, R² ${metrics.r2}`)
      assert.ok(loss >= 0, `loss ${loss}`)
    })

  test('is undefined in a log line, empty in metrics.csv, null in JSON', () => {
    const metrics = { r2: Number.NaN, mae: 3.2e-9, rmse: 5e9 }
    assert.equal(said('r2', metrics.r2), 'R² undefined')
    assert.equal(said('mAP', Number.NaN), 'mAP undefined')
    assert.equal(said('balancedAccuracy', Number.NaN), 'balanced accuracy undefined')
    assert.equal(said('mae', metrics.mae), 'MAE 3.2e-9')
    const epoch = { epoch: 1, step: 4, trainLoss: 1, validLoss: 2, metrics, seconds: 1, lrs: [1], best: true } as const
    const row = metricsRow({ type: 'epoch', phase: 'head', ...epoch, lrs: [1] })
    assert.equal(row, '1,head,1,2,,,,,,,3.2e-9,5000000000,1,1,1\n')
    assert.equal(JSON.parse(JSON.stringify(metrics)).r2, null)
    const result = {
      run: 'r',
      model: 'm',
      classes: ['age'],
      loss: 1,
      metrics,
      epochs: 1,
      seconds: {},
    }
    const text = lines({ type: 'done', t: 1, result }).join('\n')
    assert.match(text, /valid R² undefined, MAE 3\.2e-9, RMSE 5000000000, loss 1\.0000/)
    assert.doesNotMatch(text, /NaN|null/)
  })

  test('leaves the choice of weights to the loss, also after a resume, which reads null', () => {
    const of = (score: number | null, loss: number) => ({ score: score as number, loss, metrics: {} })
    for (const none of [Number.NaN, null]) {
      assert.ok(isBetter(of(none, 1), of(none, 2)) && !isBetter(of(none, 2), of(none, 1)), `${none}: by loss`)
      assert.ok(
        isBetter(of(none, 1), of(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY)),
        `${none}: better than none`,
      )
      assert.ok(asGood(of(none, 1), of(none, 1)) && !asGood(of(none, 2), of(none, 1)), `${none}: as good`)
    }
    assert.ok(isBetter(of(0.5, 9), of(0.4, 1)) && isBetter(of(0.5, 1), of(0.5, 2)), 'by score, then by loss')
  })

  test('says nothing of how well features separate the pictures', () => {
    for (const [score, chance] of [
      [Number.NaN, 0],
      [1, 1],
      [Number.NEGATIVE_INFINITY, 0],
    ] as const) {
      const { reason, separation, factor } = judgeLikeness(0.1, { score }, chance)
      assert.deepEqual([separation, factor], [undefined, 3])
      assert.match(reason, /do not show/)
      assert.doesNotMatch(reason, /NaN|Infinity/)
    }
    assert.equal(judgeLikeness(0.1, { score: 0.75 }, 0.5).separation, 0.5)
  })
})

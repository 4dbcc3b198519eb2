import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { evaluateFolder } from '../../src/api/evaluate.ts'
import { resumeRun } from '../../src/api/train.ts'
import { writeReport } from '../../src/report/index.ts'
import { loadClassifier } from '../../src/vision/inference/classifier.ts'
import { readWeights } from '../../src/weights/index.ts'
import { allMarks, marked, runsFolder, type Trained } from '../helpers/recipe.ts'

const work = runsFolder()
after(() => work.remove())
const settings = { quality: 'best' as const, headCycles: 1, epochs: 1 }
const nets = [1, 2, 3, 4, 5]
let best: Trained
before(async () => {
  for (let n = 0; n < 45; n++) {
    const [own, shown] = [allMarks[n % 3]!, allMarks[(n + (n % 7 === 0 ? 1 : 0)) % 3]!]
    work.put({ [`marks/${own}/${n}.png`]: await marked(n, [shown]) })
  }
  best = await work.train('marks', 'best', settings)
})
const chosen = (run: Trained, what: string) =>
  run.events.flatMap(e => (e.type === 'choice' && e.what === what ? [`${e.value}: ${e.reason}`] : []))

describe('quality best', () => {
  test('says that it trains five nets of quality good, each with another seed and on the same split', () => {
    assert.match(
      chosen(best, 'quality')[0]!,
      /^best: 5 nets of quality good with other seeds, averaged; 5 times as long/,
    )
    assert.equal(best.result.folds!.length, 5)
    const digests = nets.map(k => work.digest(`best/net-${k}`, 'best.safetensors'))
    assert.equal(new Set(digests).size, 5, 'the nets differ')
    const seen = nets.map(k => JSON.stringify(work.json(`best/net-${k}`, 'pictures.json')))
    assert.equal(new Set(seen).size, 1, 'all have the same training and validation pictures')
    assert.equal(work.json('best/net-2', 'config.json').settings.quality, 'good')
  })

  test('the first net is that of quality good', async () => {
    await work.train('marks', 'good', { ...settings, quality: 'good' })
    assert.equal(work.digest('good', 'best.safetensors'), work.digest('best/net-1', 'best.safetensors'))
  })

  test('its classifier is one net with the mean of their weights, or the mean of their outputs', async () => {
    const [choice] = chosen(best, 'average')
    const files = [3, 4, 5].map(n => work.path('marks', allMarks[n % 3]!, `${n}.png`))
    const predictions = await Promise.all(files.map(file => loadClassifier(best.dir, { task: 'single' }).predict(file)))
    assert.ok(
      predictions.every(({ label }) => label !== undefined),
      `predictions ${JSON.stringify(predictions)}`,
    )
    const valid = await evaluateFolder(best.dir, work.path('marks'))
    assert.deepEqual(valid.seen, { train: 36, valid: 9 })
    if (choice!.startsWith('of the outputs')) {
      assert.equal(best.card.members!.length, 5)
      return
    }
    assert.match(choice!, /^of the weights: the weights of 5 nets averaged into one/)
    assert.equal(best.card.members, undefined)
    const numbers = (dir: string, name: string) => {
      const { buffer } = Uint8Array.from(readWeights(work.path(dir, 'best.safetensors')).get(name)!.data)
      return new Float32Array(buffer)
    }
    const name = [...readWeights(work.path('best', 'best.safetensors')).keys()].find(n =>
      /^body.*conv.*weight$/.test(n),
    )!
    const each = nets.map(k => numbers(`best/net-${k}`, name))
    const mean = each[0]!.map((_, i) => each.reduce((sum, w) => sum + w[i]!, 0) / 5)
    const got = numbers('best', name)
    const far = Math.max(...got.map((v, i) => Math.abs(v - mean[i]!)))
    assert.ok(far < 1e-5, `${name} is up to ${far} from the mean of the five`)
    assert.ok(existsSync(work.path('best', 'interpret.json')), 'the run is interpreted like any other')
    await writeReport(best.dir)
    const report = readFileSync(work.path('best', 'report.html'), 'utf8')
    assert.match(report, /net-5/)
    assert.doesNotMatch(report, /NaN|standard deviation/)
  })

  test('goes on where it was stopped: a net that is done is not trained again', async () => {
    const before = work.digest('best', 'best.json')
    rmSync(work.path('best', 'result.json'))
    rmSync(work.path('best', 'net-5'), { recursive: true })
    const { folds } = await resumeRun(best.dir)
    assert.equal(folds!.length, 5)
    assert.equal(work.digest('best', 'best.json'), before, 'the same classifier')
  })

  test('one fold of several is one net', async () => {
    const run = await work.train('marks', 'one', { ...settings, folds: 5, fold: 1 })
    assert.equal(run.result.folds, undefined)
  })
})

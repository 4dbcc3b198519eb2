import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { evaluateFolder } from '../../src/api/evaluate.ts'
import { loadClassifier } from '../../src/vision/inference/classifier.ts'
import { allMarks, marked, runsFolder } from '../helpers/recipe.ts'

const work = runsFolder()
after(() => work.remove())
before(async () => {
  for (let n = 0; n < 45; n++) {
    const [own, shown] = [allMarks[n % 3]!, allMarks[(n + (n % 7 === 0 ? 1 : 0)) % 3]!]
    const picture = await marked(n, [shown])
    work.put({ [`marks/${own}/${n}.png`]: picture, [`parted/${n < 30 ? 'train' : 'valid'}/${own}/${n}.png`]: picture })
  }
})

const settings = { quality: 'best' as const, headCycles: 1, epochs: 1 }
const qualities = (run: Awaited<ReturnType<typeof work.train>>) =>
  run.events.flatMap(e => (e.type === 'choice' && e.what === 'quality' ? [`${e.value}: ${e.reason}`] : []))

describe('quality best', () => {
  test('trains five folds, and its classifier is their mean', async () => {
    const run = await work.train('marks', 'folds', settings)
    const { members } = run.card
    assert.deepEqual(members, ['fold-1-best', 'fold-2-best', 'fold-3-best', 'fold-4-best', 'fold-5-best'])
    assert.equal(run.result.folds!.length, 5)
    assert.match(qualities(run)[0]!, /^best: 5 nets of quality good.*each validates on another part of the samples/)
    const { label, probabilities } = await loadClassifier(run.dir, { task: 'single' }).predict(
      work.path('marks', 'red', '3.png'),
    )
    assert.ok(label !== undefined && Object.keys(probabilities).length === 3, `label ${label}`)
    assert.equal(
      work.json('folds/fold-2', 'config.json').settings.quality,
      'good',
      'a fold is a run of the usual quality',
    )
  })

  test('keeps the given validation samples, and gives each net another seed', async () => {
    const run = await work.train('parted', 'nets', settings)
    assert.deepEqual(run.card.members, ['net-1-best', 'net-2-best', 'net-3-best', 'net-4-best', 'net-5-best'])
    assert.match(qualities(run)[0]!, /the validation samples are given, so each net has another seed/)
    const digests = [1, 2, 3, 4, 5].map(k => work.digest(`nets/net-${k}`, 'best.safetensors'))
    assert.equal(new Set(digests).size, 5, 'the nets differ')
    const seeds = [1, 2, 3, 4, 5].map(k => work.json(`nets/net-${k}`, 'config.json').seed)
    assert.equal(new Set(seeds).size, 5, `seeds ${seeds}`)
    const scans = [1, 5].map(k => work.json(`nets/net-${k}`, 'result.json').classes)
    assert.deepEqual(scans[0], scans[1])
    const { seen, samples } = await evaluateFolder(run.dir, work.path('parted', 'valid'))
    assert.deepEqual({ seen, samples }, { seen: { train: 0, valid: 15 }, samples: 15 })
  })

  test('a fold alone is one net', async () => {
    const run = await work.train('marks', 'one', { ...settings, folds: 5, fold: 1 })
    assert.equal(run.card.members, undefined)
  })
})

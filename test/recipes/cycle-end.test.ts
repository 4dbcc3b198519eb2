import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { rng } from '../../src/base/random.ts'
import { calibratedLosses } from '../../src/recipes/steps/calibrated-losses.ts'
import { crossValidatedL2 } from '../../src/recipes/steps/choose-l2.ts'
import { choose, isLower, pays } from '../../src/recipes/steps/cycle-end.ts'
import { firstCycle } from '../../src/recipes/steps/cycles.ts'
import { penalties } from '../../src/recipes/steps/fit-linear-head.ts'
import { objective } from '../../src/train/objective.ts'
import { meanOf, pairedDifference } from '../../src/train/paired-losses.ts'
import { usualBatch, usualEpochs } from '../../src/train/usual-plan.ts'
import { allMarks, marked, runsFolder, type Trained } from '../helpers/recipe.ts'

describe('two nets on the same samples', () => {
  test('the mean difference and its standard error, as scipy.stats.ttest_rel has them', () => {
    // ttest_rel([1, 2, 4, 7], [2, 2, 3, 3]): t = 0.9258 = mean / error.
    const { mean, error } = pairedDifference(Float64Array.of(1, 2, 4, 7), Float64Array.of(2, 2, 3, 3))
    assert.equal(mean, 1)
    assert.ok(Math.abs(mean / error - 0.9258200997725514) < 1e-12, `t ${mean / error}`)
  })

  test('a difference within the error says nothing', () => {
    assert.equal(isLower({ mean: -0.1, error: 0.2 }), false)
    assert.equal(isLower({ mean: -0.3, error: 0.2 }), true)
  })

  test('the whole net is kept, or a point that is clearly better; where it looks worse, the lowest loss decides', () => {
    // Four points of eight samples; `by` raises or lowers every second loss, so that the error is as large as asked.
    const point = (share: number, loss: number, { score = 0.8, spread = 0 } = {}) => {
      const losses = Float64Array.from({ length: 8 }, (_, i) => loss + (i % 2 ? spread : -spread))
      return { point: { share, score, loss, metrics: {}, calibrated: meanOf(losses) }, losses }
    }
    const share = (...points: ReturnType<typeof point>[]) => choose(points).point.share
    assert.equal(share(point(0, 0.7), point(0.5, 0.55, { spread: 0.5 }), point(1, 0.6)), 1, 'a lucky point between')
    assert.equal(share(point(0, 0.7), point(0.5, 0.4), point(1, 0.6)), 0.5, 'a point that is clearly better')
    assert.equal(share(point(0, 0.6), point(0.5, 0.65), point(1, 0.7)), 0, 'clearly worse: the frozen phase')
    assert.equal(share(point(0, 0.6), point(0.5, 0.5), point(1, 0.7)), 0.5, 'clearly worse: the lowest loss')
    assert.equal(share(point(0, 0.6), point(1, 0.61, { spread: 0.5 })), 1, 'worse within the error, metric equal')
    assert.equal(share(point(0, 0.6), point(1, 0.61, { spread: 0.5, score: 0.7 })), 0, 'worse in loss and metric')
    assert.equal(share(point(0, 0.6), point(0.5, 0.65), point(1, Number.NaN)), 0, 'a loss that is not a number')
    assert.equal(pays({ chosen: point(0.5, 1).point }), true)
    assert.equal(pays({ chosen: point(0, 1).point }), false)
  })

  test('among many samples confidence hardly counts: the same order of classes has the same calibrated loss', () => {
    const single = objective('single', ['a', 'b'])
    const times = 200
    const logits = Float32Array.from({ length: 10 * times }, (_, i) => [2, 0, 0, 1, 1, 0, 0, 3, 0, 1][i % 10]!)
    const targets = Int32Array.from({ length: 5 * times }, (_, i) => [0, 1, 0, 1, 0][i % 5]!)
    const at = (scale: number) => {
      const scaled = { logits: logits.map(v => v * scale), losses: new Float32Array(targets.length), targets }
      return meanOf(calibratedLosses(single, scaled))
    }
    for (const scale of [0.5, 3]) assert.ok(Math.abs(at(scale) - at(1)) < 2e-3, `${scale}: ${at(scale)}, ${at(1)}`)
    assert.ok(at(1) < Math.log(2), `${at(1)} is better than chance`)
  })

  test('a few right answers do not make a net sure: their loss stays near that of its own confidence', () => {
    const single = objective('single', ['a', 'b'])
    const three = {
      logits: Float32Array.of(1, 0, 0, 1, 0, 1),
      losses: new Float32Array(3),
      targets: Int32Array.of(0, 1, 1),
    }
    const [calibrated, own] = [meanOf(calibratedLosses(single, three)), Math.log(1 + Math.exp(-1))]
    assert.ok(calibrated > 0.6 * own && calibrated < 1.2 * own, `${calibrated}, by its own confidence ${own}`)
  })

  test('several labels: the mean over labels; numbers: the losses themselves', () => {
    const multi = objective('multi', ['a', 'b'])
    const both = {
      logits: Float32Array.of(1, -1, -1, 1),
      losses: new Float32Array(2),
      targets: Float32Array.of(1, 0, 1, 1),
    }
    assert.equal(calibratedLosses(multi, both).length, 2)
    const scale = { mean: [0], std: [1] }
    const losses = Float32Array.of(0.25, 4)
    const numbers = { logits: Float32Array.of(1, 2), losses, targets: Float64Array.of(1, 2) }
    assert.deepEqual([...calibratedLosses(objective('regression', ['n'], { scale }), numbers)], [0.25, 4])
  })
})

describe('the plan of the whole net', () => {
  test('epochs and batches by the number of samples', () => {
    assert.deepEqual([10, 200, 300, 500, 1000, 5000, 1e6].map(usualEpochs), [32, 32, 23, 14, 7, 4, 4])
    assert.deepEqual(
      [100, 1999, 2000].map(n => usualBatch(n)),
      [16, 16, 32],
    )
    assert.equal(usualBatch(100, { pretrained: false }), 32)
  })
  test('one cycle with all epochs, unless cycles are asked for', () => {
    assert.equal(firstCycle({}, 500), 14)
    assert.equal(firstCycle({ epochs: 3 }, 500), 3)
    assert.equal(firstCycle({ epochs: 3, cycleLen: 1 }, 500), 1)
    assert.equal(firstCycle({ pretrained: false }, 500), 2)
  })
})

describe('L2 by cross-validation', () => {
  const [classes, width, count, views] = [3, 20, 60, 1]
  const data = (noise: number) => {
    const random = rng(3, Math.round(10 * noise), 0)
    const targets = Int32Array.from({ length: count }, (_, i) => i % classes)
    const train = Float32Array.from({ length: (views + 1) * count * width }, (_, i) => {
      const sample = Math.floor(i / width) % count
      return (i % width === sample % classes ? 1 : 0) + noise * random.normal()
    })
    return { features: { train, valid: new Float32Array(), views }, answers: { targets, count } }
  }
  const l2Of = (noise: number) => {
    const { features, answers } = data(noise)
    const how = { l2s: penalties, weights: undefined, seed: 1, signal: undefined }
    return crossValidatedL2(objective('single', ['a', 'b', 'c']), features, answers, how)
  }
  test('noise asks for more of it', async () => {
    const [clear, noisy] = [(await l2Of(0.1))!, (await l2Of(3))!]
    assert.ok(noisy.l2 > clear.l2, `${noisy.l2} of noisy features, ${clear.l2} of clear ones`)
    assert.equal(clear.losses.length, penalties.length)
    assert.deepEqual([clear.folds, clear.views], [5, 2])
  })
  test('views of a sample stay in one fold: copies do not hide that a head learnt by heart', async () => {
    // Features without any relation to the class, the same in both views: only folds of whole samples see chance.
    const { features, answers } = data(0)
    const random = rng(4, 0, 0)
    const half = Float32Array.from({ length: count * width }, () => random.normal())
    features.train.set(half)
    features.train.set(half, half.length)
    const how = { l2s: [1e-6], weights: undefined, seed: 1, signal: undefined }
    const { losses } = (await crossValidatedL2(objective('single', ['a', 'b', 'c']), features, answers, how))!
    assert.ok(losses[0]! > Math.log(3), `loss ${losses[0]}: chance is ${Math.log(3)}`)
  })
  test('samples of a group stay in one fold: what tells one speaker from another does not count as knowledge', async () => {
    // Each group has its own random features and only one class, so features tell the class of known groups alone.
    const { features, answers } = data(0)
    const groups = Array.from({ length: count }, (_, i) => `speaker ${i % 12}`)
    const random = rng(5, 0, 0)
    const own = Float32Array.from({ length: 12 * width }, () => random.normal())
    for (let i = 0; i < 2 * count; i++)
      features.train.set(own.subarray((i % 12) * width, ((i % 12) + 1) * width), i * width)
    const how = { l2s: [1e-3], weights: undefined, seed: 1, signal: undefined }
    const loss = async (more: { groups?: string[] }) =>
      (await crossValidatedL2(objective('single', ['a', 'b', 'c']), features, answers, { ...how, ...more }))!.losses[0]!
    const [apart, mixed] = [await loss({ groups }), await loss({})]
    assert.ok(mixed < 0.1, `speakers on both sides: loss ${mixed}`)
    assert.ok(apart > 1, `speakers on one side: loss ${apart}; chance is ${Math.log(3)}`)
    const three = Array.from({ length: count }, (_, i) => `speaker ${i % 3}`)
    assert.equal(await loss({ groups: three }), mixed, 'fewer groups than folds: each sample alone')
  })
  test('too few samples, or too many numbers: the validation samples choose', async () => {
    const how = { l2s: penalties, weights: undefined, seed: 1, signal: undefined }
    const few = { targets: Int32Array.of(0, 1, 2), count: 3 }
    const features = { train: new Float32Array(3 * width), valid: new Float32Array(), views: 0 }
    assert.equal(await crossValidatedL2(objective('single', ['a', 'b', 'c']), features, few, how), undefined)
    const names = Array.from({ length: 1e6 }, (_, i) => `${i}`)
    const { features: some, answers } = data(1)
    assert.equal(await crossValidatedL2(objective('single', names), some, answers, how), undefined)
  })
})

describe('a run', () => {
  const work = runsFolder()
  let run: Trained
  before(async () => {
    for (let n = 0; n < 48; n++)
      work.put({ [`marks/${allMarks[n % 3]}/${n}.png`]: await marked(n, [allMarks[n % 3]!]) })
    run = await work.train('marks', 'run', { epochs: 2, headCycles: 1 })
  })
  after(() => work.remove())
  const choice = (what: string) => run.events.flatMap(e => (e.type === 'choice' && e.what === what ? [e] : []))[0]!

  test('says what it does at the end of a cycle, and draws it', () => {
    assert.match(choice('interpolation').reason, /0 %: \d\.\d+, 25 %: .*, 100 %: \d/)
    assert.match(
      choice('whole net').reason,
      /validation loss is [−+]\d\.\d+ ± \d\.\d+ against the frozen phase, over the same/,
    )
    assert.match(choice('head').reason, /L2 by 5-fold cross-validation over the training pictures \(loss .* at 3, /)
    const path = run.interpretation.weightPath!
    assert.deepEqual(
      path.map(p => p.share),
      [0, 0.25, 0.5, 0.75, 1],
    )
    assert.equal(path.filter(p => p.kept).length, 1)
  })
  test('says what was chosen on the validation samples', async () => {
    assert.deepEqual(run.result.choseOnValid, ['weights', 'temperature'])
    const head = await work.train('marks', 'head', { epochs: 0, pretrained: false })
    assert.deepEqual(head.result.choseOnValid, ['temperature'], 'the L2 of the head is cross-validated')
  })
  test('quality quick trains the head alone, with the options that are given', async () => {
    const quick = await work.train('marks', 'quick', { quality: 'quick', views: 2 })
    assert.ok(!quick.events.some(e => e.type === 'epoch' && e.phase === 'whole'), 'no epoch of the whole net')
    const views = quick.events.flatMap(e => (e.type === 'choice' && e.what === 'views' ? [e.value] : []))
    assert.deepEqual(views, ['2'])
  })
})

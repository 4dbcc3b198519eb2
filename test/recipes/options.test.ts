import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import type { TrainOptions } from '../../src/api/index.ts'
import { rng } from '../../src/base/random.ts'
import { model } from '../../src/models/index.ts'
import type { EpochEvent, RunEvent } from '../../src/runs/index.ts'
import { manualSeed } from '../../src/torch/index.ts'
import { applyTemperature, toLogits } from '../../src/train/metrics.ts'
import { network } from '../../src/train/network.ts'
import { type ModelCard, storedTensors } from '../../src/train/saved-model.ts'
import { recomputeBatchNorm } from '../../src/train/swa.ts'
import { distanceFromImageNet, judgeLikeness } from '../../src/vision/imagenet-distance.ts'
import { loadClassifier } from '../../src/vision/inference/classifier.ts'
import { pictureSource } from '../../src/vision/picture-source.ts'
import { readWeights, writeSafetensors } from '../../src/weights/index.ts'
import { allMarks, disc, type Mark, marked, runsFolder, type Trained } from '../helpers/recipe.ts'

const work = runsFolder()
after(() => work.remove())

const settings: TrainOptions = { headCycles: 1, cycleLen: 1, epochs: 2, bnFreeze: true }
const runs = new Map<string, Trained>()
/** Trains once, into a folder with the name of the test. */
async function train(name: string, options: TrainOptions = {}, data = 'marks'): Promise<Trained> {
  const run = runs.get(name) ?? (await work.train(data, name, { ...settings, ...options }))
  runs.set(name, run)
  return run
}
const epochs = ({ events }: Trained, phase: string) =>
  events.filter((e): e is EpochEvent & { t: number } => e.type === 'epoch' && e.phase === phase)
const choice = ({ events }: Pick<Trained, 'events'>, what: string) =>
  events.flatMap(e => (e.type === 'choice' && e.what === what ? [`${e.value} (${e.reason})`] : []))
const near = (found: number, expected: number, what = '', within = 1e-6) =>
  assert.ok(Math.abs(found - expected) <= within, `${what}: ${found}, expected ${expected}`)
const isBatch = (e: RunEvent): e is Extract<RunEvent, { type: 'batch' }> => e.type === 'batch'
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length

before(async () => {
  for (let n = 0; n < 42; n++) {
    // Every seventh picture has the mark of another class, so the loss does not reach 0.
    const [own, shown] = [allMarks[n % 3]!, allMarks[(n + (n % 7 === 0 ? 1 : 0)) % 3]!]
    work.put({ [`marks/${own}/${n}.png`]: await marked(n, [shown]) })
  }
  // 48 training pictures of one class and 4 of the other; the mark of the rare one is often missing.
  for (let n = 0; n < 65; n++) {
    const [name, marks]: [string, Mark[]] = n < 60 ? ['many', n % 6 ? ['green'] : []] : ['rare', n % 2 ? ['red'] : []]
    work.put({ [`uneven/${name}/${n}.png`]: await marked(200 + n, marks) })
  }
})

describe('a run that stops before its budget is used', () => {
  test('counts every epoch that it trained', async () => {
    const run = await train('stopped', { lr: 0.02, cycleLen: 2, epochs: 200 })
    const told = run.events.flatMap(e => (e.type === 'epoch' ? [e.epoch] : []))
    assert.match(choice(run, 'stop')[0]!, /the validation loss did not improve/)
    assert.ok(told.length < 200, `${told.length} epochs`)
    assert.equal(run.result.epochs, told.length)
  })
})

describe('mixed pictures and other losses', () => {
  const heads = ({ events }: Trained) => events.flatMap(e => (e.type === 'batch' && e.phase === 'head' ? [e.loss] : []))

  for (const options of [{ mixup: 0.4 }, { cutmix: 1 }, { mixup: 0.4, cutmix: 1 }] as const)
    test(`${Object.keys(options).join(' and ')}: the whole net learns from mixtures, the head as ever`, async () => {
      const [plain, mixed] = [await train('plain'), await train(Object.keys(options).join('-'), options)]
      assert.deepEqual(heads(mixed), heads(plain))
      assert.notEqual(
        work.digest(mixed.dir.split('/').at(-1)!, 'last.safetensors'),
        work.digest('plain', 'last.safetensors'),
      )
      // A mixed picture can't be predicted with certainty.
      // At a rate that hardly changes the net, its loss shows it.
      const still = { lr: 1e-7, epochs: 1 }
      const [one, two] = [
        await train('still', still),
        await train(`still-${Object.keys(options).join('-')}`, { ...still, ...options }),
      ]
      const [before, after] = [one, two].map(run => epochs(run, 'whole')[0]!.trainLoss)
      assert.ok(after! > before!, `training loss ${after} of mixtures, ${before} of pictures`)
    })

  test('the same mixtures come again: the weights are the same bits, also where the run was stopped', async () => {
    const stop = new AbortController()
    const onEvent = (e: RunEvent) => e.type === 'batch' && e.phase === 'whole' && stop.abort()
    const options = { ...settings, mixup: 0.4, cutmix: 1 }
    await assert.rejects(work.train('marks', 'mixed-again', options, { signal: stop.signal, onEvent }))
    await work.resume('mixed-again')
    assert.equal(work.digest('mixed-again', 'last.safetensors'), work.digest('mixup-cutmix', 'last.safetensors'))
  })

  test('label smoothing is of the whole net alone unless given, and never in what is told', async () => {
    const [plain, none] = [await train('plain'), await train('unsmoothed', { labelSmoothing: 0 })]
    assert.deepEqual(heads(none), heads(plain))
    const [first, second] = [plain, none].map(run => run.events.find(e => e.type === 'batch' && e.phase === 'whole')!)
    assert.equal((first as { loss: number }).loss, (second as { loss: number }).loss, 'the first step has the same net')
    assert.notEqual(work.digest('unsmoothed', 'last.safetensors'), work.digest('plain', 'last.safetensors'))
    const smoothed = await train('smoothed', { labelSmoothing: 0.3 })
    assert.notDeepEqual(heads(smoothed).slice(1), heads(plain).slice(1))
    assert.equal(heads(smoothed)[0], heads(plain)[0])
  })

  test('the focal loss teaches another net; what is told is the plain loss', async () => {
    const [plain, focal] = [await train('plain'), await train('focal', { loss: 'focal' })]
    assert.equal(heads(focal)[0], heads(plain)[0])
    assert.notDeepEqual(heads(focal).slice(1), heads(plain).slice(1))
    assert.notEqual(work.digest('focal', 'last.safetensors'), work.digest('plain', 'last.safetensors'))
  })

  test('losses of numbers: the loss told is that of the name', async () => {
    const lines = ['file,size']
    const sizes = new Map<string, number>()
    for (let n = 0; n < 40; n++) {
      const radius = 3 + (n % 11)
      work.put({ [`discs/${n}.png`]: await disc(n, 200, radius) })
      lines.push(`${n}.png,${radius}`)
      sizes.set(`${n}.png`, radius)
    }
    work.put({ 'discs.csv': lines.join('\n') })
    const by = { labels: work.path('discs.csv'), targets: ['size'], augment: 'none', epochs: 1 } as const
    const each: Record<'mse' | 'mae' | 'huber', (e: number) => number> = {
      mse: e => e * e,
      mae: Math.abs,
      huber: e => (Math.abs(e) < 1 ? (e * e) / 2 : Math.abs(e) - 0.5),
    }
    const digests = new Set<string>()
    for (const [loss, of] of Object.entries(each) as [keyof typeof each, (e: number) => number][]) {
      const run = await train(loss, { ...by, loss }, 'discs')
      const [points] = run.interpretation.regression!.targets.map(t => t.points)
      const told = mean(points!.map(([actual, predicted]) => of((predicted - actual) / run.card.scale!.std[0]!)))
      near(run.result.loss, told, loss, 1e-4)
      digests.add(work.digest(loss, 'last.safetensors'))
    }
    assert.equal(digests.size, 3)
  })
})

describe('uneven classes', () => {
  test('are told where one is twelve times the other, unless something is done about it', async () => {
    const warned = ({ events }: Trained) => events.flatMap(e => (e.type === 'warning' ? [e.message] : []))
    const plain = await train('uneven-plain', { epochs: 0 }, 'uneven')
    assert.match(warned(plain).join(), /many has 48 pictures, rare 4 \(12 to 1\).*classWeights: "balanced"/)
    assert.ok(plain.result.metrics.balancedAccuracy! > 0, 'balanced accuracy stands beside accuracy')
    assert.deepEqual(warned(await train('plain')), [])
    for (const [name, options] of [
      ['weighted', { classWeights: 'balanced' }],
      ['sampled', { sampling: 'balanced' }],
    ] as const)
      assert.deepEqual(warned(await train(name, { ...options, epochs: 0 }, 'uneven')), [])
  })

  test('class weights: balanced, effective, by hand; a rare class is told more often', async () => {
    const [plain, weighted] = [runs.get('uneven-plain')!, runs.get('weighted')!]
    assert.deepEqual(choice(weighted, 'class weights'), ['0.542, 6.50 (balanced)'])
    const given = await train('given', { classWeights: [52 / 96, 52 / 8], epochs: 0 }, 'uneven')
    assert.deepEqual(choice(given, 'class weights'), ['0.542, 6.50 (as asked)'])
    assert.equal(work.digest('given', 'best.safetensors'), work.digest('weighted', 'best.safetensors'))
    const effective = await train('effective', { classWeights: 'effective', epochs: 0 }, 'uneven')
    assert.deepEqual(choice(effective, 'class weights'), ['0.157, 1.84 (effective)'])
    assert.ok(
      (await rareness(weighted)) > (await rareness(plain)),
      '(await rareness(weighted)) > (await rareness(plain))',
    )
    await assert.rejects(
      work.train('uneven', 'three', { classWeights: [1, 2, 3], epochs: 0 }),
      /Error: classWeights: got 3 weights for 2 classes \(many, rare\); expected one for each class/,
    )
  })

  test('sampling shows the rare class more often, to the optimum of the head too', async () => {
    const [plain, sampled] = [runs.get('uneven-plain')!, runs.get('sampled')!]
    assert.deepEqual(choice(sampled, 'sampling'), ['balanced (as asked: pictures of rare classes are seen more often)'])
    assert.notDeepEqual(epochs(sampled, 'head')[0], epochs(plain, 'head')[0])
    assert.ok(
      (await rareness(sampled)) > (await rareness(plain)),
      '(await rareness(sampled)) > (await rareness(plain))',
    )
  })

  test('numbers have no classes to weigh', async () => {
    const by = { labels: work.path('discs.csv'), targets: ['size'], epochs: 0 }
    await assert.rejects(
      work.train('discs', 'no', { ...by, classWeights: 'balanced' }),
      /Error: classWeights: "balanced": regression has no classes/,
    )
    await assert.rejects(
      work.train('discs', 'no', { ...by, sampling: 'balanced' }),
      /Error: sampling: "balanced": regression has no classes/,
    )
  })

  /** The mean probability of the rare class over all pictures. */
  async function rareness({ dir }: Trained): Promise<number> {
    const found: number[] = []
    const files = ['many', 'rare'].flatMap(name =>
      readdirSync(work.path('uneven', name)).map(file => work.path('uneven', name, file)),
    )
    for await (const p of loadClassifier(dir, { task: 'single' }).predictAll(files)) found.push(p.probabilities.rare!)
    return mean(found)
  }
})

describe('after the cycles', () => {
  // The head can't learn, so the best weights are from the whole net.
  const late: TrainOptions = { hidden: [6], headLr: 1e-7, lr: 3e-3, epochs: 4, snapshots: true, swa: true, tta: 2 }
  const names = [1, 2, 3, 4].map(c => `snapshot-32-${c}`)

  test('snapshots are kept, and ensemble.json is the mean of what they say', async () => {
    const { dir, events } = await train('late', late)
    for (const name of names)
      assert.ok(
        existsSync(work.path('late', `${name}.safetensors`)),
        `existsSync(work.path('late', \`\${name}.safetensors\`))`,
      )
    assert.match(
      choice({ events }, 'ensemble')[0]!,
      /^accuracy [\d.]+ % \(averages 4 nets, .*; saved as ensemble\.json\)$/,
    )
    assert.deepEqual(work.json('late', 'ensemble.json').members, names)
    const file = work.path('marks/red/3.png')
    const each = await Promise.all(
      names.map(name => loadClassifier(`${dir}/${name}.json`, { task: 'single' }).predict(file)),
    )
    const { probabilities } = await loadClassifier(`${dir}/ensemble.json`, { task: 'single' }).predict(file)
    const means = allMarks.map(mark => mean(each.map(p => p.probabilities[mark]!)))
    const { temperature } = work.json('late', 'ensemble.json') as ModelCard
    const cooled = applyTemperature(toLogits(means), allMarks.length, temperature!)
    for (const [c, mark] of allMarks.entries()) near(probabilities[mark]!, cooled[c]!, mark)
    assert.equal(new Set(names.map(name => work.digest('late', `${name}.safetensors`))).size, 4)
  })

  test('the mean of the weights is tried, told, and kept where it validates best', async () => {
    const { events, card } = await train('late', late)
    const [told] = choice({ events }, 'mean of weights')
    assert.match(
      told!,
      /^accuracy [\d.]+ % \(over the ends of 4 cycles, loss [\d.]+; (this is the best on validation and is kept|the best .*)\)$/,
    )
    const kept = /is kept/.test(told!)
    const best = readWeights(work.path('late', 'best.safetensors'))
    const parts = names.map(name => readWeights(work.path('late', `${name}.safetensors`)))
    const floats = (bytes: Uint8Array) => new Float32Array(Uint8Array.from(bytes).buffer)
    let far = 0
    for (const [name, { dtype, data }] of best)
      if (dtype === 'float32') {
        const each = parts.map(part => floats(part.get(name)!.data))
        for (const [i, v] of floats(data).entries()) far = Math.max(far, Math.abs(v - mean(each.map(e => e[i]!))))
      }
    assert.equal(
      far < 1e-5,
      kept,
      `the best weights are up to ${far} from the mean, which was ${kept ? '' : 'not '}kept`,
    )
    assert.ok(card.metrics.loss! > 0, `card.metrics.loss! > 0, got ${card.metrics.loss!}`)
  })

  test('alone it leaves no snapshots, and a run that is stopped behind it still has them', async () => {
    const options = { ...settings, ...late, snapshots: false, tta: false }
    const alone = await train('swa', options)
    assert.ok(!readdirSync(alone.dir).some(name => /snapshot|ensemble|resume/.test(name)), `${readdirSync(alone.dir)}`)
    assert.equal(work.digest('swa', 'best.safetensors'), work.digest('late', 'best.safetensors'))
    const stopAt = (when: (e: RunEvent) => boolean) => {
      const stop = new AbortController()
      return { signal: stop.signal, onEvent: (e: RunEvent) => when(e) && stop.abort() }
    }
    const third = stopAt(
      e => e.type === 'batch' && e.phase === 'whole' && e.step > alone.events.findLast(isBatch)!.step - 5,
    )
    await assert.rejects(work.train('marks', 'swa-2', options, third), { name: 'AbortError' })
    const averaged = stopAt(e => e.type === 'choice' && e.what === 'mean of weights')
    await assert.rejects(work.resume('swa-2', averaged), { name: 'AbortError' })
    await work.resume('swa-2')
    for (const file of ['best.safetensors', 'last.safetensors', 'best.json'])
      assert.equal(work.digest('swa-2', file), work.digest('swa', file), file)
    assert.ok(
      !readdirSync(work.path('swa-2')).includes('resume'),
      `!readdirSync(work.path('swa-2')).includes('resume')`,
    )
  })

  test('one cycle is nothing to average, and that is said', async () => {
    const run = await train('once', { snapshots: true, swa: true, epochs: 1 })
    assert.match(choice(run, 'ensemble')[0]!, /^none \(only one cycle has ended, so there is nothing to average/)
    assert.ok(!existsSync(work.path('once', 'ensemble.json')), `!existsSync(work.path('once', 'ensemble.json'))`)
  })

  test('test-time augmentation is told beside the plain result; the maximum is another', async () => {
    const told = ({ events }: Trained) =>
      events.flatMap(e => (e.type === 'line' && /^test-time/.test(e.text) ? [e.text] : []))
    const run = await train('late', late)
    const [line] = told(run)
    const plain = Number(/\(plain ([\d.]+) %\)/.exec(line!)![1]) / 100
    near(plain, run.result.metrics.accuracy!, 'plain', 1e-4)
    const { tta } = run.result
    assert.deepEqual([tta!.views, tta!.join, tta!.test], [2, 'mean', undefined])
    assert.deepEqual(tta!.valid.plain, run.result.metrics)
    near(Number(/accuracy ([\d.]+) %/.exec(line!)![1]) / 100, tta!.valid.augmented.accuracy!, 'augmented', 1e-4)
    assert.deepEqual(work.json('late', 'result.json').tta, tta)
    const [mean, max] = [await train('tta', { tta: 3 }), await train('tta-max', { tta: 3, ttaMax: true })]
    assert.equal(told(mean).length, 1)
    assert.match(told(max)[0]!, /^test-time augmentation, valid: accuracy/)
    assert.deepEqual([mean.result.tta!.join, max.result.tta!.join, max.result.tta!.views], ['mean', 'max', 3])
    assert.equal((await train('plain')).result.tta, undefined)
    assert.equal(work.digest('tta', 'best.safetensors'), work.digest('plain', 'best.safetensors'))
  })
})

describe('what the pictures are like', () => {
  const rates = (run: Trained) => choice(run, 'rates')[0]!

  test('as told: the factor between layer groups', async () => {
    const short = { epochs: 1, lr: 9e-4 }
    assert.match(
      rates(await train('like', { ...short, like: 'imagenet' })),
      /^1e-4, 3e-4, 9e-4 .*3 times lower: .*as asked/,
    )
    assert.match(rates(await train('unlike', { ...short, like: 'different' })), /^9e-6, 9e-5, 9e-4 .*10 times lower/)
    assert.match(
      rates(await train('by-hand', { ...short, like: 2 })),
      /^2\.\de-4, 4\.5e-4, 9e-4 .*2 times lower: as asked/,
    )
  })

  test('measured: the distance of their statistics in the body from those that its BatchNorm has', async () => {
    manualSeed(4)
    const net = network(model('mobilenet_v2').build({ classes: 0, size: 32 }), 3)
    const source = (low: number, high: number) =>
      pictureSource({
        picture: n => {
          const random = rng(9, n, 0)
          return {
            data: Uint8Array.from({ length: 3 * 32 * 32 }, () => random.uniform(low, high)),
            height: 32,
            width: 32,
          }
        },
        samples: Array.from({ length: 33 }, (_, n) => ({ picture: n, labels: [n % 3] })),
        size: 32,
        normalization: { mean: [0.5], std: [0.25] },
      })
    const [usual, other] = [source(0, 255), source(180, 220)]
    await recomputeBatchNorm(net, usual, { batchSize: 33 })
    const [near, far] = [await distanceFromImageNet(net, usual), await distanceFromImageNet(net, other)]
    assert.ok(near! < 0.1 && far! > 0.3, `${near} and ${far}`)
    assert.equal(await distanceFromImageNet(network(model('squeezenet1_1').build({ classes: 0 }), 3), usual), undefined)
  })

  test('judged: far means a factor of 10, sooner where frozen features mix the classes', () => {
    const head = (score: number) => ({ score, loss: 1, metrics: {} })
    const table: [distance: number | undefined, score: number, factor: number, reason: RegExp][] = [
      [0.1, 0.9, 3, /0\.10 from ImageNet's.*to 0\.80 .*: like ImageNet's$/],
      [0.4, 0.9, 10, /0\.40 from ImageNet's.*unlike ImageNet's$/],
      [0.25, 0.9, 3, /like/],
      [0.25, 0.6, 10, /to 0\.20 .*unlike/],
      [undefined, 0.6, 3, /no BatchNorm to measure by/],
    ]
    for (const [distance, score, factor, reason] of table) {
      const found = judgeLikeness(distance, head(score), 0.5)
      assert.equal(found.factor, factor)
      assert.match(found.reason, reason)
    }
  })

  test('in a run over pretrained weights, it is measured and said', async () => {
    manualSeed(1)
    const weights = model('mobilenet_v2').build({ classes: 1000 })
    writeSafetensors(work.path('mobile.safetensors'), storedTensors(weights.stateDict()))
    const own = {
      model: 'mobilenet_v2' as const,
      pretrained: true,
      weights: work.path('mobile.safetensors'),
      epochs: 1,
    }
    const run = await train('measured', { ...own, optimizer: 'sgd', lr: undefined, bnFreeze: undefined })
    assert.match(
      rates(run),
      /each earlier group (3|10) times lower: their statistics inside the body are \d+\.\d\d from/,
    )
    const adam = await train('adam', { ...own, lr: undefined })
    assert.match(rates(adam), /^2e-4, 5e-4, 2e-4 .*each earlier group of the body 2.5 times lower: AdamW divides/)
    assert.match(choice(run, 'BatchNorm')[0]!, /^statistics kept \(33 pictures in batches of 16/)
  })
})

describe('augmentation', () => {
  test('settings over a preset are said, and change what is learnt from', async () => {
    const [plain, warped] = [await train('plain'), await train('warped', { augment: 'side-on,maxWarp=0.2' })]
    assert.deepEqual(choice(warped, 'augment'), ['side-on,maxWarp=0.2 (as asked)'])
    assert.match(choice(plain, 'augment')[0]!, /^side-on \(the default for photos/)
    const samples = (run: Trained) => run.interpretation.samples.map(s => s.thumbnail)
    assert.notDeepEqual(samples(warped), samples(plain))
    assert.notEqual(work.digest('warped', 'last.safetensors'), work.digest('plain', 'last.safetensors'))
    await train('settings', { augment: { preset: 'side-on', maxWarp: 0.2 } })
    assert.equal(work.digest('settings', 'last.safetensors'), work.digest('warped', 'last.safetensors'))
  })

  test('none: the head sees each picture once, as it is', async () => {
    const run = await train('none', { augment: 'none', views: undefined, epochs: 0 })
    assert.match(choice(run, 'views')[0]!, /^0 \(nothing is augmented\)/)
  })

  test('of a body from random weights the head sees no more than each picture once, unless asked', async () => {
    const run = await train('random', { views: undefined, epochs: 0 })
    assert.match(choice(run, 'views')[0]!, /^0 \(features of a body with random weights/)
    assert.match(choice(await train('asked', { views: 2, epochs: 0 }), 'views')[0]!, /^2 \(as asked\)/)
  })
})

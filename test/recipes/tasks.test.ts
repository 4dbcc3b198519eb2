import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import sharp from 'sharp'
import { evaluateFolder } from '../../src/api/evaluate.ts'
import { learner } from '../../src/api/learner.ts'
import { rng } from '../../src/base/random.ts'
import type { Task } from '../../src/data/index.ts'
import { layerFeatures } from '../../src/index.ts'
import { scope } from '../../src/torch/index.ts'
import { labelScores } from '../../src/train/objective.ts'
import type { Prediction } from '../../src/train/prediction.ts'
import { pictureBatch } from '../../src/vision/batch.ts'
import { loadPicture } from '../../src/vision/index.ts'
import { loadClassifier } from '../../src/vision/inference/classifier.ts'
import { loadModel, type ModelCard } from '../../src/vision/inference/saved.ts'
import { workspace } from '../helpers/cli.ts'
import {
  allMarks,
  assertThresholds,
  disc,
  type Mark,
  marked,
  runsFolder,
  small,
  type Trained,
} from '../helpers/recipe.ts'

const work = runsFolder()
const command = workspace()
after(() => {
  work.remove()
  command.remove()
})

type Part = 'train' | 'valid' | 'test'
const partOf = (n: number): Part => (n < 64 ? 'train' : n < 90 ? 'valid' : 'test')
const count = 102
const numbers = Array.from({ length: count }, (_, n) => n)

/** The predictions of a run for the pictures of one part, in their order. */
async function predictions<T extends Task>(task: T, run: Trained, dir: string, part: Part): Promise<Prediction<T>[]> {
  const files = numbers.filter(n => partOf(n) === part).map(n => work.path(dir, `${n}.png`))
  const found: Prediction<T>[] = []
  for await (const prediction of loadClassifier(run.dir, { task }).predictAll(files)) found.push(prediction)
  return found
}
const near = (found: number, expected: number, what: string, within = 1e-5) =>
  assert.ok(Math.abs(found - expected) <= within, `${what}: ${found}, expected ${expected}`)
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length

describe('several labels from a table', () => {
  const tags = (n: number): Mark[] => allMarks.filter((_, i) => (n >> i) & 1)
  const table = (told = tags) =>
    ['image,tags,split', ...numbers.map(n => `${n}.png,${told(n).join(' ')},${partOf(n)}`)].join('\n')
  let run: Trained
  before(async () => {
    for (const n of numbers) work.put({ [`marks/${n}.png`]: await marked(n, tags(n)) })
    work.put({ 'marks.csv': table() })
    run = await work.train('marks', 'multi', { labels: work.path('marks.csv'), epochs: 2 })
  })

  test('pictures with any number of labels train head and whole net', () => {
    const scan = run.events.find(e => e.type === 'scan')!
    assert.deepEqual(scan.pictures, { train: 64, valid: 26, test: 12 })
    assert.equal(scan.classes.length, 3)
    const phases = run.events.flatMap(e => (e.type === 'phase' ? [e.phase] : []))
    assert.deepEqual(phases, ['scan', 'features', 'find', 'head', 'whole', 'test'])
    const { result, interpretation } = run
    assert.deepEqual([result.task, result.classes], ['multi', ['blue', 'green', 'red']])
    assert.ok(result.metrics.mAP! > 0.75, `mAP ${result.metrics.mAP!}`)
    assert.equal(interpretation.multi!.perClass.length, 3)
  })

  test('the card has task and thresholds, and prediction decides by them', async () => {
    const { card, result } = run
    assert.deepEqual([card.task, card.thresholds], ['multi', result.thresholds])
    assert.equal(card.thresholds!.length, 3)
    assert.ok(result.threshold! > 0 && result.threshold! < 1, 'result.threshold! > 0 && result.threshold! < 1')
    const found = await predictions('multi', run, 'marks', 'valid')
    for (const { labels, probabilities, scores } of found) {
      const given = card.classes.filter((name, c) => probabilities[name]! >= card.thresholds![c]!)
      assert.deepEqual([...labels].sort(), given)
      assert.deepEqual(
        Array.from(scores),
        card.classes.map(name => probabilities[name]),
      )
    }
    assert.ok(new Set(found.map(p => p.labels.length)).size > 1, 'pictures differ in how many labels they get')
  })

  test('its numbers are those of its predictions, for validation and test', async () => {
    for (const [part, told] of [
      ['valid', run.result],
      ['test', run.result.test!],
    ] as const) {
      const found = await predictions('multi', run, 'marks', part)
      const actual = numbers.filter(n => partOf(n) === part).map(tags)
      const { mAP, f1, f2, accuracy } = told.metrics!
      const [ap, score1, score2, right]: number[][] = [[], [], [], []]
      for (const name of run.card.classes) {
        const there = actual.map(own => own.includes(name as Mark))
        const given = found.map(p => p.labels.includes(name))
        const of = (a: boolean, b: boolean) => there.filter((t, i) => t === a && given[i] === b).length
        const [tp, fp, fn] = [of(true, true), of(false, true), of(true, false)]
        score1!.push((2 * tp) / (2 * tp + fn + fp))
        score2!.push((5 * tp) / (5 * tp + 4 * fn + fp))
        right!.push((tp + of(false, false)) / there.length)
        const ranked = found.map((p, i) => [p.probabilities[name]!, there[i]!] as const).sort((a, b) => b[0] - a[0])
        const hits = ranked.flatMap(([, t], i) => (t ? [i + 1] : []))
        ap!.push(mean(hits.map((rank, i) => (i + 1) / rank)))
      }
      near(mAP!, mean(ap!), `${part} mAP`)
      near(f1!, mean(score1!), `${part} F1`)
      near(f2!, mean(score2!), `${part} F2`)
      near(accuracy!, mean(right!), `${part} accuracy`)
    }
    assert.deepEqual(Object.keys(run.result.metrics), ['mAP', 'f1', 'f2', 'accuracy'])
    assert.equal(run.result.test!.samples, 12)
    assert.equal(run.interpretation.test!.metrics!.mAP, run.result.test!.metrics!.mAP)
  })

  test('anneal predict says which labels, by the same thresholds', async () => {
    const [first, second] = await predictions('multi', run, 'marks', 'valid')
    const args = ['predict', run.dir, first!.file, second!.file]
    const { stdout, stderr } = await command.run([...args, '--json'])
    const lines = stdout.split('\n').slice(0, -1)
    assert.equal(lines.length, 2, stderr)
    for (const [i, line] of lines.entries()) {
      const { file, label, labels, probabilities } = JSON.parse(line)
      const expected = [first, second][i]!.labels
      assert.deepEqual([file, label, labels], [args[i + 2], expected.join(', ') || null, expected])
      for (const name of run.card.classes) near(probabilities[name], [first, second][i]!.probabilities[name]!, name)
    }
    const { stdout: plain } = await command.run(args)
    for (const [i, line] of plain.split('\n').slice(0, -1).entries())
      assert.deepEqual(line.match(/(red|green|blue)(?= [\d.]+ %)/g) ?? [], [first, second][i]!.labels)
  })

  test('it keeps what an early, a middle and the last layer make of two validation pictures', async () => {
    const { featureMaps } = run.interpretation
    assert.equal(featureMaps!.length, 2)
    const size = JSON.stringify(featureMaps).length
    assert.ok(size < 100_000, `${size} bytes`)
    const { members } = loadModel(run.dir)
    const { network, card } = members[0]!
    for (const { file, label, thumbnail, layers } of featureMaps!) {
      const n = Number.parseInt(file, 10)
      assert.equal(partOf(n), 'valid')
      assert.equal(label, tags(n).toSorted().join(', ') || 'no label')
      assert.equal((await sharp(Buffer.from(thumbnail, 'base64')).metadata()).width, 32)
      const picture = await loadPicture(work.path('marks', file), card.preprocessing)
      const found = scope(() =>
        layerFeatures(
          network,
          pictureBatch([picture], undefined, { ...card.preprocessing, normalization: card.preprocessing }),
          { layers: layers.map(l => l.layer), channels: 6 },
        ),
      )
      assert.deepEqual(
        layers.map(l => l.layer === ''),
        [false, false, true],
      )
      for (const [i, { maps, ...layer }] of layers.entries()) {
        const { maps: own, ...shape } = found[i]!
        assert.deepEqual(layer, { ...shape, rows: shape.height, columns: shape.width })
        assert.equal(maps.length, 6)
        for (const [k, { channel, strength, data }] of maps.entries()) {
          assert.equal(channel, own[k]!.channel)
          near(strength, own[k]!.strength, `strength of ${layer.layer}`)
          for (const [p, v] of Buffer.from(data, 'base64').entries()) near(v, own[k]!.data[p]!, layer.layer, 1)
        }
      }
    }
  })

  test('test-time augmentation is compared at the thresholds found: without changes it is the plain result', async () => {
    const options = { labels: work.path('marks.csv'), epochs: 0, augment: 'none', thresholdFor: 'f2', tta: 2 } as const
    const { result } = await work.train('marks', 'still', options)
    assert.ok(
      result.thresholds!.some(t => Math.abs(t - 0.5) > 0.05),
      `${result.thresholds}`,
    )
    for (const [part, metrics] of [
      ['valid', result.metrics!],
      ['test', result.test!.metrics!],
    ] as const) {
      const { plain, augmented } = result.tta![part]!
      assert.deepEqual(plain, metrics)
      for (const [name, value] of Object.entries(augmented)) near(value, plain[name]!, `${part} ${name}`)
      assert.deepEqual(Object.keys(augmented), ['mAP', 'f1', 'f2', 'accuracy'])
    }
  })

  test('what is for testing teaches nothing: with other labels the weights are the same bits', async () => {
    const inverted = (n: number) => (partOf(n) === 'test' ? allMarks.filter(name => !tags(n).includes(name)) : tags(n))
    work.put({ 'poisoned.csv': table(inverted) })
    const poisoned = await work.train('marks', 'poisoned', { labels: work.path('poisoned.csv'), epochs: 2 })
    for (const file of ['best.safetensors', 'last.safetensors', 'best.json'])
      assert.equal(work.digest('poisoned', file), work.digest('multi', file), file)
    const { test: of, ...valid } = run.result
    assert.deepEqual(poisoned.result.metrics, valid.metrics)
    assert.notEqual(poisoned.result.test!.metrics!.mAP, of!.metrics!.mAP)
  })

  test('an ensemble of snapshots has a temperature and thresholds of its own, by which it is predicted', async () => {
    const part = (n: number) => (n < 48 ? 'train' : 'valid')
    const all = Array.from({ length: 156 }, (_, n) => n)
    for (const n of all) work.put({ [`more/${n}.png`]: await marked(500 + n, tags(n)) })
    const rows = (split: boolean) =>
      all.map(n => `${n}.png,${tags(n).join(' ')}${split ? `,${part(n)}` : ''}`).join('\n')
    work.put({ 'more.csv': `file,tags,split\n${rows(true)}`, 'all.csv': `file,tags\n${rows(false)}` })
    const options = { labels: work.path('more.csv'), epochs: 2, cycleLen: 1, snapshots: true }
    const { dir } = await work.train('more', 'snapshots', options)
    const card: ModelCard = work.json('snapshots', 'ensemble.json')
    const { temperature: t = 1, classes } = card
    assert.ok(card.members!.length === 2 && Math.abs(t - 1) > 1e-3, `temperature ${t}`)
    const told = async (model: string, of: readonly number[]) => {
      const found: Prediction<'multi'>[] = []
      for await (const p of loadClassifier(work.path('snapshots', model), { task: 'multi' }).predictAll(
        of.map(n => work.path('more', `${n}.png`)),
      ))
        found.push(p)
      return found
    }
    const held = all.filter(n => part(n) === 'valid')
    const each = await Promise.all(card.members!.map(name => told(`${name}.json`, held)))
    const together = await told('ensemble.json', held)
    const logits = held.map((_, i) =>
      classes.map(name => {
        const p = mean(each.map(found => found[i]!.probabilities[name]!))
        return Math.log(p / (1 - p))
      }),
    )
    const there = held.map(n => classes.map(name => Number(tags(n).includes(name as Mark))))
    // The likelihood of each picture is that of its labels' mean loss; the prior is ln T = 0 ± 0.4.
    const surprise = (at: number) =>
      logits.length *
        mean(logits.flatMap((row, i) => row.map((z, c) => Math.log1p(Math.exp((there[i]![c] ? -z : z) / at))))) +
      Math.log(at) ** 2 / (2 * 0.4 ** 2)
    assert.ok(surprise(t) < surprise(1.02 * t) && surprise(t) < surprise(t / 1.02), `temperature ${t} is likeliest`)
    for (const [i, { probabilities, labels }] of together.entries()) {
      for (const [c, name] of classes.entries())
        near(probabilities[name]!, 1 / (1 + Math.exp(-logits[i]![c]! / t)), name)
      assert.deepEqual(
        labels.toSorted(),
        classes.filter((name, c) => probabilities[name]! >= card.thresholds![c]!),
      )
    }
    const p = Float32Array.from(together.flatMap(({ probabilities }) => classes.map(name => probabilities[name]!)))
    assertThresholds(card.thresholds!, p, Float32Array.from(there.flat()))
    const scores = labelScores(p, there.flat(), 3, card.thresholds!)
    for (const [name, value] of Object.entries(scores)) near(card.metrics[name]!, value, name)

    const { metrics } = await evaluateFolder(`${dir}/ensemble.json`, work.path('more'), {
      labels: work.path('all.csv'),
    })
    const whole = (await told('ensemble.json', all)).flatMap(f => classes.map(name => f.probabilities[name]!))
    const actual = all.flatMap(n => classes.map(name => Number(tags(n).includes(name as Mark))))
    for (const [name, value] of Object.entries(labelScores(Float32Array.from(whole), actual, 3, card.thresholds!)))
      near(metrics[name]!, value, `evaluated ${name}`)
  })

  test('thresholds for F2 give more labels than those for F0.5', async () => {
    const labels = work.path('marks.csv')
    const given = async (thresholdFor: 'f2' | 'f0.5') => {
      const found = await work.train('marks', thresholdFor, { labels, epochs: 0, thresholdFor })
      return (await predictions('multi', found, 'marks', 'valid')).reduce((sum, p) => sum + p.labels.length, 0)
    }
    const [f2, half] = [await given('f2'), await given('f0.5')]
    assert.ok(f2 > half, `${f2} and ${half} labels`)
  })
})

describe('numbers from a table', () => {
  const random = rng(3, 1, 4)
  const values = numbers.map(() => [random.uniform(60, 255), random.uniform(3, 13)] as const)
  const table = ['file,brightness,radius,split', ...values.map(([b, r], n) => `${n}.png,${b},${r},${partOf(n)}`)]
  let run: Trained
  before(async () => {
    for (const n of numbers) work.put({ [`discs/${n}.png`]: await disc(n, ...values[n]!) })
    work.put({ 'discs.csv': table.join('\n') })
    const labels = work.path('discs.csv')
    run = await work.train('discs', 'numbers', {
      labels,
      targets: ['brightness', 'radius'],
      epochs: 2,
      augment: 'none',
    })
  })

  test('the card has the scale of the training pictures, and values come in their own units', async () => {
    const { card, result } = run
    assert.deepEqual([card.task, card.classes], ['regression', ['brightness', 'radius']])
    const trained = values.filter((_, n) => partOf(n) === 'train')
    for (const [t, m] of card.scale!.mean.entries()) near(m, mean(trained.map(v => v[t]!)), 'mean', 1e-3)
    for (const [t, s] of card.scale!.std.entries()) {
      const m = card.scale!.mean[t]!
      near(s, Math.sqrt(mean(trained.map(v => (v[t]! - m) ** 2))), 'deviation', 1e-3)
    }
    assert.ok(result.metrics.r2! > 0.5, `R² ${result.metrics.r2!}`)
    for (const part of ['valid', 'test'] as const) {
      const found = await predictions('regression', run, 'discs', part)
      const actual = values.filter((_, n) => partOf(n) === part)
      const told = part === 'valid' ? result.metrics! : result.test!.metrics!
      const each = card.classes.map((name, t) => {
        const errors = found.map((p, i) => p.values[name]! - actual[i]![t]!)
        const m = mean(actual.map(v => v[t]!))
        const square = mean(errors.map(e => e * e))
        return [1 - square / mean(actual.map(v => (v[t]! - m) ** 2)), mean(errors.map(Math.abs)), Math.sqrt(square)]
      })
      for (const [i, name] of (['r2', 'mae', 'rmse'] as const).entries())
        near(told[name]!, mean(each.map(e => e[i]!)), `${part} ${name}`, 1e-3)
    }
  })

  test('a number has no accuracy, and is told as a number', async () => {
    const stored = work.json('numbers', 'result.json')
    assert.deepEqual([stored.metrics.accuracy, stored.task], [undefined, 'regression'])
    assert.equal(run.interpretation.regression!.targets.length, 2)
    const [first] = await predictions('regression', run, 'discs', 'test')
    const { stdout } = await command.run(['predict', run.dir, first!.file, '--json'])
    const { file, values, ...more } = JSON.parse(stdout)
    assert.deepEqual([file, more], [first!.file, { precision: 'float32' }])
    for (const name of run.card.classes) near(values[name], first!.values[name]!, name, 1e-3)
  })
})

describe('a learner over a table', () => {
  test('of several labels: trains, explains, saves and predicts them', async () => {
    const { lr: _, views: __, model, ...options } = small
    const learn = await learner(work.path('marks'), model, { ...options, labels: work.path('marks.csv') })
    const [first] = await learn.fit(1, { lr: 3e-3 })
    assert.ok(
      first!.metrics.mAP! > 0 && Number.isFinite(first!.validLoss),
      'first!.metrics.mAP! > 0 && Number.isFinite(first!.validLoss)',
    )
    const { multi } = await learn.interpret()
    assert.equal(multi!.perClass.length, 3)
    const file = work.path('marks/70.png')
    const predicted = await learn.predict(file)
    assert.ok(predicted.task === 'multi', predicted.task)
    const { labels, probabilities } = predicted
    assert.deepEqual(
      [...labels].sort(),
      learn.classes.filter(name => probabilities[name]! >= 0.5),
    )
    await learn.save(work.path('learnt'))
    const saved = await loadClassifier(work.path('learnt'), { task: 'multi' }).predict(file)
    for (const name of learn.classes) near(saved.probabilities[name]!, probabilities[name]!, name)
  })

  test('of numbers', async () => {
    const { lr: _, views: __, model, ...options } = small
    const labels = work.path('discs.csv')
    const learn = await learner(work.path('discs'), model, {
      ...options,
      labels,
      targets: ['brightness'],
      loss: 'huber',
    })
    const [first] = await learn.fit(1, { lr: 3e-3 })
    assert.deepEqual(Object.keys(first!.metrics), ['r2', 'mae', 'rmse'])
    const predicted = await learn.predict(work.path('discs/1.png'))
    assert.ok(predicted.task === 'regression', predicted.task)
    assert.deepEqual(Object.keys(predicted.values), ['brightness'])
  })
})

describe('labels by name', () => {
  const name = (n: number) => `${['red', 'green'][n % 2]}_${n}.png`
  before(async () => {
    for (let n = 0; n < 40; n++) work.put({ [`named/${name(n)}`]: await marked(n, [allMarks[n % 2]!]) })
  })
  const by = { epochs: 0, headCycles: 1 }

  test('a regular expression and a function that tell the same give the same bits', async () => {
    const regex = await work.train('named', 'regex', { ...by, labelRegex: '^([a-z]+)_' })
    const own = await work.train('named', 'function', { ...by, labelOf: file => file.split('_')[0] })
    assert.deepEqual(regex.result.classes, ['green', 'red'])
    assert.ok(regex.result.metrics.accuracy! > 0.8, `${regex.result.metrics.accuracy!}`)
    assert.deepEqual(own.result.metrics, regex.result.metrics)
    assert.equal(work.digest('function', 'best.safetensors'), work.digest('regex', 'best.safetensors'))
  })

  test('a function may tell several labels, numbers, or leave a picture out', async () => {
    const several = (file: string) => [file.split('_')[0]!, ...(/[05]\.png/.test(file) ? ['fifth'] : [])]
    const multi = await work.train('named', 'labels', { ...by, labelOf: several })
    assert.deepEqual([multi.result.task, multi.result.classes], ['multi', ['fifth', 'green', 'red']])
    const number = (file: string) => (/_[1-9]\./.test(file) ? undefined : [/red/.test(file) ? 3.5 : 7.5])
    const numbers = await work.train('named', 'values', { ...by, labelOf: number, targets: ['height'] })
    assert.deepEqual([numbers.result.task, numbers.result.classes], ['regression', ['height']])
    const scan = numbers.events.find(e => e.type === 'scan')!
    assert.equal(scan.pictures!.train + scan.pictures!.valid, 31)
  })

  test('a run that was stopped goes on with its regular expression, and with the function given again', async () => {
    const stopped = async (run: string, options: object) => {
      const stop = new AbortController()
      const onEvent = (e: { type: string; phase?: string }) => e.phase === 'find' && stop.abort()
      await assert.rejects(work.train('named', run, { ...by, ...options }, { signal: stop.signal, onEvent }))
    }
    await stopped('regex-2', { labelRegex: /^([A-Z]+)_/i })
    await work.resume('regex-2')
    assert.equal(work.digest('regex-2', 'best.safetensors'), work.digest('regex', 'best.safetensors'))
    const labelOf = (file: string) => file.split('_')[0]
    await stopped('function-2', { labelOf })
    await assert.rejects(work.resume('function-2'), /labels come from a function, which no file can hold.*labelOf/s)
    await work.resume('function-2', { labelOf })
    assert.equal(work.digest('function-2', 'best.safetensors'), work.digest('regex', 'best.safetensors'))
  })

  test('a table is found again by a run that goes on from another folder', async () => {
    work.put({ 'named.csv': ['file,label', ...Array.from({ length: 40 }, (_, n) => `${name(n)},${n % 2}`)].join('\n') })
    const stop = new AbortController()
    const before = process.cwd()
    process.chdir(work.path())
    try {
      const hooks = { signal: stop.signal, onEvent: (e: { type: string }) => e.type === 'lrFind' && stop.abort() }
      await assert.rejects(work.train('named', 'moved', { ...by, labels: 'named.csv' }, hooks))
    } finally {
      process.chdir(before)
    }
    assert.deepEqual((await work.resume('moved')).result.classes, ['0', '1'])
  })

  test('tasks that contradict the labels are refused, and nothing is left', async () => {
    work.put({ 'two.csv': 'file,label\nred_0.png,a b\ngreen_1.png,b\n', 'words.csv': 'file,label\nred_0.png,a\n' })
    for (let n = 0; n < 4; n++) work.put({ [`folders/${n % 2}/${n}.png`]: readFileSync(work.path('named', name(n))) })
    const table: [options: object, reason: RegExp, data?: string][] = [
      [{ task: 'multi' }, /task is for labels from a table, a regular expression or a function/, 'folders'],
      [{ labels: work.path('two.csv'), task: 'single', delimiter: ' ' }, /delimiter and task: "single" contradict/],
      [
        { labels: work.path('words.csv'), task: 'regression' },
        /words\.csv, line 2, column "label": "a" is not a number/,
      ],
      [{ labels: work.path('words.csv'), targets: ['label'], task: 'multi' }, /targets and task: "multi" contradict/],
      [{ labels: work.path('words.csv'), labelRegex: '(.)' }, /labels and labelRegex contradict/],
      [{ labelRegex: '^([a-z]+)_', loss: 'mae' }, /^loss: "mae": does not fit pictures of one class each/],
    ]
    for (const [options, reason, data = 'named'] of table) {
      await assert.rejects(work.train(data, 'refused', options), { name: 'AnnealError', message: reason })
      assert.ok(!readdirSync(work.path()).includes('refused'), `${reason}`)
    }
  })
})

import assert from 'node:assert/strict'
import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { evaluateFolder } from '../../src/api/evaluate.ts'
import type { RunEvent, RunResult } from '../../src/runs/index.ts'
import { applyTemperature, toLogits } from '../../src/train/metrics.ts'
import type { Prediction } from '../../src/train/prediction.ts'
import { indexPictures, openPictures } from '../../src/vision/index.ts'
import { loadClassifier } from '../../src/vision/inference/classifier.ts'
import { workspace } from '../helpers/cli.ts'
import { allMarks, assertThresholds, type Mark, marked, runsFolder, small, type Trained } from '../helpers/recipe.ts'

const work = runsFolder()
// One cache: all runs use the same speed measurements, and so the same kernels.
const command = workspace({ cache: () => process.env.ANNEAL_CACHE })
after(() => {
  work.remove()
  command.remove()
})

const settings = { folds: 3, headCycles: 1, cycleLen: 1, epochs: 1 }
type Folded = RunResult & Required<Pick<RunResult, 'folds' | 'spread'>>
let whole: Trained

// 45 pictures in three classes. Every seventh has the mark of another class. Each three in a row are a group.
const groupOf = (file: string) => /(\d+)-\d+\.png$/.exec(file)![1]!
before(async () => {
  for (let n = 0; n < 45; n++) {
    const [own, shown] = [allMarks[n % 3]!, allMarks[(n + (n % 7 === 0 ? 1 : 0)) % 3]!]
    work.put({ [`marks/${own}/${Math.floor(n / 9)}-${n}.png`]: await marked(n, [shown]) })
  }
  whole = await work.train('marks', 'whole', settings)
})

/** The validation pictures of a fold, below the folder. */
async function validOf(fold: number, options = {}, dir = 'marks'): Promise<string[]> {
  const index = await indexPictures(work.path(dir), { folds: 3, fold, seed: 42, ...options })
  const { data } = await openPictures(index, { short: 37, interpolation: 'bilinear' })
  return data.of('valid').map(item => relative(work.path(dir), item.file))
}
async function predictions(run: string, files: readonly string[]): Promise<Prediction<'single'>[]> {
  const found: Prediction<'single'>[] = []
  const classifier = loadClassifier(run, { task: 'single' })
  for await (const p of classifier.predictAll(files.map(f => work.path('marks', f)))) found.push(p)
  return found
}
const labelOf = (file: string) => file.split('/').at(-2)
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length
const near = (found: number, expected: number, what = '') =>
  assert.ok(Math.abs(found - expected) < 1e-6, `${what}: ${found}, expected ${expected}`)
const weights = (run: string) =>
  ['fold-1/best', 'fold-2/best', 'fold-3/last', 'fold-1-best', 'fold-3-best'].map(name =>
    work.digest(run, `${name}.safetensors`),
  )
/** The results of a run, without paths and times. */
const facts = ({ run: _, seconds: __, folds, ...result }: Folded): unknown => ({
  ...result,
  folds: folds?.map(fold => facts(fold as Folded)),
})

describe('a run over three folds', () => {
  test('every picture validates once, by the net that did not see it', async () => {
    const folds = [await validOf(0), await validOf(1), await validOf(2)]
    assert.equal(new Set(folds.flat()).size, 45)
    assert.equal(folds.flat().length, 45)
    for (const [k, files] of folds.entries()) {
      const found = await predictions(work.path('whole', `fold-${k + 1}`), files)
      const right = found.filter(p => p.label === labelOf(p.file)).length
      near((whole.result as Folded).folds[k]!.metrics.accuracy!, right / files.length, `fold ${k}`)
    }
  })

  test('tells mean and spread', () => {
    const { folds, spread, ...result } = whole.result as Folded
    assert.equal(folds.length, 3)
    for (const name of ['accuracy', 'loss'] as const) {
      const of = (r: { loss: number; metrics: Record<string, number> }) =>
        name === 'loss' ? r.loss : r.metrics.accuracy!
      const values = folds.map(of)
      const m = mean(values)
      near(of(result), m, name)
      near(spread[name]!.mean, m, name)
      near(spread[name]!.std, Math.sqrt(values.reduce((sum, v) => sum + (v - m) ** 2, 0) / 2), `deviation of ${name}`)
    }
    assert.ok(spread.loss!.std > 0, `spread.loss!.std > 0, got ${spread.loss!.std}`)
    assert.equal(
      result.epochs,
      folds.reduce((sum, f) => sum + f.epochs, 0),
    )
    const told = whole.events.flatMap(e => (e.type === 'line' ? [e.text] : [])).at(-1)!
    assert.match(
      told,
      new RegExp(`^over 3 folds: accuracy ${(100 * result.metrics.accuracy!).toFixed(1)} % ± [\\d.]+ %$`),
    )
    assert.deepEqual(work.json('whole', 'result.json').spread, spread)
    assert.ok(
      readdirSync(work.path('whole', 'fold-2')).includes('interpret.json'),
      `readdirSync(work.path('whole', 'fold-2')).includes('interpret.json')`,
    )
  })

  test('its classifier is the mean of the three nets, for predict and evaluate', async () => {
    const { members } = whole.card
    assert.deepEqual(members, ['fold-1-best', 'fold-2-best', 'fold-3-best'])
    const files = (await validOf(0)).slice(0, 8)
    const each = await Promise.all([1, 2, 3].map(k => predictions(work.path('whole', `fold-${k}`), files)))
    const found = await predictions(whole.dir, files)
    assert.ok(whole.card.temperature! > 0, `the average has a temperature: ${whole.card.temperature}`)
    for (const [i, { probabilities, label, probability }] of found.entries()) {
      const means = allMarks.map(name => mean(each.map(p => p[i]!.probabilities[name]!)))
      const cooled = applyTemperature(toLogits(means), allMarks.length, whole.card.temperature!)
      for (const [c, name] of allMarks.entries()) near(probabilities[name]!, cooled[c]!, name)
      near(probability, Math.max(...Object.values(probabilities)))
      near(probabilities[label]!, probability)
    }
    const all = await predictions(whole.dir, (await Promise.all([0, 1, 2].map(k => validOf(k)))).flat())
    const { metrics, samples, seen } = await evaluateFolder(whole.dir, work.path('marks'))
    assert.equal(samples, 45)
    assert.deepEqual(seen, { train: 45, valid: 0 }, 'each was trained on by two of the nets')
    near(metrics.accuracy!, all.filter(p => p.label === labelOf(p.file)).length / 45)
  })

  test('one fold alone is the same as in the whole run', async () => {
    const { result, dir } = await work.train('marks', 'alone', { ...settings, fold: 1 })
    assert.equal(work.digest('alone', 'best.safetensors'), work.digest('whole/fold-2', 'best.safetensors'))
    assert.deepEqual(result.metrics, (whole.result as Folded).folds[1]!.metrics)
    assert.ok(
      !readdirSync(dir).some(name => name.startsWith('fold-')),
      `!readdirSync(dir).some(name => name.startsWith('fold-'))`,
    )
  })

  test('the test figures are those of the average that is saved', async () => {
    for (let n = 0; n < 36; n++) {
      const [own, shown] = [allMarks[n % 3]!, allMarks[(n + (n % 7 === 0 ? 1 : 0)) % 3]!]
      work.put({ [`parts/${n < 24 ? 'train' : 'test'}/${own}/${n}.png`]: await marked(n, [shown]) })
    }
    const { result, events, dir } = await work.train('parts', 'parted', { ...settings, folds: 2, epochs: 0 })
    const again = await evaluateFolder(dir, work.path('parts'))
    assert.equal(result.test?.samples, 12)
    assert.equal(again.samples, 12)
    assert.equal(result.test.metrics.accuracy, again.metrics.accuracy)
    near(result.test.loss, again.loss, 'loss of the average')
    const told = events.flatMap(e => (e.type === 'line' ? [e.text] : []))
    assert.ok(
      told.some(line => /^test, the average of 2 nets: accuracy [\d.]+ % \(12 pictures\)$/.test(line)),
      `the log tells the test figures: ${told.join(' | ')}`,
    )
  })

  test('groups never lie on both sides', async () => {
    const groupRegex = '^(\\d+)-'
    const { result } = await work.train('marks', 'grouped', { ...settings, epochs: 0, groupRegex })
    const folds = [0, 1, 2].map(fold => validOf(fold, { groupRegex }))
    const sides = (await Promise.all(folds)).map(files => new Set(files.map(groupOf)))
    assert.deepEqual(sides.flatMap(s => [...s]).sort(), ['0', '1', '2', '3', '4'])
    for (const [k, fold] of (result as Folded).folds.entries()) {
      const files = await folds[k]!
      const found = await predictions(fold.run, files)
      near(fold.metrics.accuracy!, found.filter(p => p.label === labelOf(p.file)).length / files.length)
    }
  })
})

test('what can not be divided into folds is refused before a fold is begun', async () => {
  for (const part of ['train', 'valid']) cpSync(work.path('marks'), work.path('parted', part), { recursive: true })
  const phases: string[] = []
  const onEvent = (event: RunEvent) => event.type === 'phase' && phases.push(event.phase)
  await assert.rejects(
    work.train('parted', 'refused', settings, { onEvent }),
    /has a validation folder, valid, but folds/,
  )
  assert.deepEqual(phases, [])
})

describe('a run over folds that was interrupted', () => {
  const times = (run: string, fold: number) => statSync(work.path(run, `fold-${fold}`, 'result.json')).mtimeMs
  /** Whether an event is the first step of a fold. */
  const inFold = (wanted: number) => {
    let fold = 0
    return (event: RunEvent) => {
      if (event.type === 'phase' && event.phase === 'fold') fold = event.fold!
      return fold === wanted && event.type === 'batch'
    }
  }
  async function finish(run: string, done: number): Promise<void> {
    const before = times(run, done)
    const { result } = await work.resume(run)
    assert.equal(times(run, done), before, 'a fold that is done is not trained again')
    assert.deepEqual(weights(run), weights('whole'))
    assert.deepEqual(facts(result as Folded), facts(whole.result as Folded))
  }

  test('goes on with the fold it stopped in', async () => {
    const stop = new AbortController()
    const when = inFold(2)
    const onEvent = (event: RunEvent) => when(event) && stop.abort()
    await assert.rejects(work.train('marks', 'stopped', settings, { signal: stop.signal, onEvent }), {
      name: 'AbortError',
    })
    assert.ok(
      !readdirSync(work.path('stopped')).includes('fold-3'),
      `!readdirSync(work.path('stopped')).includes('fold-3')`,
    )
    await finish('stopped', 1)
  })

  test('kill -9', async () => {
    const args = ['--model', small.model!, '--no-pretrained', '--size', '32', '--batch', '16', '--views', '1']
    args.push('--lr', '1e-3', '--precision', 'float32', '--head-cycles', '1', '--cycle-len', '1', '--epochs', '1')
    const when = inFold(3)
    const killed = await command.run(
      ['train', work.path('marks'), ...args, '--folds', '3', '--json', '--out', work.path('killed')],
      { onLine: (line, child) => when(JSON.parse(line)) && child.kill('SIGKILL') },
    )
    assert.equal(killed.signal, 'SIGKILL', killed.stderr)
    await finish('killed', 2)
  })

  test('keeps the folds that are done when a later one fails', async () => {
    const when = inFold(2)
    const onEvent = (event: RunEvent) => {
      if (when(event)) throw new Error('the lamp went out')
    }
    await assert.rejects(work.train('marks', 'failed', settings, { onEvent }), /the lamp went out/)
    await finish('failed', 1)
  })
})

describe('folds of a table', () => {
  const tags = (n: number): Mark[] => allMarks.filter((_, i) => (n >> i) & 1)
  before(async () => {
    const rows = ['file,tags,fold']
    for (let n = 0; n < 48; n++) {
      work.put({ [`tagged/${n}.png`]: await marked(100 + n, tags(n)) })
      rows.push(`${n}.png,${tags(n).join(' ')},${1 + (n % 3)}`)
    }
    work.put({ 'tagged.csv': rows.join('\n') })
  })
  const labels = () => work.path('tagged.csv')

  test('a column of folds is one, by --fold', async () => {
    const { events } = await work.train('tagged', 'column', { labels: labels(), fold: 3, epochs: 0 })
    const choice = events.find(e => e.type === 'choice' && e.what === 'validation')
    assert.match(JSON.stringify(choice), /fold 3.*holds 3 folds/)
    const scan = events.find(e => e.type === 'scan')!
    assert.deepEqual(scan.pictures, { train: 32, valid: 16, test: 0 })
  })

  test('of several labels the thresholds are found on what each net says of pictures that it did not see', async () => {
    const by = { labels: labels(), splitColumn: false as const }
    const { card, dir, result, events } = await work.train('tagged', 'tags', { ...by, folds: 2, epochs: 0 })
    const [probabilities, targets]: number[][] = [[], []]
    for (const k of [0, 1])
      for (const file of await validOf(k, { ...by, folds: 2 }, 'tagged')) {
        const classifier = loadClassifier(work.path('tags', `fold-${k + 1}`), { task: 'multi' })
        const found = await classifier.predict(work.path('tagged', file))
        const there = tags(Number.parseInt(file, 10))
        for (const name of card.classes) {
          probabilities!.push(found.probabilities[name]!)
          targets!.push(Number(there.includes(name as Mark)))
        }
      }
    assert.equal(targets!.length, 48 * 3)
    const logits = toLogits(probabilities!, { task: 'multi' })
    const cooled = applyTemperature(logits, card.classes.length, card.temperature!, { task: 'multi' })
    assertThresholds(card.thresholds!, cooled, Float32Array.from(targets!))
    assert.deepEqual(card.thresholds, result.thresholds)
    const told = events.flatMap(e => (e.type === 'choice' && e.what === 'classifier thresholds' ? [e.reason] : []))
    assert.equal(told.length, 1)
    assert.match(told[0]!, /^macro f1 on samples that each net did not see: one threshold per label/)
    near(result.metrics.mAP!, mean(result.folds!.map(f => f.metrics.mAP!)))
    for (const n of [3, 5, 7]) {
      const { labels, probabilities } = await loadClassifier(dir, { task: 'multi' }).predict(
        work.path('tagged', `${n}.png`),
      )
      const given = card.classes.filter((name, c) => probabilities[name]! >= card.thresholds![c]!)
      assert.deepEqual([...labels!].sort(), given)
    }
  })
})

test('members that see pictures at other sizes each see them at their own', async () => {
  const by = { epochs: 0, headCycles: 1 }
  await work.train('marks', 'at-32', { ...by, size: 32 })
  await work.train('marks', 'at-48', { ...by, size: 48 })
  for (const size of [32, 48])
    for (const end of ['safetensors', 'json'])
      cpSync(work.path(`at-${size}`, `best.${end}`), work.path('mixed', `net-${size}.${end}`))
  const { temperature: _, ...first } = work.json('at-32', 'best.json')
  const card = { ...first, members: ['net-32', 'net-48'] }
  writeFileSync(work.path('mixed', 'best.json'), JSON.stringify(card))
  const files = (await validOf(1)).slice(0, 6)
  const each = await Promise.all(['at-32', 'at-48'].map(run => predictions(work.path(run), files)))
  const found = await predictions(work.path('mixed'), files)
  for (const [i, { probabilities }] of found.entries())
    for (const name of allMarks) near(probabilities[name]!, mean(each.map(p => p[i]!.probabilities[name]!)), name)
  const all = await predictions(work.path('mixed'), (await Promise.all([0, 1, 2].map(k => validOf(k)))).flat())
  const { metrics } = await evaluateFolder(work.path('mixed'), work.path('marks'))
  near(metrics.accuracy!, all.filter(p => p.label === labelOf(p.file)).length / 45)
  assert.match(readFileSync(work.path('mixed', 'evaluations.jsonl'), 'utf8'), /"accuracy"/)
})

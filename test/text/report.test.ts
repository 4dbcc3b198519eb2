import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { recipeFor } from '../../src/api/recipe.ts'
import { writeReport } from '../../src/report/index.ts'
import { type Interpretation, type RunEvent, textThumbnail, thumbnailText } from '../../src/runs/index.ts'
import { contributions, partsOf } from '../../src/runtime/text/occlusion.ts'
import { texts } from '../../src/text/domain/texts.ts'
import { baselineOf } from '../../src/text/run/baseline.ts'
import { nearCopies } from '../../src/text/run/near-copies.ts'
import { fitTfidf, tfidfRows, wordsOf } from '../../src/text/run/tfidf.ts'
import { littleCheckpoint, madeTexts } from '../helpers/texts.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-texts-'))
after(() => rmSync(folder, { recursive: true, force: true }))

test('words of several scripts, and TF-IDF as scikit-learn computes it', () => {
  assert.deepEqual(wordsOf("It's a Café, don't you think? ÜBER 3.5"), [
    "it's",
    'a',
    'café',
    "don't",
    'you',
    'think',
    'über',
    '3',
    '5',
  ])
  assert.deepEqual(wordsOf('映画は good'), ['映', '画', 'は', 'good'])
  const all = ['good film', 'good food', 'bad film bad']
  const tfidf = fitTfidf(all, 100)
  assert.deepEqual(tfidf.terms, ['film', 'good'])
  const idf = Math.log(4 / 3) + 1
  assert.ok(Math.abs(tfidf.idf[0]! - idf) < 1e-6, `${tfidf.idf[0]}, ${idf}`)
  const rows = tfidfRows(all, tfidf)
  const half = Math.SQRT1_2
  for (const [i, expected] of [half, half, 0, 1, 1, 0].entries())
    assert.ok(Math.abs(rows[i]! - expected) < 1e-6, `value ${i}: ${rows[i]}, ${expected}`)
  assert.equal(fitTfidf(all, 1).terms.length, 1)
})

test('the simple model learns classes, labels and numbers from words', async () => {
  const [train, valid] = [madeTexts(80), madeTexts(40, { seed: 4 })]
  const of = (list: typeof train) => list.map(({ text }) => text)
  const task = { names: ['bad', 'good'], seed: 1 }
  const single = await baselineOf(
    { texts: of(train), targets: Int32Array.from(train, t => Number(t.good)) },
    { texts: of(valid), targets: Int32Array.from(valid, t => Number(t.good)) },
    { ...task, task: 'single' },
  )
  assert.ok(single.metrics.accuracy! > 0.95, JSON.stringify(single))
  const flags = (list: typeof train) => Float32Array.from(list.flatMap(t => [Number(!t.good), Number(t.good)]))
  const multi = await baselineOf(
    { texts: of(train), targets: flags(train) },
    { texts: of(valid), targets: flags(valid) },
    { ...task, task: 'multi' },
  )
  assert.ok(multi.metrics.mAP! > 0.95, JSON.stringify(multi))
  const numbers = (list: typeof train) => Float64Array.from(list, t => (t.good ? 5 : 1))
  const regression = await baselineOf(
    { texts: of(train), targets: numbers(train) },
    { texts: of(valid), targets: numbers(valid) },
    { names: ['stars'], seed: 1, task: 'regression' },
  )
  assert.ok(regression.metrics.r2! > 0.8, JSON.stringify(regression))
})

test('parts of a text make up the text, and the one that counts stands out', async () => {
  for (const text of ['It was bad, very bad!', 'a', ' two  words ', '映画は良かった', 'x '.repeat(500), '', '👍👍 ok'])
    assert.equal(partsOf(text).join(''), text)
  assert.ok(partsOf('x '.repeat(500)).length <= 48, 'a long text has few parts')
  const found = await contributions('the food was cold and late', all => all.map(t => (t.includes('cold') ? 0.9 : 0.2)))
  assert.deepEqual(
    found.filter(([, weight]) => weight > 0.5).map(([part]) => part.trim()),
    ['cold'],
  )
  assert.equal(found.map(([part]) => part).join(''), 'the food was cold and late')
})

test('near copies share their words; texts that only look alike to the net do not count', async () => {
  const all = [
    'the food was cold and the waiter was very rude to us',
    'The food was cold, and the waiter was very rude to all of us!',
    'a rude waiter brought cold food to our table late at night',
    'the film was long and the end was not what we had hoped for',
    'the film was long and the end was not what we had hoped',
  ]
  const features = Float32Array.from(all.flatMap((_, i) => [1, i < 3 ? 0.1 : -0.1, 0.01 * i]))
  const { pairs, groups } = await nearCopies(features, all)
  assert.deepEqual(
    pairs.map(({ a, b }) => [a, b]),
    [
      [3, 4],
      [0, 1],
    ],
  )
  assert.deepEqual(groups, [
    [0, 1],
    [3, 4],
  ])
  assert.deepEqual((await nearCopies(new Float32Array(3), ['one'])).pairs, [])
})

test('a text is a thumbnail, with all its letters', () => {
  for (const text of ['plain', '<b>&"\'', 'ü 日本 👍', 'a\n%41', '\ud800 cut']) {
    const back = thumbnailText(textThumbnail(text))
    assert.equal(back, text.replace('\ud800', '\ufffd'))
  }
  assert.equal(thumbnailText('/9j/4AAQ'), undefined)
  assert.equal(thumbnailText('data:text/plain;charset=utf-8,%E0%A4%A'), undefined)
})

test('the report shows the worst texts word by word, near copies, and a simple model beside', async () => {
  const samples = madeTexts(80)
  samples.push({ text: 'the film they were good deja cafe text it believ', good: true })
  samples.push({ text: 'the film they were good deja cafe text it', good: true })
  samples.push({ text: '<script>alert(1)</script> cafe & "film"', good: false })
  const data = join(folder, 'reviews.csv')
  const rows = samples.map(({ text, good }) => `"${text.replaceAll('"', '""')}",${good ? 'good' : 'bad'}`)
  writeFileSync(data, `review,verdict\n${rows.join('\n')}\n`)
  const out = join(folder, 'run')
  const events: RunEvent[] = []
  const options = { text: 'review', target: ['verdict'], model: littleCheckpoint(folder), epochs: 0, out }
  await recipeFor(texts).train(data, options, { onEvent: e => events.push(e) })
  const found = JSON.parse(readFileSync(join(out, 'interpret.json'), 'utf8')) as Interpretation
  assert.equal(found.texts!.length, 12)
  for (const { parts, file, of } of found.texts!) {
    assert.match(file, /^reviews\.csv:\d+$/)
    assert.ok(['bad', 'good'].includes(of), of)
    assert.ok(parts.length > 0, 'a text has parts')
  }
  assert.ok(found.baseline!.metrics.accuracy! > 0.9, JSON.stringify(found.baseline))
  assert.ok(
    events.some(e => e.type === 'line' && e.text.startsWith('a simple model beside it')),
    'the log names it',
  )
  assert.ok(
    found.nearDuplicates!.some(
      g => g.pictures.length === 2 && /deja cafe/.test(thumbnailText(g.pictures[0]!.thumbnail) ?? ''),
    ),
    JSON.stringify(found.nearDuplicates),
  )
  await writeReport(out)
  const page = readFileSync(join(out, 'report.html'), 'utf8')
  assert.match(page, /What each word contributes/)
  assert.match(page, /Beside a simple model/)
  assert.match(page, /up to \d+ tokens of a text/)
  assert.match(page, /<mark class="(for|against) much[1-4]"/)
  assert.ok(!page.includes('<script>alert(1)'), 'letters of a text are no markup')
  assert.ok(!page.includes('no picture'), 'no empty picture')
})

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { recipeFor } from '../../src/api/recipe.ts'
import { texts } from '../../src/text/domain/texts.ts'
import { listTexts, loadTextClassifier, predictTexts } from '../../src/text/run/predict.ts'
import type { Prediction } from '../../src/train/prediction.ts'
import { littleCheckpoint, madeTexts } from '../helpers/texts.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-texts-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const run = join(folder, 'run')
const data = join(folder, 'reviews.csv')

before(async () => {
  const rows = madeTexts(60).map(({ text, good }) => `"${text}",${good ? 'good' : 'bad'}`)
  writeFileSync(data, `review,verdict\n${rows.join('\n')}\n`)
  const model = littleCheckpoint(folder)
  await recipeFor(texts).train(data, { text: 'review', target: ['verdict'], model, epochs: 0, out: run })
})

const all = async (source: AsyncIterable<Prediction>) => {
  const out: Prediction[] = []
  for await (const p of source) out.push(p)
  return out
}
const label = (p: Prediction) => (p.task === 'single' ? p.label : '')

test('a text has the same answer alone, among others of any length, and in any order', async () => {
  const classifier = loadTextClassifier(run)
  const samples = madeTexts(700, { seed: 5, least: 1, most: 60 }).map(({ text }) => text)
  const together = await all(classifier.predictAll(samples))
  assert.equal(together.length, samples.length)
  together.forEach((p, i) => {
    assert.equal(p.index, i)
    assert.equal(p.file, `text ${i + 1}`)
  })
  const back = (await all(classifier.predictAll([...samples].reverse()))).reverse()
  for (const i of [0, 1, 77, 511, 512, 699]) {
    const alone = await classifier.predict(samples[i]!)
    for (const [c, score] of alone.scores.entries()) {
      assert.ok(Math.abs(score - together[i]!.scores[c]!) < 1e-5, `text ${i}: ${score}, ${together[i]!.scores[c]}`)
      assert.ok(Math.abs(score - back[i]!.scores[c]!) < 1e-5, `text ${i} in reverse`)
    }
  }
  classifier.close()
})

test('what is no text is refused by name, or left out where the caller hears of it', async () => {
  await assert.rejects(all(predictTexts(run, ['good', ' \n'])), /text 2: it is empty; expected a text/)
  await assert.rejects(all(predictTexts(run, [7 as never])), /text 1: expected a text, got number/)
  const heard: string[] = []
  const found = await all(predictTexts(run, ['cafe', '', 'vu'], { onError: name => heard.push(name) }))
  assert.deepEqual(
    found.map(p => [p.index, label(p)]),
    [
      [0, 'good'],
      [2, 'bad'],
    ],
  )
  assert.deepEqual(heard, ['text 2'])
})

test('files, folders and tables are listed; each unusable file is named', async () => {
  const at = join(folder, 'some')
  mkdirSync(join(at, 'deep'), { recursive: true })
  writeFileSync(join(at, 'a.txt'), 'cafe the film')
  writeFileSync(join(at, 'deep', 'b'), 'vu the film')
  writeFileSync(join(at, 'c.txt'), Buffer.from([0, 1, 2]))
  const classifier = loadTextClassifier(run)
  const { count, problems, read } = await listTexts([at])
  assert.equal(count, 2)
  assert.deepEqual(
    problems.map(p => [p.file, p.counted]),
    [['c.txt', true]],
  )
  const found = await all(classifier.predictAll(read(() => {})))
  assert.deepEqual(
    found.map(p => [p.file, label(p)]),
    [
      [join(at, 'a.txt'), 'good'],
      [join(at, 'deep', 'b'), 'bad'],
    ],
  )
  const rows = await listTexts([data], { trained: classifier.preprocessing.columns?.text })
  assert.equal(rows.count, 60)
  const errors: string[] = []
  const gone = await listTexts([join(at, 'a.txt'), join(at, 'c.txt')])
  const left = await all(classifier.predictAll(gone.read((name, error) => errors.push(`${name} ${error.message}`))))
  assert.equal(left.length, 1)
  assert.match(errors[0]!, /c\.txt .*bytes that are not text/)
  await assert.rejects(listTexts([join(at, 'nothing.txt')]), /does not exist; expected a text file/)
  writeFileSync(join(folder, 'numbers.csv'), 'a,b\n1,2\n3,4\n')
  await assert.rejects(listTexts([join(folder, 'numbers.csv')]), /no column that reads like texts \("a", "b"\)/)
  classifier.close()
})

test('evaluation finds the columns that the model was trained on', async () => {
  const other = join(folder, 'other.csv')
  const rows = madeTexts(20, { seed: 8 }).map(
    ({ text, good }, i) => `${i % 3},${good ? 'good' : 'bad'},"${text}","a note of words ${i}"`,
  )
  writeFileSync(other, `label,verdict,review,note\n${rows.join('\n')}\n`)
  const found = await recipeFor(texts).evaluate(run, other)
  assert.equal(found.samples, 20)
  assert.ok(found.metrics.accuracy! > 0.8, JSON.stringify(found.metrics))
})

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { recipeFor } from '../../src/api/recipe.ts'
import type { RunEvent } from '../../src/runs/index.ts'
import { texts } from '../../src/text/domain/texts.ts'
import { littleCheckpoint, madeTexts } from '../helpers/texts.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-pairs-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const model = littleCheckpoint(folder)
const recipe = recipeFor(texts)
const columns = { text: 'text', target: ['label'], splitColumn: 'part' }

/** A table of texts; labels tell nothing if `random`. */
function table(name: string, { random = false, most = 60 } = {}): string {
  const at = join(folder, name)
  const rows = madeTexts(most).map(({ text, good }, i) => {
    const label = random ? (i * 7919) % 13 < 6 : good
    return `"${text.replaceAll('"', '""')}",${label ? 'good' : 'bad'},${i % 4 === 3 ? 'valid' : 'train'}`
  })
  writeFileSync(at, `text,label,part\n${rows.join('\n')}\n`)
  return at
}

const pairsIn = (events: readonly RunEvent[]) =>
  events.flatMap(e => (e.type === 'choice' && e.what === 'pairs' ? [`${e.value}: ${e.reason}`] : []))
const weights = (run: string) => readFileSync(join(run, 'best.safetensors')).toString('base64')

test('few texts: the log says whether pairs measured better, and they are taken only then', async () => {
  const lines: string[] = []
  for (const random of [false, true]) {
    const events: RunEvent[] = []
    const out = join(folder, `run-${random}`)
    await recipe.train(
      table(`t-${random}.csv`, { random }),
      { ...columns, model, out, seed: 3 },
      { onEvent: e => events.push(e) },
    )
    const [line, ...more] = pairsIn(events)
    assert.equal(more.length, 0, `one line about pairs: ${more.join('\n')}`)
    const found =
      /^(taken|not taken): 3 folds of the training texts: mean loss [\d.]+ with pairs, [\d.]+ without \(difference (-?[\d.]+) ±/.exec(
        line!,
      )
    lines.push(found?.[1] ?? '')
    assert.ok(found, `the line about pairs: ${line}`)
    assert.equal(
      found[1] === 'taken',
      Number(found[2]) < 0 || found[2] === '-0.000',
      `the decision follows the measure: ${line}`,
    )
  }
  assert.equal(lines[0], 'taken', 'pairs are taken where labels follow from the texts')
})

test('--no-pairs, quick runs and many texts leave pairs out; the whole net may still be asked for', async () => {
  for (const options of [{ pairs: false, epochs: 1 }, { epochs: 0 }]) {
    const events: RunEvent[] = []
    const out = join(folder, `out-${Object.keys(options).length}`)
    await recipe.train(
      table('without.csv'),
      { ...columns, ...options, model, out, seed: 3 },
      { onEvent: e => events.push(e) },
    )
    assert.deepEqual(pairsIn(events), [], 'nothing about pairs')
  }
})

test('a run that is stopped in the middle of its pairs ends with the same weights', async () => {
  const data = table('stopped.csv')
  const whole = join(folder, 'whole')
  const options = { ...columns, model, seed: 5, pairs: true }
  await recipe.train(data, { ...options, out: whole })
  const stop = new AbortController()
  const out = join(folder, 'part')
  const progress = (what: string, done: number) => {
    if (what === 'pairs' && done === 40) stop.abort()
  }
  await assert.rejects(recipe.train(data, { ...options, out }, { signal: stop.signal, progress }), /stopped/)
  await recipe.resume(out)
  assert.ok(weights(out) === weights(whole), 'the weights of both runs are equal')
})

test('pairs that are asked for and do not fit are refused with the reason', async () => {
  const rows = madeTexts(40).map(
    ({ text, good }, i) => `"${text.replaceAll('"', '""')}",${good ? 4.5 + i / 100 : 1.5 + i / 100}`,
  )
  const at = join(folder, 'numbers.csv')
  writeFileSync(at, `text,stars\n${rows.join('\n')}\n`)
  const events: RunEvent[] = []
  const options = { text: 'text', target: ['stars'], task: 'regression' as const, pairs: true, epochs: 1 }
  await recipe.train(at, { ...options, model, out: join(folder, 'numbers') }, { onEvent: e => events.push(e) })
  assert.match(pairsIn(events)[0] ?? '', /^left out: pairs need one class/)
})

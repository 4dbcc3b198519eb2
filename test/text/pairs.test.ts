import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { recipeFor } from '../../src/api/recipe.ts'
import type { RunEvent } from '../../src/runs/index.ts'
import { texts } from '../../src/text/domain/texts.ts'
import type { TextBody } from '../../src/text/net/bert.ts'
import type { EvaluateTextsOptions, TextOptions, TextPreprocessing } from '../../src/text/types.ts'
import { littleCheckpoint, madeTexts } from '../helpers/texts.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-pairs-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const model = littleCheckpoint(folder)
const recipe = recipeFor(texts)
/** With rates at which the little net learns by pairs. */
const eager = recipeFor<TextOptions, TextBody, TextPreprocessing, string, EvaluateTextsOptions>({
  ...texts,
  async open(index, context) {
    const opened = await texts.open(index, context)
    return { ...opened, pairs: { ...opened.pairs!, rate: 3e-3, steps: 60 } }
  },
})
const columns = { text: 'text', target: ['label'], splitColumn: 'part' }

/** A table of texts. */
function table(name: string, { most = 60 } = {}): string {
  const at = join(folder, name)
  const rows = madeTexts(most).map(({ text, good }, i) => {
    return `"${text.replaceAll('"', '""')}",${good ? 'good' : 'bad'},${i % 4 === 3 ? 'valid' : 'train'}`
  })
  writeFileSync(at, `text,label,part\n${rows.join('\n')}\n`)
  return at
}

const pairsIn = (events: readonly RunEvent[]) =>
  events.flatMap(e => (e.type === 'choice' && e.what === 'pairs' ? [`${e.value}: ${e.reason}`] : []))
const weights = (run: string) => readFileSync(join(run, 'best.safetensors')).toString('base64')

test('few texts: the log says whether pairs measured better, and they are taken only then', async () => {
  const kept: string[] = []
  for (const [name, by] of Object.entries({ recipe, eager })) {
    const events: RunEvent[] = []
    const out = join(folder, `run-${name}`)
    const data = table(`${name}.csv`, { most: 90 })
    const { metrics } = await by.train(data, { ...columns, model, out, seed: 3 }, { onEvent: e => events.push(e) })
    assert.equal(pairsIn(events).length, 1, `one line about pairs: ${pairsIn(events).join('; ')}`)
    const line = /^(.+): 3 folds .*: mean loss ([\d.]+) with pairs, ([\d.]+) without .difference (\S+) ±/.exec(
      pairsIn(events)[0]!,
    )
    assert.ok(line, `the line about pairs: ${pairsIn(events)[0]}`)
    const [, value, , , difference] = line
    assert.equal(value === 'taken', difference!.startsWith('-'), `the decision follows the measure: ${line[0]}`)
    kept.push(value!)
    const said = events.some(e => e.type === 'choice' && e.what === 'unfreeze')
    assert.equal(said, value !== 'taken', 'the whole net is trained where pairs are not taken')
    // The weights that are saved are those that were validated.
    const { metrics: again } = await by.evaluate(out, data, { splitColumn: 'part', part: 'valid' })
    assert.ok(Math.abs(again.accuracy! - metrics.accuracy!) < 1e-6, `${again.accuracy}, ${metrics.accuracy}`)
  }
  assert.equal(kept[1], 'taken', 'pairs are taken at rates at which the little net learns')
})

test('fewer than 16 texts a class: pairs are taken without folds, and the body is another one', async () => {
  const lines: string[] = []
  const found: string[] = []
  for (const pairs of [undefined, false]) {
    const events: RunEvent[] = []
    const out = join(folder, `few-${pairs}`)
    const options = { ...columns, ...(pairs === false ? { pairs, epochs: 0 } : {}), model, out, seed: 3 }
    const { metrics } = await eager.train(table('few.csv', { most: 24 }), options, { onEvent: e => events.push(e) })
    lines.push(...pairsIn(events))
    found.push(weights(out))
    const said = events.some(e => e.type === 'choice' && e.what === 'unfreeze')
    assert.equal(said, false, 'the whole net is not trained')
    const { metrics: again } = await eager.evaluate(out, table('few.csv', { most: 24 }), {
      splitColumn: 'part',
      part: 'valid',
    })
    assert.ok(Math.abs(again.accuracy! - metrics.accuracy!) < 1e-6, `${again.accuracy}, ${metrics.accuracy}`)
  }
  assert.equal(lines.length, 1)
  assert.match(
    lines[0]!,
    /^taken: a class has \d training texts, and folds tell nothing with so few; 12 steps; on validation/,
  )
  assert.notEqual(found[0], found[1], 'the body was trained')
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

test('a run that is stopped in the middle of its pairs, or after them, ends with the same weights', async () => {
  const data = table('stopped.csv', { most: 90 })
  const options = { ...columns, model, seed: 5, epochs: 2 }
  const whole = join(folder, 'whole')
  const events: RunEvent[] = []
  await eager.train(data, { ...options, out: whole }, { onEvent: e => events.push(e) })
  assert.match(pairsIn(events)[0]!, /^taken/)
  const stops = {
    pairs: (stop: AbortController) => ({
      progress: (what: string, done: number) => what === 'pairs' && done === 100 && stop.abort(),
    }),
    whole: (stop: AbortController) => ({
      onEvent: (e: RunEvent) => e.type === 'epoch' && e.phase === 'whole' && stop.abort(),
    }),
  }
  for (const [name, stopped] of Object.entries(stops)) {
    const stop = new AbortController()
    const out = join(folder, `stopped-${name}`)
    const run = eager.train(data, { ...options, out }, { signal: stop.signal, ...stopped(stop) } as object)
    await assert.rejects(run, /stopped/)
    await eager.resume(out)
    assert.ok(weights(out) === weights(whole), `the weights of a run that was stopped in ${name} are equal`)
  }
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

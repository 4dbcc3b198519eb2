// A domain that the package does not know goes through all steps: train, resume, report, predict, evaluate.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { purpose, rng } from '../../src/base/random.ts'
import { listRuns, recipeFor, Stopped, writeReport } from '../../src/index.ts'
import { rows } from '../helpers/rows.ts'
import { sourcesIn } from '../helpers/sources.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-rows-'))
const at = (...parts: string[]) => join(folder, ...parts)
const recipe = recipeFor(rows)
const silent = { report: () => {}, progress: () => {} }
const asked = { epochs: 8, cycleLen: 2, batchSize: 16, precision: 'float32', pretrained: false } as const

/** Points inside or outside a ring: no linear model can separate them. */
function ring(count: number, seed: number) {
  const random = rng(seed, 0, 0, purpose.split)
  return Array.from({ length: count }, () => {
    const [x, y] = [random.uniform(-2, 2), random.uniform(-2, 2)]
    return { x: [x, y, x * x, y * y], label: Math.hypot(x, y) < 1.4 ? 'inside' : 'outside' }
  })
}

before(() => {
  writeFileSync(at('rows.json'), JSON.stringify(ring(400, 1)))
  writeFileSync(at('new.json'), JSON.stringify(ring(100, 2)))
})
after(() => rmSync(folder, { recursive: true, force: true }))

const weights = (run: string) => readFileSync(at(run, 'best.safetensors'))

describe('rows of numbers, a domain of a user', () => {
  test('train: the five steps end in a run folder with a good model', async () => {
    const result = await recipe.train(at('rows.json'), { ...asked, headCycles: 3, out: at('run') }, silent)
    assert.ok(result.metrics.accuracy! > 0.9, `accuracy ${result.metrics.accuracy}`)
    const card = JSON.parse(readFileSync(at('run', 'best.json'), 'utf8'))
    assert.deepEqual([card.domain, card.architecture, card.classes], ['rows', 'row-net', ['inside', 'outside']])
    assert.equal(card.preprocessing.mean.length, 4)
    const [listed] = listRuns(folder).filter(r => r.dir === at('run'))
    assert.equal(listed?.state, 'done')
  })

  test('resume: a run that is stopped goes on to the same weights', async () => {
    const options = { ...asked, headCycles: 3, out: at('stopped') }
    const stop = new AbortController()
    const onEvent = ({ type }: { type: string }) => type === 'batch' && ++steps === 12 && stop.abort()
    let steps = 0
    await assert.rejects(
      recipe.train(at('rows.json'), options, { ...silent, onEvent, signal: stop.signal }),
      (error: unknown) => error instanceof Stopped,
    )
    const other = recipeFor({ ...rows, name: 'columns' })
    await assert.rejects(
      other.resume(at('stopped'), silent),
      /its data are rows; it can't be resumed as a run of columns/,
    )
    await recipe.resume(at('stopped'), silent)
    assert.ok(weights('stopped').equals(weights('run')), 'the weights differ')
  })

  test('report: a page without pictures', async () => {
    await writeReport(at('run'))
    const page = readFileSync(at('run', 'report.html'), 'utf8')
    assert.match(page, /inside/)
    assert.doesNotMatch(page, /undefined|NaN/)
    assert.ok(existsSync(at('run', 'plots', 'losses.svg')), 'losses.svg')
  })

  test('evaluate: new rows, and rows that it was trained on', async () => {
    const { metrics, samples, seen } = await recipe.evaluate(at('run'), at('new.json'))
    assert.equal(samples, 100)
    assert.ok(metrics.accuracy! > 0.85, `accuracy ${metrics.accuracy}`)
    assert.deepEqual(seen, { train: 0, valid: 0 })
    const again = await recipe.evaluate(at('run'), at('rows.json'))
    assert.deepEqual(again.seen, { train: 320, valid: 80 })
    assert.match(again.warnings[0]!, /^320 of 400 rows were in this run's training part/)
  })

  test('predict: one after another, in order, as evaluated', async () => {
    const given = ring(100, 2)
    const labels: string[] = []
    for await (const found of recipe.predict(
      at('run'),
      given.map(r => r.x),
      { batchSize: 7 },
    )) {
      assert.equal(found.index, labels.length)
      assert.ok(found.task === 'single', found.task)
      labels.push(found.label)
    }
    const right = labels.filter((label, i) => label === given[i]!.label).length
    const { metrics } = await recipe.evaluate(at('run'), at('new.json'))
    assert.equal(right / 100, metrics.accuracy)
  })

  test('what is missing or of another kind is refused in words', async () => {
    await assert.rejects(
      recipe.train(at('nothing'), {}, silent),
      /no such folder or file\. Expected a JSON file of rows/,
    )
    const other = recipeFor({ ...rows, name: 'columns' })
    await assert.rejects(other.predict(at('run'), [[1, 2, 3, 4]]).next(), /this model is for rows and can't predict/)
  })
})

test('recipes/ names no kind of data; the whole domain is less than 150 lines', () => {
  const named = sourcesIn('src/recipes')
    .filter(({ tree }) => /\b(pictures?|photos?|vision)\b/i.test(tree.text))
    .map(({ path }) => path)
  assert.deepEqual(named, [])
  const [own] = sourcesIn('test/helpers').filter(({ path }) => path.endsWith('/rows.ts'))
  assert.ok(own!.tree.text.split('\n').length < 150, 'lines of the domain')
})

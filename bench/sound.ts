/** Spoken digits, one speaker left out at a time: the speech embedding frozen and as a whole net, beside log-mel features
 *  with scikit-learn, in one run.
 *
 *      node --import tsx bench/sound.ts FOLDER PYTHON [--epochs 4] [--no-whole]
 *
 *  FOLDER has LABEL_SPEAKER_NUMBER.wav, such as the recordings of free-spoken-digit-dataset. PYTHON has numpy, scipy and
 *  scikit-learn. Recordings are decoded before the clock starts, for both. Writes bench/results/sound.json. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { recipeFor } from '../src/api/recipe.ts'
import { setUpOnce } from '../src/setup/index.ts'
import { openSounds } from '../src/sound/dataset.ts'
import { indexSounds, sounds } from '../src/sound/index.ts'
import { speechWeights } from '../src/sound/models/speech-embedding.ts'
import { measuredOn } from './machine.ts'

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  allowNegative: true,
  options: { epochs: { type: 'string' }, whole: { type: 'boolean', default: true } },
})
const [folder, python] = positionals
if (!folder || !python) throw new Error('give the folder of recordings and a Python')

const labels = { labelRegex: '^([^_]+)_', groupRegex: '^[^_]+_([^_]+)_' }
await setUpOnce()
await speechWeights.fetch()
const index = await indexSounds(folder, labels)
const groups = [...new Set(index.items.map(item => item.group!))].sort()
let began = performance.now()
await openSounds(index, {})
const decoding = (performance.now() - began) / 1000

interface Result {
  name: string
  accuracy: number
  byGroup: Record<string, number>
  seconds: number
  cpuSeconds: number
}

/** Folds by group: as many as there are speakers, so each fold holds out one. */
async function leaveOneOut(name: string, options: object): Promise<Result> {
  const out = mkdtempSync(join(tmpdir(), 'anneal-sound-'))
  const cpu = process.cpuUsage()
  began = performance.now()
  const result = await recipeFor(sounds).train(folder!, {
    ...labels,
    model: 'speech-embedding',
    folds: groups.length,
    precision: 'float32',
    out: join(out, 'run'),
    ...options,
  } as never)
  const seconds = (performance.now() - began) / 1000
  const { user, system } = process.cpuUsage(cpu)
  const byGroup = Object.fromEntries(result.folds!.map((fold, i) => [`fold ${i + 1}`, fold.metrics.accuracy!]))
  rmSync(out, { recursive: true })
  const found = { name, accuracy: result.metrics.accuracy!, byGroup, seconds, cpuSeconds: (user + system) / 1e6 }
  console.log(`${name}: ${found.accuracy.toFixed(4)}, ${seconds.toFixed(1)} s, ${found.cpuSeconds.toFixed(1)} s of CPU`)
  return found
}

const rival = spawnSync(python, [new URL('rivals/sound.py', import.meta.url).pathname, folder], { encoding: 'utf8' })
if (rival.status !== 0) throw new Error(rival.stderr)
const results: Result[] = [JSON.parse(rival.stdout) as Result]
console.log(`${results[0]!.name}: ${results[0]!.accuracy.toFixed(4)}, ${results[0]!.seconds.toFixed(1)} s`)
results.push(await leaveOneOut('speech embedding, frozen', { epochs: 0, views: 0 }))
results.push(await leaveOneOut('speech embedding, frozen, 4 augmented views', { epochs: 0 }))
if (flags.whole)
  results.push(await leaveOneOut('speech embedding, whole net', flags.epochs ? { epochs: Number(flags.epochs) } : {}))

const path = new URL('results/sound.json', import.meta.url)
const before = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as { results: Result[] }).results : []
const kept = before.filter(old => !results.some(({ name }) => name === old.name))
const about = { ...measuredOn(), recordings: index.items.length, groups: groups.length, decodingSeconds: decoding }
writeFileSync(path, `${JSON.stringify({ ...about, results: [...results, ...kept] }, null, 2)}\n`)

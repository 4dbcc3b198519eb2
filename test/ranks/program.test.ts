import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { findAddon } from '../../src/setup/index.ts'
import { ownCache } from '../helpers/cache.ts'
import { program } from '../helpers/cli.ts'
import { type RankProcess, startRanks } from '../helpers/ranks.ts'
import { allMarks, marked } from '../helpers/recipe.ts'
import { helper } from '../helpers/typescript.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-ranks-'))
const path = (...parts: string[]) => join(folder, ...parts)
const cache = ownCache(folder)
before(async () => {
  for (const mark of allMarks) {
    mkdirSync(path('data', mark), { recursive: true })
    for (let n = 0; n < 14; n++) writeFileSync(path('data', mark, `${n}.png`), await marked(n, [mark]))
  }
})
after(() => rmSync(folder, { recursive: true, force: true }))

const env = { ANNEAL_ADDON: findAddon()!.path, ANNEAL_CACHE: cache, TMPDIR: folder, ANNEAL_SILENCE_SECONDS: '6' }
const none = { RANK: '', WORLD_SIZE: '', LOCAL_RANK: '', LOCAL_WORLD_SIZE: '' }
/** Starts a program or the command in `size` processes; in one without a launcher's variables. */
const start = (args: readonly string[], size: number, more = {}) =>
  startRanks(args, size, () => ({ ...env, ...(size === 1 ? none : {}), ...more }))
const steps = (args: readonly string[], size: number, more = {}) =>
  start(helper('rank-program.ts', path('data'), ...args), size, more)
const said = (ranks: readonly RankProcess[]) => ranks.map(r => `\n--- ${r.rank}\n${r.out()}${r.err()}`).join('')
const codes = async (ranks: readonly RankProcess[]) => (await Promise.all(ranks.map(r => r.ended))).map(e => e.code)
interface Found {
  found: number[]
  losses: number[]
  loss: number
  probabilities: number[]
  top: string[]
  now: number
  saved: number
  after: string
}
async function results(ranks: readonly RankProcess[]): Promise<Found[]> {
  assert.deepEqual(
    await codes(ranks),
    ranks.map(() => 0),
    said(ranks),
  )
  return ranks.map(r => JSON.parse(r.out().trim().split('\n').at(-1)!))
}
const far = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length ? a.reduce((most, v, i) => Math.max(most, Math.abs(v - b[i]!)), 0) : Number.POSITIVE_INFINITY

test('a program with learner(), step by step: two processes find, train, validate and save what one does', async () => {
  const [one] = await results(await steps([path('one')], 1))
  const two = await results(await steps([path('two'), '', path('run')], 2))
  assert.ok(one!.losses.length >= 16, `${one!.losses.length} steps`)
  for (const [rank, found] of two.entries()) {
    for (const what of ['found', 'losses', 'probabilities'] as const) {
      const most = far(found[what], one![what])
      assert.ok(most < 1e-5, `${what} of rank ${rank}: ${most} away`)
    }
    assert.ok(Math.abs(found.loss - one!.loss) < 1e-5, `loss ${found.loss}, ${one!.loss}`)
    assert.deepEqual(found.top, one!.top)
    assert.ok(Math.abs(found.now - found.saved) < 1e-5, `predicted ${found.now}, after loading ${found.saved}`)
    assert.match(found.after, /its group has ended: a run .* has a group of its own/)
  }
  assert.ok(existsSync(path('two.safetensors')), 'the first rank saved the model')
  assert.ok(existsSync(path('run', 'result.json')), 'a run in the same program went through')
})

test('a program that fails in one process, or that differs, ends in all of them with the reason', async () => {
  const failed = await steps([path('failed'), '1'], 2)
  assert.deepEqual(await codes(failed), [1, 1], said(failed))
  assert.match(failed[0]!.err(), /rank 1 of 2 ended with an error: the program of rank 1 has a fault/)
  const other = await steps([path('other')], 2, { OTHER_DECAY: '1' })
  assert.deepEqual(await codes(other), [1, 1], said(other))
  assert.match(other[0]!.err(), /rank 1 has the setting weightDecay: 0.02, rank 0 0.01/)
})

test('a table: rank 0 trains and evaluates alone, the other waits and ends with it; --resume too', async () => {
  const rows = Array.from({ length: 80 }, (_, i) => `${i % 7},${(i * 5) % 11},${i % 7 > 3 ? 'yes' : 'no'}`)
  writeFileSync(path('rows.csv'), ['a,b,label', ...rows].join('\n'))
  const asked = [path('rows.csv'), '--target', 'label', '--model', 'trees', '--out', path('table')]
  const ranks = await start([...program, 'train', ...asked], 2)
  assert.deepEqual(await codes(ranks), [0, 0], said(ranks))
  assert.match(ranks[0]!.out(), /training on a table: rank 0 of 2 does it alone, in 1 thread, and the others wait/)
  assert.equal(ranks[1]!.out() + ranks[1]!.err(), '', 'rank 1 prints nothing')
  assert.ok(existsSync(path('table', 'result.json')), 'the run is done')
  const evaluated = await start([...program, 'evaluate', path('table'), path('rows.csv'), '--json'], 2)
  assert.deepEqual(await codes(evaluated), [0, 0], said(evaluated))
  assert.equal(JSON.parse(evaluated[0]!.out()).samples, 80)
  assert.equal(evaluated[1]!.out(), '', 'rank 1 prints nothing')
  const again = await start([...program, 'train', '--resume', path('table')], 2)
  assert.deepEqual(await codes(again), [1, 1], said(again))
  assert.match(again[0]!.err(), /this run is done/)
})

test('the temporary folder of a rank that was killed goes away with the next run; that of a running one stays', async () => {
  const owned = (name: string, pid: number) => {
    mkdirSync(path(name, 'run'), { recursive: true })
    writeFileSync(path(name, 'owner.json'), JSON.stringify({ pid, host: hostname() }))
  }
  owned('anneal-rank-1-killed', 2 ** 22 + 7)
  owned('anneal-rank-1-running', process.pid)
  const args = ['train', path('data'), '--model', 'squeezenet1_1', '--no-pretrained', '--size', '32', '--lr', '1e-4']
  const ranks = await start([...program, ...args, '--epochs', '1', '--out', path('sweeps')], 2)
  assert.deepEqual(await codes(ranks), [0, 0], said(ranks))
  assert.deepEqual(
    readdirSync(folder).filter(name => name.startsWith('anneal-rank-')),
    ['anneal-rank-1-running'],
  )
})

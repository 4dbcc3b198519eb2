import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { findAddon } from '../../src/setup/index.ts'
import { readWeights } from '../../src/weights/index.ts'
import { ownCache } from '../helpers/cache.ts'
import { program } from '../helpers/cli.ts'
import { freePort, type RankProcess, startRank } from '../helpers/ranks.ts'
import { allMarks, marked } from '../helpers/recipe.ts'
import { littleCheckpoint, madeTexts } from '../helpers/texts.ts'
import { helper } from '../helpers/typescript.ts'
import { until } from '../helpers/until.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-ranks-'))
const path = (...parts: string[]) => join(folder, ...parts)
const cache = ownCache(folder)
before(async () => {
  for (const mark of allMarks)
    for (let n = 0; n < 14; n++) {
      const file = path('data', mark, `${n}.png`)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, await marked(n, [mark]))
    }
})
after(() => rmSync(folder, { recursive: true, force: true }))

// SGD: AdamW makes large steps of gradients that are 0 but for rounding.
const settings = [
  ...['--model', 'squeezenet1_1', '--no-pretrained', '--size', '32', '--batch', '8', '--precision', 'float32'],
  ...['--optimizer', 'sgd', '--lr', '1e-4', '--epochs', '2', '--dropout', '0', '--sync-bn'],
]
const env = () => ({
  ANNEAL_ADDON: findAddon()!.path,
  ANNEAL_CACHE: cache,
  TMPDIR: folder,
  ANNEAL_SILENCE_SECONDS: '6',
})

/** `anneal train ARGS` in `size` processes; in one without a launcher's variables. */
const train = (args: readonly string[], size: number) => anneal(['train', ...args], size)

/** `anneal ARGS` in as many. */
async function anneal(args: readonly string[], size: number) {
  const port = await freePort()
  const none = { RANK: '', WORLD_SIZE: '', LOCAL_RANK: '', LOCAL_WORLD_SIZE: '' }
  return Array.from({ length: size }, (_, rank) =>
    startRank([...program, ...args], {
      rank,
      size,
      port,
      env: { ...env(), ...(size === 1 ? none : {}) },
    }),
  )
}
const said = (ranks: readonly RankProcess[]) => ranks.map(r => `\n--- ${r.rank}\n${r.out()}${r.err()}`).join('')
async function done(ranks: readonly RankProcess[]): Promise<void> {
  const ends = await Promise.all(ranks.map(r => r.ended))
  assert.ok(
    ends.every(e => e.code === 0),
    `${JSON.stringify(ends)}${said(ranks)}`,
  )
}
const weights = (run: string, file: string) => {
  const all = [...readWeights(path(run, file))].filter(([, t]) => t.dtype === 'float32')
  return new Map(all.map(([name, t]) => [name, new Float32Array(Uint8Array.from(t.data).buffer)]))
}
/** The tensor that differs most, and by how much, relative to 1 and to its values. */
function farthest(a: string, b: string, file = 'best.safetensors'): { name: string; far: number } {
  const [x, y] = [weights(a, file), weights(b, file)]
  assert.deepEqual([...x.keys()], [...y.keys()])
  const far = Array.from(x, ([name, v]) => ({
    name,
    far: v.reduce((most, n, i) => Math.max(most, Math.abs(n - y.get(name)![i]!) / (1 + Math.abs(n))), 0),
  }))
  return far.reduce((a, b) => (b.far > a.far ? b : a))
}
const json = (...parts: string[]) => JSON.parse(readFileSync(path(...parts), 'utf8'))

/** Waits until a run has trained up to this step. */
function untilStep(run: string, step: number, ranks: readonly RankProcess[]): Promise<void> {
  const reached = () => Number([...events(run).matchAll(/"type":"batch".*?"step":(\d+)/g)].at(-1)?.[1] ?? 0)
  return until(
    `step ${step}`,
    () => reached() >= step,
    120,
    () => said(ranks),
  )
}
const events = (run: string) =>
  existsSync(path(run, 'events.jsonl')) ? readFileSync(path(run, 'events.jsonl'), 'utf8') : ''

/** Waits until a run that was resumed has trained 20 more steps. Returns its events. */
async function untilItGoesOn(run: string, ranks: readonly RankProcess[]): Promise<string> {
  const resumed = () => /"type":"resumed","step":(\d+)/.exec(events(run))?.[1]
  await until(
    'the run to be resumed',
    () => resumed() !== undefined,
    120,
    () => said(ranks),
  )
  await untilStep(run, Number(resumed()) + 20, ranks)
  return events(run)
}

test('two processes of the command train what one trains; the first alone writes the run', async () => {
  await done(await train([path('data'), ...settings, '--out', path('one')], 1))
  const ranks = await train([path('data'), ...settings, '--out', path('two')], 2)
  await done(ranks)
  const far = farthest('one', 'two')
  assert.ok(far.far < 1e-4, `${far.name} is ${far.far} away from that of one process`)
  const [one, two] = [json('one', 'result.json'), json('two', 'result.json')]
  assert.ok(Math.abs(one.loss - two.loss) < 1e-3, `${one.loss} ${two.loss}`)
  assert.equal(json('two', 'config.json').machine.ranks, 2)
  assert.equal(ranks[1]!.out(), '', 'rank 1 prints nothing')
  assert.match(ranks[0]!.out(), /model/)
  const left = readdirSync(folder).filter(name => name.startsWith('anneal-rank-'))
  assert.deepEqual(left, [], 'temporary folders are gone')

  const again = await train(['--resume', path('two')], 2)
  const ends = await Promise.all(again.map(r => r.ended))
  assert.deepEqual(
    ends.map(({ code }) => code),
    [1, 1],
    said(again),
  )
  for (const r of again)
    assert.ok(
      r.err().includes(`${path('two')}: this run is done`),
      `each rank names the run, not its folder: ${r.err()}`,
    )
})

/** All files of a run, without those of the report. */
const filesOf = (run: string) =>
  readdirSync(path(run), { recursive: true, encoding: 'utf8' })
    .filter(name => /\.(json|jsonl|safetensors)$/.test(name))
    .sort()

test('folds, MixUp, CutMix, the focal loss, snapshots, their mean and views: two processes train what one trains, and evaluate it together', async () => {
  const asked = [
    ...['--folds', '2', '--epochs', '2', '--cycle-len', '1', '--swa', '--snapshots', '--tta', '2'],
    ...['--mixup', '0.4', '--cutmix', '1', '--loss', 'focal', '--bn-freeze'],
  ]
  const args = [path('data'), ...settings.filter(word => word !== '--sync-bn'), ...asked]
  await done(await train([...args, '--out', path('mixed-one')], 1))
  const ranks = await train([...args, '--out', path('mixed-two')], 2)
  await done(ranks)
  assert.deepEqual(filesOf('mixed-two'), filesOf('mixed-one'))
  for (const fold of ['fold-1', 'fold-2'])
    for (const file of ['best.safetensors', 'snapshot-32-1.safetensors', 'snapshot-32-2.safetensors']) {
      const { name, far } = farthest(join('mixed-one', fold), join('mixed-two', fold), file)
      assert.ok(far < 1e-5, `${fold}/${file}: ${name} is ${far} away from that of one process`)
    }
  const [one, two] = [json('mixed-one', 'result.json'), json('mixed-two', 'result.json')]
  assert.ok(Math.abs(one.loss - two.loss) < 1e-5, `${one.loss} ${two.loss}`)
  assert.deepEqual(two.folds[0].tta.valid.augmented, one.folds[0].tta.valid.augmented)

  const run = path('mixed-two')
  const together = await anneal(['evaluate', run, path('data'), '--json'], 2)
  await done(together)
  assert.equal(together[1]!.out() + together[1]!.err(), '', 'rank 1 prints nothing')
  const alone = await anneal(['evaluate', run, path('data'), '--json'], 1)
  await done(alone)
  const [shared, own] = [together, alone].map(([first]) => JSON.parse(first!.out()))
  assert.equal(shared.samples, 42)
  assert.deepEqual(shared.confusion, own.confusion)
  assert.ok(Math.abs(shared.loss - own.loss) < 1e-6, `${shared.loss} ${own.loss}`)
  assert.deepEqual([shared.before, own.before], [0, 1], 'the figures of several processes are noted once')
})

test('two processes train on texts what one trains', async () => {
  const model = littleCheckpoint(folder)
  const config = join(model, 'config.json')
  const dropout = { hidden_dropout_prob: 0, attention_probs_dropout_prob: 0 } // its masks differ by rank
  writeFileSync(config, JSON.stringify({ ...JSON.parse(readFileSync(config, 'utf8')), ...dropout }))
  const rows = madeTexts(60).map(({ text, good }) => `${text},${good ? 'good' : 'bad'}`)
  writeFileSync(path('texts.csv'), ['text,label', ...rows].join('\n'))
  const asked = ['--text', 'text', '--target', 'label', '--model', model, '--epochs', '2', '--batch', '8']
  const args = [
    path('texts.csv'),
    ...asked,
    '--optimizer',
    'sgd',
    '--lr',
    '1e-3',
    '--dropout',
    '0',
    '--precision',
    'float32',
  ]
  await done(await train([...args, '--out', path('texts-one')], 1))
  await done(await train([...args, '--out', path('texts-two')], 2))
  const { name, far } = farthest('texts-one', 'texts-two')
  assert.ok(far < 1e-5, `${name} is ${far} away from that of one process`)
})

for (const [signal, code] of [
  ['SIGKILL', 1],
  ['SIGINT', 130],
] as const)
  test(`rank 1 gets ${signal}: rank 0 ends, and the run goes on in one process`, async () => {
    const run = `ended-${signal}`
    const long = ['train', path('data'), ...settings, '--epochs', '40', '--out', path(run)]
    const port = await freePort()
    // It is killed at a moment that is hard to meet: an epoch is over, and the ranks compare their weights.
    const dying = signal === 'SIGKILL' ? helper('rank-dies.ts') : program
    const ranks = [program, dying].map((start, rank) =>
      startRank([...start, ...long], { rank, size: 2, port, env: env() }),
    )
    try {
      if (signal === 'SIGINT') {
        await untilStep(run, 12, ranks)
        ranks[1]!.child.kill(signal)
      }
      const { code: found } = await ranks[0]!.ended
      assert.equal(found, code, said(ranks))
      if (signal === 'SIGKILL') assert.match(ranks[0]!.err(), /rank 1 of 2 has given no sign of life/)
      else assert.match(ranks[0]!.err(), /stopped; saved: training up to step \d+/)
    } finally {
      for (const r of ranks) r.child.kill('SIGKILL')
    }
    const [alone] = await train(['--resume', path(run)], 1)
    try {
      const events = await untilItGoesOn(run, [alone!])
      alone!.child.kill('SIGINT')
      await alone!.ended
      assert.match(events, /the run began in 2 processes and goes on in 1/)
      const epochs = readFileSync(path(run, 'metrics.csv'), 'utf8').trim().split('\n').slice(1)
      assert.deepEqual(
        epochs.map(line => Number(line.split(',')[0])),
        epochs.map((_, i) => i + 1),
        'each epoch is recorded once',
      )
    } finally {
      alone!.child.kill('SIGKILL')
    }
  })

test('a rank with other pictures, and one with other settings, are refused with the difference', async () => {
  const other = path('other')
  for (const mark of allMarks)
    for (let n = 0; n < 12; n++) {
      mkdirSync(join(other, mark), { recursive: true })
      writeFileSync(join(other, mark, `${n}.png`), await marked(100 + n, [mark]))
    }
  const port = await freePort()
  const begin = (rank: number, data: string, args: readonly string[], out: string) =>
    startRank([...program, 'train', data, ...settings, ...args, '--out', path(out)], {
      rank,
      size: 2,
      port,
      env: env(),
    })
  const data = [begin(0, path('data'), [], 'a'), begin(1, other, [], 'a')]
  for (const r of data) {
    const { code } = await r.ended
    assert.equal(code, 1, said(data))
    assert.match(r.err(), /rank 1 of 2: other pictures, labels or split than rank 0/)
  }
  const set = [begin(0, path('data'), ['--weight-decay', '0.02'], 'b'), begin(1, path('data'), [], 'b')]
  for (const r of set) {
    const { code } = await r.ended
    assert.equal(code, 1, said(set))
    assert.match(r.err(), /the ranks differ: rank 1 .* the setting weightDecay: none, rank 0 0.02/)
  }
  assert.ok(!existsSync(path('b')), 'a refused run leaves no folder')
})

test('a run of one process goes on in three', async () => {
  const ranks = await train([path('data'), ...settings, '--epochs', '40', '--out', path('grows')], 1)
  await untilStep('grows', 8, ranks)
  ranks[0]!.child.kill('SIGINT')
  await ranks[0]!.ended
  const more = await train(['--resume', path('grows')], 3)
  try {
    const events = await untilItGoesOn('grows', more)
    more[2]!.child.kill('SIGINT')
    const { code } = await more[0]!.ended
    assert.equal(code, 130, said(more))
    assert.match(events, /began in 1 process and goes on in 3/)
  } finally {
    for (const r of more) r.child.kill('SIGKILL')
  }
})

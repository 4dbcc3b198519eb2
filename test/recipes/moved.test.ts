import assert from 'node:assert/strict'
import { copyFileSync, cpSync, renameSync, rmSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { resumeRun, type TrainOptions } from '../../src/api/index.ts'
import { Stopped } from '../../src/train/stop.ts'
import { workspace } from '../helpers/cli.ts'
import { allMarks, marked, runsFolder } from '../helpers/recipe.ts'

const work = runsFolder()
const command = workspace()
after(() => {
  work.remove()
  command.remove()
})

const count = 36
const options: TrainOptions = { epochs: 1, views: 1, batchSize: 8, headLr: 1e-2 }
let expected = ''

/** Makes a folder of pictures, a table beside the folder and a table inside it. */
async function put(folder: string): Promise<void> {
  for (let n = 0; n < count; n++)
    work.put({ [`${folder}/${allMarks[n % 3]}/${n}.png`]: await marked(n, [allMarks[n % 3]!]) })
  const rows = Array.from({ length: count }, (_, n) => `${allMarks[n % 3]}/${n}.png,${allMarks[n % 3]}`)
  work.put({
    [`${folder}.csv`]: ['file,label', ...rows].join('\n'),
    [`${folder}/in.csv`]: ['file,label', ...rows].join('\n'),
  })
}

/** A run that was stopped while it trained the head. Its pictures have moved since. */
async function stopped(name: string, more: TrainOptions = {}, at = 'batch'): Promise<void> {
  const stop = new AbortController()
  const onEvent = (event: { type: string }) => event.type === at && stop.abort()
  await assert.rejects(
    work.train(name, `${name}-run`, { ...options, ...more }, { signal: stop.signal, onEvent }),
    Stopped,
  )
  renameSync(work.path(name), work.path(`${name}-moved`))
}
const resume = (name: string, places: Parameters<typeof resumeRun>[1] = {}) =>
  resumeRun(work.path(`${name}-run`), places)
const config = (name: string) => work.json(`${name}-run`, 'config.json')

before(async () => {
  await put('first')
  await work.train('first', 'first-run', options)
  expected = work.digest('first-run', 'best.safetensors')
})

describe('a run whose pictures have moved', () => {
  test('says so, goes on where it is told, and keeps the new place', async () => {
    await put('folders')
    await stopped('folders')
    await assert.rejects(
      resume('folders'),
      /its data were in .*folders, which no longer exists\. Give their new place with data/,
    )
    await assert.rejects(
      resume('folders', { places: { data: work.path('nowhere') } }),
      /no such folder; expected the one that/,
    )
    const stop = new AbortController()
    const hooks = { signal: stop.signal, onEvent: (e: { type: string }) => e.type === 'batch' && stop.abort() }
    await assert.rejects(resume('folders', { ...hooks, places: { data: work.path('folders-moved') } }), Stopped)
    assert.equal(config('folders').data, work.path('folders-moved'), 'the next time needs no --data')
    await resume('folders')
    assert.equal(work.digest('folders-run', 'best.safetensors'), expected, 'the same weights as without a move')
  })

  test('other pictures are refused, and the difference is named', async () => {
    await put('other')
    await stopped('other')
    const at = (name: string) => resume('other', { places: { data: work.path(name) } })
    cpSync(work.path('other-moved'), work.path('fewer'), { recursive: true })
    rmSync(work.path('fewer', 'red', '0.png'))
    await assert.rejects(at('fewer'), /1 of its 36 pictures is not here/)
    cpSync(work.path('other-moved'), work.path('changed'), { recursive: true })
    work.put({ 'changed/red/0.png': await marked(99, ['red']) })
    await assert.rejects(
      at('changed'),
      /1 of its 36 pictures is not here; 1 other picture is: red\/0\.png\); put them back/,
    )
    cpSync(work.path('other-moved'), work.path('renamed'), { recursive: true })
    renameSync(work.path('renamed', 'red', '0.png'), work.path('renamed', 'green', '0.png'))
    await assert.rejects(at('renamed'), /red: .* then, .* now/)
    assert.equal(config('other').data, work.path('other'), 'a refused place is not kept')
    await at('other-moved')
  })

  test('before its first step too: by the list of contents', async () => {
    await put('early')
    await stopped('early')
    rmSync(work.path('early-run', 'resume'), { recursive: true, force: true }) // as kill -9 would have left it
    work.put({ 'early-moved/red/0.png': await marked(98, ['red']) })
    const places = { data: work.path('early-moved') }
    await assert.rejects(
      resume('early', { places }),
      /1 of its \d+ pictures is not here; 1 other picture is: red\/0\.png/,
    )
  })
})

describe('a table that has moved', () => {
  test('with the pictures it lay among: found', async () => {
    await put('among')
    await stopped('among', { labels: work.path('among/in.csv') })
    await resume('among', { places: { data: work.path('among-moved') } })
    assert.equal(config('among').settings.labels, work.path('among-moved/in.csv'))
  })

  test('elsewhere: told, and other labels are refused', async () => {
    await put('beside')
    await stopped('beside', { labels: work.path('beside.csv') })
    renameSync(work.path('beside.csv'), work.path('beside2.csv'))
    const data = work.path('beside-moved')
    await assert.rejects(resume('beside', { places: { data } }), /labels was .*beside\.csv, which no longer exists/)
    const rows = Array.from({ length: count }, (_, n) => `${allMarks[n % 3]}/${n}.png,${allMarks[(n + 1) % 3]}`)
    work.put({ 'wrong.csv': ['file,label', ...rows].join('\n') })
    const labels = (name: string) => ({ places: { data, labels: work.path(name) } })
    await assert.rejects(resume('beside', labels('wrong.csv')), /not those that the run began with/)
    await assert.rejects(
      resume('beside', labels('none.csv')),
      /no such file; expected the one that .*beside\.csv has moved to/,
    )
    await resume('beside', labels('beside2.csv'))
    assert.equal(config('beside').settings.labels, work.path('beside2.csv'))
  })

  test('of a run without one: refused', async () => {
    await put('plain')
    await stopped('plain')
    const places = { data: work.path('plain-moved'), labels: work.path('first.csv') }
    await assert.rejects(resume('plain', { places }), /began without labels/)
  })
})

test('on the command line: --data with --resume, and only there', async () => {
  await put('typed')
  await stopped('typed')
  const run = work.path('typed-run')
  const first = await command.run(['train', '--resume', run])
  assert.match(first.stderr, /Give their new place with --data/)
  const alone = await command.run(['train', '--data', work.path('typed-moved')])
  assert.equal(alone.code, 2)
  assert.match(alone.stderr, /npx anneal train .*typed-moved/)
  const both = await command.run(['train', work.path('typed-moved'), '--resume', run])
  assert.match(both.stderr, /where the data have moved there: --data .*typed-moved/)
  copyFileSync(work.path('first.csv'), work.path('typed.csv'))
  const done = await command.run(['train', '--resume', run, '--data', work.path('typed-moved'), '--json'])
  assert.equal(done.code, 0, done.stderr)
})

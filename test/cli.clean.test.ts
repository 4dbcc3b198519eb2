import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { readDecisions } from '../src/data/decisions.ts'
import { workspace } from './cli.make.ts'
import { makeReview } from './web.make.ts'

const space = workspace()
after(() => space.remove())
const made = await makeReview(space.folder)

test('clean --list and --json show what to look at, and what was decided', async () => {
  const [listed, { stdout }] = await Promise.all([
    space.run(['clean', made.dir, '--list']),
    space.run(['clean', made.dir, '--json']),
  ])
  assert.equal(listed.code, 0, listed.stderr)
  assert.deepEqual(listed.stdout.split('\n').slice(0, 2), [
    'label issue  hat → shirt, label believed to 0.2 %',
    '  train/hat/a.jpg  (hat)',
  ])
  const rows = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  assert.deepEqual(
    rows.map(r => [r.kind, r.pictures.length]),
    [
      ['label issue', 1],
      ['label issue', 1],
      ['near duplicate', 2],
      ['top loss', 1],
      ['top loss', 1],
      ['top loss', 1],
    ],
  )
  assert.deepEqual(rows[0].suggested, ['shirt'])
})

test('clean --decide takes all decisions of a file, or none, and says how to train with them', async () => {
  const path = space.path('mine.jsonl')
  const good = { file: 'train/hat/a.jpg', action: 'relabel', label: 'shirt', reason: 'seen' }
  writeFileSync(path, `${JSON.stringify(good)}\n{"file":"train/hat/none.jpg","action":"drop"}\n`)
  const none = await space.run(['clean', made.dir, '--decide', path])
  assert.equal(none.code, 1)
  assert.match(none.stderr, /mine\.jsonl: .*photos has no picture train\/hat\/none\.jpg; expected paths below it/)
  assert.equal(existsSync(made.clean), false)
  writeFileSync(path, `${JSON.stringify(good)}\n{"file":"train/shirt/c.jpg","action":"drop"}\n`)
  const all = await space.run(['clean', made.dir, '--decide', path])
  assert.equal(all.code, 0, all.stderr)
  assert.match(
    all.stdout,
    /2 decisions, 1 left out, 1 relabelled\nnext {5}npx anneal train .*photos --clean .*clean\.jsonl\n$/,
  )
  assert.deepEqual(
    readDecisions(made.clean).map(d => [d.file, d.action, d.label]),
    [
      ['train/hat/a.jpg', 'relabel', 'shirt'],
      ['train/shirt/c.jpg', 'drop', undefined],
    ],
  )
  assert.equal(JSON.parse(readFileSync(made.clean, 'utf8').split('\n')[0]!).reason, 'seen')
})

test('clean serves a page until Ctrl-C, then says what was decided', async () => {
  const { code, stdout } = await space.start(['clean', made.dir], {
    onLine: (line, process) => {
      if (line.startsWith('http://127.0.0.1:'))
        fetch(line).then(
          page => page.ok && process.kill('SIGINT'),
          () => process.kill(),
        )
    },
  }).ended
  assert.equal(code, 0)
  assert.match(stdout, /^6 pictures to look at.*\nhttp:\/\/127\.0\.0\.1:\d+\/[\w-]{32}\/\n.*clean\.jsonl: \d decisions/)
})

test('clean says what is missing', async () => {
  const [nothing, port] = await Promise.all([
    space.run(['clean', space.path('none'), '--list']),
    space.run(['clean', made.dir, '--port', 'x']),
  ])
  assert.deepEqual([nothing.code, nothing.stdout], [1, ''])
  assert.match(nothing.stderr, /there is no run here yet/)
  assert.match(port.stderr, /--port: expected a number from 0 to 65535, got NaN/)
})

import assert from 'node:assert/strict'
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { readDecisions } from '../../src/data/labels/decisions.ts'
import { type RunConfig, readObject, runPaths } from '../../src/runs/index.ts'
import { workspace } from '../helpers/cli.ts'
import { makeReview } from '../helpers/web.ts'

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
    rows.map(r => [r.kind, r.samples.length]),
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
    /2 decisions, 1 left out, 1 relabelled\nnext {5}npx anneal train .*photos --size 224 --clean .*clean\.jsonl\n$/,
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

test('clean --decide names the whole command: labels and what else the run was told', async () => {
  const paths = runPaths(made.dir)
  const config = readObject<RunConfig>(paths.config)!
  const whole = { ...config, model: 'resnet18' }
  const given = ['anneal', 'train', 'photos', '--labels', 'my labels.csv', '--label-column', 'a,b', '--no-pretrained']
  whole.command = [...given, '--swa', '--batch', '8', '--out', 'here', '--split-column', 'none', '--clean', 'old.jsonl']
  whole.settings = { labels: '/x/my labels.csv', labelColumn: ['a', 'b'], pretrained: false, swa: true, batchSize: 8 }
  Object.assign(whole.settings, { splitColumn: false, clean: '/x/old.jsonl', size: 224, device: 'cpu', fold: 0 })
  const next = async (command: string[]) => {
    writeFileSync(paths.config, JSON.stringify({ ...whole, command }))
    writeFileSync(space.path('keep.jsonl'), '{"file":"train/hat/a.jpg","action":"keep"}\n')
    const { stdout, stderr } = await space.run(['clean', made.dir, '--decide', space.path('keep.jsonl')])
    return /^next {5}npx anneal train \S+ (.*) --clean \S+clean\.jsonl$/m.exec(stdout)?.[1] ?? stderr
  }
  const told = "--labels '/x/my labels.csv' --label-column a,b --no-pretrained --swa --batch 8 --split-column none"
  assert.equal(await next(whole.command), told)
  assert.equal(await next([]), `${told} --size 224 --device cpu --fold 0`, 'of a program all that it was told')
  writeFileSync(paths.config, JSON.stringify(config))
})

test('clean of a run over folds names the runs that it is made of', async () => {
  for (const fold of ['fold-1', 'fold-2', 'fold-10']) cpSync(made.dir, space.path('folds', fold), { recursive: true })
  cpSync(runPaths(made.dir).config, space.path('folds/config.json'))
  const { code, stderr } = await space.run(['clean', 'folds', '--list'])
  assert.equal(code, 1)
  const names = ['fold-1', 'fold-2', 'fold-10'].map(fold => `npx anneal clean folds/${fold}`).join(', ')
  assert.equal(stderr, `anneal: folds: review its folds one by one: ${names}.\n`)
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
  assert.match(port.stderr, /--port: expected a whole number from 0 to 65535, got x\. Example: --port 8080\.\n/)
})

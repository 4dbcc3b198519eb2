import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { AnnealError } from '../../src/base/errors.ts'
import { listRuns, lockOwner, newRunFolder, openRun, type RunConfig, readRun, runPaths } from '../../src/runs/index.ts'
import { typescript } from '../helpers/typescript.ts'

const root = mkdtempSync(join(tmpdir(), 'anneal-runs-'))
after(() => rmSync(root, { recursive: true, force: true }))

const config = (created: string): RunConfig => ({
  format: 1,
  anneal: '0.1.0',
  created,
  command: ['train', 'photos'],
  model: 'resnet34',
  data: '/photos',
  classes: ['cat', '__proto__', 'constructor'],
  seed: 1,
  settings: { batch: 32 },
  versions: { node: '20' },
  machine: { threads: 2 },
})
const index = JSON.stringify(resolve('src/runs/index.ts'))

/** A child that holds the run in `dir` until it is killed. */
async function holder(dir: string, mode: 'create' | 'append') {
  const source = `import { openRun } from ${index}; openRun(${JSON.stringify(dir)}, '${mode}'); console.log('held'); setInterval(() => {}, 1000)`
  const script = join(root, `holder-${Math.random().toString(36).slice(2)}.mts`)
  writeFileSync(script, source)
  const child = spawn(process.execPath, [...typescript, script], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  return child
}

test('one process at a time writes to a run; a killed one does not block the next', async () => {
  const dir = join(root, 'locked')
  const child = await holder(dir, 'create')
  assert.equal(lockOwner(dir)?.pid, child.pid)
  assert.equal(listRuns(root).find(r => r.dir === dir)?.state, 'running')
  assert.throws(
    () => openRun(dir, 'append'),
    new RegExp(`process ${child.pid} is writing to this run.*another folder \\(out\\)`),
  )
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.equal(lockOwner(dir), undefined)
  const run = openRun(dir, 'append')
  assert.throws(() => openRun(dir, 'append'), /is writing to this run/, 'nor twice in one process')
  run.close()
  run.close()
  openRun(dir, 'append').close()
  assert.deepEqual(
    readdirSync(dir).filter(name => /lock|tmp/.test(name)),
    [],
  )
})

test('the lock of an earlier boot, of a reused process number or of a silent machine is stale', () => {
  const dir = join(root, 'stale')
  openRun(dir, 'create').close()
  const lock = join(dir, 'lock.json')
  const mine = () => {
    const run = openRun(dir, 'append')
    const text = readFileSync(lock, 'utf8')
    run.close()
    return JSON.parse(text)
  }
  const owner = mine()
  const put = (change: object) => writeFileSync(lock, JSON.stringify({ ...owner, ...change }))
  put({})
  assert.throws(() => openRun(dir, 'append'), AnnealError)
  for (const change of [{ boot: 'another' }, { started: '1' }, { pid: 2 ** 30 }, { pid: -1 }]) {
    put(change)
    openRun(dir, 'append').close()
  }
  writeFileSync(lock, '{"pid":')
  openRun(dir, 'append').close()
  put({ host: `not-${hostname()}` })
  assert.throws(() => openRun(dir, 'append'), new RegExp(`on not-${hostname()}`))
  const past = new Date(Date.now() - 3600_000)
  for (const file of [lock, join(dir, 'events.jsonl')]) utimesSync(file, past, past)
  openRun(dir, 'append').close()
})

test('many processes that find the same stale lock: exactly one takes it', { timeout: 60_000 }, async () => {
  const dir = join(root, 'race')
  openRun(dir, 'create').close()
  writeFileSync(join(dir, 'lock.json'), '{"pid":1073741824,"host":"","boot":"","started":""}')
  const past = new Date(Date.now() - 3600_000)
  for (const file of ['lock.json', 'events.jsonl']) utimesSync(join(dir, file), past, past)
  const script = join(root, 'race.mts')
  writeFileSync(
    script,
    `import { openRun } from ${index}
    process.stdout.write('r')
    process.stdin.once('data', () => {
      try { openRun(${JSON.stringify(dir)}, 'append'); process.stdout.write('W'); setTimeout(() => process.exit(0), 1500) }
      catch (error) { process.stdout.write('L'); process.exit(error.name === 'AnnealError' ? 0 : 1) }
    })`,
  )
  const children = Array.from({ length: 4 }, () =>
    spawn(process.execPath, [...typescript, script], { stdio: ['pipe', 'pipe', 'inherit'] }),
  )
  const said = children.map(() => '')
  await Promise.all(
    children.map((child, i) => {
      child.stdout.on('data', chunk => {
        said[i] += chunk
      })
      return once(child.stdout, 'data')
    }),
  )
  for (const child of children) child.stdin.write('go\n')
  const codes = await Promise.all(children.map(child => once(child, 'exit').then(([code]) => code)))
  assert.deepEqual(codes, [0, 0, 0, 0])
  assert.equal(said.filter(s => s.includes('W')).length, 1, said.join(' '))
})

test('a run is made in a new or an empty folder only', () => {
  const empty = join(root, 'empty')
  mkdirSync(empty)
  openRun(empty, 'create').close()
  assert.throws(() => openRun(empty, 'create'), /holds a run already.*--resume/)
  writeFileSync(runPaths(empty).result, '{}')
  assert.throws(
    () => openRun(empty, 'create'),
    ({ message }: Error) =>
      /holds a run that is finished\. .*npx anneal predict/.test(message) && !/resume/.test(message),
  )

  const full = join(root, 'full')
  mkdirSync(full)
  writeFileSync(join(full, 'holiday.jpg'), '')
  assert.throws(() => openRun(full, 'create'), /holds other files \(holiday\.jpg\).*another folder \(out\)/)
  assert.throws(() => openRun(full, 'append'), /holds no run.*anneal runs/)
  assert.throws(() => openRun(join(full, 'holiday.jpg'), 'create'), /is a file/)
  assert.throws(() => openRun(join(root, 'nowhere'), 'append'), /no such folder/)
  assert.deepEqual(readdirSync(full), ['holiday.jpg'])
})

test('a run without a name gets the day, the model or the data, and the first free number', () => {
  const date = new Date(2026, 2, 9)
  const runs = join(root, 'runs')
  assert.equal(newRunFolder('resnet34', { root: runs, date }), join(runs, '2026-03-09-resnet34-1'))
  assert.equal(newRunFolder('resnet34', { root: runs, date }), join(runs, '2026-03-09-resnet34-2'))
  assert.equal(newRunFolder('../../etc/x y', { root: runs, date }), join(runs, '2026-03-09-etc-x-y-1'))
  assert.equal(newRunFolder('фото', { root: runs, date }), join(runs, '2026-03-09-run-1'))
})

test('the list shows every state, newest first, and a damaged run with its reason', () => {
  const runs = join(root, 'list')
  const make = (name: string, created: string) => {
    const run = openRun(join(runs, name), 'create')
    run.writeConfig(config(created))
    run.append({
      type: 'epoch',
      phase: 'head',
      epoch: 1,
      step: 10,
      trainLoss: 1,
      validLoss: 1,
      metrics: { accuracy: 0.75 },
      seconds: 2,
      lrs: [1e-3],
      best: true,
    })
    return run
  }
  const result = {
    run: 'x',
    model: 'resnet34',
    classes: ['cat'],
    metrics: { accuracy: 0.8 },
    loss: 0.5,
    epochs: 1,
    seconds: { total: 3 },
  }
  const done = make('done', '2026-01-01T00:00:00Z')
  done.finish(result)
  done.close()
  const failed = make('failed', '2026-01-02T00:00:00Z')
  failed.append({ type: 'failed', message: 'loss is not a number at step 7' })
  failed.close()
  const stopped = make('stopped', '2026-01-03T00:00:00Z')
  stopped.append({ type: 'stopped', reason: 'Ctrl-C', step: 10 })
  stopped.close()
  const running = make('running', '2026-01-04T00:00:00Z')
  make('bad-config', '2026-01-05T00:00:00Z').close()
  writeFileSync(join(runs, 'bad-config', 'config.json'), '{"format": 1, "mod')
  make('bad-result', '2026-01-06T00:00:00Z').close()
  writeFileSync(join(runs, 'bad-result', 'result.json'), '')
  make('no-config', '2026-01-07T00:00:00Z').close()
  rmSync(join(runs, 'no-config', 'config.json'))
  mkdirSync(join(runs, 'events-is-a-folder', 'events.jsonl'), { recursive: true })
  mkdirSync(join(runs, 'photos'))
  writeFileSync(join(runs, 'notes.txt'), '')

  const list = listRuns(runs)
  const at = (name: string) => list.find(r => r.name === name)
  assert.deepEqual(
    list
      .filter(r => r.state !== 'damaged')
      .map(r => [r.name, r.state, r.metrics.accuracy, r.epochs, r.model, r.classes]),
    [
      ['running', 'running', 0.75, 1, 'resnet34', 3],
      ['stopped', 'interrupted', 0.75, 1, 'resnet34', 3],
      ['failed', 'failed', 0.75, 1, 'resnet34', 3],
      ['done', 'done', 0.8, 1, 'resnet34', 3],
    ],
  )
  assert.equal(at('failed')?.reason, 'loss is not a number at step 7')
  assert.equal(at('bad-config')?.reason, 'config.json is not valid JSON')
  assert.equal(at('bad-result')?.reason, 'result.json is empty')
  assert.equal(at('no-config')?.reason, 'config.json is missing')
  assert.ok(at('events-is-a-folder')?.reason, `at('events-is-a-folder')?.reason`)
  assert.equal(at('photos'), undefined)
  running.close()
  assert.equal(listRuns(runs).find(r => r.name === 'running')?.state, 'interrupted')
  assert.deepEqual(listRuns(join(root, 'none')), [])

  const record = readRun(join(runs, 'bad-result'))
  assert.deepEqual(record.problems, ['result.json is empty'])
  assert.deepEqual(record.config?.classes, ['cat', '__proto__', 'constructor'])
  assert.equal(record.events.length, 1)
  assert.match(readRun(join(runs, 'events-is-a-folder')).problems.join(), /events\.jsonl can't be read/)
  assert.throws(() => readRun(join(runs, 'photos')), /holds no run/)
})

test('opening removes half-written files of a killed writer, and keeps the rest', () => {
  const dir = join(root, 'half')
  openRun(dir, 'create').close()
  mkdirSync(join(dir, 'resume'))
  for (const name of ['best.safetensors.12.ab.tmp', 'resume/state.json.9.cd.tmp', 'best.safetensors'])
    writeFileSync(join(dir, name), 'x')
  openRun(dir, 'append').close()
  assert.deepEqual(
    ['best.safetensors.12.ab.tmp', 'resume/state.json.9.cd.tmp', 'best.safetensors'].map(n => existsSync(join(dir, n))),
    [false, false, true],
  )
})

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { parseEvent, phaseTitle } from '../../src/runs/events.ts'
import type { EpochEvent, EventBody, RunEvent } from '../../src/runs/index.ts'
import { openRun, readEvents, runPaths } from '../../src/runs/index.ts'
import { metricsHeader, metricsRow, summariseMetrics } from '../../src/runs/metrics.ts'
import { typescript } from '../helpers/typescript.ts'

const root = mkdtempSync(join(tmpdir(), 'anneal-runs-'))
after(() => rmSync(root, { recursive: true, force: true }))

const batch = (step: number): EventBody => ({
  type: 'batch',
  phase: 'head',
  step,
  epoch: Math.ceil(step / 10),
  loss: 1 / step,
  smooth: 1 / step,
  lrs: [0, 1e-3],
})
const epoch = (n: number, accuracy = 0.5 + n / 100): EventBody => ({
  type: 'epoch',
  phase: 'head',
  epoch: n,
  step: 10 * n,
  trainLoss: 0.7,
  validLoss: 0.6,
  metrics: { accuracy },
  seconds: 1.5,
  lrs: [1e-4, 1e-3],
  best: n === 2,
})
const steps = (events: readonly RunEvent[]) => events.flatMap(e => (e.type === 'batch' ? [e.step] : []))

test('a run killed at any moment is read, and goes on from whole lines', { timeout: 60_000 }, async () => {
  const dir = join(root, 'killed')
  const script = join(root, 'writer.mts')
  const index = resolve('src/runs/index.ts')
  writeFileSync(
    script,
    `import { openRun, readEvents, runPaths } from ${JSON.stringify(index)}
    const dir = process.argv[2]
    const run = openRun(dir, process.argv[3])
    const step0 = readEvents(runPaths(dir).events).events.findLast(e => e.type === 'checkpoint')?.step ?? 0
    run.truncateAfter({ step: step0 })
    process.stdout.write('ready\\n')
    for (let step = step0 + 1; ; step++) {
      run.append({ type: 'batch', phase: 'head', step, epoch: 1, loss: 1, smooth: 1, lrs: [1e-3] })
      if (step % 7 === 0) run.append({ type: 'line', text: 'ünïcode 照片 '.repeat(40) })
      if (step % 50 === 0) run.checkpoint({ step, epoch: 1 })
      if (step % 20 === 0) await new Promise(setImmediate)
    }`,
  )
  let before = 0
  for (let round = 0; round < 8; round++) {
    const child = spawn(process.execPath, [...typescript, script, dir, round === 0 ? 'create' : 'append'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    await new Promise(r => setTimeout(r, Math.random() * 120))
    child.kill('SIGKILL')
    await once(child, 'exit')
    const { events, unknown } = readEvents(runPaths(dir).events)
    assert.equal(unknown, 0)
    const seen = steps(events)
    assert.deepEqual(
      seen,
      seen.map((_, i) => i + 1),
      'no step is lost or doubled before the kill',
    )
    const checkpoint = events.findLast(e => e.type === 'checkpoint')?.step ?? 0
    assert.ok(checkpoint >= before, 'a checkpoint that was announced stays')
    before = checkpoint
  }
  assert.ok(before > 0, `before > 0, got ${before}`)
})

test('a file cut at any byte gives the whole lines before the cut', () => {
  const dir = join(root, 'cut')
  const run = openRun(dir, 'create')
  for (let step = 1; step <= 5; step++) run.append(batch(step))
  run.append({ type: 'line', text: 'é "\n" 照' })
  run.close()
  const data = readFileSync(run.paths.events)
  const whole = readEvents(run.paths.events)
  assert.equal(whole.events.length, 6)
  const torn = join(root, 'torn.jsonl')
  for (let cut = 0; cut <= data.length; cut++) {
    writeFileSync(torn, data.subarray(0, cut))
    const { events, unknown, bytes } = readEvents(torn)
    const expected = whole.ends.filter(end => end <= cut).length
    assert.equal(events.length, expected)
    assert.equal(unknown, 0)
    assert.equal(bytes, whole.ends[expected - 1] ?? 0)
  }
})

test('lines that are no event are counted and skipped; appending cuts the half line', () => {
  const dir = join(root, 'dirty')
  const run = openRun(dir, 'create')
  run.append(epoch(1))
  run.close()
  appendFileSync(run.paths.events, 'not json\n{"t":1,"type":"constructor"}\n{"type":"line"}\n[]\nnull\n\0\0\0\n')
  appendFileSync(run.paths.events, '{"t":2,"type":"batch","lrs":3}\n{"t":9,"type":"li')
  assert.deepEqual([readEvents(run.paths.events).events.length, readEvents(run.paths.events).unknown], [1, 7])
  const again = openRun(dir, 'append')
  again.append({ type: 'line', text: 'on' })
  again.close()
  const { events, unknown } = readEvents(run.paths.events)
  assert.deepEqual([events.map(e => e.type), unknown], [['epoch', 'line'], 7])
  assert.ok(events[1]!.t >= events[0]!.t, 'time goes on')
})

test('a loss that is not a number is read back as such', () => {
  const run = openRun(join(root, 'nan'), 'create')
  run.append({ ...(batch(1) as EventBody & { type: 'batch' }), loss: Number.NaN, smooth: Infinity })
  run.append(epoch(1, Number.NaN))
  run.close()
  const [first, second] = readEvents(run.paths.events).events
  assert.ok(
    first?.type === 'batch' && Number.isNaN(first.loss) && Number.isNaN(first.smooth),
    `first?.type === 'batch' && Number.isNaN(first.loss) && Number.isNaN…`,
  )
  assert.ok(
    second?.type === 'epoch' && Number.isNaN(second.metrics.accuracy),
    `second?.type === 'epoch' && Number.isNaN(second.metrics.accuracy)`,
  )
  assert.match(readFileSync(run.paths.metrics, 'utf8'), /^1,head,0.7,0.6,,,,,,,,,0.001,1.5,0$/m)
})

test('truncateAfter drops what the resumed run does again, rows of metrics.csv and the result included', () => {
  const run = openRun(join(root, 'truncate'), 'create')
  for (const n of [1, 2, 3]) {
    for (let step = 10 * n - 9; step <= 10 * n; step++) run.append(batch(step))
    run.append(epoch(n))
    if (n < 3) run.checkpoint({ step: 10 * n, epoch: n })
    run.append({ type: 'choice', what: 'next', value: String(n), reason: 'after the checkpoint' })
  }
  const seconds = { head: 1, total: 1 }
  run.finish({ run: run.dir, model: 'm', classes: ['a', 'b'], metrics: { accuracy: 0.5 }, loss: 1, epochs: 3, seconds })
  assert.ok(existsSync(run.paths.result), 'existsSync(run.paths.result)')
  run.truncateAfter({ step: 20 })
  const { events } = readEvents(run.paths.events)
  assert.equal(events.at(-1)?.type, 'checkpoint')
  assert.deepEqual(
    steps(events),
    Array.from({ length: 20 }, (_, i) => i + 1),
  )
  assert.deepEqual(
    events.flatMap(e => (e.type === 'choice' ? [e.value] : [])),
    ['1'],
  )
  assert.equal(readFileSync(run.paths.metrics, 'utf8').trim().split('\n').length, 3)
  assert.ok(!existsSync(run.paths.result), '!existsSync(run.paths.result)')

  run.truncateAfter({ step: 15 }) // there is no checkpoint event at this step
  assert.deepEqual(steps(readEvents(run.paths.events).events).at(-1), 15)
  run.truncateAfter({ step: 0 })
  assert.equal(statSync(run.paths.events).size, 0)
  run.append({ type: 'line', text: 'afresh' })
  run.close()
  assert.equal(readEvents(run.paths.events).events.length, 1)
})

test('of two states of one step, the events behind the one that was written are dropped', () => {
  const run = openRun(join(root, 'twice'), 'create')
  run.append(batch(10))
  run.checkpoint({ step: 10, epoch: 1, number: 1 })
  run.append(epoch(1))
  run.checkpoint({ step: 10, epoch: 1, number: 2 }) // killed here: the state itself was never written
  const rows = () => readFileSync(run.paths.metrics, 'utf8').trim().split('\n').length - 1
  assert.equal(rows(), 1)
  run.truncateAfter({ step: 10, number: 2 })
  assert.equal(rows(), 1)
  run.truncateAfter({ step: 10, number: 1 })
  assert.equal(rows(), 0)
  run.close()
})

test('batches are cheap, and written within a second in a busy loop and in an idle one', async () => {
  const run = openRun(join(root, 'cheap'), 'create')
  const start = performance.now()
  for (let step = 1; step <= 5000; step++) run.append(batch(step))
  const ms = (performance.now() - start) / 5000
  assert.ok(ms < 0.5, `${ms} ms a batch`)
  await new Promise(r => setTimeout(r, 1200))
  assert.equal(readEvents(run.paths.events).events.length, 5000)
  const busy = performance.now()
  let step = 5001
  while (performance.now() - busy < 1100) {
    run.append(batch(step++))
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
  }
  assert.ok(readEvents(run.paths.events).events.length > 5000, 'readEvents(run.paths.events).events.length > 5000')
  run.close()
  assert.equal(readEvents(run.paths.events).events.length, step - 1)
})

test('a full disk does not stop training: events are kept and written once there is room', () => {
  const dir = join(root, 'full')
  const run = openRun(dir, 'create')
  const script = join(root, 'full.mts')
  run.close()
  // RLIMIT_FSIZE makes writes fail like a full disk. tsx must start before it is set, so the child process sets it.
  writeFileSync(
    script,
    `import { execFileSync } from 'node:child_process'
    import { openRun, readEvents } from ${JSON.stringify(resolve('src/runs/index.ts'))}
    process.on('SIGXFSZ', () => {})
    const run = openRun(${JSON.stringify(dir)}, 'append')
    const limit = soft => execFileSync('prlimit', ['--pid', String(process.pid), '--fsize=' + soft + ':unlimited'])
    limit(3000)
    for (let step = 1; step <= 200; step++) {
      run.append({ type: 'batch', phase: 'head', step, epoch: 1, loss: 1, smooth: 1, lrs: [1e-3] })
      if (step % 10 === 0) run.append({ type: 'warning', message: 'w' })
    }
    const within = readEvents(run.paths.events)
    if (!run.problem || within.unknown || within.events.length === 0 || within.events.length >= 220) process.exit(3)
    limit('unlimited')
    run.close()
    process.exit(readEvents(run.paths.events).events.length === 220 && !run.problem ? 0 : 4)`,
  )
  const child = spawn(process.execPath, [...typescript, script], { stdio: 'inherit' })
  return once(child, 'exit').then(([code]) => assert.equal(code, 0))
})

test('a phase is a name and a size; the string of the first runs, head@224, is read as both', () => {
  const line = (phase: string, more = {}) => JSON.stringify({ ...batch(1), t: 1, phase, ...more })
  const read = (phase: string, more?: object) => {
    const event = parseEvent(line(phase, more))
    assert.ok(event?.type === 'batch', `${phase}: no batch event`)
    return [event.phase, event.size, phaseTitle(event)]
  }
  assert.deepEqual(read('head'), ['head', undefined, 'head'])
  assert.deepEqual(read('head@224'), ['head', 224, 'head at 224 px'])
  assert.deepEqual(read('whole@96'), ['whole', 96, 'whole at 96 px'])
  assert.deepEqual(read('whole', { size: 48 }), ['whole', 48, 'whole at 48 px'])
  assert.deepEqual(read('a@b'), ['a@b', undefined, 'a@b'], 'a name of somebody else')
  assert.deepEqual(read('fold 2 of 5'), ['fold 2 of 5', undefined, 'fold 2 of 5'], 'a fold of the first runs')
  assert.equal(phaseTitle({ phase: 'fold', fold: 2, folds: 5 }), 'fold 2 of 5')
  const old = parseEvent(JSON.stringify({ t: 2, type: 'phase', phase: 'head@48', epochs: 3 }))
  assert.deepEqual(old, { t: 2, type: 'phase', phase: 'head', size: 48, epochs: 3 })
  const sized = metricsRow({ ...epoch(1), phase: 'head', size: 48 } as EpochEvent)
  assert.match(sized, /^1,head at 48 px,/)
})

test('metrics.csv has the metrics of every task, and is summarised by its own header', () => {
  const done = (n: number, metrics: Record<string, number>, best: boolean) =>
    metricsRow({ ...epoch(n), phase: 'a "quoted", phase', metrics, best } as EpochEvent)
  const many =
    metricsHeader() + done(1, { mAP: 0.5, f2: 0.25, accuracy: 0.875, other: 1 }, true) + done(2, { mAP: 0.4 }, false)
  assert.deepEqual(summariseMetrics(many), {
    epochs: 2,
    metrics: { accuracy: 0.875, mAP: 0.5, f2: 0.25 },
  })
  const numbers = metricsHeader() + done(1, { r2: -0.5, mae: 2, rmse: 3, accuracy: Number.NaN }, false)
  assert.deepEqual(summariseMetrics(numbers), { epochs: 1, metrics: { r2: -0.5, mae: 2, rmse: 3 } })
  const old = 'epoch,phase,trainLoss,validLoss,accuracy,lr,seconds,best\n1,head,1,1,0.75,0.001,2,1\n2,head,1,1,0.5'
  assert.deepEqual(summariseMetrics(old), { epochs: 1, metrics: { accuracy: 0.75 } })
  assert.deepEqual(summariseMetrics(''), { epochs: 0, metrics: {} })
})

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import type { TrainHooks, TrainOptions } from '../../src/api/index.ts'
import { PartFile } from '../../src/recipes/steps/part-file.ts'
import type { EventBody, RunEvent } from '../../src/runs/index.ts'
import { Stopped } from '../../src/train/stop.ts'
import { allMarks, disc, marked, runsFolder } from '../helpers/recipe.ts'

const work = runsFolder()
after(() => work.remove())

const count = 48
before(async () => {
  for (let n = 0; n < count; n++) {
    work.put({ [`marks/${allMarks[n % 3]}/${n}.png`]: await marked(n, [allMarks[n % 3]!]) })
    work.put({ [`discs/${n}.png`]: await disc(n, 5 * n, 6 + (n % 8)) })
  }
  work.put({ 'sizes.csv': ['file,bright', ...Array.from({ length: count }, (_, n) => `${n}.png,${5 * n}`)].join('\n') })
  work.put({
    'tags.csv': [
      'file,tags',
      ...Array.from({ length: count }, (_, n) => `${n}.png,${n % 2 ? 'odd' : 'even'} ${n % 3 ? 'some' : 'third'}`),
    ].join('\n'),
  })
})

/** The results of a run, without times. */
const outcome = (run: string) => ({
  best: work.digest(run, 'best.safetensors'),
  last: work.digest(run, 'last.safetensors'),
  card: work.json(run, 'best.json'),
  interpret: work.digest(run, 'interpret.json'),
  metrics: readFileSync(work.path(run, 'metrics.csv'), 'utf8').replace(/,[\d.]+,(\d)$/gm, ',$1'),
  steps: events(run).flatMap(e => (e.type === 'batch' ? [[e.phase, e.size, e.step, e.loss, e.smooth, ...e.lrs]] : [])),
  choices: events(run).flatMap(e => (e.type === 'choice' ? [`${e.what}: ${e.value}`] : [])),
})
const events = (run: string): RunEvent[] =>
  readFileSync(work.path(run, 'events.jsonl'), 'utf8')
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line))

/** Hooks that stop a run at a certain event or progress report. */
function stopping(when: { event?(event: EventBody): boolean; progress?(what: string, done: number): boolean }) {
  const stop = new AbortController()
  const seen: { what: string; done: number }[] = []
  const hooks: TrainHooks = {
    signal: stop.signal,
    onEvent: event => when.event?.(event) && stop.abort(),
    progress(what, done) {
      seen.push({ what, done })
      if (when.progress?.(what, done)) stop.abort()
    },
  }
  return { hooks, seen }
}
const batch = (step: number) => (event: EventBody) => event.type === 'batch' && event.step === step

const whole = new Map<string, string>()
/** A run of these options that was never stopped. */
async function never(data: string, options: TrainOptions): Promise<string> {
  const key = JSON.stringify([data, options])
  const name = whole.get(key) ?? `whole-${whole.size}`
  if (!whole.has(key)) await work.train(data, name, options)
  whole.set(key, name)
  return name
}

/** Stops a run of these options, resumes it, and compares it with one that was never stopped. Gives what the stop said,
 *  and what the resumed process did. */
async function interrupted(
  name: string,
  data: string,
  options: TrainOptions,
  when: Parameters<typeof stopping>[0],
): Promise<{ said: string; resumed: RunEvent[]; computed: number }> {
  const whole = await never(data, options)
  fresh()
  const { hooks } = stopping(when)
  const error = await work.train(data, name, options, hooks).then(
    () => assert.fail('the run was not stopped'),
    error => error as Error,
  )
  assert.ok(error instanceof Stopped, `${error.stack}`)
  const stopped = events(name).findLast(e => e.type === 'stopped')!
  assert.equal(stopped.type === 'stopped' && stopped.reason, `interrupted; ${error.saved}`)
  const told: RunEvent[] = []
  const { hooks: more, seen } = stopping({})
  await work.resume(name, { ...more, onEvent: event => told.push(event) })
  for (const [key, value] of Object.entries(outcome(whole)))
    assert.deepEqual(outcome(name)[key as 'card'], value, `${name}: ${key}`)
  assert.ok(!existsSync(work.path(name, 'resume')), 'the resume state is gone')
  const computed = seen.filter(s => s.what === 'features').length
  return { said: error.saved!, resumed: told, computed }
}
/** Removes stored features: with them, runs would skip the work that the tests check. */
function fresh(): void {
  const folder = work.path('cache', 'features')
  for (const name of existsSync(folder) ? readdirSync(folder) : []) writeFileSync(`${folder}/${name}`, '')
}

const options: TrainOptions = { epochs: 1, views: 2, batchSize: 8, headLr: 1e-2 }

describe('a run that is stopped in the frozen phase goes on where it was, to the same bits', () => {
  test('in the features: what is computed is not computed again', async () => {
    const { said, resumed, computed } = await interrupted('features', 'marks', options, {
      progress: (what, done) => what === 'features' && done >= 64,
    })
    const [, kept, all] = /saved: the features of (\d+) of (\d+) views$/.exec(said) ?? assert.fail(said)
    assert.ok(Number(kept) >= 64 && Number(kept) < Number(all), said)
    const lines = resumed.flatMap(e => (e.type === 'line' ? [e.text] : []))
    assert.ok(
      lines.includes(`features: ${kept} of ${all} were computed before the run was stopped, and are used`),
      lines.join('\n'),
    )
    const batches = Math.ceil((Number(all) - Number(kept)) / 32)
    assert.ok(computed <= batches + 3, `${computed} batches of features after the resume, ${batches} were left`)
  })

  test('in its epochs: steps that are done are not done again', async () => {
    const { said, resumed } = await interrupted('epochs', 'marks', options, { event: batch(7) })
    const [, step] = /head's training up to step (\d+)$/.exec(said) ?? assert.fail(said)
    const first = resumed.find(e => e.type === 'batch')
    assert.equal(first?.type === 'batch' && first.step, Number(step) + 1)
    assert.ok(!resumed.some(e => e.type === 'lrFind'), 'the rate is known')
  })

  test('twice, and at the end of an epoch', async () => {
    const whole = await never('marks', options)
    const steps = outcome(whole).steps.filter(([phase]) => phase === 'head').length / 3
    for (const [i, at] of [steps, steps + 2].entries()) {
      const { hooks } = stopping({ event: batch(at as number) })
      const run = i === 0 ? work.train('marks', 'twice', options, hooks) : work.resume('twice', hooks)
      await assert.rejects(run, Stopped)
    }
    await work.resume('twice')
    for (const [key, value] of Object.entries(outcome(whole)))
      assert.deepEqual(outcome('twice')[key as 'card'], value, key)
  })

  const optimum = (event: EventBody) => event.type === 'epoch' && event.phase === 'head' && event.epoch === 3
  test('in the optimum: the epochs stay', async () => {
    const { resumed, said } = await interrupted('optimum', 'marks', options, { event: optimum })
    assert.match(said, /head's training up to step \d+/)
    assert.ok(!resumed.some(e => e.type === 'batch' && e.phase === 'head'), 'no step of the head again')
  })

  test('in the look for wrong labels: the optimum stays', async () => {
    const { resumed, said } = await interrupted('doubts', 'marks', options, {
      event: event => event.type === 'choice' && event.what === 'head',
    })
    assert.match(said, /and its optimum at L2 [\d.]+; to be done again: the search for labels that may be wrong$/)
    assert.ok(!resumed.some(e => e.type === 'epoch' && e.phase === 'head'), 'no epoch of the head is told again')
  })

  test('at the end of a cycle: no step is done again, and the weights are judged', async () => {
    const places = { refit: 'features of the trained body', judged: 'interpolation' }
    for (const [name, place] of Object.entries(places)) {
      const { said, resumed } = await interrupted(name, 'marks', options, { progress: what => what === place })
      assert.match(
        said,
        /training up to step \d+; to be done again: the validation of the weights at the end of the cycle$/,
      )
      assert.ok(!resumed.some(e => e.type === 'batch'), `${name}: nothing is trained again`)
      assert.ok(
        resumed.some(e => e.type === 'choice' && e.what === 'interpolation'),
        name,
      )
    }
  })

  test('of several labels, of numbers, and of a head with hidden layers', async () => {
    const labels = (table: string) => ({ ...options, labels: work.path(table) })
    await interrupted('multi', 'discs', { ...labels('tags.csv'), task: 'multi' }, { event: optimum })
    await interrupted('numbers', 'discs', { ...labels('sizes.csv'), targets: ['bright'] }, { event: batch(9) })
    const { said } = await interrupted('hidden', 'marks', { ...options, hidden: [8] }, { event: optimum })
    assert.match(said, /head's training up to step \d+$/)
  })

  test('at a further size', async () => {
    const { resumed } = await interrupted(
      'sizes',
      'marks',
      { ...options, size: undefined, sizes: [32, 48] } as TrainOptions,
      {
        event: event => event.type === 'batch' && event.phase === 'head' && event.size === 48,
      },
    )
    assert.ok(!resumed.some(e => 'phase' in e && e.phase === 'head' && e.size === 32), 'the first size is done')
  })

  test('before and behind it: what is said is so', async () => {
    const { said } = await interrupted('find', 'marks', { ...options, headLr: undefined } as TrainOptions, {
      event: event => event.type === 'phase' && event.phase === 'find',
    })
    assert.match(
      said,
      /^saved: the features of all pictures; to be done again: the search for the head's learning rate$/,
    )
    const sense = await interrupted(
      'sense',
      'marks',
      { ...options, augment: 'auto' },
      {
        progress: (what, done) => what === 'augmentation' && done > 0,
      },
    )
    assert.match(sense.said, /^saved: the decoded pictures; to be done again: the measurements of pictures and net/)
    const after = await interrupted(
      'tta',
      'marks',
      { ...options, tta: 2 },
      {
        event: event => event.type === 'choice' && event.what === 'weights kept',
      },
    )
    assert.match(after.said, /^saved: the trained weights; to be done again: what follows training/)
    assert.ok(!after.resumed.some(e => e.type === 'batch'), 'nothing is trained again')
  })
})

describe('rows that are kept as they are made', () => {
  const rows = (from: number, count: number) => Float32Array.from({ length: 2 * count }, (_, i) => from + i)
  const written = (name: string) => {
    const part = new PartFile(work.path('parts', name), 'key')
    part.add(rows(0, 3), 3)
    part.add(rows(6, 2), 2)
    part.close()
    return part.path
  }
  test('are there again, and more follow', () => {
    const path = written('whole')
    const out = new Float32Array(20)
    const again = new PartFile(path, 'key')
    assert.equal(again.read(out, 2), 5)
    assert.deepEqual([...out.subarray(0, 10)], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    again.add(rows(10, 1), 1)
    again.close()
    assert.equal(new PartFile(path, 'key').read(out, 2), 6)
    assert.equal(out[11], 11)
  })
  test('end where a block is cut off or damaged, or has no room; another key has none', () => {
    const out = () => new Float32Array(20)
    const path = written('torn')
    const bytes = readFileSync(path)
    assert.equal(new PartFile(path, 'other').read(out(), 2), 0)
    assert.equal(new PartFile(path, 'key').read(new Float32Array(8), 2), 3)
    for (const cut of [1, 9, 17]) {
      writeFileSync(path, bytes.subarray(0, bytes.length - cut))
      assert.equal(new PartFile(path, 'key').read(out(), 2), 3, `${cut} bytes short`)
    }
    bytes[bytes.length - 2]! ^= 1
    writeFileSync(path, bytes)
    const again = new PartFile(path, 'key')
    assert.equal(again.read(out(), 2), 3, 'one bit wrong')
    again.add(rows(6, 4), 4)
    again.close()
    assert.equal(new PartFile(path, 'key').read(out(), 2), 7, 'written over')
    assert.equal(new PartFile(work.path('parts', 'none'), 'key').read(out(), 2), 0)
  })
  test('that can not be written are no error', () => {
    work.put({ 'parts/file': '' })
    const part = new PartFile(work.path('parts', 'file', 'below'), 'key')
    part.add(rows(0, 1), 1)
    part.close()
  })
})

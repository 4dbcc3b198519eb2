import assert from 'node:assert/strict'
import {
  cpSync,
  existsSync,
  type FSWatcher,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  watch,
  writeFileSync,
} from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { rng } from '../../src/base/random.ts'
import type { RunEvent } from '../../src/runs/index.ts'
import { type Ended, shape, shapeFolder, small, workspace } from '../helpers/cli.ts'

const work = workspace()
// 57 training pictures in batches of 16: four steps an epoch. The head's three epochs are steps 1 to 12, the whole net's
// two cycles of two epochs steps 13 to 28.
const settings = [...small, '--epochs', '4', '--lr', '1e-3', '--json']
const train = (out: string) => ['train', 'shapes', ...settings, '--out', out]
const resume = (run: string) => ['train', '--resume', run, '--json']

/** Weights as files, and the history without times. */
const outcome = (run: string) => ({
  best: readFileSync(work.path(run, 'best.safetensors')).toString('base64'),
  last: readFileSync(work.path(run, 'last.safetensors')).toString('base64'),
  card: JSON.parse(readFileSync(work.path(run, 'best.json'), 'utf8')),
  interpret: readFileSync(work.path(run, 'interpret.json'), 'utf8'),
  epochs: readFileSync(work.path(run, 'metrics.csv'), 'utf8').replace(/,[\d.]+,(\d)$/gm, ',$1'),
  steps: events(run).flatMap(e => (e.type === 'batch' ? [[e.phase, e.step, e.loss, e.smooth, ...e.lrs]] : [])),
  choices: events(run).flatMap(e => (e.type === 'choice' ? [`${e.what}: ${e.value}`] : [])),
  files: readdirSync(work.path(run)).sort(),
})
const events = (run: string): RunEvent[] =>
  readFileSync(work.path(run, 'events.jsonl'), 'utf8')
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line))

let expected: ReturnType<typeof outcome>
let seconds: number

before(async () => {
  await shapeFolder(work.path('shapes'))
  const whole = await work.run(train('whole'))
  assert.equal(whole.code, 0, whole.stderr)
  expected = outcome('whole')
  seconds = whole.seconds
  assert.equal(expected.steps.length, 28)
})
after(() => work.remove())

/** Checks that a run equals the uninterrupted run, to the last bit. */
function sameAs(run: string): void {
  const found = outcome(run)
  for (const key of Object.keys(expected) as (keyof typeof expected)[])
    assert.deepEqual(found[key], expected[key], `${run}: ${key}`)
  assert.ok(!existsSync(work.path(run, 'resume')), `!existsSync(work.path(run, 'resume'))`)
}

/** Starts a run and sends signals when certain lines are printed. */
const signalled = async (args: string[], when: (event: RunEvent) => boolean, ...signals: NodeJS.Signals[]) => {
  let sent = 0
  const ended = await work.run(args, {
    onLine(line, child) {
      if (sent > 0 || !when(JSON.parse(line))) return
      sent = performance.now()
      for (const signal of signals) child.kill(signal)
    },
  })
  const wait = (performance.now() - sent) / 1000
  assert.ok(wait < 10, `it took ${wait.toFixed(1)} s to stop`)
  return ended
}
const step = (n: number) => (event: RunEvent) => event.type === 'batch' && event.step === n
const phase = (name: string) => (event: RunEvent) => event.type === 'phase' && event.phase === name

async function finish(run: string): Promise<Ended> {
  const ended = await work.run(resume(run))
  assert.equal(ended.code, 0, ended.stderr)
  sameAs(run)
  return ended
}

describe('Ctrl-C', () => {
  test('stops after the step, says how to go on, exits 130; the run ends with the same bits', async () => {
    const { code, stderr, stdout } = await signalled(train('sigint'), step(18), 'SIGINT')
    assert.equal(code, 130, stderr)
    assert.match(stderr, /stopping after this step/)
    assert.match(stderr, /Go on with:\n {2}npx anneal train --resume sigint\n$/)
    assert.equal(JSON.parse(stdout.trimEnd().split('\n').at(-1)!).type, 'stopped')
    const last = events('sigint').findLast(e => e.type === 'stopped')!
    assert.ok(last.type === 'stopped' && last.step >= 18 && last.step <= 20, 'after the step, not the epoch')
    const { stdout: more } = await finish('sigint')
    const resumed = JSON.parse(more.split('\n')[0]!)
    assert.deepEqual([resumed.type, resumed.step], ['resumed', last.step])
  })

  test('at the end of an epoch, before its validation', async () => {
    assert.equal((await signalled(train('end'), step(16), 'SIGINT')).code, 130)
    await finish('end')
  })

  for (const [name, when] of [
    ['features', phase('features')],
    ['find', phase('find')],
    ['head', step(5)],
  ] as const)
    test(`in the phase ${name}`, async () => {
      const { code, stderr } = await signalled(train(name), when, 'SIGINT')
      assert.equal(code, 130, stderr)
      await finish(name)
    })

  test('a second one leaves at once', async () => {
    const { code } = await signalled(train('twice'), step(14), 'SIGINT', 'SIGINT')
    assert.equal(code, 130)
    await finish('twice')
  })

  test('SIGTERM and SIGHUP do the same, with their own codes', async () => {
    assert.equal((await signalled(train('term'), step(15), 'SIGTERM')).code, 143)
    assert.equal((await signalled(resume('term'), step(22), 'SIGHUP')).code, 129)
    await finish('term')
  })
})

describe('kill -9', () => {
  test('in each phase', async () => {
    const killed = async (args: string[], when: (event: RunEvent) => boolean) =>
      assert.equal((await signalled(args, when, 'SIGKILL')).signal, 'SIGKILL')
    await killed(train('killed'), step(7))
    await killed(resume('killed'), phase('whole'))
    await killed(resume('killed'), step(14))
    await killed(resume('killed'), step(25))
    await finish('killed')
  })

  // Kills a process as soon as a file with a matching name is in its run folder; false if no such file appeared.
  const torn = async (run: string, args: string[], where: string, fits: RegExp) => {
    let watcher: FSWatcher | undefined
    const { signal } = await work.run(args, {
      onLine(_, child) {
        watcher ??= watch(work.path(run, where), (_, file) => {
          if (fits.test(String(file))) child.kill('SIGKILL')
        })
      },
    })
    watcher?.close()
    return signal === 'SIGKILL'
  }

  test('while the resume state is being written', async () => {
    assert.equal((await signalled(train('torn-state'), phase('whole'), 'SIGINT')).code, 130)
    assert.ok(
      await torn('torn-state', resume('torn-state'), 'resume', /^step-.*\.tmp$/),
      `await torn('torn-state', resume('torn-state'), 'resume', /^step-.*\\…`,
    )
    assert.ok(
      await torn('torn-state', resume('torn-state'), 'resume', /^step-.*s$/),
      `await torn('torn-state', resume('torn-state'), 'resume', /^step-.*s$/)`,
    )
    assert.ok(
      await torn('torn-state', resume('torn-state'), 'resume', /^state.*\.tmp$/),
      `await torn('torn-state', resume('torn-state'), 'resume', /^state.*\\…`,
    )
    await finish('torn-state')
  })

  test('while the weights are being written', async () => {
    assert.ok(
      await torn('torn-best', train('torn-best'), '', /^best\.safetensors\..*\.tmp$/),
      `await torn('torn-best', train('torn-best'), '', /^best\\.safetensors…`,
    )
    assert.ok(
      await torn('torn-best', resume('torn-best'), '', /^best\.safetensors$/),
      `await torn('torn-best', resume('torn-best'), '', /^best\\.safetensor…`,
    )
    assert.ok(
      await torn('torn-best', resume('torn-best'), '', /^last\.safetensors\..*\.tmp$/),
      `await torn('torn-best', resume('torn-best'), '', /^last\\.safetensor…`,
    )
    await finish('torn-best')
  })

  test('at random moments', async t => {
    const random = rng(Date.now())
    let waits: number[] = []
    for (let n = 0; n < 3; n++) {
      const run = `random-${n}`
      waits = []
      for (let k = 0; k < 2; k++) {
        const { child, ended } = work.start(k === 0 ? train(run) : resume(run))
        const wait = random.uniform(0.2, 1) * seconds
        waits.push(wait)
        const timer = setTimeout(() => child.kill('SIGKILL'), 1000 * wait)
        await ended
        clearTimeout(timer)
        if (!existsSync(work.path(run, 'config.json'))) rmSync(work.path(run), { recursive: true, force: true })
        if (!existsSync(work.path(run)) || existsSync(work.path(run, 'result.json'))) break
      }
      t.diagnostic(`${run}: killed after ${waits.map(w => w.toFixed(2)).join(', ')} of ${seconds.toFixed(2)} s`)
      if (!existsSync(work.path(run))) continue
      if (!existsSync(work.path(run, 'result.json'))) {
        const { code, stderr } = await work.run(resume(run))
        assert.equal(code, 0, stderr)
      }
      for (const key of ['best', 'last', 'card', 'epochs', 'steps'] as const)
        assert.deepEqual(outcome(run)[key], expected[key], `${run}: ${key}`)
    }
  })
})

describe('refused', () => {
  const refused = async (args: string[], reason: RegExp, env: NodeJS.ProcessEnv = {}) => {
    const { code, stdout, stderr } = await work.run(args, { env })
    assert.ok(code !== 0 && code !== null, stdout)
    assert.match(stderr, reason)
    assert.match(stderr, /^anneal: .+\n$/)
  }
  before(async () => {
    assert.equal((await signalled(train('stopped'), step(14), 'SIGINT')).code, 130)
  })

  test('other pictures than it began with: what changed is said; with the old ones it goes on', async () => {
    const [file, kept] = [work.path('shapes/circle/3.png'), work.path('kept.png')]
    cpSync(file, kept)
    writeFileSync(file, await shape('circle', 99))
    await refused(resume('stopped'), /not those that the run began with.*other content/)
    rmSync(file)
    await refused(resume('stopped'), /circle: \d+ train, \d+ valid then, \d+ train, \d+ valid now/)
    mkdirSync(work.path('shapes/more'))
    for (let n = 0; n < 3; n++) writeFileSync(work.path(`shapes/more/${n}.png`), await shape('square', 50 + n))
    await refused(resume('stopped'), /circle: .* then, .* now; more: no class then, 2 train, 1 valid now/)
    rmSync(work.path('shapes/more'), { recursive: true })
    cpSync(kept, file)
  })

  test('other threads, other settings', async () => {
    await refused(resume('stopped'), /began with 2 threads and would go on with 1.*ANNEAL_THREADS=2/, {
      ANNEAL_THREADS: '1',
    })
    await refused([...resume('stopped'), '--epochs', '9'], /goes on with the settings of stopped; leave out --epochs/)
    await refused(['train', 'shapes', '--resume', 'stopped'], /leave out shapes/)
  })

  test('a run that another process has', async () => {
    let second: Promise<Ended> | undefined
    const first = await work.run(resume('stopped'), {
      onLine(line) {
        // Any batch: under load the run stops some steps after the signal.
        if (JSON.parse(line).type === 'batch') second ??= work.run(resume('stopped'))
      },
    })
    assert.equal(first.code, 0, first.stderr)
    const { code, stderr, stdout } = await second!
    if (code === 0) assert.fail(`both had it: ${stdout}`)
    assert.match(stderr, /is writing to this run|this run is done/)
    sameAs('stopped')
  })

  test('a run that is done, a folder that is no run, a damaged one', async () => {
    await refused(resume('whole'), /this run is done; its report is whole\/report\.html/)
    await refused(resume('shapes'), /holds no run/)
    await refused(resume('nope'), /holds no run/)
    assert.equal((await signalled(train('damaged'), step(14), 'SIGINT')).code, 130)
    const state = work.path('damaged/resume')
    const tensors = `${state}/${readdirSync(state).find(name => name.endsWith('.safetensors'))}`
    const bytes = readFileSync(tensors)
    bytes[bytes.length >> 1]! ^= 4
    writeFileSync(tensors, bytes)
    await refused(resume('damaged'), /is damaged: its checksum/)
    writeFileSync(`${state}/state.json`, '{"format":1,')
    await refused(resume('damaged'), /the resume state can't be read/)
    writeFileSync(work.path('damaged/config.json'), '')
    await refused(resume('damaged'), /config\.json: is empty/)
  })
})

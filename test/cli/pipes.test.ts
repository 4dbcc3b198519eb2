import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import type { RunEvent } from '../../src/runs/index.ts'
import { findAddon } from '../../src/setup/index.ts'
import { program, shapeFolder, small, workspace } from '../helpers/cli.ts'
import { until } from '../helpers/until.ts'

const work = workspace()
const command = [process.execPath, ...program].map(part => `'${part}'`).join(' ')
const train = (out: string) =>
  ['train', 'shapes', ...small, '--views', '0', '--head-cycles', '1', '--epochs', '0', '--out', out].join(' ')

before(async () => {
  await shapeFolder(work.path('shapes'), 12)
})
after(() => work.remove())

/** Ends a line with the code of its first command. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: bash's
const ofTheFirst = 'exit ${PIPESTATUS[0]}'

interface Said {
  code: number | null
  stdout: string
  stderr: string
}

/** Runs a line of bash in which `A` is the command. The exit code is that of the line. */
function shell(line: string, env: NodeJS.ProcessEnv = {}): Promise<Said> {
  const child = spawn('bash', ['-c', `A() { ${command} "$@"; }; ${line}`], {
    cwd: work.folder,
    env: {
      ...process.env,
      ANNEAL_ADDON: findAddon()?.path,
      ANNEAL_CACHE: work.path('cache'),
      ANNEAL_THREADS: '1',
      NO_COLOR: undefined,
      FORCE_COLOR: undefined,
      ...env,
    },
  })
  const said = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => {
      said[name] += text
    })
  return new Promise(resolve => child.on('close', code => resolve({ code, ...said })))
}

const events = (run: string) =>
  readFileSync(work.path(run, 'events.jsonl'), 'utf8')
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line) as RunEvent)
const warnings = (run: string) => events(run).flatMap(e => (e.type === 'warning' ? [e.message] : []))

/** Checks that the run is done and that it has all its events. */
function isDone(run: string): void {
  assert.ok(existsSync(work.path(run, 'result.json')), `${run} has a result`)
  const all = events(run)
  assert.equal(all.at(-1)!.type, 'done')
  assert.ok(
    all.some(e => e.type === 'epoch'),
    `all.some(e => e.type === 'epoch')`,
  )
  assert.ok(existsSync(work.path(run, 'best.safetensors')), `existsSync(work.path(run, 'best.safetensors'))`)
}

describe('training goes on without its output', { concurrency: 2 }, () => {
  const gone = /its reader is gone \(EPIPE\)\. Training goes on/
  const full = /the disk is full \(ENOSPC\)\. Training goes on/
  type Row = [name: string, line: (run: string) => string, reason: RegExp | undefined, stderr?: RegExp]
  const rows: Row[] = [
    ['head', run => `A ${train(run)} | head -1; ${ofTheFirst}`, gone, /stdout can not be written: its reader is gone/],
    ['json', run => `A ${train(run)} --json | head -1; ${ofTheFirst}`, gone, /warning: stdout can not/],
    ['both', run => `A ${train(run)} 2>&1 | head -1; ${ofTheFirst}`, gone],
    ['stdout full', run => `A ${train(run)} > /dev/full`, full, /stdout can not be written: the disk is full/],
    ['both full', run => `A ${train(run)} > /dev/full 2>&1`, full],
    ['all closed', run => `A ${train(run)} <&- >&- 2>&-`, undefined],
  ]
  for (const [name, line, reason, stderr = /^/] of rows)
    test(name, async () => {
      const run = `run-${name.replaceAll(' ', '-')}`
      const said = await shell(line(run))
      assert.equal(said.code, 0, said.stderr)
      assert.match(said.stderr, stderr)
      isDone(run)
      if (reason === undefined) assert.deepEqual(warnings(run), [])
      else assert.match(warnings(run).join('\n'), reason)
      assert.ok(new Set(warnings(run)).size === warnings(run).length, 'each is noted once')
    })

  test('--json to a full disk: the run is done, and the code tells that the events are not whole', async () => {
    const said = await shell(`A ${train('run-json-full')} --json > /dev/full`)
    assert.equal(said.code, 1)
    assert.match(said.stderr, /anneal: the run is done, but its events on stdout are not whole: see run-json-full/)
    isDone('run-json-full')
  })

  test('a log that a limit on file sizes cuts', async () => {
    const said = await shell(
      `ulimit -f 12000; head -c 12287900 /dev/zero > big.log; A ${train('run-limit')} >> big.log`,
    )
    assert.equal(said.code, 0, said.stderr)
    isDone('run-limit')
    assert.match(warnings('run-limit').join('\n'), /stdout can not be written: .*EFBIG/)
  })
})

describe('what was asked for on stdout', { concurrency: 2 }, () => {
  before(async () => {
    const { code, stderr } = await work.run(['train', 'shapes', ...small, '--epochs', '0', '--out', 'model'])
    assert.equal(code, 0, stderr)
  })
  const asking = ['predict model shapes --json', 'runs . --json', 'clean model --list --json', '--help']
  for (const args of asking) {
    test(`${args} | true: ends quietly, as a closed pipe ends other programs`, async () => {
      const { code, stderr } = await shell(`A ${args} | true; ${ofTheFirst}`)
      assert.deepEqual([code, stderr], [141, ''])
    })
    test(`${args} > /dev/full: says it, and fails`, async () => {
      const { code, stderr } = await shell(`A ${args} > /dev/full`)
      assert.deepEqual([code, stderr], [1, 'anneal: stdout can not be written: the disk is full (ENOSPC)\n'])
    })
  }
  test('predict | head -2 shows two whole lines', async () => {
    const { code, stdout, stderr } = await shell('A predict model shapes | head -2')
    assert.equal(code, 0)
    assert.match(stdout, /^(\S+\.png {2}\w+ {2}[\d.]+ %\n){2}$/)
    assert.equal(stderr, '')
  })
  test('an error that nobody can read still has its code', async () => {
    for (const where of ['2> /dev/full', '2>&1 | true']) {
      const { code } = await shell(`A predict model nope.png ${where}; ${ofTheFirst}`)
      assert.equal(code, 1, where)
    }
  })
  test('augment writes its sheet, whoever listens', async () => {
    const { code } = await shell(`A augment shapes --out sheet.png 2>&1 | true; ${ofTheFirst}`)
    assert.equal(code, 0)
    assert.ok(existsSync(work.path('sheet.png')), `existsSync(work.path('sheet.png'))`)
  })
})

const long = (run: string) => ['train', 'shapes', ...small, '--epochs', '30', '--cycle-len', '30', '--out', run]
const epochs = (run: string) =>
  existsSync(work.path(run, 'metrics.csv'))
    ? readFileSync(work.path(run, 'metrics.csv'), 'utf8').split('\n').length - 2
    : 0

/** The process that trains a run now, if there is one. */
const pidOf = (run: string) => {
  const lock = work.path(run, 'lock.json')
  return existsSync(lock) ? (JSON.parse(readFileSync(lock, 'utf8')) as { pid: number }).pid : undefined
}
const hasScript = spawnSync('script', ['--version']).status === 0

describe('the terminal goes away', { concurrency: 2, timeout: 120_000 }, () => {
  test('under nohup training goes on: SIGHUP to all of its group', async () => {
    const said = await shell(
      `set -m; nohup ${command} ${long('hup').join(' ')} > hup.log 2>&1 < /dev/null & pid=$!
      until grep -qs 'epoch 6' hup.log || ! kill -0 $pid 2> /dev/null; do sleep 0.1; done
      kill -HUP -- -$pid; wait $pid; exit $?`,
    )
    assert.equal(said.code, 0, readFileSync(work.path('hup.log'), 'utf8'))
    isDone('hup')
    assert.match(warnings('hup').join('\n'), /a hang-up \(SIGHUP\) came; no terminal is attached.*kill -INT \d+/)
  })

  test('after a hang-up SIGTERM still saves and stops', async () => {
    const { code } = await shell(
      `set -m; ${command} ${long('term').join(' ')} > term.log 2>&1 < /dev/null & pid=$!
      until grep -qs 'whole, epoch 5' term.log || ! kill -0 $pid 2> /dev/null; do sleep 0.1; done
      kill -HUP $pid; sleep 0.3; kill -TERM $pid; wait $pid; exit $?`,
    )
    assert.equal(code, 143)
    assert.equal(events('term').at(-1)!.type, 'stopped')
    assert.ok(epochs('term') < 30, `epochs('term') < 30`)
    const again = await work.run(['train', '--resume', 'term'], { env: { ANNEAL_THREADS: '1' } })
    assert.equal(again.code, 0, again.stderr)
    isDone('term')
  })

  test('the shell that started it is killed: training goes on', async () => {
    const shellOfIt = spawn('bash', ['-c', `${command} ${long('orphan').join(' ')} & wait`], {
      cwd: work.folder,
      env: { ...process.env, ANNEAL_ADDON: findAddon()?.path, ANNEAL_CACHE: work.path('cache'), ANNEAL_THREADS: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    await until('the first epochs', () => epochs('orphan') > 5)
    shellOfIt.kill('SIGKILL')
    shellOfIt.stdout.destroy()
    shellOfIt.stderr.destroy()
    await until('the result', () => existsSync(work.path('orphan', 'result.json')) && pidOf('orphan') === undefined)
    isDone('orphan')
    assert.match(warnings('orphan').join('\n'), /stdout can not be written: its reader is gone/)
  })

  /** Types a line into a shell on a new terminal, waits for some epochs and closes the terminal. */
  async function onTerminal(line: string, run: string): Promise<void> {
    const terminal = spawn('script', ['-qec', 'bash --norc -i', '/dev/null'], {
      cwd: work.folder,
      env: {
        ...process.env,
        ANNEAL_ADDON: findAddon()?.path,
        ANNEAL_CACHE: work.path('cache'),
        ANNEAL_THREADS: '1',
        TERM: 'xterm',
      },
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    terminal.stdin.write(`${line}\n`)
    await until(`epochs of ${run}`, () => epochs(run) > 5)
    terminal.kill('SIGKILL')
  }

  test('nohup … & on a terminal that is closed: training goes on', { skip: !hasScript && 'no script(1)' }, async () => {
    await onTerminal(`nohup ${command} ${long('nohup').join(' ')} &`, 'nohup')
    await until('the result', () => existsSync(work.path('nohup', 'result.json')) && pidOf('nohup') === undefined)
    isDone('nohup')
    assert.match(readFileSync(work.path('nohup.out'), 'utf8'), /valid accuracy/)
  })

  test('setsid on a terminal that is closed: training goes on', { skip: !hasScript && 'no script(1)' }, async () => {
    await onTerminal(`setsid ${command} ${long('setsid').join(' ')} > setsid.log 2>&1 < /dev/null &`, 'setsid')
    await until('the result', () => existsSync(work.path('setsid', 'result.json')) && pidOf('setsid') === undefined)
    isDone('setsid')
  })

  test('without either the run is saved and stopped, and goes on later', {
    skip: !hasScript && 'no script(1)',
  }, async () => {
    await onTerminal(`${command} ${long('plain').join(' ')}`, 'plain')
    await until('its end', () => pidOf('plain') === undefined)
    assert.equal(events('plain').at(-1)!.type, 'stopped')
    assert.ok(!existsSync(work.path('plain', 'result.json')), `!existsSync(work.path('plain', 'result.json'))`)
    const again = await work.run(['train', '--resume', 'plain'], { env: { ANNEAL_THREADS: '1' } })
    assert.equal(again.code, 0, again.stderr)
    isDone('plain')
  })
})

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Writable } from 'node:stream'
import { after, before, describe, test } from 'node:test'
import { launch as launchHere } from '../../src/launch/launch.ts'
import { program, shapeFolder, small, workspace } from '../helpers/cli.ts'
import { until } from '../helpers/until.ts'

const work = workspace()
after(() => work.remove())

/** A rank for Node: `body` may use rank, size, env, sleep and note(file, text). */
function script(name: string, body: string): string {
  writeFileSync(
    work.path(`${name}.mjs`),
    `import { appendFileSync } from 'node:fs'
    import { setTimeout as sleep } from 'node:timers/promises'
    const env = process.env
    const [rank, size] = [Number(env.RANK), Number(env.WORLD_SIZE)]
    const note = (file, text) => appendFileSync(file, text + '\\n')
    ${body}`,
  )
  return `${name}.mjs`
}
const noted = (file: string) =>
  existsSync(work.path(file)) ? readFileSync(work.path(file), 'utf8').trim().split('\n') : []
const plainEnv = { ANNEAL_THREADS: undefined, OMP_NUM_THREADS: undefined }
const launch = (args: readonly string[], more = {}) => work.run(['launch', ...args], { env: plainEnv, ...more })

const alive = (pid: number) => {
  try {
    process.kill(pid, 0)
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

test('each rank gets its variables and its share of the threads; its lines have its number', async () => {
  const file = script(
    'all',
    `console.log(['LOCAL_RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT', 'OMP_NUM_THREADS', 'ANNEAL_THREADS'].map(n => env[n]).join(' '))
    console.error('aside ' + process.argv.slice(2).join('|'))
    process.stdout.write('bar 1\\rbar 2\\rbar 3\\nno end')`,
  )
  const { code, stdout, stderr } = await launch(['--nproc', '3', '--threads', '5', file, '--nproc', '7'])
  assert.equal(code, 0, stderr)
  const [, port] =
    /3 ranks on this machine, 5 threads each \(\d+ cores?\); they meet at 127\.0\.0\.1:(\d+)\n/.exec(stderr) ?? []
  assert.ok(Number(port) > 1023, stderr)
  const lines = stdout.trim().split('\n').sort()
  const expected = [0, 1, 2].flatMap(rank =>
    [`${rank} 3 127.0.0.1 ${port} 5 5`, 'bar 3', 'no end'].map(line => `[rank ${rank}] ${line}`),
  )
  assert.deepEqual(lines, expected)
  for (const rank of [0, 1, 2]) assert.match(stderr, new RegExp(`^\\[rank ${rank}\\] aside --nproc\\|7$`, 'm'))
})

test('two launchers make one group; threads are the cores divided by the ranks', async () => {
  const file = script(
    'two',
    `console.log([rank, size, env.LOCAL_RANK, env.GROUP_RANK, env.MASTER_PORT, env.OMP_NUM_THREADS].join(' '))`,
  )
  const both = await Promise.all(
    [0, 1].map(k =>
      launch([
        '--nproc=2',
        '--nnodes=2',
        `--node-rank=${k}`,
        '--master-addr=127.0.0.1',
        '--master-port=29777',
        '--',
        'node',
        file,
      ]),
    ),
  )
  const lines = both.map(({ stdout }) => stdout.trim().split('\n').sort())
  const [, cores] = /\((\d+) cores?\)/.exec(both[0]!.stderr) ?? []
  const threads = Math.max(1, Math.floor(Number(cores) / 2))
  assert.deepEqual(lines[0], [`[rank 0] 0 4 0 0 29777 ${threads}`, `[rank 1] 1 4 1 0 29777 ${threads}`])
  assert.deepEqual(lines[1], [`[rank 2] 2 4 0 1 29777 ${threads}`, `[rank 3] 3 4 1 1 29777 ${threads}`])
})

test('one rank fails: the others end by SIGTERM, and the first failure is named with its code and last lines', async () => {
  const file = script(
    'fails',
    `process.on('SIGTERM', () => { note('ended.txt', String(rank)); process.exit(5) })
    if (rank === 1) { await sleep(300); for (let i = 0; i < 30; i++) console.error('line ' + i); process.exit(3) }
    await sleep(30_000)`,
  )
  const { code, stderr, seconds } = await launch(['--nproc', '3', file])
  assert.equal(code, 3, stderr)
  assert.ok(seconds < 15, `${seconds} s`)
  assert.deepEqual(noted('ended.txt').sort(), ['0', '2'])
  assert.match(stderr, /launch: rank 1 ended with exit code 3; ranks 0, 2 are ended\n/)
  assert.match(
    stderr,
    /anneal: launch: rank 1 ended with exit code 3 after \d\.\d s \(the first of 3 ranks that failed\)\. The last lines of its stderr:\n( {2}\[rank 1\] line \d+\n)+$/,
  )
  assert.match(stderr, / {2}\[rank 1\] line 29\n$/)
  assert.doesNotMatch(stderr, /did not end within/)
})

test('a rank that is stopped when the others have ended is named, and killed', async () => {
  const file = script('sleeper', `if (rank === 0) { await sleep(500); process.kill(process.pid, 'SIGSTOP') }`)
  const env = { ...plainEnv, ANNEAL_SILENCE_SECONDS: '2' }
  const { code, stderr, seconds } = await launch(['--nproc', '2', file], { env })
  assert.equal(code, 137, stderr)
  assert.ok(seconds < 20, `${seconds} s`)
  assert.match(stderr, /launch: rank 0 is stopped \(SIGSTOP\) since 2\.0 s, and other ranks have ended; it is killed\n/)
  assert.match(stderr, /rank 0 was stopped \(SIGSTOP\) after other ranks had ended, and was killed/)
})

test('a rank that ignores SIGTERM, and what it started, is killed after the grace period', async () => {
  const file = script(
    'stubborn',
    `import { spawn } from 'node:child_process'
    process.on('SIGTERM', () => {})
    if (rank === 0) note('child.txt', String(spawn('sleep', ['120'], { stdio: 'inherit' }).pid))
    if (rank === 1) { await sleep(500); process.kill(process.pid, 'SIGKILL') }
    await sleep(120_000)`,
  )
  const { code, stderr, seconds } = await launch(['--nproc', '2', '--grace', '1', file])
  assert.equal(code, 137, stderr)
  assert.ok(seconds < 20, `${seconds} s`)
  assert.match(
    stderr,
    /rank 1 was killed by SIGKILL; rank 0 is ended\nlaunch: rank 0 did not end within 1\.0 s and is killed\n/,
  )
  assert.match(stderr, /If nobody killed it, memory ran out/)
  await until('the end of what rank 0 started', () => !alive(Number(noted('child.txt')[0])), 5)
})

const counts = () =>
  script(
    'stops',
    `for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, async () => {
      note('signals.txt', rank + name)
      if (env.STUBBORN) return
      await sleep(500); process.exit(name === 'SIGINT' ? 130 : 143)
    })
    note('ready.txt', String(process.pid))
    await sleep(60_000)`,
  )

for (const [name, exitCode] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  test(`${name} to the whole process group reaches each rank once; it may take its time`, async () => {
    for (const file of ['ready.txt', 'signals.txt']) writeFileSync(work.path(file), '')
    const file = counts()
    const child = spawn(process.execPath, [...program, 'launch', '--nproc', '2', '--grace', '5', file], {
      cwd: work.folder,
      detached: true, // as a shell starts it
    })
    let stderr = ''
    child.stderr.on('data', text => (stderr += text))
    await until('both ranks', () => noted('ready.txt').length === 2)
    process.kill(-child.pid!, name)
    const code = await new Promise(resolve => child.on('close', resolve))
    assert.equal(code, exitCode, stderr)
    assert.deepEqual(noted('signals.txt').sort(), [`0${name}`, `1${name}`])
    assert.doesNotMatch(stderr, /failed|killed/)
  })

test('a second Ctrl-C ends all ranks at once', async () => {
  for (const file of ['ready.txt', 'signals.txt']) writeFileSync(work.path(file), '')
  const { child, ended } = work.start(['launch', '--nproc', '2', counts()], { env: { STUBBORN: '1' } })
  await until('both ranks', () => noted('ready.txt').length === 2)
  child.kill('SIGINT')
  await until('the first signal', () => noted('signals.txt').length === 2)
  assert.equal(child.exitCode, null, 'the ranks may go on after the first')
  const began = Date.now()
  child.kill('SIGINT')
  const { code } = await ended
  assert.equal(code, 137)
  assert.ok(Date.now() - began < 5000, `${Date.now() - began} ms`)
  for (const pid of noted('ready.txt')) assert.ok(!alive(Number(pid)), pid)
})

test('restarts are limited; a wrong command line is not tried again', async () => {
  const file = script(
    'again',
    `note('tries.txt', rank + ' ' + env.TORCHELASTIC_RESTART_COUNT + ' ' + env.TORCHELASTIC_MAX_RESTARTS)
    if (rank === 1 && env.TORCHELASTIC_RESTART_COUNT !== env.GOOD) { await sleep(700); process.exit(4) }
    if (rank === 0 && env.TORCHELASTIC_RESTART_COUNT !== env.GOOD) await sleep(30_000)`,
  )
  const bad = await launch(['--nproc', '2', '--max-restarts', '2', '--grace', '1', file])
  assert.equal(bad.code, 4, bad.stderr)
  assert.deepEqual(noted('tries.txt').sort(), ['0 0 2', '0 1 2', '0 2 2', '1 0 2', '1 1 2', '1 2 2'])
  assert.match(bad.stderr, /all ranks start again \(2 of 2 restarts\)\n/)
  assert.match(
    bad.stderr,
    /rank 1 ended with exit code 4 .*\(the first of 2 ranks that failed, after 2 of 2 restarts\)/,
  )
  const good = await launch(['--nproc', '2', '--max-restarts', '5', file], { env: { ...plainEnv, GOOD: '1' } })
  assert.equal(good.code, 0, good.stderr)
  assert.doesNotMatch(good.stderr, /2 of 5/)
  const wrong = await launch(['--max-restarts', '3', 'train'])
  assert.equal(wrong.code, 2)
  assert.doesNotMatch(wrong.stderr, /start again/)
  const none = await launch(['--max-restarts', '3', 'no-such-program'])
  assert.equal(none.code, 127)
  assert.match(none.stderr, /rank 0 could not be started: there is no program "no-such-program"/)
  assert.doesNotMatch(none.stderr, /start again/)
})

test('a rank that is lost after the result was written takes nothing away: no restart, and exit code 0', async () => {
  const file = script(
    'late',
    `process.chdir(env.FOLDER)
    note('late.txt', rank + ' ' + env.TORCHELASTIC_RESTART_COUNT)
    if (rank === 1) { await sleep(1000); process.exit(4) }
    const { mkdirSync, writeFileSync } = await import('node:fs')
    if (env.DONE) mkdirSync('late-run', { recursive: true })
    if (env.DONE) writeFileSync('late-run/result.json', '{}')
    writeFileSync(JSON.parse(env.ANNEAL_LAUNCH).run, process.cwd() + '/late-run')
    await sleep(30_000)`,
  )
  const train = (done: string) => {
    const said: string[] = []
    const stream = new Writable({ write: (text, _, next) => next(void said.push(String(text))) })
    const self = [process.execPath, work.path(file)]
    const command = { file: self[0]!, args: self.slice(1), anneal: ['train', 'pictures'] }
    const env = { ...process.env, FOLDER: work.folder, DONE: done }
    const context = { self, cores: 2, stdout: stream, stderr: stream, env, onSignal() {}, onLost() {} }
    const code = launchHere(command, { nproc: 2, grace: 1, maxRestarts: 1 }, context)
    return { code, said: () => said.join('') }
  }
  const whole = train('yes')
  assert.equal(await whole.code, 0, whole.said())
  assert.match(whole.said(), /rank 1 ended with exit code 4[\s\S]*late-run had its result by then, so the run is whole/)
  assert.deepEqual(noted('late.txt').sort(), ['0 0', '1 0'])
  rmSync(work.path('late-run'), { recursive: true })
  await assert.rejects(train('').code, /rank 1 ended with exit code 4 .*after 1 of 1 restart/)
})

test('--log-dir keeps the output of each rank, that of restarts behind it', async () => {
  const file = script(
    'logged',
    `console.log('out', rank); console.error('err', rank)
    if (env.TORCHELASTIC_RESTART_COUNT === '0') { await sleep(300); process.exit(1) }`,
  )
  const { code, stdout } = await launch(['--nproc', '2', '--log-dir', 'logs/x', '--max-restarts', '1', file])
  assert.equal(code, 0)
  assert.match(stdout, /^\[rank 1\] out 1$/m)
  for (const rank of [0, 1]) {
    const lines = noted(`logs/x/rank-${rank}.log`)
    assert.deepEqual(lines.slice(0, 2).sort(), [`err ${rank}`, `out ${rank}`])
    assert.equal(lines[2], '--- restart 1 ---')
    assert.deepEqual(lines.slice(3).sort(), [`err ${rank}`, `out ${rank}`])
  }
  writeFileSync(work.path('taken'), '')
  const bad = await launch(['--log-dir', 'taken', file])
  assert.equal(bad.code, 1)
  assert.match(bad.stderr, /the folder taken of --log-dir can not be written/)
})

test('the reader of the output ends: the ranks go on to their end', async () => {
  const file = script(
    'talks',
    `for (let i = 0; i < 20_000; i++) console.log('x'.repeat(100))
    await sleep(100)
    note('talked.txt', String(rank))`,
  )
  const shell = spawnSync(
    'bash',
    ['-c', '"$@" | head -n 1', 'bash', process.execPath, ...program, 'launch', '--nproc', '2', file],
    {
      cwd: work.folder,
      encoding: 'utf8',
      timeout: 60_000,
    },
  )
  assert.match(shell.stdout, /^\[rank \d\] x+\n$/)
  await until('both ranks', () => noted('talked.txt').length === 2)
})

const hasScript = spawnSync('script', ['--version']).status === 0
test('on a terminal rank 0 has the terminal for its bar; lines of others stand on lines of their own', {
  skip: !hasScript && 'no script(1)',
}, () => {
  const file = script(
    'tty',
    `if (rank === 0) { console.log(process.stdout.isTTY + ' ' + process.stdout.columns); process.stdout.write('\\rbar') }
    else { await sleep(700); console.log('other ' + process.stdout.isTTY) }
    await sleep(1200)`,
  )
  const words = [process.execPath, ...program, 'launch', '--nproc', '2', file].map(word => `'${word}'`).join(' ')
  const { stdout } = spawnSync('script', ['-qec', `stty cols 77; ${words}`, '/dev/null'], {
    cwd: work.folder,
    encoding: 'utf8',
    env: { ...process.env, TERM: 'xterm' },
  })
  assert.match(stdout, /true 77\r\n/)
  assert.ok(stdout.includes('\rbar\r\x1b[K[rank 1] other undefined\r\n'), JSON.stringify(stdout))
})

describe('training', () => {
  before(() => shapeFolder(work.path('shapes')))
  const events = (run: string) =>
    noted(`${run}/events.jsonl`)
      .filter(Boolean)
      .map(line => JSON.parse(line))
  const epochs = (run: string) => events(run).filter(({ type }) => type === 'epoch').length
  const long = (run: string) => ['train', 'shapes', ...small, '--epochs', '30', '--lr', '1e-3', '--out', run]
  const pidOf = (run: string) => Number(JSON.parse(readFileSync(work.path(run, 'lock.json'), 'utf8')).pid)

  test('a rank that is killed starts again and goes on with its run', async () => {
    mkdirSync(work.path('runs'), { recursive: true })
    const { ended } = work.start(['launch', '--max-restarts', '2', ...long('killed')], { env: { ANNEAL_THREADS: '1' } })
    await until('some epochs', () => epochs('killed') > 4)
    process.kill(pidOf('killed'), 'SIGKILL')
    const { code, stderr } = await ended
    assert.equal(code, 0, stderr)
    assert.match(stderr, /all ranks start again \(1 of 2 restarts\), from .*killed\n/)
    assert.equal(events('killed').at(-1)!.type, 'done')
    assert.ok(
      events('killed').some(({ type }) => type === 'resume' || type === 'resumed'),
      JSON.stringify([...new Set(events('killed').map(e => e.type))]),
    )
  })

  test('Ctrl-C stops cleanly and says how the launch goes on; --json gives rank 0 alone', async () => {
    const { child, ended } = work.start(['launch', ...long('stopped'), '--json'], { env: { ANNEAL_THREADS: '1' } })
    await until('some epochs', () => epochs('stopped') > 2)
    child.kill('SIGINT')
    const { code, stdout, stderr } = await ended
    assert.equal(code, 130, stderr)
    for (const line of stdout.trim().split('\n')) JSON.parse(line)
    assert.match(stderr, /Go on with:\n {2}npx anneal launch --nproc 1 train --resume stopped\n/)
    assert.equal(events('stopped').at(-1)!.type, 'stopped')
  })

  test('the launcher is killed by -9: its rank saves its state and ends; the next launch removes its folder', async () => {
    mkdirSync(work.path('tmp'))
    const env = { ANNEAL_THREADS: '1', TMPDIR: work.path('tmp') }
    const { child } = work.start(['launch', ...long('left')], { env })
    await until('some epochs', () => epochs('left') > 2)
    const rank = pidOf('left')
    child.kill('SIGKILL')
    await until('the end of the rank', () => !alive(rank), 20)
    assert.equal(events('left').at(-1)!.type, 'stopped')
    const left = () => readdirSync(work.path('tmp')).filter(name => name.startsWith('anneal-'))
    assert.equal(left().length, 1, 'a killed launcher can not remove its folder')
    await launch([script('next', '')], { env })
    assert.deepEqual(left(), [])
  })

  for (const group of [false, true])
    test(`npx gets SIGTERM${group ? ', as all of its processes do' : ''}: its shell ends, and the training below saves its state`, {
      skip: process.platform !== 'linux' && 'needs /proc',
    }, async () => {
      const run = `npx-${group}`
      // npx starts a command so, and passes SIGTERM to this shell alone.
      const words = [process.execPath, ...program, ...long(run)].map(word => `'${word}'`).join(' ')
      const shell = spawn('sh', ['-c', `${words}; true`], {
        cwd: work.folder,
        env: { ...process.env, ANNEAL_THREADS: '1', npm_lifecycle_event: 'npx' },
        stdio: 'ignore',
        detached: true,
      })
      await until('some epochs', () => epochs(run) > 2)
      const rank = pidOf(run)
      process.kill(group ? -shell.pid! : shell.pid!, 'SIGTERM')
      await until('the end of the training', () => !alive(rank), 20)
      assert.equal(events(run).at(-1)!.type, 'stopped')
    })
})

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
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
import { after, describe, test } from 'node:test'
import { withLock } from '../../src/base/lock.ts'
import { type Owner, standing, thisProcess } from '../../src/base/owner.ts'
import { typescript } from '../helpers/typescript.ts'

const root = mkdtempSync(join(tmpdir(), 'anneal-lock-'))
const others: ChildProcess[] = []
after(() => {
  for (const child of others) child.kill('SIGKILL')
  rmSync(root, { recursive: true, force: true })
})

/** A process that runs until the tests end. A lock has its number, but the process does not hold the lock. */
function stranger(): number {
  const child = spawn('sleep', ['600'], { stdio: 'ignore' })
  others.push(child)
  return child.pid!
}

const hoursAgo = (hours: number) => new Date(Date.now() - hours * 3_600_000)

/** A lock that was left behind, last changed `hours` ago. */
function left(name: string, text: string, hours = 2): string {
  const path = join(root, name)
  writeFileSync(`${path}.lock`, text)
  utimesSync(`${path}.lock`, hoursAgo(hours), hoursAgo(hours))
  return path
}

/** Takes the lock. Returns the time that it took, in seconds, and the messages meanwhile. */
async function taken(path: string, signal?: AbortSignal) {
  const told: string[] = []
  const began = performance.now()
  await withLock(
    path,
    async () => assert.ok(existsSync(`${path}.lock`), 'held while the work is done'),
    holder => told.push(holder),
    signal,
  )
  assert.equal(existsSync(`${path}.lock`), false, 'given back')
  return { seconds: (performance.now() - began) / 1000, told }
}

const owner = (change: Partial<Owner>) => JSON.stringify({ ...thisProcess(), ...change, token: 'x' })

test('a lock of a process that is gone is taken over at once, whatever shows that it is gone', async () => {
  const here = thisProcess()
  assert.ok(here.boot && here.started && here.space, 'Linux says all of it')
  for (const [name, text] of Object.entries({
    'no such process': owner({ pid: 2 ** 22 + 12345 }),
    'a number that is another process now': owner({ pid: stranger() }),
    'this number, another start': owner({ started: '1' }),
    'an earlier start of the machine': owner({ boot: 'earlier' }),
    'no number': owner({ pid: 0 }),
    'as earlier versions wrote it': `${2 ** 22 + 12345} ${hostname()} 1700000000000.1 0.5`,
  })) {
    const { seconds, told } = await taken(left(name, text))
    assert.ok(seconds < 1, `${name}: ${seconds} s`)
    assert.deepEqual(told, [], name)
  }
  assert.deepEqual(readdirSync(root), [], 'nothing stays behind')
})

describe('a holder that can not be asked', { concurrency: true }, () => {
  test('who can not be asked is watched, told of, and taken over when it gives no sign of life', {
    timeout: 120_000,
  }, async () => {
    // All at once, because each one waits.
    const cases = {
      'an earlier version, a number in use': [
        `${stranger()} ${hostname()} 1700000000000.1 0.5\n`,
        /process \d+ holds \S+/,
      ],
      'another container': [owner({ space: 'pid:[1]' }), /process \d+ in another container holds/],
      'another machine': [owner({ host: 'elsewhere' }), /process \d+ on elsewhere holds/],
      empty: ['', /does not name its holder/],
      'something else': ['{"pid":', /does not name its holder/],
      'no object': ['null', /does not name its holder/],
    } as const
    await Promise.all(
      Object.entries(cases).map(async ([name, [text, words]]) => {
        const { seconds, told } = await taken(left(name, text))
        assert.ok(seconds >= 14 && seconds < 25, `${name}: ${seconds} s`)
        assert.equal(told.length, 1, name)
        assert.match(told[0]!, words)
        assert.ok(told[0]!.includes(join(root, `${name}.lock`)), told[0])
      }),
    )
  })

  test('a holder that can not be asked but beats is not robbed', { timeout: 60_000 }, async () => {
    const path = left('beats', owner({ host: 'elsewhere' }), 0)
    const beat = setInterval(() => utimesSync(`${path}.lock`, new Date(), new Date()), 4000)
    const stop = new AbortController()
    setTimeout(() => stop.abort(), 20_000)
    try {
      await assert.rejects(taken(path, stop.signal), { name: 'AbortError' })
      assert.match(readFileSync(`${path}.lock`, 'utf8'), /elsewhere/)
    } finally {
      clearInterval(beat)
      rmSync(`${path}.lock`)
    }
  })
})

test('a holder that lives is waited for, however old its lock looks, and named within two seconds', async () => {
  const path = join(root, 'alive')
  const source = `import { withLock } from ${JSON.stringify(resolve('src/base/lock.ts'))}
    await withLock(${JSON.stringify(path)}, async () => { console.log('held'); await new Promise(r => process.stdin.once('data', r)) })
    process.exit(0)`
  const script = join(root, 'holder.mts')
  writeFileSync(script, source)
  const child = spawn(process.execPath, [...typescript, script], { stdio: ['pipe', 'pipe', 'inherit'] })
  others.push(child)
  await once(child.stdout, 'data')
  utimesSync(`${path}.lock`, hoursAgo(5), hoursAgo(5))
  const began = performance.now()
  let toldAfter = 0
  const told: string[] = []
  await withLock(
    path,
    async () => {},
    holder => {
      told.push(holder)
      toldAfter = (performance.now() - began) / 1000
      child.stdin.end('go on\n')
    },
  )
  assert.ok(toldAfter < 2, `${toldAfter} s`)
  assert.equal(told[0], `process ${child.pid} holds ${path}.lock; wait for it, or end it (kill ${child.pid})`)
})

test('a signal ends the wait', async () => {
  const path = left('signal', owner({}))
  const stop = new AbortController()
  setTimeout(() => stop.abort(), 300)
  const began = performance.now()
  await assert.rejects(taken(path, stop.signal), { name: 'AbortError' })
  assert.ok(performance.now() - began < 1500, 'at once')
  assert.ok(existsSync(`${path}.lock`), 'the lock is its holder’s')
  await assert.rejects(taken(path, AbortSignal.abort()), { name: 'AbortError' })
})

test('no two hold it at once, in one process and in several', { timeout: 60_000 }, async () => {
  const path = join(root, 'shared')
  const log = join(root, 'log')
  const source = `import { appendFileSync } from 'node:fs'
    import { withLock } from ${JSON.stringify(resolve('src/base/lock.ts'))}
    for (let i = 0; i < 5; i++) await withLock(${JSON.stringify(path)}, async () => {
      appendFileSync(${JSON.stringify(log)}, 'in\\n')
      await new Promise(r => setTimeout(r, 5))
      appendFileSync(${JSON.stringify(log)}, 'out\\n')
    })`
  const script = join(root, 'many.mts')
  writeFileSync(script, source)
  writeFileSync(log, '')
  left('shared', owner({ pid: 2 ** 22 + 12345 })) // a stale lock that all processes find
  const codes = await Promise.all(
    Array.from({ length: 3 }, async () => {
      const child = spawn(process.execPath, [...typescript, script], { stdio: ['ignore', 'inherit', 'inherit'] })
      others.push(child)
      return (await once(child, 'exit'))[0]
    }),
  )
  assert.deepEqual(codes, [0, 0, 0])
  assert.equal(readFileSync(log, 'utf8'), 'in\nout\n'.repeat(15))
})

test('a lock that can not be made or removed is an error, never an endless wait', async () => {
  writeFileSync(join(root, 'file'), '')
  await assert.rejects(taken(join(root, 'file', 'below')), /ENOTDIR|EEXIST/)
  await assert.rejects(taken('/proc/anneal/below'), /ENOENT/)
  mkdirSync(join(root, 'folder.lock'))
  const stop = new AbortController()
  setTimeout(() => stop.abort(), 1500)
  await assert.rejects(taken(join(root, 'folder'), stop.signal), { name: 'AbortError' })
})

test('what is known of a process', () => {
  const here = thisProcess()
  assert.equal(standing(here), 'runs')
  assert.equal(standing({ ...here, started: '' }), 'unknown', 'the number lives, and no more is known')
  assert.equal(standing({ ...here, host: 'elsewhere' }), 'unknown')
  assert.equal(standing({ ...here, space: 'pid:[1]', pid: 2 ** 30 }), 'unknown', 'its numbers are not ours')
  assert.equal(standing({ ...here, boot: 'earlier' }), 'earlier')
  assert.equal(standing({ pid: 2 ** 30, host: hostname() }), 'gone')
  assert.equal(standing({ ...here, pid: 1.5 }), 'gone')
  assert.equal(standing({ host: hostname() }), 'gone')
})

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { typescript } from '../helpers/typescript.ts'

/** Starts a process under a shell, as npx does. It counts its SIGTERMs for 5 s; its thread is busy for the first 2 of them, so
 *  that its timer is due before it sees a signal. */
function busyProcess() {
  const script = `
    import { watchStarter } from ${JSON.stringify(import.meta.resolve('../../src/launch/launched.ts'))}
    watchStarter({ outlivesHangUp: false })
    let signals = 0
    process.on('SIGTERM', () => signals++)
    process.stdout.write('ready ')
    const busy = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2000)
    setTimeout(() => setImmediate(busy), 50) // in the part of Node's loop after which timers come, and then signals
    setTimeout(() => process.stdout.write(String(signals)), 5000)`
  const words = [process.execPath, ...typescript, '--input-type=module', '-e', script]
  return spawn('sh', ['-c', `${words.map(word => `'${word.replaceAll("'", "'\\''")}'`).join(' ')}; true`], {
    env: { ...process.env, npm_lifecycle_event: 'npx', ANNEAL_LAUNCH: undefined },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
}

for (const [whom, group] of [
  ['its shell alone', false],
  ['all of its processes', true],
] as const)
  test(`npx sends SIGTERM to ${whom} while the command is busy: the command gets one SIGTERM`, {
    skip: process.platform !== 'linux' && 'needs /proc',
  }, async () => {
    const shell = busyProcess()
    const output = text(shell.stdout)
    await Promise.race([once(shell.stdout, 'data'), output])
    await sleep(500)
    process.kill(group ? -shell.pid! : shell.pid!, 'SIGTERM')
    assert.equal(await output, 'ready 1')
  })

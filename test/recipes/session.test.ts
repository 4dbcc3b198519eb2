import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Session } from '../../src/recipes/run/session.ts'
import { type EventBody, openRun } from '../../src/runs/index.ts'

const root = mkdtempSync(join(tmpdir(), 'anneal-session-'))
after(() => rmSync(root, { recursive: true, force: true }))

const batch: EventBody = { type: 'batch', phase: 'whole', step: 28, epoch: 8, loss: 1, smooth: 1, lrs: [1e-3] }
const epoch: EventBody = {
  type: 'epoch',
  phase: 'whole',
  epoch: 8,
  step: 28,
  trainLoss: 1,
  validLoss: 1,
  metrics: { accuracy: 1 },
  seconds: 1,
  lrs: [1e-3],
  best: true,
}

/** What a run does at the end of a cycle: a state, the judgement of its weights, and a state of the same step. */
function endOfCycle(session: Session): void {
  session.emit(epoch)
  session.checkpoint({ step: 28, epoch: 8 })
}

test('killed between the announcement of a state and the state: the epoch is written once', () => {
  const dir = join(root, 'run')
  const first = new Session(openRun(dir, 'create'), () => {})
  first.emit(batch)
  first.know('at', 0)
  first.checkpoint({ step: 28, epoch: 8 })
  // The process that is killed: it has announced the second state, which never reaches the disk.
  const state = readFileSync(join(dir, 'resume/state.json'))
  endOfCycle(first)
  first.run.close()
  writeFileSync(join(dir, 'resume/state.json'), state)

  const second = new Session(openRun(dir, 'append'), () => {})
  assert.ok(second.resume(), 'resumed')
  assert.equal(second.step, 28)
  endOfCycle(second)
  second.run.close()
  const rows = readFileSync(join(dir, 'metrics.csv'), 'utf8').trim().split('\n')
  assert.equal(rows.length, 2, rows.join('\n'))
  assert.deepEqual(readdirSync(join(dir, 'resume')), ['state.json'])
})

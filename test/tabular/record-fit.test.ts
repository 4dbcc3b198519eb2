import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FitRecorder } from '../../src/tabular/run/record-fit.ts'
import type { TableSession } from '../../src/tabular/run/session.ts'
import type { FitStep } from '../../src/tabular/types.ts'

/** What the log of a fit has, by the validation loss of each epoch. */
function logged(fits: Partial<Record<FitStep['model'], { losses: number[]; epochs: number }>>) {
  const events: { type: string; epoch?: number; validLoss?: number; best?: boolean; what?: string }[] = []
  const session = {
    firstEpoch: () => undefined,
    emit: (event: (typeof events)[number]) => void events.push(event),
    choice: (what: string) => void events.push({ type: 'choice', what }),
  }
  const recorder = new FitRecorder(session as unknown as TableSession)
  for (const [model, { losses, epochs }] of Object.entries(fits)) {
    let lowest = Number.POSITIVE_INFINITY
    for (const [i, validLoss] of losses.entries()) {
      const best = validLoss < lowest
      lowest = Math.min(lowest, validLoss)
      const step = { model: model as FitStep['model'], epoch: i + 1, epochs, trainLoss: 1, validLoss, best }
      recorder.onStep({ ...step, lrs: [1], seconds: i })
    }
    recorder.onChoice(model, 'kept', 'lowest')
  }
  recorder.end()
  assert.equal(events.filter(({ type }) => type === 'batch').length, recorder.epochs)
  return events
    .filter(({ type }) => type === 'epoch' || type === 'choice')
    .map(({ type, epoch, validLoss, best, what }) => (type === 'choice' ? what : [epoch, validLoss, best]))
}

test('a fit that ends early has a line for each of its first epochs, its best one and its last one', () => {
  const losses = [9, 8, 7, 6, 5, 4, 3.5, 3, 2.9, 2.8, 2.7, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5]
  const lines = logged({ tabm: { losses, epochs: 256 } })
  const epochs = lines.map(line => (Array.isArray(line) ? line[0] : line))
  assert.deepEqual(epochs, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 17, 19, 22, 23, 'tabm'])
  assert.deepEqual(
    lines.filter(line => Array.isArray(line) && line[2]).at(-1),
    [11, 2.7, true],
    'the best epoch stands with its own loss',
  )
  assert.deepEqual(lines.at(-2), [23, 5, false])
})

test('a thousand trees have few lines, of a second model epochs count on, and an epoch has one line', () => {
  const losses = Array.from({ length: 1000 }, (_, i) => 1 / (i + 1))
  const lines = logged({ trees: { losses, epochs: 1000 }, realmlp: { losses: [3, 2], epochs: 2 } })
  const epochs = lines.flatMap(line => (Array.isArray(line) ? [line[0]] : []))
  assert.ok(epochs.length < 50, `${epochs.length} lines`)
  assert.equal(new Set(epochs).size, epochs.length)
  assert.deepEqual(lines.slice(-5), [[1000, 0.001, true], 'trees', [1001, 3, true], [1002, 2, true], 'realmlp'])
})

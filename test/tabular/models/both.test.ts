import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Both, bestShare } from '../../../src/tabular/models/both.ts'
import { fitTableModel, loadTableModel } from '../../../src/tabular/models/index.ts'
import { tableLoss } from '../../../src/tabular/models/targets.ts'
import type { FitStep } from '../../../src/tabular/types.ts'
import { makeTable } from './tables.make.ts'

test('the share with the lowest loss is found, also at the ends', () => {
  assert.equal(bestShare(s => (s - 0.4) ** 2).share, 0.4)
  assert.equal(bestShare(s => s).share, 0)
  assert.equal(bestShare(s => -s).share, 1)
  assert.deepEqual(bestShare(s => s).losses.length, 21)
})

for (const [task, outputs] of [
  ['regression', 1],
  ['single', 3],
] as const)
  test(`both is at least as good on the validation rows as each of its models, and says what it chose (${task})`, async () => {
    const make = (seed: number, rows: number) => makeTable(rows, { task, outputs, seed })
    const [train, valid] = [make(1, 300), make(2, 150)]
    const choices: [string, string, string][] = []
    const steps: FitStep[] = []
    const model = await fitTableModel('both', {
      train,
      valid,
      seed: 1,
      epochs: 12,
      threads: 1,
      onStep: step => steps.push(step),
      onChoice: (...choice) => choices.push(choice),
    })
    assert.ok(model instanceof Both, 'both')
    const loss = async (m: typeof model) => tableLoss(await m.predict(valid.x), valid.y, [1])
    const whole = await loss(model)
    for (const part of (model as Both).parts)
      assert.ok(whole <= (await loss(part.model as typeof model)) + 1e-9, part.model.name)
    assert.ok(Math.abs((model as Both).parts.reduce((sum, p) => sum + p.weight, 0) - 1) < 1e-9, 'the weights add to 1')
    const [, words, reason] = choices.find(([what]) => what === 'both')!
    assert.match(words, /^(0\.\d+ net \+ 0\.\d+ trees|trees alone|the net alone)$/)
    assert.match(reason, /^validation loss [\d.]+; trees alone [\d.]+, the net alone [\d.]+$/)
    assert.deepEqual([...new Set(steps.map(step => step.model))], ['trees', 'realmlp'])
    const planned = (name: string) => steps.find(step => step.model === name)!.epochs
    assert.deepEqual([planned('trees'), planned('realmlp')], [1000, 12], 'epochs are those of the net')
    const dir = mkdtempSync(join(tmpdir(), 'anneal-both-'))
    await model.save(dir)
    const loaded = await loadTableModel(dir, { target: train.y, encoding: { columns: [] } })
    assert.deepEqual(await loaded.predict(valid.x), await model.predict(valid.x))
    rmSync(dir, { recursive: true })
    await assert.rejects(
      loadTableModel(dir, { target: train.y, encoding: { columns: [] } }),
      /no model of a table can be read/,
    )
  })

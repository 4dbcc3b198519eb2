import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fitTableModel, loadTableModel, tableModelNames } from '../../../src/tabular/models/index.ts'
import { ensureLightgbm } from '../../../src/tabular/models/lightgbm/provide.ts'
import type { LabelledRows, TableModelName } from '../../../src/tabular/types.ts'
import { makeTable } from './tables.make.ts'

const alone = tableModelNames.filter(name => name !== 'both')
const fit = (name: TableModelName, train: LabelledRows, valid: LabelledRows) =>
  fitTableModel(name, { train, valid, seed: 3, epochs: 2, lr: 0.01 })

for (const name of alone)
  test(`${name}: few rows, a class without a training row, a constant target and one row to predict`, async () => {
    const single = makeTable(30, { task: 'single', outputs: 3 })
    for (const [i, value] of single.y.values.entries()) if (value === 1) single.y.values[i] = 0
    const classes = await fit(name, single, makeTable(1, { task: 'single', outputs: 3, seed: 2 }))
    const p = await classes.predict(makeTable(1, { task: 'single', outputs: 3, seed: 4 }).x)
    assert.equal(p.length, 3)
    assert.ok(Math.abs(p.reduce((a, b) => a + b) - 1) < 1e-6, `${[...p]} must add to 1`)
    const constant = makeTable(12)
    constant.y.values.fill(7)
    const model = await fit(name, constant, makeTable(3, { seed: 2 }))
    for (const value of await model.predict(makeTable(5, { seed: 5 }).x))
      assert.ok(Math.abs(value - 7) < 1e-4, `${value}`)
    assert.equal((await model.predict(makeTable(0).x)).length, 0, 'no rows give no predictions')
  })

test('a target value that the task can’t have is refused with its row', async () => {
  const [train, valid] = [makeTable(20, { task: 'single' }), makeTable(5, { task: 'single', seed: 2 })]
  const wrong = structuredClone(train)
  wrong.y.values[4] = 2
  const missing = makeTable(20)
  missing.y.values[6] = Number.NaN
  for (const name of alone) {
    await assert.rejects(fit(name, wrong, valid), /row 4 is 2; expected a class number from 0 to 1/)
    await assert.rejects(fit(name, missing, makeTable(5)), /row 6 is NaN; expected a finite number/)
  }
})

test('options out of range are refused by name', async () => {
  const [train, valid] = [makeTable(20), makeTable(5, { seed: 2 })]
  for (const [more, message] of [
    [{ epochs: 0 }, /epochs.*whole number from 1/],
    [{ members: 1.5 }, /members.*whole number from 1/],
    [{ lr: -1 }, /lr.*number above 0/],
    [{ minutes: 0 }, /minutes.*number above 0/],
    [{ device: 'cuda' }, /device.*train on the CPU/],
  ] as const)
    await assert.rejects(fitTableModel('realmlp', { train, valid, seed: 1, ...more }), message)
})

test('a folder without a model, of another format or of a damaged file is refused with its path', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'anneal-models-'))
  const load = () => loadTableModel(dir, { target: makeTable(2).y, encoding: { columns: [] } })
  await assert.rejects(load(), /model\.json: no model of a table can be read: it does not exist/)
  writeFileSync(join(dir, 'model.json'), '{"format": "other", "version": 1}')
  await assert.rejects(load(), /expected the format "anneal-table-model", version 1, got "other", version 1/)
  writeFileSync(join(dir, 'model.json'), '{"format": "anneal-table-model", "version": 1, "model": "trees"}')
  await assert.rejects(load(), /trees\.txt: no trees can be read/)
  writeFileSync(join(dir, 'trees.txt'), 'tree\nversion=v4\n')
  await assert.rejects(load(), /expected the model text of LightGBM 4/)
  writeFileSync(join(dir, 'model.json'), '{"format": "anneal-table-model", "version": 1, "model": "forest"}')
  await assert.rejects(load(), /model "forest" is not known; expected mlp, realmlp, tabm, trees, both/)
  rmSync(dir, { recursive: true })
})

test('ANNEAL_LIGHTGBM names the library; a path that does not exist is refused', async () => {
  const before = process.env.ANNEAL_LIGHTGBM
  process.env.ANNEAL_LIGHTGBM = '/nowhere/lib_lightgbm.so'
  try {
    await assert.rejects(ensureLightgbm(), /ANNEAL_LIGHTGBM is "\/nowhere\/lib_lightgbm\.so", which does not exist/)
    process.env.ANNEAL_LIGHTGBM = import.meta.filename
    assert.equal(await ensureLightgbm(), import.meta.filename)
  } finally {
    if (before === undefined) delete process.env.ANNEAL_LIGHTGBM
    else process.env.ANNEAL_LIGHTGBM = before
  }
})

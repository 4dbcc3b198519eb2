import assert from 'node:assert/strict'
import { test } from 'node:test'
import { optionTables } from '../../src/api/options.ts'
import { flagNames } from '../../src/base/option-table.ts'
import { nameOptionsAsTyped, option, setting, typed } from '../../src/base/options.ts'

test('messages name options as whoever gave them does', () => {
  const said = () => [
    option('batchSize'),
    setting('task', 'multi'),
    setting('splitColumn', false),
    setting('lr', '1e-3'),
  ]
  assert.deepEqual(said(), ['batchSize', 'task: "multi"', 'splitColumn: false', 'lr: 1e-3'])
  nameOptionsAsTyped(flagNames(optionTables.train))
  assert.deepEqual(said(), ['--batch', '--task multi', '--split-column none', '--lr 1e-3'])
})

test('options are typed as the command reads them', () => {
  nameOptionsAsTyped(flagNames(optionTables.train))
  // prettier-ignore
  const rows: [property: string, value: unknown, text: string][] = [
    ['labelColumn', ['a', 'b c'], "--label-column 'a,b c'"],
    ['batchSize', 8, '--batch 8'],
    ['pretrained', false, '--no-pretrained'],
    ['bnFreeze', false, '--no-bn-freeze'],
    ['bnFreeze', true, '--bn-freeze'],
    ['splitColumn', false, '--split-column none'],
    ['delimiter', ' ', "--delimiter ' '"],
  ]
  for (const [property, value, text] of rows) assert.equal(typed(property, value), text)
})

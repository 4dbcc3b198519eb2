import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { readTable } from '../../src/tabular/read/read-table.ts'
import type { FrameColumn } from '../../src/tabular/types.ts'
import { put, tempFolder } from '../helpers/data.ts'

const cells = (column: FrameColumn): unknown[] =>
  column.type === 'words'
    ? Array.from(column.values.codes, code => (code < 0 ? null : column.values.words[code]!))
    : Array.from(column.values, value => (Number.isNaN(value) ? null : value))

/** A word of letters that is no number, no date and no word for a missing value, with what CSV has to quote. */
const word = fc
  .tuple(
    fc.constantFrom('k', 'Q', 'ß', '東'),
    fc.string({ unit: fc.constantFrom('v', 'w', ' ', ',', ';', '|', '"', 'é', '\n'), maxLength: 8 }),
  )
  .map(([first, rest]) => `${first}${rest}z`.replace(/ +/g, ' ').replace(/ ?\n ?/g, '\n'))

const dialect = fc.record({
  delimiter: fc.constantFrom(',', ';', '\t', '|'),
  end: fc.constantFrom('\n', '\r\n'),
  always: fc.boolean(),
  mark: fc.boolean(),
  last: fc.boolean(),
})

test('a table survives any dialect: cells, line ends, quotes, byte order mark', async t => {
  const dir = tempFolder(t)
  await fc.assert(
    fc.asyncProperty(
      dialect,
      fc.array(fc.tuple(fc.option(word, { nil: null, freq: 6 }), fc.integer({ min: -1e6, max: 1e6 }), word), {
        minLength: 3,
        maxLength: 12,
      }),
      async ({ delimiter, end, always, mark, last }, rows) => {
        const write = (cell: string | number | null) => {
          const text = String(cell ?? '')
          return (always && cell !== null) || /[",;|\t\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
        }
        const lines = [['first name', 'n', 'other'], ...rows].map(row => row.map(write).join(delimiter))
        put(dir, { 't.csv': `${mark ? '\ufeff' : ''}${lines.join(end)}${last ? end : ''}` })
        const { columns } = await readTable(join(dir, 't.csv'), { threads: 1 })
        assert.deepEqual(
          columns.map(column => [column.name, cells(column)]),
          [
            ['first name', rows.map(([cell]) => cell)],
            ['n', rows.map(([, n]) => n)],
            ['other', rows.map(([, , cell]) => cell)],
          ],
        )
      },
    ),
    { numRuns: 25, seed: 11 },
  )
})

test('tables are read as pandas reads them, where pandas is right', async t => {
  const golden = JSON.parse(readFileSync(new URL('../golden/tabular-pandas.json', import.meta.url), 'utf8'))
  const dir = tempFolder(t)
  assert.ok(golden.length >= 8, 'the golden tables are there')
  for (const { name, text, columns } of golden as {
    name: string
    text: string
    columns: Record<string, unknown[]>
  }[]) {
    put(dir, { 't.csv': text })
    const frame = await readTable(join(dir, 't.csv'), { threads: 1 })
    assert.deepEqual(Object.fromEntries(frame.columns.map(column => [column.name, cells(column)])), columns, name)
  }
})

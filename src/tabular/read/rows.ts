import { DataError } from '../../base/errors.ts'
import { missingRule } from '../../cells/missing.ts'
import type { Frame } from '../types.ts'
import { frameOf } from './frame-of.ts'
import type { ReadOptions } from './options.ts'
import { ColumnBuilder, type Plain } from './raw.ts'

/** A table from objects, one per row, as a program or a request holds them. A name that an object lacks is a missing
 *  value. Numbers, texts, booleans and dates are read as those of a file. */
export function frameOfRows(
  rows: readonly Readonly<Record<string, Plain>>[],
  options: Pick<ReadOptions, 'as' | 'readings' | 'missing' | 'decimal' | 'dateOrder' | 'onChoice'> & {
    source?: string
    /** The columns that are read; others are passed over. */
    only?: readonly string[] | undefined
  } = {},
): Frame {
  const { source = 'the rows' } = options
  const only = options.only && new Set(options.only)
  if (rows.length === 0)
    throw new DataError(`${source}: no row is given; expected at least one object, such as { age: 31, colour: "red" }.`)
  const names = new Set<string>()
  for (const [i, row] of rows.entries()) {
    if (typeof row !== 'object' || row === null || Array.isArray(row))
      throw new DataError(
        `${source}, row ${i + 1}: expected an object with a value for each column, such as { age: 31, colour: "red" }.`,
      )
    for (const name of Object.keys(row)) if (!only || only.has(name)) names.add(name)
  }
  const where = (row: number) => `${source}, row ${row + 1}`
  const columns = Array.from(names, name => {
    const builder = new ColumnBuilder(name)
    for (let i = 0; i < rows.length; i++)
      builder.add(Object.hasOwn(rows[i]!, name) ? rows[i]![name] : undefined, () => where(i))
    return builder.done()
  })
  return frameOf(
    source,
    { rows: rows.length, columns, choices: [], where },
    { options, missing: missingRule(options.missing) },
  )
}

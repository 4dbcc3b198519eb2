import type { MissingRule } from '../../cells/missing.ts'
import type { Choice } from '../../data/types.ts'
import { missingLines, settleAll } from '../columns/settle.ts'
import type { Frame } from '../types.ts'
import type { ReadOptions } from './options.ts'
import type { RawColumn } from './raw.ts'

/** What a reader found. `where`: the place of a row in words. */
export interface Read {
  rows: number
  columns: RawColumn[]
  choices: Choice[]
  where(row: number): string
}

/** How words are read. */
export interface How {
  options: Pick<ReadOptions, 'as' | 'readings' | 'decimal' | 'dateOrder' | 'onChoice'>
  missing: MissingRule
}

/** Makes a frame of what was read: the words become numbers, dates, or stay words. */
export function frameOf(
  source: string,
  { rows, columns, choices, where }: Read,
  { options: { as = {}, readings = {}, decimal, dateOrder, onChoice = () => {} }, missing }: How,
): Frame {
  choices.forEach(onChoice)
  const settled = settleAll(columns, {
    readingOf: name => ({ decimal, dateOrder, ...readings[name], kind: as[name] }),
    missing,
    where,
  })
  for (const one of settled) one.choices.forEach(onChoice)
  missingLines(settled).forEach(onChoice)
  return { source, rows, columns: settled.map(({ column }) => column) }
}

import { DataError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { option, setting } from '../../base/options.ts'
import { type Cell, cellText } from '../../cells/cell.ts'
import { flag } from '../tables/columns.ts'
import { isMissing, type MissingWords } from '../tables/missing.ts'
import { cellNumber } from '../tables/table.ts'
import type { Choice } from '../types.ts'
import type { MinusOne } from './options.ts'
import type { AnswerSource } from './types.ts'

/** The labels of rows from columns of 0 and 1, one column per label. Undefined for a row without an answer. */
export interface Flags {
  labels: (string[] | undefined)[]
  /** The positions of rows without an answer, with the word in their place. */
  missing: Map<number, string>
  choices: Choice[]
}

/** Reads columns of 0 and 1 (true and false, yes and no). An empty cell or a missing word is 0. But if other cells hold
 *  0, a row with only empty cells has no answer. The user must say what -1 means: absent (CelebA) or unknown
 *  (CheXpert). */
export function readFlags(
  source: AnswerSource,
  { missing, minusOne }: { missing: MissingWords; minusOne?: MinusOne | undefined },
): Flags {
  const { columns, rows, where } = source
  const blank = (cell: Cell | undefined) => isMissing(cell, missing)
  const all = (test: (cell: Cell | undefined) => boolean) =>
    Array.from(rows).some(row => columns.some(column => test(column.cells[row])))
  const zeros = all(cell => !blank(cell) && flag(cell) === false)
  if (minusOne === undefined) askAboutMinusOne(source, zeros)
  let [blanks, minus] = [0, 0]
  const words = new Map<number, string>()
  const labels = Array.from(rows, (row, at): string[] | undefined => {
    const cells = columns.map(column => column.cells[row])
    if (cells.every(blank) && (zeros || minusOne === 'absent')) {
      words.set(at, cellText(cells[0]))
      return undefined
    }
    const own: string[] = []
    for (const [i, column] of columns.entries()) {
      const cell = cells[i]
      const negative = isMinusOne(cell)
      if (negative) minus++
      if (negative && minusOne === 'unknown') {
        words.set(at, '-1')
        return undefined
      }
      const empty = blank(cell)
      if (empty) blanks++
      const value = negative ? minusOne === 'present' : empty ? false : flag(cell)
      if (value === undefined)
        throw new DataError(
          `${where(row, column)}: "${cellText(cell)}" is neither 0 nor 1; with several label columns, each must hold 0 and 1 (or true and false). Name columns of numbers to predict with ${option('targets')}.`,
        )
      if (value) own.push(column.name)
    }
    return own
  })
  const choices: Choice[] = []
  if (blanks > 0)
    choices.push({
      what: 'empty label cells',
      value: 'taken as 0',
      reason: `${plural(blanks, 'cell')} of the label columns ${blanks === 1 ? 'is' : 'are'} empty: the label counts as absent. Write 1 if it is present, or remove the rows if it is unknown`,
    })
  if (minus > 0 && minusOne !== 'unknown')
    choices.push({ what: '-1', value: minusOne!, reason: `${setting('minusOne', minusOne)}: ${plural(minus, 'cell')}` })
  return { labels, missing: words, choices }
}

const isMinusOne = (cell: Cell | undefined): boolean => cellNumber(cell) === -1

/** Throws if a cell holds -1, because its meaning is not given. */
function askAboutMinusOne({ columns, rows, where }: AnswerSource, zeros: boolean): void {
  let count = 0
  let first: string | undefined
  for (const row of Array.from(rows))
    for (const column of columns)
      if (isMinusOne(column.cells[row])) {
        count++
        first ??= where(row, column)
      }
  if (first === undefined) return
  const likely = zeros
    ? 'Beside 0 and 1 it usually means unknown (uncertain, as in CheXpert)'
    : 'If no cell holds 0, it usually means that the label is absent (as in CelebA), but it may also mean unknown'
  throw new DataError(
    `${first}: it holds -1 (${plural(count, 'cell')} of the label columns ${count === 1 ? 'does' : 'do'}); expected 0 and 1. ${likely}. Choose: ${setting('minusOne', 'absent')} reads -1 as 0, ${setting('minusOne', 'present')} as 1, ${setting('minusOne', 'unknown')} leaves out the rows with -1.`,
  )
}

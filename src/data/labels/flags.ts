import { AnnealError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { option, setting } from '../../base/options.ts'
import { flag } from '../tables/columns.ts'
import { isMissing, type MissingWords } from '../tables/missing.ts'
import { type Cell, cellNumber, cellText } from '../tables/table.ts'
import type { Choice } from '../types.ts'
import type { MinusOne } from './options.ts'
import type { AnswerSource } from './types.ts'

/** Labels of rows by columns of 0 and 1, one a label; undefined where a row tells nothing. */
export interface Flags {
  labels: (string[] | undefined)[]
  /** Rows that tell nothing, by their place, with the word that says so. */
  missing: Map<number, string>
  choices: Choice[]
}

/** Reads columns of 0 and 1 (true and false, yes and no). An empty cell, or a missing word, is 0, but a row of nothing else tells
 *  nothing where 0 is written elsewhere. What -1 means has to be said: absent (CelebA) or not known (CheXpert). */
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
        throw new AnnealError(
          `${where(row, column)}: "${cellText(cell)}" is neither 0 nor 1; with several label columns each holds 0 and 1 (or true and false). Name columns of numbers to predict with ${option('targets')}.`,
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
      reason: `${plural(blanks, 'cell')} of the label columns ${blanks === 1 ? 'says' : 'say'} nothing: the label is absent. Write 1 where it is there, or take these rows out where nobody knows`,
    })
  if (minus > 0 && minusOne !== 'unknown')
    choices.push({ what: '-1', value: minusOne!, reason: `${setting('minusOne', minusOne)}: ${plural(minus, 'cell')}` })
  return { labels, missing: words, choices }
}

const isMinusOne = (cell: Cell | undefined): boolean => cellNumber(cell) === -1

/** Refuses -1 unless it is said what it means. */
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
    ? 'Beside 0 and 1 it mostly means that nobody knows (uncertain, as in CheXpert)'
    : 'Where no cell holds 0 it mostly means that the label is absent (as in CelebA), and may mean that nobody knows'
  throw new AnnealError(
    `${first}: it holds -1, as ${plural(count, 'cell')} of the label columns ${count === 1 ? 'does' : 'do'}; expected 0 and 1. ${likely}. Say it: ${setting('minusOne', 'absent')} takes -1 as 0, ${setting('minusOne', 'present')} as 1, ${setting('minusOne', 'unknown')} leaves out the rows that hold it.`,
  )
}

import { type Cell, cellText } from '../../cells/cell.ts'
import { type Column, cellNumber } from './table.ts'

/** How many rows are checked to find what a column holds. */
const looked = 1000

/** The indexes of up to 1000 rows, spread over the whole column. The distances are uneven because the content of rows
 *  may alternate. */
export function sampledRows({ cells }: Column): number[] {
  if (cells.length <= looked) return Array.from(cells.keys())
  const step = cells.length / looked
  return Array.from({ length: looked }, (_, i) => Math.floor((i + ((i * 0.618034) % 1)) * step))
}

/** The cells of these rows. */
export const sampled = (column: Column): Cell[] => sampledRows(column).map(row => column.cells[row]!)

/** The different texts of these cells, without the empty text. */
export const distinct = (column: Column): string[] =>
  [...new Set(sampled(column).map(cellText))].filter(text => text !== '')

/** Whether a text occurs more than once. */
export const repeats = (column: Column): boolean => distinct(column).length < sampled(column).length

/** The fewest rows that can show that a column counts rows: 0, 1 may also be two classes. */
const fewest = 4

/** Whether a column holds 0, 1, 2, … or 1, 2, 3, … from the first row to the last. */
export function countsRows(column: Column): boolean {
  const first = cellNumber(column.cells[0])
  if (first !== 0 && first !== 1) return false
  return (
    column.cells.length >= fewest && sampledRows(column).every(row => cellNumber(column.cells[row]) === first + row)
  )
}

/** Whether each row has a different whole number. */
export function numbersRows(column: Column): boolean {
  const cells = sampled(column)
  return (
    cells.length > 2 &&
    cells.every(cell => Number.isInteger(cellNumber(cell))) &&
    distinct(column).length === cells.length
  )
}

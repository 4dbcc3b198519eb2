import { type Cell, type Column, cellNumber, cellText } from './table.ts'

/** How many rows are looked at to tell what a column holds. */
const looked = 1000

/** The numbers of up to 1000 rows, spread over all, at uneven distances, as what rows hold may alternate. */
export function sampledRows({ cells }: Column): number[] {
  if (cells.length <= looked) return Array.from(cells.keys())
  const step = cells.length / looked
  return Array.from({ length: looked }, (_, i) => Math.floor((i + ((i * 0.618034) % 1)) * step))
}

/** What these rows hold. */
export const sampled = (column: Column): Cell[] => sampledRows(column).map(row => column.cells[row]!)

/** Their different texts, empty ones left out. */
export const distinct = (column: Column): string[] =>
  [...new Set(sampled(column).map(cellText))].filter(text => text !== '')

/** Whether some text comes again. */
export const repeats = (column: Column): boolean => distinct(column).length < sampled(column).length

/** The fewest rows that can show a count: 0, 1 may be two classes. */
const fewest = 4

/** Whether a column holds 0, 1, 2, … or 1, 2, 3, … from the first row on. */
export function countsRows(column: Column): boolean {
  const first = cellNumber(column.cells[0])
  if (first !== 0 && first !== 1) return false
  return (
    column.cells.length >= fewest && sampledRows(column).every(row => cellNumber(column.cells[row]) === first + row)
  )
}

/** Whether each row has a whole number of its own. */
export function numbersRows(column: Column): boolean {
  const cells = sampled(column)
  return (
    cells.length > 2 &&
    cells.every(cell => Number.isInteger(cellNumber(cell))) &&
    distinct(column).length === cells.length
  )
}

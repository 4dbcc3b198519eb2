/** The content of one cell. Text formats without types always give a string. */
export type Cell = string | number | boolean | null | readonly (string | number | boolean | null)[]

/** A cell as text without outer blanks. null is the empty text; a list is joined by spaces. */
export const cellText = (cell: Cell | undefined): string =>
  typeof cell === 'string' ? cell.trim() : cell == null ? '' : Array.isArray(cell) ? cell.join(' ') : String(cell)

import { plural } from '../base/format.ts'

/** What parts labels within a cell, shown as a word, with the evidence. */
export interface LabelDelimiter {
  delimiter: string
  shown: string
  reason: string
}

const candidates = [
  { delimiter: '|', shown: '"|"' },
  { delimiter: ';', shown: '";"' },
  { delimiter: ',', shown: '","' },
  { delimiter: ' ', shown: 'a space' },
]

/** The delimiter of labels in different cells of a column, or none. A bar or semicolon is one wherever it stands; a comma
 *  or space may belong to a name ("golden retriever"), so it counts where its parts come again in other cells: fewer
 *  parts than cells, and not as many in each. */
export function delimiterIn(cells: readonly string[]): LabelDelimiter | undefined {
  for (const { delimiter, shown } of candidates) {
    const cut = cells
      .filter(cell => cell !== '')
      .map(cell =>
        cell
          .split(delimiter)
          .map(part => part.trim())
          .filter(Boolean),
      )
    const several = cut.filter(parts => parts.length > 1)
    if (several.length === 0) continue
    const labels = new Set(cut.flat())
    const sizes = new Set(cut.map(parts => parts.length))
    const recombined = sizes.size > 1 ? labels.size < cut.length : 2 * labels.size <= cut.length
    if (recombined || delimiter === '|' || delimiter === ';')
      return {
        delimiter,
        shown,
        reason: `"${several[0]!.join(delimiter)}": ${plural(labels.size, 'label')} make up ${plural(cut.length, 'different cell')}`,
      }
  }
  return undefined
}

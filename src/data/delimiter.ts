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

const partsOf = (cell: string, delimiter: string): string[] =>
  cell
    .split(delimiter)
    .map(part => part.trim())
    .filter(Boolean)

/** The delimiter that cuts cells into most names that are known, or none where whole cells are known as often. */
export function delimiterFor(cells: readonly string[], known: readonly string[]): LabelDelimiter | undefined {
  const names = new Set(known)
  const share = (delimiter: string) => {
    const parts = cells.flatMap(cell => partsOf(cell, delimiter))
    return parts.filter(part => names.has(part)).length / Math.max(1, parts.length)
  }
  const whole = cells.filter(cell => names.has(cell)).length / Math.max(1, cells.filter(Boolean).length)
  const scored = candidates.map(candidate => ({ ...candidate, share: share(candidate.delimiter) }))
  const best = scored.reduce((a, b) => (b.share > a.share ? b : a))
  return best.share > whole ? { ...best, reason: "it cuts cells into the model's labels" } : undefined
}

/** The delimiter of labels in different cells of a column, or none. A bar or semicolon is one wherever it stands; a comma
 *  or space may belong to a name ("golden retriever"), so it counts where its parts come again in other cells: fewer
 *  parts than cells, and not as many in each. */
export function delimiterIn(cells: readonly string[]): LabelDelimiter | undefined {
  for (const { delimiter, shown } of candidates) {
    const cut = cells.filter(cell => cell !== '').map(cell => partsOf(cell, delimiter))
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

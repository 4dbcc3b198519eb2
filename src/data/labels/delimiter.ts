import { plural } from '../../base/format.ts'

/** The delimiter between the labels of a cell, its name in words, and the evidence. */
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

// The semicolon in "salt &amp; pepper" is not a delimiter.
const partsOf = (cell: string, delimiter: string): string[] =>
  (delimiter === ';' ? cell.split(/(?<!&(?:[a-z]\w{1,30}|#\d{1,7}|#x[\da-f]{1,6}));/i) : cell.split(delimiter))
    .map(part => part.trim())
    .filter(Boolean)

/** Cuts a text at a delimiter. A space stands for any blanks. */
export const cutter =
  (delimiter: string) =>
  (text: string): string[] =>
    /^\s+$/.test(delimiter) ? text.split(/\s+/).filter(Boolean) : partsOf(text, delimiter)

/** The delimiter that cuts cells into the largest share of known names. Undefined if whole cells are known as often. */
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

/** How cells are read: `cut` if they are lists of labels, `ask` if they may also be whole names. */
export interface Reading extends LabelDelimiter {
  verdict: 'cut' | 'ask'
  /** A cell that the delimiter cuts, and its parts. */
  example: string
  parts: string[]
}

/** Decides how the different cells of a column are read; undefined if they are whole names. A delimiter cuts if the
 *  parts recombine and there are other signs of lists: the same labels in another order, labels that are first in one
 *  cell and last in another, labels that also stand alone, twice as many combinations as labels, or a column called
 *  `tags`. The words of names ("long shirt", "short shirt") recombine too, so without such signs both readings fit. A
 *  comma or blank in names that do not recombine has no meaning; a bar or semicolon always has. */
export function readingOf(cells: readonly string[], { column = '' }: { column?: string } = {}): Reading | undefined {
  let doubt: Reading | undefined
  for (const candidate of candidates) {
    const found = reading(cells, candidate, column)
    if (found?.verdict === 'cut') return found
    doubt ??= found
  }
  return doubt
}

function reading(
  cells: readonly string[],
  { delimiter, shown }: (typeof candidates)[number],
  column: string,
): Reading | undefined {
  const filled = cells.filter(cell => cell !== '')
  const cut = filled.map(cell => partsOf(cell, delimiter))
  const at = cut.findIndex(parts => parts.length > 1)
  if (at < 0) return undefined
  const labels = new Set(cut.flat())
  const sizes = new Set(cut.map(parts => parts.length))
  const recombined = sizes.size > 1 ? labels.size < cut.length : 2 * labels.size <= cut.length
  const rare = delimiter === '|' || delimiter === ';'
  const ids = cut.every(parts => parts.every(part => /^\d+$/.test(part)))
  if (!recombined && !rare && !ids) return undefined
  const signs = signsOfLists(cut, labels.size, column)
  const reason = `"${cut[at]!.join(delimiter)}": ${plural(labels.size, 'label')} make up ${plural(cut.length, 'different cell')}${signs.length > 0 ? `, ${signs.join(', ')}` : ''}`
  const verdict = ids || (recombined && signs.length >= (rare ? 1 : 2)) ? 'cut' : 'ask'
  return { delimiter, shown, reason, verdict, example: filled[at]!, parts: cut[at]! }
}

/** The signs that cells are lists of labels rather than names of several words. */
function signsOfLists(cut: readonly string[][], count: number, column: string): string[] {
  const several = cut.filter(parts => parts.length > 1)
  const alone = new Set(cut.flatMap(parts => (parts.length === 1 ? parts : [])))
  const orders = new Map<string, string>()
  const reordered = several.some(parts => {
    const key = [...parts].sort().join('\0')
    const before = orders.get(key)
    orders.set(key, before ?? parts.join('\0'))
    return before !== undefined && before !== parts.join('\0')
  })
  const places = new Map<string, { last: number; before: number }>()
  for (const parts of several)
    parts.forEach((part, i) => {
      const place = places.get(part) ?? { last: 0, before: 0 }
      place[i === parts.length - 1 ? 'last' : 'before']++
      places.set(part, place)
    })
  const often = [...places.values()].filter(({ last, before }) => last + before > 1)
  const mixed = often.filter(({ last, before }) => last > 0 && before > 0).length
  return [
    reordered && 'in different orders',
    2 * mixed > often.length && 'first in some cells, last in others',
    several.every(parts => parts.every(part => alone.has(part))) && 'each label also stands alone',
    2 * count <= cut.length && 'at least twice as many cells as labels',
    /^(tags|keywords|attributes)$/i.test(column) && `in a column called "${column}"`,
  ].filter(sign => typeof sign === 'string')
}

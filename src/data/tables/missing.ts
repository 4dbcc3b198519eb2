import { DataError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { setting } from '../../base/options.ts'
import { type Cell, cellText } from '../../cells/cell.ts'
import { mostly, surely } from '../../cells/missing.ts'
import { tidy } from '../../cells/tidy.ts'
import type { Choice } from '../types.ts'

/** Decides whether a cell is a missing value. */
export interface MissingWords {
  /** Whether a tidy text is one of the words, or empty. */
  has(text: string): boolean
  /** The user gave the words, so no question is asked about them. */
  given: boolean
}

/** The words that mean "no label": exactly the `given` words. Default: the usual words, without the names of `known`
 *  classes. An empty cell always means "no label". */
export function missingWords(given: readonly string[] | undefined, known: readonly string[] = []): MissingWords {
  if (given) {
    const words = new Set(given.map(tidy))
    return { given: true, has: text => text === '' || words.has(text) }
  }
  const classes = new Set(known.map(tidy))
  const has = (text: string) => {
    const word = text.length < 12 ? text.toLowerCase() : ''
    return text === '' || ((surely.has(word) || mostly.has(word)) && !classes.has(text))
  }
  return { given: false, has }
}

/** Whether a cell is a missing value. A list never is. */
export const isMissing = (cell: Cell | undefined, words: MissingWords): boolean =>
  !Array.isArray(cell) && words.has(tidy(cellText(cell)))

/** Throws if a word may be a missing label or a class, because about as many rows hold it as a class has. `counts`: the
 *  number of rows of each other label. */
export function askAboutWords(
  words: ReadonlyMap<string, readonly number[]>,
  counts: readonly number[],
  { where, column }: { where(at: number): string; column: string },
): void {
  const sizes = [...counts].sort((a, b) => a - b)
  const usual = sizes[sizes.length >> 1] ?? 0
  for (const [word, rows] of words) {
    if (word === '' || !mostly.has(word.toLowerCase()) || 2 * rows.length < usual) continue
    const all = [...words.keys()].filter(Boolean)
    const others = all.filter(other => other !== word)
    throw new DataError(
      `${where(rows[0]!)}: ${plural(rows.length, 'row')} of "${column}" ${rows.length === 1 ? 'holds' : 'hold'} "${word}", about as many as a class has (${plural(usual, 'row')}). It may be a class, or it may mean that the label is missing. ${setting('missing', others)} takes it as a class, ${setting('missing', all)} leaves these rows out.`,
    )
  }
}

/** Reports the missing labels, their rows, and the option that reads them as labels. */
export function missingChoices(
  words: ReadonlyMap<string, readonly number[]>,
  { where, words: takes, otherwise }: { where(at: number): string; words: boolean; otherwise: string },
): Choice[] {
  const rows = [...words.values()].flat()
  if (rows.length === 0) return []
  const kinds = [...words].map(([word, at]) => `${word === '' ? 'empty' : `"${word}"`} in ${plural(at.length, 'row')}`)
  const places = rows.slice(0, 5).map(where)
  const named = [...words.keys()].filter(Boolean)
  const how =
    named.length > 0 && takes
      ? `; ${setting('missing', [])} takes ${named.length === 1 ? 'this word' : 'these words'} as ${named.length === 1 ? 'a label' : 'labels'}`
      : ''
  return [
    {
      what: 'missing labels',
      value: `${plural(rows.length, 'row')} left out`,
      reason: `${kinds.join(', ')}: ${places.join('; ')}${rows.length > places.length ? '; …' : ''}${how}${otherwise}`,
    },
  ]
}

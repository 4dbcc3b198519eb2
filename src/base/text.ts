/** Characters that control a terminal, change the direction of text or end a line. */
const steering = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu
/** The same, and invisible characters, which make two different names look the same. */
const unseen = /[\p{Cc}\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/gu

/** The lines of a text, without characters that control a terminal: the name of a file must not do that. */
export const printable = (text: string): string[] =>
  text.split(/\r?\n/).map(line => line.replaceAll('\t', '  ').replace(steering, '\ufffd'))

/** The same as one line. */
export const flat = (text: string): string => printable(text).join(' ')

const wide =
  /^[\u1100-\u115f\u2329\u232a\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18aff}\u{1b000}-\u{1b2ff}\u{1f200}-\u{1f2ff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|\ufe0f/u
const plainText = /^[\x20-\x7e]*$/

/** The width of a text in columns of a terminal: two for a Chinese, Japanese or Korean letter or an emoji, none for a
 *  separate accent. */
export function columns(text: string): number {
  if (plainText.test(text)) return text.length
  let sum = 0
  for (const letter of letters(text)) sum += columnsOf(letter)
  return sum
}

/** The letters of a text as a reader sees them: accents and joined emoji are part of their letter. */
const letters = (text: string): string[] =>
  Array.from((segmenter ??= new Intl.Segmenter(undefined, { granularity: 'grapheme' })).segment(text), s => s.segment)
let segmenter: Intl.Segmenter | undefined

const columnsOf = (segment: string) => (wide.test(segment) ? 2 : /^[\p{M}\p{Cf}\p{Cc}]+$/u.test(segment) ? 0 : 1)

/** A text with spaces after it, `width` columns in all. */
export const padded = (text: string, width: number): string => text + ' '.repeat(Math.max(0, width - columns(text)))

/** A name as a table shows it, on one line of at most `width` columns. Invisible characters are written out (`\n`,
 *  `\u200b`). Of a long name, the beginning and the end are shown. */
export function shownName(name: string, width = 40): string {
  const text = name.replace(unseen, written)
  if (columns(text) <= width) return text
  const parts = letters(text)
  const tail = Math.floor((width - 1) / 3)
  const end = taken(parts.toReversed(), tail).reverse()
  return `${taken(parts, width - 1 - tail).join('')}…${end.join('')}`
}

/** The names of one table, each as {@link shownName}. Names that would look the same get their position in the list. */
export function shownNames(names: readonly string[], width = 40): string[] {
  const shown = names.map(name => shownName(name, width))
  const times = new Map<string, number>()
  for (const text of shown) times.set(text, (times.get(text) ?? 0) + 1)
  return shown.map((text, i) => (times.get(text)! > 1 ? `${text} (${i + 1})` : text))
}

function taken(parts: readonly string[], width: number): string[] {
  let left = width
  const end = parts.findIndex(part => (left -= columnsOf(part)) < 0)
  return parts.slice(0, end < 0 ? parts.length : end)
}

const escapes: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }
const written = (c: string) => escapes[c] ?? `\\u${c.codePointAt(0)!.toString(16).padStart(4, '0')}`

/** A table as lines: columns as wide as their longest cell; numbers (all but the first and the last column) to the
 *  right. */
export function alignedRows(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((name, i) => Math.max(name.length, ...rows.map(row => row[i]!.length)))
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => (i === 0 || i === row.length - 1 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd()
  return [line(head), ...rows.map(line)]
}

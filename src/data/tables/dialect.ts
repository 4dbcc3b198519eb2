import type { FileKind } from '../files/file-kind.ts'
import type { Choice } from '../types.ts'

/** How a text separates cells and rows. */
export interface Dialect {
  /** One character, or `blanks` for one or several spaces and tabs. */
  delimiter: string
  quote: '"' | "'"
  /** Where the table begins in the text, and on which line. */
  start: number
  line: number
  /** Lines above the table that begin with #, with their numbers. */
  comments: { line: number; text: string }[]
  choices: Choice[]
}

/** The delimiter of tables with one or several spaces or tabs between cells. */
export const blanks = ' '

const delimiters = [',', '\t', ';', '|'] as const

/** Delimiters in words. */
export const shown: Record<string, string> = {
  ',': 'a comma',
  '\t': 'a tab',
  ';': 'a semicolon',
  '|': 'a bar',
  [blanks]: 'blanks',
}

/** How many lines are checked. */
const looked = 200

/** Finds the delimiter, the quote and the lines above the table: a line `sep=;` as Excel reads it, lines that begin
 *  with #. `header.ts` checks whether one of these lines has the names of the columns. */
export function dialectOf(text: string, fileKind: FileKind): Dialect {
  const front = frontOf(text, fileKind)
  const lines = firstLines(text.slice(front.start))
  const quote = quoteOf(lines.map(({ raw }) => raw))
  const choices: Choice[] = []
  if (front.told !== undefined) {
    choices.push({
      what: 'delimiter of columns',
      value: shown[front.told] ?? `"${front.told}"`,
      reason: `line ${front.toldAt} gives it (sep=)`,
    })
    return { ...front, delimiter: front.told, quote, choices }
  }
  const delimiter = delimiterOf(
    lines.map(({ masked }) => masked),
    fileKind,
  )
  if (delimiter !== ',')
    choices.push({
      what: 'delimiter of columns',
      value: shown[delimiter]!,
      reason: 'it separates the first lines best; to choose another, add a first line such as sep=,',
    })
  return { ...front, delimiter, quote, choices }
}

/** Reads the blank lines, `sep=` and comments above the table. A line that begins with # and names a picture is a
 *  row. */
function frontOf(
  text: string,
  fileKind: FileKind,
): Pick<Dialect, 'start' | 'line' | 'comments'> & { told?: string; toldAt?: number } {
  const comments: Dialect['comments'] = []
  let [start, line] = [0, 1]
  let told: { told: string; toldAt: number } | undefined
  const next = /([^\r\n]*)(\r\n|\r|\n|$)/y
  while (start < text.length) {
    next.lastIndex = start
    const [all, content = ''] = next.exec(text)!
    const separator = told ? undefined : separatorIn(content)
    if (separator !== undefined) told = { told: separator, toldAt: line }
    else if (/^\s*"?#/.test(content) && !content.split(/[\s,;|"]+/).some(fileKind.isNamed))
      comments.push({ line, text: content.trim() })
    else if (content.trim() !== '') break
    start += all.length
    line++
  }
  return { start, line, comments, ...told }
}

/** The delimiter in a line `sep=;`. The line may be in quotes and may end with delimiters. */
function separatorIn(line: string): string | undefined {
  const found = /^\s*"?sep=(\\t|.)?"?([,;|\t]*)\s*$/i.exec(line)
  if (!found) return undefined
  const [, told = found[2]?.[0] ?? ''] = found
  return told === '\\t' ? '\t' : told === '' || told === ' ' ? blanks : told === '"' ? undefined : told
}

interface Line {
  raw: string
  /** Without quotes, and without delimiters between them. */
  masked: string
}

function firstLines(text: string): Line[] {
  const head = text.slice(0, 1 << 17)
  const whole =
    head.length < text.length ? head.slice(0, Math.max(head.lastIndexOf('\n'), head.lastIndexOf('\r'))) : head
  return (whole || head)
    .replace(/"(?:[^"]|"")*"/g, cell => cell.replace(/[,;|\s]/g, '_'))
    .split(/\r\n|\n|\r/)
    .filter(line => line.trim() !== '')
    .slice(0, looked)
    .map(raw => ({ raw, masked: raw.replaceAll('"', '') }))
}

/** Single quotes count as quotes if no line has double quotes and most lines begin with a cell in single quotes. */
function quoteOf(lines: readonly string[]): '"' | "'" {
  if (lines.some(line => line.includes('"'))) return '"'
  const quoted = lines.filter(line => /^\s*'[^']*'\s*[,;|\t]/.test(line)).length
  return quoted > lines.length / 2 ? "'" : '"'
}

interface Score {
  delimiter: string
  /** The usual number of delimiters in a line. */
  count: number
  /** The share of lines with this number. */
  alike: number
  /** The share of lines with a cell that ends with the extension of a picture. */
  named: number
}

/** The delimiter that cuts most of the first lines into the same number of cells. Of several, the one that isolates
 *  names of pictures, then the one that is not a decimal comma, then the one that cuts more. Blanks only if no other
 *  fits. */
function delimiterOf(lines: readonly string[], fileKind: FileKind): string {
  const scores = delimiters.map(delimiter =>
    scoreOf(lines, { delimiter, fileKind, cut: line => line.split(delimiter) }),
  )
  const fitting = scores.filter(({ count }) => count > 0).sort((a, b) => better(lines, a, b))
  const best = fitting[0]
  const byBlanks = scoreOf(lines, { delimiter: blanks, fileKind, cut: line => line.trim().split(/\s+/) })
  const parted = lines.filter(line => /\S\s+\S/.test(line)).length / Math.max(1, lines.length)
  const serves = best && (best.alike >= 0.7 || best.named >= 0.5)
  const cutsNames = byBlanks.named >= 0.5 && (best?.named ?? 0) < 0.1
  if (parted >= 0.5 && cutsNames) return blanks
  if (parted >= 0.9 && !serves && byBlanks.alike >= 0.7) return blanks
  return best?.delimiter ?? (parted >= 0.5 ? blanks : ',')
}

function better(lines: readonly string[], a: Score, b: Score): number {
  const names = Number(b.named >= 0.5) - Number(a.named >= 0.5)
  if (names !== 0) return names
  if (a.alike !== b.alike) return b.alike - a.alike
  if (Math.abs(a.named - b.named) > 0.01) return b.named - a.named
  const decimal = Number(isDecimal(lines, a)) - Number(isDecimal(lines, b))
  return decimal || b.count - a.count
}

/** Whether commas stand only between digits, as in 3,7. */
const isDecimal = (lines: readonly string[], { delimiter }: Score): boolean =>
  delimiter === ',' && lines.every(line => /,/.test(line) === /\d,\d/.test(line) && !/(^|\D),|,(\D|$)/.test(line))

function scoreOf(
  lines: readonly string[],
  { delimiter, fileKind, cut }: { delimiter: string; fileKind: FileKind; cut: (line: string) => string[] },
): Score {
  const counts = new Map<number, number>()
  let named = 0
  for (const line of lines) {
    const cells = cut(line)
    if (cells.some(cell => fileKind.isNamed(cell.trim()) && !/[,;|\t]/.test(cell))) named++
    counts.set(cells.length - 1, (counts.get(cells.length - 1) ?? 0) + 1)
  }
  const [count, lined] = [...counts].sort((a, b) => b[1] - a[1] || b[0] - a[0])[0] ?? [0, 0]
  const all = Math.max(1, lines.length)
  return { delimiter, count, alike: lined / all, named: named / all }
}

import type { FileKind } from '../files/file-kind.ts'
import type { Choice } from '../types.ts'
import type { Dialect } from './dialect.ts'
import type { Naming, Pictures, Records } from './types.ts'

/** A line cut at blanks (spaces and tabs), with the position of each word in the line. */
interface Words {
  line: number
  text: string
  words: string[]
  starts: number[]
}

/** How many lines are checked to find where the names of pictures begin. */
const looked = 300

/** Reads rows with one or several blanks between cells, like the lists of ImageNet, CUB and CelebA. The name of a
 *  picture may contain blanks: it ends at its file extension, and it begins at the word for which most names are files
 *  of the folder. If lines have different numbers of words after the name, these words are one cell. */
export function cutAtBlanks(
  text: string,
  { start, line, quote }: Dialect,
  { fileKind, pictures }: Naming,
): Records & { choices: Choice[] } {
  const lastName = nameFinder(fileKind)
  const all = wordsOf(text.slice(start), { line, quote })
  const named = all.filter(({ words }) => lastName(words) >= 0)
  const plain = { records: all.map(({ words }) => words), lines: all.map(own => own.line), choices: [] }
  if (named.length < all.length / 2) return plain
  const sample = named.slice(0, looked)
  const begin = beginning(sample, { lastName, pictures })
  const nameAt = ({ words }: Words) => {
    const end = lastName(words)
    return end < 0 ? undefined : { from: Math.min(begin, end), end }
  }
  const rests = new Set(named.map(({ words }) => words.length - 1 - lastName(words)))
  const oneCell = !rests.has(0) && (rests.size > 1 || (!rests.has(1) && isOneLabel(all, named, lastName)))
  const cut = (own: Words): string[] => {
    const at = nameAt(own)
    if (!at) return own.words
    const { words } = own
    const name = at.from === at.end ? words[at.end]! : raw(own, at.from, at.end)
    const rest = words.slice(at.end + 1)
    return [...words.slice(0, at.from), name, ...(oneCell ? [raw(own, at.end + 1, words.length - 1)] : rest)]
  }
  const spaced = named.find(own => nameAt(own)!.from < nameAt(own)!.end)
  const choices: Choice[] = []
  if (oneCell) {
    const first = named.find(({ words }) => words.length - 1 - lastName(words) > 1)!
    const label = raw(first, lastName(first.words) + 1, first.words.length - 1)
    const reason = `"${label}" (line ${first.line}) follows a name; to split it, write names of columns in a first line`
    choices.push({ what: 'cells with blanks', value: 'all that follows a name', reason })
  }
  if (spaced) {
    const { from, end } = nameAt(spaced)!
    const reason = `"${raw(spaced, from, end)}" (line ${spaced.line}) ends with the extension of a ${fileKind.noun.one}; if this is wrong, put names in quotes`
    choices.push({ what: 'names with blanks', value: 'up to their ending', reason })
  }
  return { ...plain, records: all.map(cut), choices }
}

/** Whether the words after the names are one label: they are not numbers, and no line above the rows names columns. */
function isOneLabel(all: readonly Words[], named: readonly Words[], lastName: LastName): boolean {
  const width = named[0]!.words.length
  const inFront = all.slice(0, all.indexOf(named[0]!))
  if (inFront.some(({ words }) => words.length === width || words.length === width - 1)) return false
  return named.every(({ words }) => words.slice(lastName(words) + 1).every(word => Number.isNaN(Number(word))))
}

function wordsOf(text: string, { line, quote }: { line: number; quote: string }): Words[] {
  const word = quote === '"' ? /"((?:[^"]|"")*)"(?=\s|$)|\S+/g : /'((?:[^']|'')*)'(?=\s|$)|\S+/g
  const found: Words[] = []
  text.split(/\r\n|\n|\r/).forEach((content, i) => {
    const parts = [...content.matchAll(word)]
    if (parts.length === 0) return
    const words = parts.map(([whole, quoted]) => quoted?.replaceAll(quote + quote, quote) ?? whole)
    found.push({ line: line + i, text: content, words, starts: parts.map(({ index }) => index) })
  })
  return found
}

/** The text of a line from one word to another, unchanged. */
const raw = ({ text, starts, words }: Words, from: number, to: number): string =>
  from === to ? words[from]! : text.slice(starts[from]!, to + 1 < starts.length ? starts[to + 1] : undefined).trim()

/** Finds the index of the word that ends the name of a file, or -1. */
type LastName = (words: readonly string[]) => number
const nameFinder =
  ({ isNamed }: FileKind): LastName =>
  words =>
    words.findLastIndex(word => isNamed(word))

/** The index of the word that begins the names: the one for which most names are files of the folder. Without such
 *  files: 1 if every line begins with a number, else 0. */
function beginning(
  sample: readonly Words[],
  { lastName, pictures }: { lastName: LastName; pictures: Pictures | undefined },
): number {
  const most = Math.min(...sample.map(({ words }) => lastName(words)))
  if (most === 0) return 0
  if (pictures) {
    const shares = Array.from({ length: most + 1 }, (_, from) => {
      const names = sample.map(own => raw(own, from, lastName(own.words)))
      const find = pictures(names)
      return names.filter(name => find(name) === 'whole').length
    })
    const best = Math.max(...shares)
    if (best > 0) return shares.indexOf(best)
  }
  return sample.every(({ words }) => /^\d+$/.test(words[0]!)) ? 1 : 0
}

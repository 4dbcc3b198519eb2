import { plural } from '../../base/format.ts'
import { tidy } from '../../cells/tidy.ts'
import { type Noun, pictures } from '../files/file-kind.ts'
import type { Choice } from '../types.ts'

/** Finds the name that equals a text, or else the name with the same normalized form. `names`: for example the classes
 *  of a trained model, in their original spelling. */
export function nameFinder(names: readonly string[]): (text: string) => string | undefined {
  const exact = new Set(names)
  const same = new Map<string, string>()
  for (const name of names) if (!same.has(tidy(name))) same.set(tidy(name), name)
  return text => (exact.has(text) ? text : same.get(tidy(text)))
}

/** Counts the spellings of each label. */
export class Spellings {
  readonly #forms = new Map<string, Map<string, number>>()

  /** Counts a spelling and returns its normalized form. */
  read(text: string): string {
    const label = tidy(text) || text // the name of a folder may have only invisible characters
    const forms = this.#forms.get(label) ?? new Map<string, number>()
    this.#forms.set(label, forms.set(text, (forms.get(text) ?? 0) + 1))
    return label
  }

  /** Reports labels that were written in several ways and became one. */
  choices(unit: string): Choice[] {
    const joined = [...this.#forms].filter(([, forms]) => forms.size > 1)
    const told = joined.slice(0, most).map(([label, forms]): Choice => {
      const ways = [...forms].map(([form, n]) => `${shownExactly(form)} ${plural(n, unit)}`).join(', ')
      return {
        what: 'one label',
        value: `"${label}"`,
        reason: `written in ${plural(forms.size, 'way')} that read the same: ${ways}; accents, blanks and invisible characters are normalized`,
      }
    })
    if (joined.length > most)
      told.push({
        what: 'one label',
        value: plural(joined.length - most, 'more label'),
        reason: 'each written in several ways that read the same',
      })
    return told
  }
}

/** The largest number of lines of one kind. */
const most = 10

/** A text in quotes. Invisible characters and letters that look like others are shown as code points:
 *  `"cafe\u0301"`. */
export const shownExactly = (text: string): string =>
  `"${text.replace(/[^\x20-\x7e\u00a1-\u00ac\u00ae-\u02af]/gu, c => `\\u${c.codePointAt(0)!.toString(16).padStart(4, '0')}`)}"`

// Cyrillic and Greek letters that look like Latin letters, capitals first.
const twins = new Map(
  [
    ['АВЕЅІЈКМНОРСТУХаеѕіјорсухһԁѵԛԝ', 'ABESIJKMHOPCTYXaesijopcyxhdvqw'],
    ['ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαικνορτυχϲ', 'ABEZHIKMNOPTYXaikvoptuxc'],
    ['ıſ’‘ʼ`´“”„–—‑−‐', "is'''''\"\"\"-----"],
  ].flatMap(([from, to]) => [...from!].map((letter, i): [string, string] => [letter, [...to!][i]!])),
)

/** A key that is equal for names that look nearly the same. It ignores accents, case, separators between letters, marks
 *  at the ends, and the script of letters that look alike. Numbers are equal by their value. */
function skeleton(name: string): string {
  const latin = Array.from(name, letter => twins.get(letter) ?? letter).join('')
  const bare = latin
    .normalize('NFKD')
    .replace(/[\p{M}\p{Cf}]/gu, '')
    .toLowerCase()
    .replaceAll('ß', 'ss')
  const text = Array.from(bare, letter => twins.get(letter) ?? letter)
    .join('')
    .trim()
  if (/^[+-]?\d+([.,]\d+)?$/.test(text)) return `#${Number(text.replace(',', '.'))}`
  const inner = text
    .replace(/&(amp;)?/g, ' and ')
    .replace(/(?<=[\p{L}\p{N}])[\s_'"./-]+(?=\p{L})|(?<=\p{L})[\s_'"./-]+(?=[\p{L}\p{N}])/gu, '')
  return inner.replace(/^[\s'".,;:!_]+|[\s'".,;:!_]+$/g, '') || text
}

/** Groups of names that are different classes but look nearly the same. A plural belongs to its singular. */
export function lookAlikes(names: readonly string[]): string[][] {
  const groups = new Map<string, string[]>()
  for (const name of names) {
    const key = skeleton(name)
    const group = groups.get(key)
    if (group) group.push(name)
    else groups.set(key, [name])
  }
  for (const [key, group] of [...groups]) {
    if (!/\p{L}{3}$/u.test(key)) continue
    const plurals = [`${key}s`, `${key}es`, ...(key.endsWith('y') ? [`${key.slice(0, -1)}ies`] : [])]
    for (const plural of plurals) {
      const other = groups.get(plural)
      if (!other || other === group) continue
      group.push(...other)
      groups.delete(plural)
    }
  }
  return [...groups.values()].filter(group => group.length > 1)
}

/** Reports classes with nearly the same name, with the number of pictures of each. `repair` says how to join them:
 *  `write them alike in labels.csv`. */
export function lookAlikeChoices(
  classes: readonly string[],
  items: readonly { labels: readonly number[] }[],
  repair: string,
  { one, many }: Noun = pictures,
): Choice[] {
  const groups = lookAlikes(classes)
  if (groups.length === 0) return []
  const counts = new Map(classes.map(name => [name, 0]))
  for (const { labels } of items)
    for (const label of labels) counts.set(classes[label]!, counts.get(classes[label]!)! + 1)
  const shown = (name: string, group: readonly string[]) =>
    group.some(other => other !== name && looksSame(other, name)) ? shownExactly(name) : `"${name}"`
  const told = groups.slice(0, most).map(
    (group): Choice => ({
      what: 'nearly the same',
      value: group.map(name => `${shown(name, group)} ${plural(counts.get(name)!, one, many)}`).join(', '),
      reason: `they are written differently, so they stay ${group.length === 2 ? 'two classes' : `${group.length} classes`}. If they are one class, ${repair}`,
    }),
  )
  if (groups.length > most)
    told.push({
      what: 'nearly the same',
      value: plural(groups.length - most, 'more group'),
      reason: `of classes with nearly the same names. If they are one class, ${repair}`,
    })
  return told
}

/** Whether two names differ only in the script of letters, so that they look the same. */
const looksSame = (a: string, b: string): boolean => {
  const latin = (name: string) => Array.from(name, letter => twins.get(letter) ?? letter).join('')
  return latin(a) === latin(b)
}

import { plural } from '../../base/format.ts'
import type { Choice } from '../types.ts'

/** Letters between which a joiner (U+200C, U+200D) changes what is read: Arabic, Indic scripts, emoji. */
const joined =
  '[\\p{scx=Arab}\\p{scx=Syrc}\\p{scx=Mong}\\p{scx=Deva}\\p{scx=Beng}\\p{scx=Guru}\\p{scx=Gujr}\\p{scx=Orya}\\p{scx=Taml}\\p{scx=Telu}\\p{scx=Knda}\\p{scx=Mlym}\\p{scx=Sinh}\\p{Extended_Pictographic}\\p{Emoji_Modifier}\\ufe0f]'
const looseJoiner = new RegExp(`(?<!${joined})[\\u200c\\u200d]|[\\u200c\\u200d](?!${joined})`, 'gu')
const invisible = /[\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]/g
const plain = /^[\x21-\x7e]+( [\x21-\x7e]+)*$/

/** A label as it is compared and kept: accents composed (Unicode NFC), characters without width gone, every run of blanks
 *  (non-breaking ones and tabs too) one space, none around it. Case and everything that is seen stay. */
export function tidy(text: string): string {
  if (plain.test(text)) return text
  const seen = text.normalize('NFC').replace(invisible, '').replace(looseJoiner, '')
  return seen
    .replace(/[^\S\n]*\n[^\S\n]*/g, '\n')
    .replace(/[^\S\n]+/g, ' ')
    .trim()
}

/** Finds a label among names that were kept as they are, such as a trained model's: itself, or one that reads the same. */
export function nameFinder(names: readonly string[]): (text: string) => string | undefined {
  const exact = new Set(names)
  const same = new Map<string, string>()
  for (const name of names) if (!same.has(tidy(name))) same.set(tidy(name), name)
  return text => (exact.has(text) ? text : same.get(tidy(text)))
}

/** How labels were written that became one. */
export class Spellings {
  readonly #forms = new Map<string, Map<string, number>>()

  /** The tidy form of a text, which is counted. */
  read(text: string): string {
    const label = tidy(text) || text // a folder may be called by what nobody sees
    const forms = this.#forms.get(label) ?? new Map<string, number>()
    this.#forms.set(label, forms.set(text, (forms.get(text) ?? 0) + 1))
    return label
  }

  /** What was joined, where one label was written in several ways. */
  choices(unit: string): Choice[] {
    const joined = [...this.#forms].filter(([, forms]) => forms.size > 1)
    const told = joined.slice(0, most).map(([label, forms]): Choice => {
      const ways = [...forms].map(([form, n]) => `${shownExactly(form)} ${plural(n, unit)}`).join(', ')
      return {
        what: 'one label',
        value: `"${label}"`,
        reason: `written in ${plural(forms.size, 'way')} that read the same: ${ways}; accents, blanks and invisible characters are evened out`,
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

/** How many lines there are of one kind. */
const most = 10

/** A text in quotes with what can't be seen, or told from other letters, as code points: `"cafe\u0301"`. */
export const shownExactly = (text: string): string =>
  `"${text.replace(/[^\x20-\x7e\u00a1-\u00ac\u00ae-\u02af]/gu, c => `\\u${c.codePointAt(0)!.toString(16).padStart(4, '0')}`)}"`

// Letters of Cyrillic and Greek that look like Latin ones, capitals before small ones.
const twins = new Map(
  [
    ['АВЕЅІЈКМНОРСТУХаеѕіјорсухһԁѵԛԝ', 'ABESIJKMHOPCTYXaesijopcyxhdvqw'],
    ['ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαικνορτυχϲ', 'ABEZHIKMNOPTYXaikvoptuxc'],
    ['ıſ’‘ʼ`´“”„–—‑−‐', "is'''''\"\"\"-----"],
  ].flatMap(([from, to]) => [...from!].map((letter, i): [string, string] => [letter, [...to!][i]!])),
)

/** What is left of a name when nothing counts that is easily mistaken: letters of other scripts that look alike, accents, case,
 *  separators between letters, marks at its ends. Numbers are equal by their value. */
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

/** Names that are different classes and nearly the same to a person, in groups; a plural goes with its singular. */
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

/** Lines on classes that are nearly the same, with how many pictures each has and what to do. `repair` says where their
 *  names are: `in labels.csv`. */
export function lookAlikeChoices(
  classes: readonly string[],
  items: readonly { labels: readonly number[] }[],
  repair: string,
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
      value: group.map(name => `${shown(name, group)} ${plural(counts.get(name)!, 'picture')}`).join(', '),
      reason: `${group.length === 2 ? 'two classes' : `${group.length} classes`} as they are written, and they stay so. If they are one, ${repair}`,
    }),
  )
  if (groups.length > most)
    told.push({
      what: 'nearly the same',
      value: plural(groups.length - most, 'more group'),
      reason: `of classes whose names are nearly the same. If they are one, ${repair}`,
    })
  return told
}

/** Whether two names differ only in letters of other scripts, so that no reader can tell them apart. */
const looksSame = (a: string, b: string): boolean => {
  const latin = (name: string) => Array.from(name, letter => twins.get(letter) ?? letter).join('')
  return latin(a) === latin(b)
}

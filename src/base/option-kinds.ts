import { type Kind, OptionEntry } from './option-table.ts'
import { listed } from './options.ts'

interface Range {
  from?: number
  above?: number
  to?: number
  below?: number
}

const infinite = Number.POSITIVE_INFINITY
const inRange = (v: number, { from = -infinite, above = -infinite, to = infinite, below = infinite }: Range) =>
  Number.isFinite(v) && v >= from && v > above && v <= to && v < below

/** `from 0 to below 1`, `between 0 and 1`, `above 0`. */
function rangeWords({ from, above, to, below }: Range): string {
  if (above !== undefined && below !== undefined) return `between ${above} and ${below}`
  const least = above === undefined ? `from ${from}` : `above ${above}`
  const most =
    to === undefined ? below !== undefined && `to below ${below}` : `${above === undefined ? '' : 'and up '}to ${to}`
  return [least, most].filter(Boolean).join(' ')
}

const asNumber = (text: string) => (text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text))

const simple = <T>(kind: Omit<Kind<T>, 'fault'> & { fits: (v: unknown) => boolean }): OptionEntry<T> =>
  new OptionEntry<T>({
    ...kind,
    fault: v =>
      kind.fits(v) ? undefined : { value: v, expected: kind.words, ...(kind.choices && { known: kind.choices }) },
  })

/** A whole number from `least` to `most`. */
export function int(least: number, most?: number): OptionEntry<number> {
  const range = most === undefined ? `from ${least}` : `from ${least} to ${most}`
  return simple({
    words: `a whole number ${range}`,
    plural: `whole numbers ${range}`,
    fits: v => Number.isInteger(v) && (v as number) >= least && (v as number) <= (most ?? Number.MAX_SAFE_INTEGER),
    read: asNumber,
    schema: { type: 'integer', minimum: least, ...(most !== undefined && { maximum: most }) },
    sample: least,
  })
}

/** A number in a range. `noun`: its name in messages, such as `a share` or `a rate`. */
export function number(range: Range, noun = 'a number', nouns = `${noun.replace(/^an? /, '')}s`): OptionEntry<number> {
  const { from, above, to, below } = range
  const limits = { minimum: from, exclusiveMinimum: above, maximum: to, exclusiveMaximum: below }
  return simple({
    words: `${noun} ${rangeWords(range)}`,
    plural: `${nouns} ${rangeWords(range)}`,
    fits: v => typeof v === 'number' && inRange(v, range),
    read: asNumber,
    schema: { type: 'number', ...Object.fromEntries(Object.entries(limits).filter(([, v]) => v !== undefined)) },
    sample: from ?? (to ?? below ?? 2) / 2,
  })
}

/** On or off. */
export const bool = (): OptionEntry<boolean> =>
  simple({
    words: 'true or false',
    plural: 'true or false',
    typed: '',
    fits: v => typeof v === 'boolean',
    read: text => (text === 'true' ? true : text === 'false' ? false : text),
    schema: { type: 'boolean' },
    sample: true,
  })

const shownWord = (word: string) => (word.length > 1 ? word : `"${word}"`)

/** One of some words. */
export const choice = <const T extends string>(...choices: readonly T[]): OptionEntry<T> =>
  simple({
    words: choices.map(shownWord).join(', '),
    plural: `words (${choices.map(shownWord).join(', ')})`,
    fits: v => (choices as readonly unknown[]).includes(v),
    read: text => text,
    schema: { enum: choices },
    choices,
    sample: choices[0],
  })

/** Text that is not empty. `form`: the pattern that it must match. */
export const text = <T extends string = string>(words = 'text', plural = 'texts', form = /[\s\S]/): OptionEntry<T> =>
  simple({
    words,
    plural,
    fits: v => typeof v === 'string' && form.test(v),
    read: text => text,
    schema: form.source === '[\\s\\S]' ? { type: 'string', minLength: 1 } : { type: 'string', pattern: form.source },
  })

/** The path of a file or folder. */
export const path = (words: string): OptionEntry<string> => {
  const { kind } = text(words)
  return new OptionEntry({ ...kind, path: true })
}

/** `false`, typed as `none`. */
export const off = (): OptionEntry<false> =>
  simple({
    words: 'false',
    plural: 'false',
    typed: 'none',
    fits: v => v === false,
    read: text => (text === 'none' ? false : text),
    schema: { const: false },
  })

/** A regular expression, or its source. */
export const pattern = (): OptionEntry<string | RegExp> =>
  simple({
    words: 'a regular expression',
    plural: 'regular expressions',
    fits: v => typeof v === 'string' || v instanceof RegExp,
    read: text => text,
    revive: revivedPattern,
    schema: {
      anyOf: [
        { type: 'string' },
        { type: 'object', required: ['source'], properties: { source: { type: 'string' }, flags: { type: 'string' } } },
      ],
    },
  })

function revivedPattern(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('source' in value)) return value
  const { source, flags = '' } = value as { source: unknown; flags?: unknown }
  return typeof source === 'string' && typeof flags === 'string' ? new RegExp(source, flags) : value
}

/** A function, which only a program can give. */
export const func = <T>(words: string): OptionEntry<T> =>
  simple<T>({ words, plural: `${words}s`, fits: v => typeof v === 'function', read: text => text })

/** A list of values of another kind, at least `least`. `of`: what the items are for, such as `one per class`. */
export function list<T>(
  { kind }: OptionEntry<T, string>,
  { least = 0, of }: { least?: number; of?: string } = {},
): OptionEntry<readonly T[]> {
  const words = `a list of ${kind.plural}${of ? `, ${of}` : ''}`
  return new OptionEntry<readonly T[]>({
    words,
    plural: `lists of ${kind.plural}`,
    item: kind,
    fault: value =>
      Array.isArray(value) && value.length >= least
        ? value.map(item => kind.fault(item)).find(fault => fault !== undefined)
        : { value, expected: words },
    read: (typed, before) => [...(Array.isArray(before) ? before : []), ...listed(typed).map(part => kind.read(part))],
    ...(kind.schema && { schema: { type: 'array', items: kind.schema, ...(least > 0 && { minItems: least }) } }),
    ...(kind.sample !== undefined && { sample: [kind.sample] }),
  })
}

/** One of two kinds. Typed text is read as the first kind for which it is valid. */
export function or<A, B>({ kind: a }: OptionEntry<A, string>, { kind: b }: OptionEntry<B, string>): OptionEntry<A | B> {
  const kinds: readonly Kind<unknown>[] = [a, b]
  const known = kinds.flatMap(kind => kind.choices ?? [])
  const joined = (parts: readonly string[]) => parts.filter(Boolean).join(' or ')
  const words = b.item?.words === a.words ? `${a.words}, or a list of them` : joined(kinds.map(kind => kind.words))
  const typed = kinds.some(kind => kind.typed !== undefined)
    ? joined(kinds.map(kind => kind.typed ?? kind.words))
    : undefined
  const schemas = kinds.flatMap(kind => (kind.schema ? [kind.schema] : []))
  return new OptionEntry<A | B>({
    words,
    plural: words,
    fault(value) {
      const faults = kinds.map(kind => kind.fault(value))
      if (faults.includes(undefined)) return undefined
      // If one of the kinds is a list and only an item is invalid, the message names this item.
      const part = faults.find(fault => fault!.value !== value)
      return part ?? { value, expected: words, typed, ...(known.length > 0 && { known }) }
    },
    read(typed, before) {
      const values = kinds.map(kind => kind.read(typed, before))
      return values[
        Math.max(
          0,
          kinds.findIndex((kind, i) => !kind.fault(values[i])),
        )
      ]
    },
    revive: value => kinds.reduce((v, kind) => kind.revive?.(v) ?? v, value),
    ...(schemas.length > 0 && { schema: { anyOf: schemas } }),
    ...(known.length > 0 && { choices: known }),
    sample: a.sample ?? b.sample,
  })
}

/** A value that `parse` accepts. For an invalid value, `parse` throws its own error. */
export const parsed = <T>(
  words: string,
  parse: (value: T) => unknown,
  schema: Record<string, unknown>,
): OptionEntry<T> =>
  new OptionEntry<T>({
    words,
    plural: words,
    fault(value) {
      if (typeof value !== 'string' && (typeof value !== 'object' || value === null || Array.isArray(value)))
        return { value, expected: words }
      parse(value as T)
      return undefined
    },
    read: text => text,
    schema,
  })

import { didYouMean, OptionError } from './errors.ts'
import { type FlagNames, type Naming, naming } from './options.ts'

/** The values that an option accepts. */
export interface Kind<T> {
  /** What is expected, for one value and for several: `a whole number from 1`, `whole numbers from 1`. */
  readonly words: string
  readonly plural: string
  /** The same for the command line, if it differs from a program; empty if nothing is typed (`true`). */
  readonly typed?: string
  /** For a list: the kind of its items. */
  readonly item?: Kind<unknown>
  /** What is wrong with a value; undefined if it is valid. */
  fault(value: unknown): Fault | undefined
  /** The value of a text typed on the command line. `before`: the value of the same flag typed earlier. An invalid text
   *  is returned unchanged, for the error message. */
  read(text: string, before?: unknown): unknown
  /** Converts a value of a JSON file to the value of a program. */
  revive?(value: unknown): unknown
  /** Its JSON schema; undefined if a file can't hold it (a function). */
  readonly schema?: Record<string, unknown>
  /** The possible words, for a choice of words. */
  readonly choices?: readonly string[]
  /** It names a file or a folder. */
  readonly path?: boolean
  /** A valid value, for messages. */
  readonly sample?: unknown
  /** Only for the type: never set. */
  readonly is?: T
}

/** The invalid value (or its invalid part), what was expected, and words that the user may have meant. */
export interface Fault {
  value: unknown
  expected: string
  typed?: string | undefined
  known?: readonly string[]
}

interface Facts {
  flag?: string
  off?: string | undefined
  says?: string
  group?: string
  takers?: readonly string[]
  default?: { text: string; value?: unknown; why?: string | undefined }
  example?: unknown
}

/** One option: its type and range, default and reason, flag, help, group, and the commands and calls that take it
 *  (`W`). Each method returns a new option. */
export class OptionEntry<T, W extends string = never> {
  readonly kind: Kind<T>
  readonly facts: Facts
  /** Only for the type. */
  declare readonly takers: readonly W[]

  constructor(kind: Kind<T>, facts: Facts = {}) {
    this.kind = kind
    this.facts = facts
  }
  #with<V extends string = W>(facts: Facts): OptionEntry<T, V> {
    return new OptionEntry<T, V>(this.kind, { ...this.facts, ...facts })
  }
  /** Its form on the command line: `--size <pixels>`, `--tta [views]`, `--no-pretrained`, `--[no-]bn-freeze`. `off`:
   *  the help of the flag that turns it off. */
  flag(flag: string, off?: string): OptionEntry<T, W> {
    return this.#with({ flag, off })
  }
  /** Its help: one sentence, without the default. */
  says(says: string): OptionEntry<T, W> {
    return this.#with({ says })
  }
  /** The default value, and why. */
  default(value: T, why?: string): OptionEntry<T, W> {
    return this.#with({ default: { text: String(value), value, why } })
  }
  /** The default in words, if it is not a fixed value, and why. */
  otherwise(text: string, why?: string): OptionEntry<T, W> {
    return this.#with({ default: { text, why } })
  }
  /** A valid value, for messages. Default: the default value, a word of the choice, or a number of the range. */
  example(example: T): OptionEntry<T, W> {
    return this.#with({ example })
  }
  /** The heading in the help. */
  group(group: string): OptionEntry<T, W> {
    return this.#with({ group })
  }
  /** The commands and calls that take it. */
  on<V extends string>(...takers: V[]): OptionEntry<T, V> {
    return this.#with<V>({ takers })
  }
  /** The default, if it is a value. */
  get usual(): T {
    return this.facts.default!.value as T
  }
  get exampleValue(): unknown {
    const { example, default: usual } = this.facts
    return [example, usual?.value, this.kind.sample].find(v => v !== undefined && !this.kind.fault(v))
  }
}

/** Options by their property names. */
export type OptionTable = Readonly<Record<string, OptionEntry<unknown, string>>>

/** The options of a table that one command or call takes. */
export type TakenBy<T extends OptionTable, W extends string> = {
  [K in keyof T as T[K] extends OptionEntry<unknown, infer V> ? (W extends V ? K : never) : never]: T[K]
}

/** The options of a table as an object in a program. */
export type Options<T extends OptionTable> = {
  [K in keyof T]?: (T[K] extends OptionEntry<infer V, string> ? V : never) | undefined
}

/** Options with the same heading and the same takers. An option with `on` keeps its own takers. */
export function group<const W extends string, T extends OptionTable>(
  name: string,
  takers: readonly W[],
  entries: T,
): {
  [K in keyof T]: T[K] extends OptionEntry<infer V, infer U> ? OptionEntry<V, [U] extends [never] ? W : U> : never
} {
  const grouped: Record<string, OptionEntry<unknown, string>> = {}
  for (const [key, { kind, facts }] of Object.entries(entries))
    grouped[key] = new OptionEntry(kind, { group: name, takers, ...facts })
  return grouped as never
}

/** The part of a table that one command or call takes. */
export const takenBy = <T extends OptionTable, const W extends string>(table: T, who: W): TakenBy<T, W> =>
  Object.fromEntries(Object.entries(table).filter(([, { facts }]) => facts.takers?.includes(who))) as TakenBy<T, W>

/** The properties of an object that a table names. */
export const pick = <T extends OptionTable>(table: T, given: object): Options<T> =>
  Object.fromEntries(Object.entries(given).filter(([name]) => Object.hasOwn(table, name))) as Options<T>

/** Throws for unknown names and invalid values, with what was expected and an example. `who`: the call or the file with
 *  the options; `also`: names that the call takes besides the table; `others`: the tables of other calls, to name the
 *  call that takes an option. */
export function checkTable(
  table: OptionTable,
  given: object,
  {
    who,
    also = [],
    others = {},
    by = naming(),
  }: { who: string; also?: readonly string[]; others?: Readonly<Record<string, OptionTable>>; by?: Naming },
): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new OptionError(`${who}: expected an object of options, got ${by.shown(given)}. Example: { seed: 42 }.`)
  for (const name of Object.keys(given))
    if (!Object.hasOwn(table, name) && !also.includes(name))
      throw new OptionError(unknownOption(name, { who, names: [...Object.keys(table), ...also], others }))
  checkValues(table, given, by)
}

/** The same for the values only: unknown names are ignored. */
export function checkValues(table: OptionTable, given: object, by: Naming = naming()): void {
  for (const [name, entry] of Object.entries(table)) {
    const value = (given as Record<string, unknown>)[name]
    if (value === undefined) continue
    const fault = entry.kind.fault(value)
    if (!fault) continue
    // A word that is none of those of an option is refused as an option that a command does not know.
    const exitCode = by.typed && entry.kind.schema && 'enum' in entry.kind.schema ? 2 : 1
    throw new OptionError(refusal(name, entry, fault, by), { exitCode })
  }
}

function refusal(
  name: string,
  entry: OptionEntry<unknown, string>,
  { value, expected, typed, known }: Fault,
  by: Naming,
) {
  const near = known && typeof value === 'string' ? didYouMean(value, known) : ''
  const example = entry.exampleValue
  const shown = example === undefined ? '' : ` Example: ${by.example(name, example)}.`
  return `${by.name(name)}: expected ${by.typed ? (typed ?? expected) : expected}, got ${by.shown(value)}.${near}${shown}`
}

const plainly = (name: string) => name.replaceAll(/[-_]/g, '').toLowerCase()

function unknownOption(
  name: string,
  { who, names, others }: { who: string; names: readonly string[]; others: Readonly<Record<string, OptionTable>> },
): string {
  const same = names.find(one => plainly(one) === plainly(name.replace(/^--/, '')))
  const takers = Object.entries(others).flatMap(([call, table]) => (Object.hasOwn(table, name) ? [call] : []))
  const near = same ? ` Did you mean "${same}"?` : didYouMean(name, names)
  if (takers.length > 0) return `${who} has no option "${name}"; it is an option of ${takers.join(', ')}.${near}`
  return `${who} has no option "${name}".${near || ' The page docs/options.md lists all of them.'}`
}

/** The flag of each option of a table, by its property name. */
export const flagNames = (table: OptionTable): Map<string, FlagNames> =>
  new Map(
    Object.entries(table).flatMap(([name, { facts }]) => (facts.flag ? [[name, namesOf(facts.flag)] as const] : [])),
  )

function namesOf(flag: string): FlagNames {
  const [, no = '', long] = /^--(no-|\[no-\])?([a-z][a-z-]*)/.exec(flag)!
  return { flag: `--${long}`, ...(no && { off: `--no-${long}` }) }
}

/** The help of an option: its sentence, the possible words, and the default. */
export function helpOf({ kind, facts }: OptionEntry<unknown, string>): string {
  const { says = '', default: usual } = facts
  const { choices = [] } = kind
  const words = choices.length > 0 && !choices.some(word => says.includes(word)) ? `: ${choices.join(', ')}` : ''
  return `${says}${words}${usual ? ` (default: ${usual.text})` : ''}`
}

/** The options sorted by heading. Headings are ordered by their last option, so what a command adds comes last. */
export function byGroup(table: OptionTable): [name: string, entry: OptionEntry<unknown, string>][] {
  const groups = new Map<string | undefined, [string, OptionEntry<unknown, string>][]>()
  for (const [name, entry] of Object.entries(table)) {
    const { group } = entry.facts
    const before = groups.get(group) ?? []
    groups.delete(group)
    groups.set(group, [...before, [name, entry]])
  }
  return [...groups.values()].flat()
}

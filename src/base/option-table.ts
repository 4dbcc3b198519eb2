import { AnnealError, didYouMean } from './errors.ts'
import { type FlagNames, type Naming, naming } from './options.ts'

/** What an option's value may be. */
export interface Kind<T> {
  /** What is expected of one value, and of several: `a whole number from 1`, `whole numbers from 1`. */
  readonly words: string
  readonly plural: string
  /** The same as it is typed, where that is other than in a program; empty where nothing is typed (`true`). */
  readonly typed?: string
  /** Of a list: the kind of its parts. */
  readonly item?: Kind<unknown>
  /** What is wrong with a value; nothing where it fits. */
  fault(value: unknown): Fault | undefined
  /** The value of what was typed on a command line, `before` being that of the same flag typed earlier. What does not fit
   *  stays as it was typed, for the error that refuses it. */
  read(text: string, before?: unknown): unknown
  /** A value of a JSON file as a program has it. */
  revive?(value: unknown): unknown
  /** Its JSON schema; none where no file can hold it (a function). */
  readonly schema?: Record<string, unknown>
  /** The words that it may be, where it is one of some. */
  readonly choices?: readonly string[]
  /** It names a file or a folder. */
  readonly path?: boolean
  /** A value that fits, for the messages. */
  readonly sample?: unknown
  /** Of the type alone: never there. */
  readonly is?: T
}

/** The value (or the part of it) that does not fit, what was expected of it, and words that may have been meant. */
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

/** One option: its type and range, default and why, flag, help, group, and who takes it (`W`). Each method gives a new one. */
export class OptionEntry<T, W extends string = never> {
  readonly kind: Kind<T>
  readonly facts: Facts
  /** Of the type alone. */
  declare readonly takers: readonly W[]

  constructor(kind: Kind<T>, facts: Facts = {}) {
    this.kind = kind
    this.facts = facts
  }
  #with<V extends string = W>(facts: Facts): OptionEntry<T, V> {
    return new OptionEntry<T, V>(this.kind, { ...this.facts, ...facts })
  }
  /** As it is typed: `--size <pixels>`, `--tta [views]`, `--no-pretrained`, `--[no-]bn-freeze`; `off` is the help of the
   *  flag that turns it off. */
  flag(flag: string, off?: string): OptionEntry<T, W> {
    return this.#with({ flag, off })
  }
  /** Its help: one sentence, without the default. */
  says(says: string): OptionEntry<T, W> {
    return this.#with({ says })
  }
  /** The value that holds where it is left out, and why. */
  default(value: T, why?: string): OptionEntry<T, W> {
    return this.#with({ default: { text: String(value), value, why } })
  }
  /** In words what holds where it is left out, where that is no value; and why. */
  otherwise(text: string, why?: string): OptionEntry<T, W> {
    return this.#with({ default: { text, why } })
  }
  /** A value that fits, for the messages; the default, a word or a number of the range unless given. */
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
  /** The default, where that is a value. */
  get usual(): T {
    return this.facts.default!.value as T
  }
  get exampleValue(): unknown {
    const { example, default: usual } = this.facts
    return [example, usual?.value, this.kind.sample].find(v => v !== undefined && !this.kind.fault(v))
  }
}

/** Options by their names as properties. */
export type OptionTable = Readonly<Record<string, OptionEntry<unknown, string>>>

/** The options that one command or call takes of a table. */
export type TakenBy<T extends OptionTable, W extends string> = {
  [K in keyof T as T[K] extends OptionEntry<unknown, infer V> ? (W extends V ? K : never) : never]: T[K]
}

/** The options of a table as an object of a program. */
export type Options<T extends OptionTable> = {
  [K in keyof T]?: (T[K] extends OptionEntry<infer V, string> ? V : never) | undefined
}

/** Options of one heading and of the same takers; an option with `on` has its own. */
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

/** Refuses names that the table has not and values that do not fit, each with what was expected and an example. `who` is
 *  the call or the file that was given them; `also` names what the call takes beside the table; `others` are tables of
 *  other calls, to say whose option a name is. */
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
    throw new AnnealError(`${who}: expected an object of options, got ${by.shown(given)}. Example: { seed: 42 }.`)
  for (const name of Object.keys(given))
    if (!Object.hasOwn(table, name) && !also.includes(name))
      throw new AnnealError(unknownOption(name, { who, names: [...Object.keys(table), ...also], others }))
  checkValues(table, given, by)
}

/** The same of the values alone: names that the table has not are left to others. */
export function checkValues(table: OptionTable, given: object, by: Naming = naming()): void {
  for (const [name, entry] of Object.entries(table)) {
    const value = (given as Record<string, unknown>)[name]
    if (value === undefined) continue
    const fault = entry.kind.fault(value)
    if (!fault) continue
    // A word that is none of those of an option is refused as an option that a command does not know.
    const exitCode = by.typed && entry.kind.schema && 'enum' in entry.kind.schema ? 2 : 1
    throw new AnnealError(refusal(name, entry, fault, by), { exitCode })
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

/** How each option of a table is typed, by its name as a property. */
export const flagNames = (table: OptionTable): Map<string, FlagNames> =>
  new Map(
    Object.entries(table).flatMap(([name, { facts }]) => (facts.flag ? [[name, namesOf(facts.flag)] as const] : [])),
  )

function namesOf(flag: string): FlagNames {
  const [, no = '', long] = /^--(no-|\[no-\])?([a-z][a-z-]*)/.exec(flag)!
  return { flag: `--${long}`, ...(no && { off: `--no-${long}` }) }
}

/** An option's help: what it says, the words it may be, and its default. */
export function helpOf({ kind, facts }: OptionEntry<unknown, string>): string {
  const { says = '', default: usual } = facts
  const { choices = [] } = kind
  const words = choices.length > 0 && !choices.some(word => says.includes(word)) ? `: ${choices.join(', ')}` : ''
  return `${says}${words}${usual ? ` (default: ${usual.text})` : ''}`
}

/** The options of each heading together, in the order of the headings' last options: what a command adds comes last. */
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

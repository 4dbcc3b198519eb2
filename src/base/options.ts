import { quoted } from './format.ts'

/** How an option is typed: `--batch`; `off` is how it is turned off, where that has a flag: `--no-pretrained`. */
export interface FlagNames {
  flag: string
  off?: string
}

let flags: ReadonlyMap<string, FlagNames> = new Map()
let asProperties = true

/** From here on messages name options as they are typed on the command line; before, as properties of a program. `known`
 *  are the flags of the command's tables; one that they lack is its property with dashes. */
export function nameOptionsAsTyped(known: ReadonlyMap<string, FlagNames> = flags): void {
  flags = known
  asProperties = false
}

/** `labelColumn` → `--label-column`. */
export const flagOf = (property: string): string =>
  flags.get(property)?.flag ?? `--${property.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`

/** An option and its value as they are typed: `--sizes 128,224`, `--swa`, `--no-pretrained`, `--split-column none`. */
export function typed(property: string, value: unknown): string {
  if (value === true) return flagOf(property)
  if (value === false) return flags.get(property)?.off ?? `${flagOf(property)} none`
  return `${flagOf(property)} ${quoted(String(value))}`
}

/** An option's name in a message, to whoever gave it: `labelColumn`, or `--label-column`. */
export const option = (property: string): string => (asProperties ? property : flagOf(property))

/** The same with a value: `task: "multi"`, or `--task multi`. */
export const setting = (property: string, value: unknown): string =>
  asProperties ? `${property}: ${written(value)}` : typed(property, value)

/** A value as a program has it; a number stays as it is written (`2e-3`). */
const written = (value: unknown): string =>
  typeof value === 'string' && value.trim() !== '' && !Number.isNaN(Number(value)) ? value : literal(value)

/** A value as a program writes it: `"a"`, `[128, 224]`, `/x/i`. */
export function literal(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'number' || value instanceof RegExp) return String(value)
  return JSON.stringify(value) ?? String(value)
}

/** How messages name options to whoever gave them, and show values. */
export interface Naming {
  name(property: string): string
  example(property: string, value: unknown): string
  shown(value: unknown): string
  /** Whether values are typed on a command line. */
  readonly typed: boolean
}

/** As a program or a command line has them. */
export const naming = (): Naming => ({
  name: option,
  example: (property, value) => (asProperties ? `{ ${property}: ${literal(value)} }` : typed(property, value)),
  shown: value => (asProperties || typeof value !== 'string' || value === '' ? literal(value) : value),
  typed: !asProperties,
})

/** As a JSON file has them. */
export const inFile = (file: string): Naming => ({
  name: property => `${file}: "${property}"`,
  example: (property, value) => `"${property}": ${literal(value)}`,
  shown: literal,
  typed: false,
})

/** A list as it is typed: `a,b`. What stands in double quotes is one part, commas and all, with quotes in it doubled:
 *  `"cat, big",dog`; a backslash before a comma, a quote or a backslash takes it as it is: `cat\, big,dog`. Empty parts
 *  are left out. */
export function listed(value: string): string[] {
  const parts: string[] = []
  let [part, quoted] = ['', false]
  for (let i = 0; i < value.length; i++) {
    const [at, next] = [value[i]!, value[i + 1]]
    if (at === '\\' && next !== undefined && ',"\\'.includes(next)) part += value[++i]
    else if (quoted && at === '"' && next === '"') part += value[++i]
    else if (quoted && at === '"' && (next === undefined || next === ',')) quoted = false
    else if (!quoted && at === '"' && part === '' && closes(value, i)) quoted = true
    else if (!quoted && at === ',') {
      parts.push(part)
      part = ''
    } else part += at
  }
  parts.push(part)
  return parts.filter(one => one !== '')
}

/** Whether a quote that opens a part has one that ends it: another may belong to a name, as in `"5` for inches. */
const closes = (value: string, from: number): boolean => /^"(?:[^"]|"")*"(?=,|$)/.test(value.slice(from))

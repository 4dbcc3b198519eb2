import { quoted } from './format.ts'

/** The flag of an option: `--batch`. `off`: the flag that turns it off, if there is one: `--no-pretrained`. */
export interface FlagNames {
  flag: string
  off?: string
}

let flags: ReadonlyMap<string, FlagNames> = new Map()
let asProperties = true

/** After this call, messages name options as they are typed on the command line; before it, as properties of a program.
 *  `known`: the flags of the command's tables. The flag of any other option is its property name with dashes. */
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

/** The name of an option in a message: `labelColumn` in a program, `--label-column` on the command line. */
export const option = (property: string): string => (asProperties ? property : flagOf(property))

/** The same with a value: `task: "multi"`, or `--task multi`. */
export const setting = (property: string, value: unknown): string =>
  asProperties ? `${property}: ${written(value)}` : typed(property, value)

/** A value as a program writes it. A number in a text stays as it is written (`2e-3`). */
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

/** How messages name options and show values, for the place where the options were given. */
export interface Naming {
  name(property: string): string
  example(property: string, value: unknown): string
  shown(value: unknown): string
  /** Whether values are typed on a command line. */
  readonly typed: boolean
}

/** The naming for a program or a command line. */
export const naming = (): Naming => ({
  name: option,
  example: (property, value) => (asProperties ? `{ ${property}: ${literal(value)} }` : typed(property, value)),
  shown: value => (asProperties || typeof value !== 'string' || value === '' ? literal(value) : value),
  typed: !asProperties,
})

/** The naming for a JSON file. */
export const inFile = (file: string): Naming => ({
  name: property => `${file}: "${property}"`,
  example: (property, value) => `"${property}": ${literal(value)}`,
  shown: literal,
  typed: false,
})

/** The parts of a typed list: `a,b`. A part in double quotes may contain commas, and doubled quotes for a quote: `"cat,
 *  big",dog`. A backslash makes the next comma, quote or backslash part of the text: `cat\, big,dog`. Empty parts are
 *  left out. */
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

/** Whether a quote that opens a part is closed. If not, it belongs to the name, as in `"5` for inches. */
const closes = (value: string, from: number): boolean => /^"(?:[^"]|"")*"(?=,|$)/.test(value.slice(from))

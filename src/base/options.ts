import { quoted } from './format.ts'

/** Options whose name on the command line is not their property's with dashes. */
const others: Record<string, string> = { batchSize: 'batch' }

let asProperties = true

/** From here on messages name options as they are typed on the command line; before, as properties of a program. */
export function nameOptionsAsTyped(): void {
  asProperties = false
}

/** `labelColumn` → `--label-column`. */
export const flagOf = (property: string): string =>
  `--${others[property] ?? property.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`

/** An option and its value as they are typed: `--sizes 128,224`, `--swa`, `--no-pretrained`, `--split-column none`. */
export function typed(property: string, value: unknown): string {
  if (value === true) return flagOf(property)
  if (value === false)
    return ['pretrained', 'bnFreeze'].includes(property)
      ? flagOf(property).replace('--', '--no-')
      : `${flagOf(property)} none`
  return `${flagOf(property)} ${quoted(String(value))}`
}

/** An option's name in a message, to whoever gave it: `labelColumn`, or `--label-column`. */
export const option = (property: string): string => (asProperties ? property : flagOf(property))

/** The same with a value: `task: "multi"`, or `--task multi`. */
export const setting = (property: string, value: unknown): string =>
  asProperties ? `${property}: ${written(value)}` : typed(property, value)

/** A value as a program has it; a number stays as it is written (`2e-3`). */
const written = (value: unknown): string =>
  typeof value === 'string' && value.trim() !== '' && !Number.isNaN(Number(value))
    ? value
    : (JSON.stringify(value) ?? String(value))

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

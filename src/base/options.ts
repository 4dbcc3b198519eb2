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

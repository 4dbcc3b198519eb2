import { flagOf, typed } from '../base/options.ts'
import type { RunConfig } from '../runs/index.ts'

/** The options that are not copied to the next run. */
const replaced = ['clean', 'labelOf']
/** What is an option for pictures alone; other runs note it in their configuration, too. */
const ofPictures = ['size', 'sizes', 'testSize']

/** The options of a run as typed flags. For a run of the command line, the options of its command. For a run of a
 *  program, or with a file of options, all options in its configuration. */
export function optionsOf({
  command = [],
  settings = {},
  domain,
}: Partial<Pick<RunConfig, 'command' | 'settings' | 'domain'>>): string[] {
  const notCopied = [...replaced, ...(domain === undefined || domain === 'images' ? [] : ofPictures)]
  const fromFile = command.some(word => /^--config(=|$)/.test(word))
  const flags = command.flatMap(word => /^--(?:no-)?[a-z-]+/.exec(word)?.[0] ?? [])
  const byProgram = command.length === 0 || command[1] === 'demo' // its options are not on the command line
  const asked = (name: string) =>
    fromFile || byProgram
      ? !(name === 'size' && settings.sizes !== undefined)
      : name === 'model' || flags.some(flag => flag.replace('--no-', '--') === flagOf(name))
  return Object.entries(settings).flatMap(([name, value]) => {
    if (notCopied.includes(name) || !asked(name) || isUsual(name, value)) return []
    const text = plain(value)
    return text === undefined ? [] : [typed(name, text)]
  })
}

const isUsual = (name: string, value: unknown) =>
  (name === 'model' && value === 'auto') || (name === 'pretrained' && value === true)

/** A value as text, a list with commas; undefined if it can't be typed. */
function plain(value: unknown): string | number | boolean | undefined {
  if (Array.isArray(value)) return value.join(',')
  if (typeof value === 'object' && value !== null) {
    const { source, preset, ...settings } = value as Record<string, unknown>
    if (typeof source === 'string') return source
    return [preset ?? 'none', ...Object.entries(settings).map(([name, v]) => `${name}=${v}`)].join(',')
  }
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : undefined
}

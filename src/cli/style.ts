import { styleText } from 'node:util'

export { flat, printable } from '../base/text.ts'

/** A colour or weight of terminal text, by its name in node's `styleText`. */
export type Tone = 'bold' | 'dim' | 'green' | 'yellow' | 'cyan'

/** Colours a text, or leaves it as it is. */
export type Paint = (tone: Tone, text: string) => string

/** Text for logs and files. */
export const plain: Paint = (_, text) => text

/** Text for terminals with colours. */
export const coloured: Paint = (tone, text) => styleText(tone, text, { validateStream: false })

/** The target of lines: a stream, or an object like one in a test. `columns` is its width in characters. */
export type Out = { write(text: string): unknown; isTTY?: boolean; columns?: number }

/** Whether `out` can redraw one line in place. */
export const redraws = (out: Out, env: NodeJS.ProcessEnv): boolean => out.isTTY === true && env.TERM !== 'dumb'

/** `NO_COLOR` (no-color.org) has priority, then `FORCE_COLOR`; else colours are used on terminals. */
export function paintFor(out: Out, env: NodeJS.ProcessEnv): Paint {
  const force = env.FORCE_COLOR
  if (env.NO_COLOR) return plain
  if (force !== undefined) return force === '0' || force === 'false' ? plain : coloured
  return redraws(out, env) ? coloured : plain
}

/** Whether the locale can show box-drawing characters. Default: yes, if no locale is set. */
export function unicode(env: NodeJS.ProcessEnv): boolean {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || 'UTF-8'
  return /utf-?8/i.test(locale)
}

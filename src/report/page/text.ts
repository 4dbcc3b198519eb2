import { percent } from '../../base/format.ts'
import type { Facts } from '../facts/facts.ts'
import { html } from './html.ts'

/** A count with its thousands apart, a dash where it is none. */
export const count = (n: number) => (Number.isFinite(n) ? n.toLocaleString('en-US') : '–')
/** A number with so many digits, a dash where it is none. */
export const decimals = (v: number, digits = 3) => (Number.isFinite(v) ? v.toFixed(digits) : '–')
/** A word with a capital letter. */
export const capital = (word: string) => `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`
/** A text that is not broken into two lines. */
export const unbroken = (text: string) => text.replaceAll(' ', '\u00a0')
/** A share in percent, a dash where it is none. */
export const share = (v: number, digits = 1) => (Number.isFinite(v) ? unbroken(percent(v, digits)) : '–')

/** `2 damaged, 1 leak`. */
export function kinds(problems: Facts['problems']): string {
  const counts = new Map<string, number>()
  for (const { kind } of problems) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return [...counts].map(([kind, n]) => `${count(n)} ${kind}`).join(', ')
}

/** A share as a small bar beside its number. */
export const bar = (v: number) =>
  html`<span class="bar" aria-hidden="true"><i style="width:${Math.round(100 * Math.min(1, Math.max(0, v || 0)))}%"></i></span>`

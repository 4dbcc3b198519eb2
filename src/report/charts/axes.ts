import { rate } from '../../base/format.ts'

/** What the axes of all charts have in common. */
export const axis = { tickSize: 4, labelArrow: 'none' as const, labelAnchor: 'center' as const }
/** A loss or another number, short. */
export const decimal = (v: number) =>
  v !== 0 && (Math.abs(v) >= 1e4 || Math.abs(v) < 1e-3) ? rate(v) : String(+v.toPrecision(4))
/** A rate on an axis. */
export const tickRate = (v: number) => (v >= 0.1 && v < 1000 ? String(+v.toPrecision(2)) : rate(v))
/** A step or an epoch on an axis; nothing between two of them. */
export const whole = (v: number) => (Number.isInteger(v) ? v.toLocaleString('en-US') : '')

/** Powers of ten from one rate to another, not too many. */
export function decades(from: number, to: number): number[] {
  const [a, b] = [Math.ceil(Math.log10(from) - 1e-6), Math.floor(Math.log10(to) + 1e-6)]
  if (b <= a) return [from, to]
  const step = Math.ceil((b - a) / 8)
  return Array.from({ length: Math.floor((b - a) / step) + 1 }, (_, i) => Number(`1e${a + i * step}`))
}

import type { Split } from '../data/types.ts'

/** How recordings of any length become windows of one length. */
export interface Windows {
  /** The length of a window, in seconds. */
  seconds: number
  reason: string
}

/** The shortest window, and the silence around a recording in it: the speech embedding hears 0.78 s at a time, and knows a
 *  word better if it hears it beginning and ending (spoken digits by speaker: 95.8 % right in windows of 1.0 s, 97.9 % of
 *  1.3 s, 98.0 % of 1.7 s). The longest window that is chosen. All in seconds. */
const [shortest, around, longest] = [1.3, 0.6, 10]

/** The length of a window for recordings of these lengths (seconds): nineteen of twenty fit into one with silence around,
 *  if that is at most 10 s. */
export function chooseWindow(durations: readonly number[]): Windows {
  const sorted = [...durations].sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? shortest
  const wanted = Math.ceil((at(0.95) + around) * 40) / 40
  const seconds = Math.min(longest, Math.max(shortest, wanted))
  const range = `recordings last ${said(at(0))} to ${said(at(1))}, half of them ${said(at(0.5))} or less`
  if (wanted > longest) return { seconds, reason: `${range}; longer ones are heard in windows of ${longest} s` }
  const rest =
    wanted < shortest
      ? 'the shortest that the nets take; shorter recordings lie in its middle'
      : '95 % of them fit into one, with silence around'
  return { seconds, reason: `${range}; ${rest}` }
}

const said = (seconds: number) => `${seconds < 10 ? seconds.toFixed(2) : Math.round(seconds)} s`

/** The most windows of one recording, so that an hour of one class does not outweigh all others. */
export const mostWindows: Record<Split, number> = { train: 720, valid: 64, test: 64 }

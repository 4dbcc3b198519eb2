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

/** Recordings that are longer than a window by up to this share are cut at both ends instead of in two windows. */
const margin = 1.25

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

/** Where the windows of a recording begin, in samples. A recording that fits lies in the middle of one (`from` is
 *  negative then); a longer one has windows that overlap by half, and the last one ends where the recording ends. `most`:
 *  so many windows at most, spread over the recording. */
export function windowStarts(samples: number, size: number, most = Number.POSITIVE_INFINITY): number[] {
  if (isOneWindow(samples, size) || most < 2) return [Math.floor((samples - size) / 2)]
  const hop = hopOf(size)
  const count = Math.ceil((samples - size) / hop) + 1
  const kept = Math.min(count, most)
  return Array.from({ length: kept }, (_, i) =>
    Math.min(samples - size, Math.round((i * (count - 1)) / (kept - 1)) * hop),
  )
}

/** Whether a recording is heard in one window. */
export const isOneWindow = (samples: number, size: number): boolean => samples <= margin * size

/** The samples between two windows. */
export const hopOf = (size: number): number => Math.round(size / 2)

/** The most windows of one recording, so that an hour of one class does not outweigh all others. */
export const mostWindows: Record<Split, number> = { train: 720, valid: 64, test: 64 }

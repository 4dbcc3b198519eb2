/** Recordings that are longer than a window by up to this share are cut at both ends instead of in two windows. */
const margin = 1.25

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

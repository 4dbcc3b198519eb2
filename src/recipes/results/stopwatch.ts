/** Seconds by name, summed. */
export interface Stopwatch {
  readonly laps: Record<string, number>
  /** Adds the time since the last lap to this name. */
  lap(name: string): void
}

/** A stopwatch that has just been started. */
export function stopwatch(): Stopwatch {
  let last = performance.now()
  const laps: Record<string, number> = {}
  return {
    laps,
    lap(name) {
      const now = performance.now()
      laps[name] = Math.round((laps[name] ?? 0) * 100 + (now - last) / 10) / 100
      last = now
    },
  }
}

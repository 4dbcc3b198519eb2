/** The samples of a made sound, one channel at a rate: tones that rise, fall and stop, and noise, the same on every machine. */
export function probeSound(samples: number, rate: number): Float32Array {
  let state = 1
  return Float32Array.from({ length: samples }, (_, i) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const noise = state / 2 ** 31 - 1
    const t = i / rate
    const tone = t % 0.5 < 0.35 ? 0.3 * Math.sin(2 * Math.PI * (250 + 900 * (t % 0.7)) * t) : 0
    return tone + 0.15 * Math.sin(2 * Math.PI * (1800 - 500 * (t % 1.1)) * t) + 0.02 * noise
  })
}

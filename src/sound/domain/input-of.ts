import type { Preprocessing } from '../features/inputs.ts'
import { speechMel } from '../features/inputs.ts'
import { isSpeech } from '../models/bodies.ts'

/** A picture of a sound has at most so many columns: a longer window has wider steps. */
const columns = 256

/** The rate of spectrograms: 32 kHz where most recordings have as much, else 16 kHz. `rates`: of the recordings. */
export const spectrogramRate = (rates: readonly number[]): number =>
  rates.length > 0 && rates.filter(rate => rate >= 32_000).length > rates.length / 2 ? 32_000 : 16_000

/** How a body takes windows of so many seconds. */
export function preprocessingFor(model: string, seconds: number, rates: readonly number[]): Preprocessing {
  if (isSpeech(model)) return { input: 'speech', rate: speechMel.rate, samples: Math.round(seconds * speechMel.rate) }
  const rate = spectrogramRate(rates)
  const samples = Math.round(seconds * rate)
  const sorted = [...rates].sort((a, b) => a - b)
  const low = sorted[Math.floor(sorted.length / 10)] ?? rate
  return {
    input: 'spectrogram',
    rate,
    samples,
    hop: Math.max(Math.round(rate / 100), Math.ceil(samples / columns)),
    fft: rate === 32_000 ? 4096 : 2048,
    frames: [0.025, 0.05, 0.1].map(length => Math.round(length * rate)),
    bands: 128,
    high: Math.min(rate, low) / 2, // where most recordings end, a model must not learn which do not
  }
}

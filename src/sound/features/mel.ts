import { aten, fromArray, keep, scope, type Tensor } from '../../torch/index.ts'

/** Slaney's mel scale (Auditory Toolbox, 1998): linear to 1,000 Hz, logarithmic above. */
const [perMel, bend] = [200 / 3, 1000]
const logStep = Math.log(6.4) / 27
const melOf = (hz: number) => (hz < bend ? hz / perMel : bend / perMel + Math.log(hz / bend) / logStep)
const hzOf = (mel: number) => (mel < bend / perMel ? mel * perMel : bend * Math.exp(logStep * (mel - bend / perMel)))

/** Which bands a spectrum is summed into. */
export interface Bands {
  /** Samples in a second. */
  rate: number
  /** The length of the Fourier transform, in samples. */
  fft: number
  bands: number
  low: number
  /** In Hz, as `low`. */
  high: number
}

/** Triangular filters [fft / 2 + 1, bands] with Slaney's mel scale and areas of 1, as `librosa.filters.mel`. */
export function melFilters({ rate, fft, bands, low, high }: Bands): Float64Array {
  const bins = fft / 2 + 1
  const edges = Array.from({ length: bands + 2 }, (_, i) =>
    hzOf(melOf(low) + ((melOf(high) - melOf(low)) * i) / (bands + 1)),
  )
  const filters = new Float64Array(bins * bands)
  for (let b = 0; b < bands; b++) {
    const [left, middle, right] = [edges[b]!, edges[b + 1]!, edges[b + 2]!]
    for (let k = 0; k < bins; k++) {
      const hz = (k * rate) / fft
      const height = Math.max(0, Math.min((hz - left) / (middle - left), (right - hz) / (right - middle)))
      filters[k * bands + b] = (height * 2) / (right - left)
    }
  }
  return filters
}

/** A periodic Hann window of `length` samples in the middle of `fft`. */
export function hann(length: number, fft: number): Float64Array {
  const window = new Float64Array(fft)
  const from = (fft - length) >> 1
  for (let i = 0; i < length; i++) window[from + i] = 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / length)
  return window
}

/** How sound becomes a mel spectrum: frames of `window` samples, `hop` apart. */
export interface MelOptions extends Bands {
  window: number
  hop: number
}

/** A power spectrum in mel bands: x [N, samples] → [N, frames, bands] in float64; frames = 1 + ⌊(samples - fft) / hop⌋,
 *  nothing is padded. In float64, since a quiet band beside a loud one loses its digits in float32. */
export function melPower(options: MelOptions): (x: Tensor) => Tensor {
  const key = JSON.stringify(options)
  const made = known.get(key) ?? makePower(options)
  known.set(key, made)
  return made
}

/** Window and filters are made once for each setting. */
const known = new Map<string, (x: Tensor) => Tensor>()

function makePower(options: MelOptions): (x: Tensor) => Tensor {
  const { fft, hop, window, bands } = options
  const [shape, filters] = keep([
    fromArray(hann(window, fft), [fft]),
    fromArray(melFilters(options), [fft / 2 + 1, bands]),
  ]) as [Tensor, Tensor]
  return x =>
    scope(() => {
      const frames = aten.unfold(x.to('float64'), 1, fft, hop).mul(shape)
      const spectrum = aten.view_as_real(aten.fft_rfft(frames)) // [N, frames, bins, 2]
      return aten.sum(spectrum.mul(spectrum), [-1]).matmul(filters)
    })
}

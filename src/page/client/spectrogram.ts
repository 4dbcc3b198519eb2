import { heatColour } from '../../base/heat-colour.ts'

/** The length of the Fourier transform, and the range of levels that is drawn, in decibels. */
const [fft, range] = [512, 70]
const window = Float64Array.from({ length: fft }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / fft))

/** Draws a spectrogram of samples over a canvas: time from left to right, pitch from below, up to half the rate. */
export function drawSpectrogram(canvas: HTMLCanvasElement, samples: Float32Array): void {
  const { width, height } = canvas
  const context = canvas.getContext('2d')!
  const image = context.createImageData(width, height)
  const levels = Array.from({ length: width }, (_, x) =>
    levelsAt(samples, Math.round(((x + 0.5) * samples.length) / width)),
  )
  const loudest = Math.max(-60, ...levels.map(column => column.reduce((a, b) => Math.max(a, b), -200)))
  for (let x = 0; x < width; x++)
    for (let y = 0; y < height; y++) {
      const bin = Math.floor(((height - 1 - y) * (fft / 2)) / height)
      const colour = heatColour(1 + (levels[x]![bin]! - loudest) / range)
      image.data.set([...colour.map(Math.round), 255], 4 * (y * width + x))
    }
  context.putImageData(image, 0, 0)
}

/** The level of each frequency around a sample, in decibels. */
function levelsAt(samples: Float32Array, middle: number): Float64Array {
  const [re, im] = [new Float64Array(fft), new Float64Array(fft)]
  for (let i = 0; i < fft; i++) re[i] = (samples[middle - fft / 2 + i] ?? 0) * window[i]!
  transform(re, im)
  return Float64Array.from({ length: fft / 2 }, (_, k) => 10 * Math.log10(re[k]! ** 2 + im[k]! ** 2 + 1e-12))
}

/** The fast Fourier transform (Cooley and Tukey 1965), in place; the length is a power of 2. */
function transform(re: Float64Array, im: Float64Array): void {
  const n = re.length
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1
    for (; j & bit; bit >>= 1) j ^= bit
    j ^= bit
    if (i < j) {
      ;[re[i], re[j]] = [re[j]!, re[i]!]
      ;[im[i], im[j]] = [im[j]!, im[i]!]
    }
  }
  for (let size = 2; size <= n; size <<= 1) {
    const angle = (-2 * Math.PI) / size
    for (let start = 0; start < n; start += size)
      for (let k = 0; k < size / 2; k++) {
        const [c, s] = [Math.cos(angle * k), Math.sin(angle * k)]
        const [a, b] = [start + k, start + k + size / 2]
        const [x, y] = [re[b]! * c - im[b]! * s, re[b]! * s + im[b]! * c]
        re[b] = re[a]! - x
        im[b] = im[a]! - y
        re[a]! += x
        im[a]! += y
      }
  }
}

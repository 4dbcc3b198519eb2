/** Sound as pictures: log-mel spectrograms, for a set that is far from photos. */
import sharp from 'sharp'

/** Samples in [-1, 1] of a WAV file with one channel of 16-bit PCM. Throws for any other file. */
export function readWav(bytes: Uint8Array): { samples: Float64Array; rate: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const tag = (at: number) => String.fromCharCode(...bytes.subarray(at, at + 4))
  if (bytes.length < 12 || tag(0) !== 'RIFF' || tag(8) !== 'WAVE') throw new Error('not a WAV file')
  let rate = 0
  for (
    let at = 12;
    at + 8 <= bytes.length;
    at += 8 + view.getUint32(at + 4, true) + (view.getUint32(at + 4, true) & 1)
  ) {
    const start = at + 8
    if (tag(at) === 'fmt ') {
      const [format, channels, bits] = [0, 2, 14].map(offset => view.getUint16(start + offset, true))
      if (format !== 1 || channels !== 1 || bits !== 16)
        throw new Error(
          `expected one channel of 16-bit PCM, got format ${format}, ${channels} channels of ${bits} bits`,
        )
      rate = view.getUint32(start + 4, true)
    } else if (tag(at) === 'data') {
      const count = Math.min(view.getUint32(at + 4, true), bytes.length - start) >> 1
      return {
        rate,
        samples: Float64Array.from({ length: count }, (_, i) => view.getInt16(start + 2 * i, true) / 32768),
      }
    }
  }
  throw new Error('the WAV file has no data')
}

/** In place: the discrete Fourier transform of `re` + i `im`, whose length is a power of two (Cooley-Tukey). */
export function fft(re: Float64Array, im: Float64Array): void {
  const n = re.length
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1
    for (; j & bit; bit >>= 1) j ^= bit
    j ^= bit
    if (i < j) for (const a of [re, im]) [a[i], a[j]] = [a[j]!, a[i]!]
  }
  for (let size = 2; size <= n; size *= 2)
    for (let k = 0; k < size / 2; k++) {
      const [c, s] = [Math.cos((2 * Math.PI * k) / size), -Math.sin((2 * Math.PI * k) / size)]
      for (let a = k; a < n; a += size) {
        const b = a + size / 2
        const [x, y] = [re[b]! * c - im[b]! * s, re[b]! * s + im[b]! * c]
        re[b] = re[a]! - x
        im[b] = im[a]! - y
        re[a]! += x
        im[a]! += y
      }
    }
}

const mel = (hertz: number) => 2595 * Math.log10(1 + hertz / 700)

/** Log-mel power, [bands, frames], in decibels below the loudest value and at most `range` below it; frames of `window`
 *  samples (Hann), one each `hop`. The lowest band is the last row. */
export function logMel(
  samples: Float64Array,
  {
    rate,
    frames,
    bands = 64,
    window = 256,
    hop = 64,
    points = 512,
    range = 80,
  }: {
    rate: number
    frames: number
    bands?: number
    window?: number
    hop?: number
    points?: number
    range?: number
  },
): Float64Array {
  const edges = Array.from({ length: bands + 2 }, (_, b) => (mel(rate / 2) * b) / (bands + 1))
  const bins = Array.from({ length: points / 2 + 1 }, (_, k) => mel((k * rate) / points))
  const power = new Float64Array(bands * frames)
  // The sound is put in the middle of the picture: longer sounds lose both ends, shorter ones have silence there.
  const start = Math.round((samples.length - (frames - 1) * hop - window) / 2)
  const [re, im] = [new Float64Array(points), new Float64Array(points)]
  for (let frame = 0; frame < frames; frame++) {
    re.fill(0)
    im.fill(0)
    for (let i = 0; i < window; i++)
      re[i] = (samples[start + frame * hop + i] ?? 0) * (0.5 - 0.5 * Math.cos((2 * Math.PI * i) / window))
    fft(re, im)
    for (let b = 0; b < bands; b++) {
      const [low, mid, high] = [edges[b]!, edges[b + 1]!, edges[b + 2]!]
      let sum = 0
      bins.forEach((at, k) => {
        const weight = Math.min((at - low) / (mid - low), (high - at) / (high - mid))
        if (weight > 0) sum += weight * (re[k]! ** 2 + im[k]! ** 2)
      })
      power[(bands - 1 - b) * frames + frame] = sum
    }
  }
  const top = power.reduce((a, b) => Math.max(a, b), 1e-20)
  return power.map(p => Math.max(-range, 10 * Math.log10(Math.max(p, 1e-20) / top)))
}

/** The first second of a sound as a grey PNG of 128 × 128 px: time to the right, pitch upwards, louder is brighter. */
export async function spectrogram(wav: Uint8Array): Promise<Buffer> {
  const { samples, rate } = readWav(wav)
  const [bands, frames, range] = [64, 128, 80]
  const decibels = logMel(samples, { rate, frames, bands, range, hop: Math.round(rate / frames) })
  return sharp(
    Uint8Array.from(decibels, d => Math.round(255 * (1 + d / range))),
    {
      raw: { width: frames, height: bands, channels: 1 },
    },
  )
    .resize(128, 128, { fit: 'fill' })
    .toColourspace('b-w')
    .png()
    .toBuffer()
}

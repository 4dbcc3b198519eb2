// Recordings that the tests make: bytes of WAVE files in every format that is read, and sounds of classes.

/** A sound that moves: two tones, one of them rising. The same as `sound` of test/golden/make_sounds.py. */
export const rising = (n: number, rate: number): Float32Array =>
  Float32Array.from({ length: n }, (_, i) => {
    const t = i / rate
    return (
      0.3 * Math.sin(2 * Math.PI * 440 * t) +
      0.2 * Math.sin(2 * Math.PI * (200 + 1500 * t) * t) +
      0.01 * Math.sin(2 * Math.PI * 3100 * t + 1)
    )
  })

export interface WavOptions {
  rate?: number
  /** 8, 16, 24 or 32 bits of PCM; `float` 32 or 64. */
  bits?: 8 | 16 | 24 | 32 | 64
  tag?: number
  extensible?: boolean
  /** The length in the header instead of the right one. */
  size?: number
  /** Other chunks before the samples. */
  before?: Uint8Array
  id?: 'RIFF' | 'RF64'
}

/** A WAVE file of channels in -1 to 1; with `tag` 6 and 7 the values are codes of G.711. */
export function wav(
  channels: readonly ArrayLike<number>[],
  {
    rate = 16_000,
    bits = 16,
    tag = 1,
    extensible = false,
    size,
    before = new Uint8Array(0),
    id = 'RIFF',
  }: WavOptions = {},
): Uint8Array {
  const n = channels[0]!.length
  const width = bits / 8
  const bytes = n * channels.length * width
  const fmt = extensible ? 40 : 16
  const at = 12 + 8 + fmt + before.length
  const out = new Uint8Array(at + 8 + bytes)
  const view = new DataView(out.buffer)
  const word = (where: number, text: string) => out.set(Buffer.from(text, 'latin1'), where)
  word(0, id)
  view.setUint32(4, out.length - 8, true)
  word(8, 'WAVE')
  word(12, 'fmt ')
  view.setUint32(16, fmt, true)
  view.setUint16(20, extensible ? 0xfffe : tag, true)
  view.setUint16(22, channels.length, true)
  view.setUint32(24, rate, true)
  view.setUint32(28, rate * channels.length * width, true)
  view.setUint16(32, channels.length * width, true)
  view.setUint16(34, bits, true)
  if (extensible) view.setUint16(44, tag, true)
  out.set(before, 20 + fmt)
  word(at, 'data')
  view.setUint32(at + 4, size ?? bytes, true)
  for (let i = 0, p = at + 8; i < n; i++)
    for (const channel of channels) {
      const v = channel[i]!
      if (tag === 3 && bits === 64) view.setFloat64(p, v, true)
      else if (tag === 3 && bits === 32) view.setFloat32(p, v, true)
      else if (tag !== 1) out[p] = v
      else if (bits === 8) out[p] = Math.round(v * 128) + 128
      else if (bits === 16) view.setInt16(p, Math.max(-32768, Math.min(32767, Math.round(v * 32768))), true)
      else if (bits === 24) {
        const whole = Math.round(v * 8388608)
        out[p] = whole & 255
        view.setInt16(p + 1, whole >> 8, true)
      } else view.setInt32(p, Math.round(v * 2147483648), true)
      p += width
    }
  return out
}

/** A reproducible number from 0 to 1. */
const drawn = (seed: number) => {
  const v = Math.sin(seed * 12.9898 + 78.233) * 43758.5453
  return v - Math.floor(v)
}

/** Sounds of four classes, each a little different by its number. */
export const makers: Record<string, (n: number, seconds: number, rate: number) => Float32Array> = {
  tone: (n, seconds, rate) => each(seconds, rate, t => 0.4 * Math.sin(2 * Math.PI * (300 + 60 * drawn(n)) * t)),
  chirp: (n, seconds, rate) =>
    each(seconds, rate, t => 0.4 * Math.sin(2 * Math.PI * (400 + (1500 + 300 * drawn(n)) * t) * t)),
  noise: (n, seconds, rate) => each(seconds, rate, (_, i) => 0.3 * (2 * drawn(i + 1000 * n) - 1)),
  clicks: (n, seconds, rate) =>
    each(seconds, rate, t => ((t * (9 + 3 * drawn(n))) % 1 < 0.03 ? 0.8 * Math.sin(2 * Math.PI * 1800 * t) : 0)),
}

const each = (seconds: number, rate: number, value: (t: number, i: number) => number) =>
  Float32Array.from({ length: Math.round(seconds * rate) }, (_, i) => value(i / rate, i))

import type { CardInput } from '../onnx/card.ts'
import { RunError } from './errors.ts'
import type { ModelPixels, RawPixels } from './types.ts'

/** What `Object.prototype.toString` calls a value: `Uint8Array`, `ImageData`, … */
export const kindOf = (value: unknown): string => Object.prototype.toString.call(value).slice(8, -1)
const whites: Record<string, number> = { Uint8Array: 255, Uint8ClampedArray: 255, Uint16Array: 65_535, Float32Array: 1 }

/** Whether a value is raw pixels. */
export const isRaw = (input: object): input is RawPixels => 'data' in input && 'width' in input && 'height' in input

/** Throws for a picture with more pixels than the limit. */
export function checkPixels(width: number, height: number, limit: number): void {
  if (width * height > limit)
    throw new RunError('picture', `it has ${width} x ${height} pixels, the limit is ${limit} in all (limitPixels).`)
}

/** Converts raw pixels to those of the model as training does: transparency is laid on white, grey is copied to three
 *  channels, 16 bits and floats are scaled to 8 bits. Where the model was trained on channels as they are, their number
 *  must be that of the card. Throws a RunError whose message is the reason alone. */
export function toModelPixels(raw: RawPixels, { channels: wanted, mode }: CardInput): ModelPixels {
  const { data, width, height } = raw
  const { channels, white } = checked(raw)
  const keep = mode === 'keep'
  if (!keep && channels === 2 && raw.alpha === undefined)
    throw refused(
      'it has 2 channels, which can be grey and alpha (give alpha: true) or two channels of values (alpha: false)',
    )
  const alpha = !keep && (raw.alpha ?? channels === 4)
  const colours = alpha ? channels - 1 : !keep && channels === 4 ? 3 : channels
  if (colours !== wanted && (keep || colours < 1 || colours > 3))
    throw refused(
      `it has ${channels} channels; the model was trained on ${wanted}. Use pictures like those of its training`,
    )
  if (!alpha && channels === wanted && data instanceof Uint8Array) return { data, width, height, channels }
  const out = new Uint8Array(width * height * wanted)
  const scale = 255 / white
  for (let from = 0, to = 0; to < out.length; from += channels) {
    const opacity = alpha ? data[from + channels - 1]! : white
    for (let c = 0; c < wanted; c++) {
      const value = data[from + (c % colours)]!
      // 8 bits: whole numbers and truncated, as libvips lays pictures on white.
      if (opacity !== white && white === 255) out[to++] = Math.trunc((value * opacity + 255 * (255 - opacity)) / 255)
      else out[to++] = Math.min(255, Math.max(0, Math.round((white + ((value - white) * opacity) / white) * scale)))
    }
  }
  return { data: out, width, height, channels: wanted }
}

const refused = (what: string) => new RunError('picture', `${what}.`)

/** The number of channels and the value of white; throws if the fields do not agree. */
function checked({ data, width, height, channels: said }: RawPixels): { channels: number; white: number } {
  const refuse = (what: string) =>
    refused(
      `${what}; expected { data: Uint8Array, Uint8ClampedArray, Uint16Array or Float32Array of height x width x channels values, width, height, channels }`,
    )
  const white = whites[kindOf(data)]
  if (white === undefined) throw refuse(`data is ${kindOf(data)}`)
  for (const [what, value] of Object.entries({ width, height, channels: said ?? 1 }))
    if (!Number.isInteger(value) || value < 1) throw refuse(`${what} is ${value}`)
  const channels = said ?? data.length / (width * height)
  if (data.length === 0 || !Number.isInteger(channels) || data.length !== width * height * channels)
    throw refuse(`data has ${data.length} values for ${width} x ${height} pixels${said ? ` of ${said} channels` : ''}`)
  if (white === 1)
    for (const value of data)
      if (!(value >= -0.01 && value <= 1.01))
        throw refused(`it holds the float ${value}; floats are from 0 (black) to 1 (white)`)
  return { channels, white }
}

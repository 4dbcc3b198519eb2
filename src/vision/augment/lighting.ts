import { aten, fromArray, type Tensor } from '../../torch/index.ts'
import { type Change, effects } from './list.ts'
import { curvePoints, shares } from './tone-curve.ts'

/** Values that pixels lie between: what black and white are. */
export interface Range {
  black: number
  white: number
}

/** What becomes of the light and colour of one picture: one matrix, then one tone curve. */
export interface Lighting {
  /** Row-major [C, C + 2], clipped afterwards: of each channel, what all channels, the crop's mean and white (1) count in it.
   *  The mean is that of all channels together, before any change. */
  matrix?: Float64Array
  /** Whether the matrix does the same to each channel, and takes nothing from the others. */
  alike: boolean
  /** What shares from black (0) to white (1) become, at {@link curvePoints} places; lines lie between them. */
  curve?: Float32Array
}

/** The lighting of a picture of `channels`, composed of everything that was drawn. */
export function lightingOf(c: Change, channels: number): Lighting {
  const colours = channels === 3 ? effects('colour', c) : []
  const lights = effects('light', c)
  const tones = effects('tone', c)
  const lighting: Lighting = { alike: colours.length === 0 }
  if (lights.length + colours.length > 0) lighting.matrix = matrixOf(lights, colours, channels)
  if (tones.length > 0) {
    // Plain loops: a curve is made for every picture.
    const [first, ...others] = tones
    const curve = new Float32Array(curvePoints)
    for (let i = 0; i < curvePoints; i++) curve[i] = first!(shares[i]!)
    for (const tone of others) for (let i = 0; i < curvePoints; i++) curve[i] = tone(curve[i]!)
    lighting.curve = curve
  }
  return lighting
}

type Lights = readonly { gain: number; add: number; mean: number }[]
function matrixOf(lights: Lights, colours: readonly (readonly number[])[], channels: number): Float64Array {
  // gain · x + mean · m + add, m the mean before all of them; afterwards it is (gain + mean) · m + add.
  let [gain, mean, add] = [1, 0, 0]
  for (const by of lights)
    [gain, mean, add] = [by.gain * gain, by.gain * mean + by.mean * (gain + mean), (by.gain + by.mean) * add + by.add]
  const out = new Float64Array(channels * (channels + 2))
  let matrix: readonly number[] | undefined
  for (const by of colours) matrix = matrix ? product(by, matrix) : by
  for (let row = 0; row < channels; row++) {
    const at = row * (channels + 2)
    let sum = matrix ? 0 : 1
    if (!matrix) out[at + row] = gain
    else
      for (let k = 0; k < 3; k++) {
        sum += matrix[3 * row + k]!
        out[at + k] = matrix[3 * row + k]! * gain
      }
    out[at + channels] = sum * mean
    out[at + channels + 1] = sum * add
  }
  return out
}

/** a b of 3 × 3 matrices. */
const product = (a: readonly number[], b: readonly number[]): number[] =>
  a.map((_, i) => [0, 1, 2].reduce((sum, k) => sum + a[i - (i % 3) + k]! * b[3 * k + (i % 3)]!, 0))

/** Pictures x: [n, …, C] within `range`, each by its lighting, as float32. Not in place; x itself where nothing was drawn. */
export function lit(x: Tensor, lightings: readonly Lighting[], { black, white }: Range): Tensor {
  const { device } = x
  const [n, channels] = [lightings.length, x.shape.at(-1)!]
  const span = white - black
  const on = (values: ArrayLike<number>, ...shape: number[]) =>
    fromArray(Float32Array.from(values), shape).to('float32', { device })
  const flat = (x = x.to('float32')).reshape(n, -1, channels)
  let y = flat
  if (lightings.some(l => l.matrix)) {
    const rows = lightings.map(({ matrix = identity(channels) }) => rowsOf(matrix, channels))
    const each = (of: (row: number[]) => number) =>
      on(
        rows.flatMap(r => r.map(of)),
        n,
        1,
        channels,
      )
    const sum = (row: number[]) => row.slice(0, channels + 1).reduce((a, b) => a + b, 0)
    const added = y.mean([1, 2], { keepdim: true }).mul(each(row => row[channels]!))
    added.add_(each(row => span * row[channels + 1]! + black * (1 - sum(row))))
    const mixed = lightings.every(l => l.alike)
      ? y.mul(
          on(
            rows.map(r => r[0]![0]!),
            n,
            1,
            1,
          ),
        )
      : y.matmul(
          on(
            rows.flatMap(r => r.flatMap(row => row.slice(0, channels))),
            n,
            channels,
            channels,
          ).transpose(1, 2),
        )
    y = aten.clamp_(mixed.add_(added), { min: black, max: white })
  }
  if (lightings.some(l => l.curve)) {
    const curves = on(
      lightings.flatMap(l => Array.from(l.curve ?? shares)),
      n * curvePoints,
    )
    const start = fromArray(
      BigInt64Array.from(lightings, (_, i) => BigInt(i * curvePoints)),
      [n, 1, 1],
    )
    const at = aten.clamp_(y.sub(black).mul_((curvePoints - 1) / span), { min: 0, max: curvePoints - 1 })
    const below = aten.clamp_max_(aten.floor(at), curvePoints - 2)
    const index = below.to('int64').add_(start.to('int64', { device }))
    const point = (by: number) => curves.indexSelect(0, index.add(by).flatten()).reshape(...y.shape)
    const toned = aten.lerp(point(0), point(1), at.sub(below)).mul_(span).add_(black)
    const toBeToned = on(
      lightings.map(l => Number(l.curve !== undefined)),
      n,
      1,
      1,
    ).to('bool')
    y = lightings.every(l => l.curve) ? toned : aten.where(toBeToned, toned, y)
  }
  return y === flat ? x : y.reshape(...x.shape)
}

const rowsOf = (matrix: Float64Array, channels: number): number[][] =>
  Array.from({ length: channels }, (_, row) =>
    Array.from(matrix.subarray(row * (channels + 2), (row + 1) * (channels + 2))),
  )
const identity = (channels: number): Float64Array => matrixOf([], [], channels)

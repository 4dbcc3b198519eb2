/** How floats become uint8: q = clamp(round(x / scale) + zero, 0, 255), x ≈ (q - zero) · scale. 0 is exact. */
export interface Scale {
  /** A float32 number. */
  scale: number
  zero: number
}

/** A range of floats. */
export interface Range {
  low: number
  high: number
}

/** The scale for a range, which is widened to hold 0. */
export function scaleOf(range: Range): Scale {
  const low = Math.min(range.low, 0)
  const high = Math.max(range.high, 0)
  const scale = Math.fround((high - low) / 255)
  // A tensor that is always 0, or too small for a float32 with all its digits.
  if (!(scale > 1e-35)) return { scale: 1, zero: 0 }
  return { scale, zero: Math.min(255, Math.round((0 - low) / scale)) }
}

/** The weights of a layer as int8: w ≈ scale[c] · q. */
export interface Weights {
  /** [channels] */
  scales: Float32Array
  /** The shape of the weights. */
  values: Int8Array
}

/** What a layer's weights are stored with. */
export interface WeightOptions {
  shape: readonly number[]
  /** The axis of the output channels: 0 of a convolution; 0 or 1 of a matrix. */
  axis: number
  /** Whether a kernel may add two products in int16, as x64 without VNNI does: all but depthwise convolutions. */
  paired: boolean
  /** The bias [channels], and the scale of the layer's input: the scales of the weights are large enough for the bias to fit
   *  into int32. */
  bias?: { values: Float32Array; input: number } | undefined
}

const largestWeight = 127

/** Rounds weights to int8, symmetrically, each output channel with its own scale. Where kernels add two products of uint8
 *  and int8 in int16, neighbouring weights of one sign add up to 127 at most, plus rounding: 255 · 128 < 2¹⁵, so no processor
 *  cuts a sum, and all give the same results. That costs less than 7 bits for all weights. */
export function quantizedWeights(weights: Float32Array, { shape, axis, paired, bias }: WeightOptions): Weights {
  const largest = paired ? pairSums(weights, shape, axis) : new Float64Array(shape[axis]!)
  eachChannel(shape, axis, (c, from, to) => {
    for (let i = from; i < to; i++) largest[c] = Math.max(largest[c]!, Math.abs(weights[i]!))
  })
  const scales = Float32Array.from(largest, (most, c) => {
    const least = bias ? Math.abs(bias.values[c]!) / (bias.input * 2 ** 30) : 0
    return Math.max(most / largestWeight, least, 1e-20)
  })
  const values = new Int8Array(weights.length)
  eachChannel(shape, axis, (c, from, to) => {
    for (let i = from; i < to; i++) values[i] = Math.round(weights[i]! / scales[c]!)
  })
  return { scales, values }
}

/** A bias as int32, in units of the products: the scale of the input times that of each channel's weights. */
export const quantizedBias = (bias: Float32Array, input: number, scales: Float32Array): Int32Array =>
  Int32Array.from(bias, (b, c) => Math.round(b / Math.fround(input * scales[c]!)))

/** The runs of elements that belong to one index of an axis: element numbers from and to. Plain loops inside: a net has up
 *  to a hundred million weights. */
export function eachChannel(
  shape: readonly number[],
  axis: number,
  run: (channel: number, from: number, to: number) => void,
): void {
  const count = shape[axis]!
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1)
  const size = shape.reduce((a, b) => a * b, 1)
  for (let from = 0, c = 0; from < size; from += inner, c = c + 1 === count ? 0 : c + 1) run(c, from, from + inner)
}

/** The largest sum of two neighbouring weights of one sign, for each output channel: neighbours in the order of kernels,
 *  position by position, and in it channel by channel. */
function pairSums(weights: Float32Array, shape: readonly number[], axis: number): Float64Array {
  const sums = new Float64Array(shape[axis]!)
  const kernel = shape.slice(2).reduce((a, b) => a * b, 1)
  const depth = shape[1 - axis]!
  const step = axis === 0 ? kernel : shape[1]!
  for (let c = 0; c < sums.length; c++) {
    const first = axis === 0 ? c * depth * kernel : c
    let before = 0
    for (let k = 0; k < kernel; k++)
      for (let i = 0; i < depth; i++) {
        const weight = weights[first + i * step + k]!
        if (weight > 0 === before > 0) sums[c] = Math.max(sums[c]!, Math.abs(weight + before))
        before = weight
      }
  }
  return sums
}

import type { Value } from '../program.ts'
import { type Arguments, type Emitter, type Rule, sizesOf } from './emitter.ts'

interface Window {
  kernel: number[]
  strides: number[]
  padding: number[]
  dilations: number[]
  /** The pixels after the padding that the last window reaches over (`ceil_mode`). */
  over: number[]
}

function windowOf(e: Emitter, args: Arguments, result: Value): Window {
  const kernel = args.ints('kernel_size')
  const stride = args.ints('stride')
  const strides = stride.length > 0 ? stride : kernel
  const padding = args.ints('padding')
  const dilations = args.get('dilation') === null ? kernel.map(() => 1) : args.ints('dilation')
  const size = sizesOf(e, args.tensor('self'), -kernel.length)
  const out = sizesOf(e, result, -kernel.length)
  const over = kernel.map((k, i) => {
    const end = (out[i]! - 1) * strides[i]! + dilations[i]! * (k - 1) + 1
    return Math.max(0, end - size[i]! - 2 * padding[i]!)
  })
  return { kernel, strides, padding, dilations, over }
}

/** ceil_mode is written as more padding at the end: runtimes differ in how they round. */
const maxPool: Rule = (e, args, { results: [result] }) => {
  const { kernel, strides, padding, dilations, over } = windowOf(e, args, result!)
  return e.add('MaxPool', [e.name(args.tensor('self'))], {
    kernel_shape: kernel,
    strides,
    dilations,
    pads: [...padding, ...padding.map((p, i) => p + over[i]!)],
  })
}

/** The pixels that a window reaches over the padding never count; those of the padding count as `count_include_pad`
 *  says. */
const avgPool: Rule = (e, args, { results: [result] }) => {
  const { kernel, strides, padding, over } = windowOf(e, args, result!)
  const divisor = args.maybeNumber('divisor_override')
  const counted = args.flag('count_include_pad') || divisor !== null
  const reaches = over.some(n => n > 0)
  let x = e.name(args.tensor('self'))
  let before = padding
  let after = padding.map((p, i) => p + over[i]!)
  let countAll = counted && padding.some(p => p > 0)
  if (divisor !== null) countAll = true
  else if (countAll && reaches) {
    // One of the two is counted, the other is not: the padding becomes pixels.
    x = e.add('Pad', [x, e.ints([0, 0, ...padding, 0, 0, ...padding]), e.scalar(0, result!.dtype)])
    before = padding.map(() => 0)
    after = over
    countAll = false
  }
  const mean = e.add('AveragePool', [x], {
    kernel_shape: kernel,
    strides,
    pads: [...before, ...after],
    count_include_pad: countAll ? 1 : 0,
  })
  if (divisor === null) return mean
  return e.add('Mul', [mean, e.scalar(kernel.reduce((a, b) => a * b, 1) / divisor, result!.dtype)])
}

/** The mean of each of `output_size` parts: one pooling if the parts are equal, else a product with the matrix of their
 *  shares for each axis. */
const adaptiveAvgPool: Rule = (e, args, { results: [result] }) => {
  const x = args.tensor('self')
  const wanted = args.ints('output_size')
  const size = sizesOf(e, x, -wanted.length)
  if (wanted.every(n => n === 1)) return e.add('GlobalAveragePool', [e.name(x)])
  if (wanted.every((n, i) => size[i]! % n === 0)) return e.add('AveragePool', [e.name(x)], equalParts(size, wanted))
  const [h, w] = size as [number, number]
  const [rows, columns] = wanted as [number, number]
  const down = e.floats(shares(h, rows), [rows, h])
  const across = e.floats(transposed(shares(w, columns), columns, w), [w, columns])
  if (result!.dtype !== 'float32' || wanted.length !== 2)
    throw e.error(`pools [${size}] to [${wanted}] in ${result!.dtype}; only float32 of two dimensions can be written`)
  return e.add('MatMul', [e.add('MatMul', [down, e.name(x)]), across])
}

const adaptiveMaxPool: Rule = (e, args) => {
  const x = args.tensor('self')
  const wanted = args.ints('output_size')
  const size = sizesOf(e, x, -wanted.length)
  if (wanted.every(n => n === 1)) return e.add('GlobalMaxPool', [e.name(x)])
  if (!wanted.every((n, i) => size[i]! % n === 0))
    throw e.error(
      `pools [${size}] to [${wanted}] parts of different size, which can't be written; take a size that divides`,
    )
  return e.add('MaxPool', [e.name(x)], equalParts(size, wanted))
}

function equalParts(size: readonly number[], wanted: readonly number[]) {
  const kernel = wanted.map((n, i) => size[i]! / n)
  return { kernel_shape: kernel, strides: kernel }
}

/** [parts, n]: the share of each of n pixels in the mean of each part, from ⌊i n / parts⌋ up to ⌈(i + 1) n / parts⌉. */
function shares(n: number, parts: number): Float64Array {
  const matrix = new Float64Array(parts * n)
  for (let i = 0; i < parts; i++) {
    const start = Math.floor((i * n) / parts)
    const end = Math.ceil(((i + 1) * n) / parts)
    for (let j = start; j < end; j++) matrix[i * n + j] = 1 / (end - start)
  }
  return matrix
}

const transposed = (matrix: Float64Array, rows: number, columns: number): Float64Array =>
  matrix.map((_, k) => matrix[(k % rows) * columns + Math.floor(k / rows)]!)

/** Poolings. */
export const pooling: Record<string, Rule> = {
  max_pool1d: maxPool,
  max_pool2d: maxPool,
  avg_pool1d: avgPool,
  avg_pool2d: avgPool,
  adaptive_avg_pool1d: adaptiveAvgPool,
  adaptive_avg_pool2d: adaptiveAvgPool,
  adaptive_max_pool2d: adaptiveMaxPool,
}

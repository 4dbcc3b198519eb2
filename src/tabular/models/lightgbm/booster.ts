import { collectGarbage } from '../../../base/memory.ts'
import type { Handle, Lightgbm } from './library.ts'

/** Types of the C API. */
const float32 = 0

/** Rows of features, float32, row by row; NaN is missing. They need not be in memory all at once. */
export interface Matrix {
  rows: number
  columns: number
  /** All rows, block by block: [rows of the block × columns]. A block is valid until the next one. */
  blocks(): Iterable<Float32Array>
  /** Some rows by their numbers: [rows × columns]. */
  part(rows: Int32Array): Float32Array
}

/** From so many rows on, memory is freed between the steps. */
const manyRows = 100_000

/** Parameters of LightGBM by their names. */
export type Parameters = Readonly<Record<string, number | string | boolean>>

/** Parameters as the C API takes them. */
export const parameterText = (parameters: Parameters): string =>
  Object.entries(parameters)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')

/** The bins of some rows and their targets. */
export class BinnedRows {
  readonly handle: Handle
  readonly #library: Lightgbm

  /** The rows are read during this call alone. `like` are the rows whose bins are used. */
  constructor(library: Lightgbm, matrix: Matrix, parameters: Parameters, like?: BinnedRows) {
    const { rows, columns } = matrix
    this.#library = library
    this.handle = like
      ? library.make('datasetLike', like.handle, rows)
      : emptyBins(library, matrix, parameterText(parameters))
    if (rows > manyRows) collectGarbage()
    let start = 0
    for (const data of matrix.blocks()) {
      library.call('pushRows', this.handle, data, float32, data.length / columns, columns, start)
      start += data.length / columns
    }
  }
  /** [rows]: class numbers, or values. */
  label(values: Float32Array): void {
    this.#library.call('setField', this.handle, 'label', values, values.length, float32)
  }
  free(): void {
    this.#library.call('freeDataset', this.handle)
  }
}

/** A number nearer to 0 than this is 0 (LightGBM's `kZeroThreshold`). */
const zeroThreshold = 1e-35
const sampledAtOnce = 16_384

/** Finds bins from the rows that LightGBM draws as a sample, as its own function for a matrix does, and makes room for all
 *  rows. Zeros are left out of the sample: values of each column, and the numbers of their rows. */
function emptyBins(library: Lightgbm, matrix: Matrix, parameters: string): Handle {
  const { rows, columns } = matrix
  const drawn = new Int32Array(library.count('sampleCount', rows, parameters))
  const sample = drawn.subarray(0, library.count('sampleIndices', rows, parameters, drawn))
  const every = Int32Array.from(sample.keys())
  const values = Array.from({ length: columns }, () => new Float64Array(sample.length))
  const indices = values.map(() => every)
  const counts = new Int32Array(columns)
  for (let from = 0; from < sample.length; from += sampledAtOnce) {
    const data = matrix.part(sample.subarray(from, from + sampledAtOnce))
    for (let column = 0; column < columns; column++) {
      const own = values[column]!
      let n = counts[column]!
      for (let i = from, at = column; at < data.length; i++, at += columns) {
        const value = data[at]!
        if (Math.abs(value) <= zeroThreshold) {
          if (indices[column] === every) indices[column] = every.slice()
          continue
        }
        own[n] = value
        if (indices[column] !== every) indices[column]![n] = i
        n++
      }
      counts[column] = n
    }
  }
  return library.make('datasetFromSample', values, indices, columns, counts, sample.length, rows, rows, parameters)
}

/** Trees in training. */
export class Booster {
  readonly #library: Lightgbm
  readonly #handle: Handle
  readonly #result = new Float64Array(1)

  constructor(library: Lightgbm, train: BinnedRows, valid: BinnedRows, parameters: Parameters) {
    this.#library = library
    this.#handle = library.make('create', train.handle, parameterText(parameters))
    library.call('addValid', this.#handle, valid.handle)
  }
  /** Adds one tree for each output. Returns true if no split gains anything any more. */
  update(): boolean {
    const finished = [0]
    this.#library.call('update', this.#handle, finished)
    return finished[0] !== 0
  }
  /** The metric of the parameters (one) on the training rows or on the validation rows. */
  score(part: 'train' | 'valid'): number {
    this.#library.call('evaluate', this.#handle, part === 'train' ? 0 : 1, [0], this.#result)
    return this.#result[0]!
  }
  /** The first `iterations` iterations as LightGBM's model text. */
  text(iterations: number): string {
    const needed = [0]
    const write = (out: Uint8Array) =>
      this.#library.call('toString', this.#handle, 0, iterations, 0, out.length, needed, out)
    let out = new Uint8Array(1 << 20)
    write(out)
    if (Number(needed[0]) > out.length) {
      out = new Uint8Array(Number(needed[0]))
      write(out)
    }
    return new TextDecoder().decode(out.subarray(0, Number(needed[0]) - 1))
  }
  free(): void {
    this.#library.call('freeBooster', this.#handle)
  }
}

/** The sum of leaves, and not what an objective makes of it (`C_API_PREDICT_RAW_SCORE`). */
const rawSums = 1

/** A trained model that LightGBM itself predicts with. */
export class Predictor {
  readonly #library: Lightgbm
  readonly #handle: Handle
  readonly #threads: string

  /** text: the model text. */
  constructor(library: Lightgbm, text: string, threads: number) {
    this.#library = library
    this.#handle = library.make('load', text, [0])
    this.#threads = `num_threads=${threads}`
  }
  /** The sums of leaves, [rows × outputs], for features float32 [rows × columns]. */
  sums(data: Float32Array, rows: number, outputs: number): Float64Array {
    const out = new Float64Array(rows * outputs)
    const columns = data.length / rows
    const count = [0]
    this.#library.call(
      'predict',
      this.#handle,
      data,
      float32,
      rows,
      columns,
      1,
      rawSums,
      0,
      -1,
      this.#threads,
      count,
      out,
    )
    return out
  }
  free(): void {
    this.#library.call('freeBooster', this.#handle)
  }
}

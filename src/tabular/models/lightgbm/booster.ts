import type { Handle, Lightgbm } from './library.ts'

/** Types of the C API. */
const float32 = 0

/** A matrix of features: float32 [rows × columns], row by row; NaN is missing. */
export interface Matrix {
  data: Float32Array
  rows: number
  columns: number
}

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

  /** `data` is read during this call alone. `like` are the rows whose bins are used. */
  constructor(library: Lightgbm, { data, rows, columns }: Matrix, parameters: Parameters, like?: BinnedRows) {
    this.#library = library
    this.handle = library.make(
      'datasetFromMat',
      data,
      float32,
      rows,
      columns,
      1,
      parameterText(parameters),
      like?.handle ?? null,
    )
  }
  /** [rows]: class numbers, or values. */
  label(values: Float32Array): void {
    this.#library.call('setField', this.handle, 'label', values, values.length, float32)
  }
  free(): void {
    this.#library.call('freeDataset', this.handle)
  }
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

import { ModelError } from '../../base/errors.ts'
import type { Graph } from '../../onnx/index.ts'
import { turn } from '../../train/stop.ts'
import { type Loaded, load, type Value } from '../runtimes.ts'
import { Histogram } from './histogram.ts'

/** Samples as inputs of a net, by the names of its inputs. */
export interface Samples {
  count: number
  /** The inputs for the samples `from` to `to`. */
  batch(from: number, to: number): Readonly<Record<string, Value>>
  /** How many rows of the net a sample has, where it is not one: the windows of a recording. Its answer is their mean. */
  rows?(sample: number): number
}

/** What the values of a net are on the calibration samples. */
export interface Calibration {
  histograms: ReadonlyMap<string, Histogram>
  /** The mean of each channel of values [N, C, …] or [N, C]. Of other values it means nothing: only convolutions and `Gemm` read it. */
  means: ReadonlyMap<string, Float64Array>
}

/** The file of a graph in this process. */
export const fileOf = (graph: Graph): Uint8Array => graph.encode({ producer: 'anneal', version: '' })

/** Runs the float graph over samples, one at a time, and collects the distribution of each named value. */
export async function calibrate(
  graph: Graph,
  names: readonly string[],
  samples: Samples,
  { progress, signal }: { progress?: (done: number) => void; signal?: AbortSignal | undefined } = {},
): Promise<Calibration> {
  const observed = graph.withoutNodes()
  for (const node of graph.nodes) observed.push(node)
  const given = new Set([...graph.inputs, ...graph.outputs])
  for (const name of names) if (!given.has(name)) observed.output(name, 'float')
  const histograms = new Map(names.map(name => [name, new Histogram()]))
  const sums = new Map<string, Float64Array>()
  const loaded = await load('onnxruntime-node', fileOf(observed))
  try {
    for (let i = 0; i < samples.count; i++) {
      await turn(signal)
      const inputs = samples.batch(i, i + 1)
      const found = { ...inputs, ...(await loaded.run(inputs)) }
      for (const name of names) {
        const { data, dims } = found[name]!
        histograms.get(name)!.add(data as Float32Array)
        addMeans(sums, name, data as Float32Array, dims)
      }
      progress?.(i + 1)
    }
  } finally {
    await loaded.release()
  }
  for (const [name, histogram] of histograms)
    if (!histogram.finite)
      throw new ModelError(`${name}: has values on the calibration samples that are no finite numbers.`)
  const means = new Map(Array.from(sums, ([name, sum]) => [name, sum.map(v => v / samples.count)]))
  return { histograms, means }
}

/** Adds the mean of each channel of one sample. */
function addMeans(
  sums: Map<string, Float64Array>,
  name: string,
  data: Float32Array,
  [rows = 1, channels]: readonly number[],
): void {
  if (channels === undefined) return
  const size = data.length / (rows * channels)
  const sum = sums.get(name) ?? new Float64Array(channels)
  if (sum.length !== channels) return // the second dimension is no channel, but a place
  sums.set(name, sum)
  for (let row = 0, i = 0; row < rows; row++)
    for (let c = 0; c < channels; c++) {
      let own = 0
      for (const to = i + size; i < to; i++) own += data[i]!
      sum[c]! += own / (size * rows)
    }
}

/** The answers of a net for samples, in batches: [samples × width]. */
export async function answers(
  file: Uint8Array,
  samples: Samples,
  { batch = 8, signal }: { batch?: number; signal?: AbortSignal | undefined } = {},
): Promise<Float32Array> {
  const loaded = await load('onnxruntime-node', file)
  try {
    return await answersOf(loaded, samples, { batch, signal })
  } finally {
    await loaded.release()
  }
}

async function answersOf(
  loaded: Loaded,
  samples: Samples,
  { batch, signal }: { batch: number; signal: AbortSignal | undefined },
): Promise<Float32Array> {
  const parts: Float32Array[] = []
  for (let from = 0; from < samples.count; from += batch) {
    await turn(signal)
    const to = Math.min(samples.count, from + batch)
    const { probabilities, values } = await loaded.run(samples.batch(from, to))
    const { data, dims } = (probabilities ?? values)!
    parts.push(
      samples.rows
        ? meansOf(samples.rows, data as Float32Array, { from, to, width: dims[1]! })
        : (data as Float32Array),
    )
  }
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** The mean over the rows of each sample. */
function meansOf(
  rows: (sample: number) => number,
  data: Float32Array,
  { from, to, width }: { from: number; to: number; width: number },
): Float32Array {
  const out = new Float32Array((to - from) * width)
  for (let i = from, at = 0; i < to; i++) {
    const count = rows(i)
    for (let row = 0; row < count; row++, at++)
      for (let c = 0; c < width; c++) out[(i - from) * width + c]! += data[at * width + c]! / count
  }
  return out
}

import { ModelError } from '../../base/errors.ts'
import type { Graph } from '../../onnx/index.ts'
import { type Loaded, load, type Value } from '../runtimes.ts'
import { Histogram } from './histogram.ts'

/** Pictures as inputs of a net: normalised pixels by the names of its inputs, for a run of pictures. */
export interface Pixels {
  count: number
  /** The inputs for pictures `from` to `to`. */
  batch(from: number, to: number): Readonly<Record<string, Value>>
}

/** What the values of a net are on the calibration pictures. */
export interface Calibration {
  histograms: ReadonlyMap<string, Histogram>
  /** The mean of each channel of values [N, C, …] or [N, C]. */
  means: ReadonlyMap<string, Float64Array>
}

/** The file of a graph in this process. */
export const fileOf = (graph: Graph): Uint8Array => graph.encode({ producer: 'anneal', version: '' })

/** Runs the float graph over pictures, one at a time, and collects the distribution of each named value. */
export async function calibrate(
  graph: Graph,
  names: readonly string[],
  pixels: Pixels,
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
    for (let i = 0; i < pixels.count; i++) {
      signal?.throwIfAborted()
      const inputs = pixels.batch(i, i + 1)
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
      throw new ModelError(`${name}: has values on the calibration pictures that are no finite numbers.`)
  const means = new Map(Array.from(sums, ([name, sum]) => [name, sum.map(v => v / pixels.count)]))
  return { histograms, means }
}

/** Adds the mean of each channel of one picture. */
function addMeans(
  sums: Map<string, Float64Array>,
  name: string,
  data: Float32Array,
  [, channels]: readonly number[],
): void {
  if (channels === undefined) return
  const size = data.length / channels
  const sum = sums.get(name) ?? new Float64Array(channels)
  sums.set(name, sum)
  for (let c = 0, i = 0; c < channels; c++) {
    let own = 0
    for (const to = i + size; i < to; i++) own += data[i]!
    sum[c]! += own / size
  }
}

/** The answers of a net for pictures, in batches: [pictures × width]. */
export async function answers(
  file: Uint8Array,
  pixels: Pixels,
  { batch = 8, signal }: { batch?: number; signal?: AbortSignal | undefined } = {},
): Promise<Float32Array> {
  const loaded = await load('onnxruntime-node', file)
  try {
    return await answersOf(loaded, pixels, { batch, signal })
  } finally {
    await loaded.release()
  }
}

async function answersOf(
  loaded: Loaded,
  pixels: Pixels,
  { batch, signal }: { batch: number; signal: AbortSignal | undefined },
): Promise<Float32Array> {
  const parts: Float32Array[] = []
  for (let from = 0; from < pixels.count; from += batch) {
    signal?.throwIfAborted()
    const { probabilities, values } = await loaded.run(pixels.batch(from, Math.min(pixels.count, from + batch)))
    parts.push((probabilities ?? values)!.data as Float32Array)
  }
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

import type { TableFileCard } from '../../onnx/index.ts'
import { rowBatches, rowTexts, tokenInputs } from '../../runtime/table/texts.ts'
import type { CheckOptions } from '../options.ts'
import type { Loaded, Value } from '../runtimes.ts'
import type { CheckRows } from './rows.ts'

/** Rows that go through a runtime at once; the first ones go alone, which is timed. */
const atOnce = 256
const alone = 20

/** The answers of a runtime: numbers [rows × outputs], labels, and the vectors of each column of texts [rows × width]. */
export interface Answers {
  numbers: Float64Array
  labels: string[]
  vectors: Map<string, Float32Array>
}

/** Runs rows, some at a time. */
export async function answersOf(
  loaded: Loaded,
  card: TableFileCard,
  { frame, feeds }: CheckRows,
  { times = [], signal, progress = () => {} }: { times?: number[] } & Omit<CheckOptions, 'runtimes'> = {},
): Promise<Answers> {
  const { inputs, outputs, classes, texts } = card
  const width = classes.length
  const columns = inputs.filter(({ tokens }) => tokens)
  const read = await rowTexts(card, 'the file')
  const tokens = Array.from({ length: frame.rows }, (_, row) =>
    columns.map(({ name }) => read!.tokens(feeds[name]!.data[row] as string)),
  )
  const numbers = new Float64Array(frame.rows * width)
  const labels = new Array<string>(outputs.label === undefined ? 0 : frame.rows)
  const vectors = new Map(columns.map(({ name }) => [name, new Float32Array(frame.rows * texts!.width)]))
  let done = 0
  for (const places of placesOf(tokens)) {
    signal?.throwIfAborted()
    const some: Record<string, Value> = {}
    let column = 0
    for (const { name, tokens: names } of inputs) {
      if (names) {
        const own = column++
        const { ids, mask, dims } = tokenInputs(
          places.map(row => tokens[row]![own]),
          texts!,
        )
        some[names.ids] = { data: ids, dims }
        some[names.mask] = { data: mask, dims }
      } else some[name] = { data: at(feeds[name]!.data, places), dims: [places.length, 1] }
    }
    const start = performance.now()
    const found = await loaded.run(some)
    if (places.length === 1) times.push(performance.now() - start)
    const own = found[(outputs.probabilities ?? outputs.values)!]!.data as Float32Array
    const names = outputs.label === undefined ? [] : (found[outputs.label]!.data as readonly string[])
    for (const [i, row] of places.entries()) {
      numbers.set(own.subarray(i * width, (i + 1) * width), row * width)
      if (outputs.label !== undefined) labels[row] = names[i]!
      for (const { name, tokens: { vectors: output } = { vectors: '' } } of columns) {
        const all = found[output]!.data as Float32Array
        vectors.get(name)!.set(all.subarray(i * texts!.width, (i + 1) * texts!.width), row * texts!.width)
      }
    }
    done += places.length
    progress('checked rows', done, frame.rows)
  }
  return { numbers, labels, vectors }
}

/** The rows of each run: the first ones alone, then many at a time, those with texts of like length together. */
function placesOf(tokens: readonly (readonly (Int32Array | undefined)[])[]): number[][] {
  const first = Array.from({ length: Math.min(alone, tokens.length) }, (_, row) => [row])
  const rest = tokens.slice(alone)
  if (rest[0]?.length) return [...first, ...rowBatches(rest).map(places => places.map(row => row + alone))]
  const parts = Array.from({ length: Math.ceil(rest.length / atOnce) }, (_, part) =>
    Array.from({ length: Math.min(atOnce, rest.length - part * atOnce) }, (_, i) => alone + part * atOnce + i),
  )
  return [...first, ...parts]
}

/** The values of some rows. */
function at(data: Value['data'], rows: readonly number[]): Value['data'] {
  if (data instanceof Float32Array) return Float32Array.from(rows, row => data[row]!)
  if (data instanceof BigInt64Array) return BigInt64Array.from(rows, row => data[row]!)
  return rows.map(row => data[row] as string)
}

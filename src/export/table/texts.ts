import type { Graph, TableCardTokens } from '../../onnx/index.ts'
import { unpacked } from '../../tabular/texts/packed.ts'
import type { ColumnEncoding } from '../../tabular/types.ts'
import type { EmbeddingNet } from '../../text/run/embed.ts'
import { addBert, type Lookup } from '../text/net.ts'
import { addWindows } from '../text/windows.ts'

/** What the names of the constants of the net for texts begin with. */
export const netPrefix = 'texts/'

/** Adds the vectors of each column of texts, float [N, width], NaN where a text is missing. All columns share the weights of the net,
 *  and each goes through it once, whatever number of models takes its vectors. Returns the vectors by column. */
export function addTextVectors(
  graph: Graph,
  inputs: readonly { column: string; tokens?: TableCardTokens }[],
  { parts: { config, weights, maxTokens } }: EmbeddingNet,
  lookup: Lookup,
): Map<string, string> {
  const known = new Map<string, string>()
  const found = new Map<string, string>()
  for (const { column, tokens } of inputs) {
    if (!tokens) continue
    const windows = addWindows(graph, tokens, config, maxTokens)
    const vectors = addBert(graph, windows, { config, weights, prefix: netPrefix, lookup, known })
    const most = graph.add('ReduceMax', [tokens.mask, graph.ints('texts/axis', [1])], { keepdims: 1 })
    const missing = graph.add('Equal', [most, graph.ints('texts/none', [0], [])])
    const nan = graph.floats('texts/nan', [Number.NaN], [])
    found.set(column, graph.add('Where', [missing, nan, vectors], {}, tokens.vectors))
  }
  return found
}

type TextEncoding = Extract<ColumnEncoding, { kind: 'text' }>

/** Adds what `textNumbers` of tabular/texts/components.ts computes: vectors float [N, width] → float [N, components, then the outputs of
 *  the linear model]. Sums are in float64, rounded where training rounds. */
export function addTextNumbers(graph: Graph, vectors: string, encoding: TextEncoding): string {
  const { width, components, mean, basis, linear } = encoding
  const product = (x: string, name: string, rows: string, count: number) => {
    const weight = graph.doubles(`numbers/${name}`, turned(unpacked(rows), count, width), [width, count])
    const sums = graph.add('MatMul', [graph.add('Cast', [x], { to: 11 }), weight], {}, `numbers/${name}/MatMul`)
    return graph.add('Cast', [sums], { to: 1 })
  }
  const centred = graph.add('Sub', [vectors, graph.floats('numbers/mean', unpacked(mean), [1, width])])
  const along = product(centred, 'basis', basis, components)
  if (!linear) return along
  const { bias, weight } = linear
  const sums = graph.add('Cast', [product(vectors, 'linear', weight, bias.length)], { to: 11 })
  const biased = graph.add('Add', [sums, graph.doubles('numbers/bias', bias, [1, bias.length])])
  return graph.add('Concat', [along, graph.add('Cast', [biased], { to: 1 })], { axis: 1 })
}

/** Rows of weights [count × width] as columns. */
function turned(rows: Float32Array, count: number, width: number): Float64Array {
  const out = new Float64Array(rows.length)
  for (let k = 0; k < count; k++) for (let i = 0; i < width; i++) out[i * count + k] = rows[k * width + i]!
  return out
}

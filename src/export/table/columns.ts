import { ModelError } from '../../base/errors.ts'
import type { Graph, TableCardTokens } from '../../onnx/index.ts'
import type { ColumnEncoding, Encoding } from '../../tabular/types.ts'
import { addDateParts } from './dates.ts'
import { addTextNumbers } from './texts.ts'
import { textCodes } from './words.ts'

/** A column that the graph takes: an input of its name, [N, 1]; of a text those of `tokens` instead. */
export interface TableInput {
  name: string
  column: string
  kind: ColumnEncoding['kind']
  tokens?: TableCardTokens
}

/** The features of a model in a graph. */
export interface GraphFeatures {
  /** float [N, numbers], NaN where missing. */
  numbers?: string
  /** int64 [N, categories]. */
  codes?: string
}

/** The element type of the input of a column. */
export const inputType = { number: 'float', category: 'string', date: 'int64', text: 'int64' } as const

/** Adds the inputs of each column of these encodings. The models of folds share them. */
export function addInputs(graph: Graph, encodings: readonly Encoding[]): TableInput[] {
  const inputs: TableInput[] = []
  const all = encodings.flatMap(({ columns }) => columns)
  const names = new Set(all.map(({ column }) => column))
  for (const { column, kind } of all) {
    const known = inputs.find(one => one.column === column)
    if (known && known.kind !== kind)
      throw new ModelError(
        `the column "${column}" is a ${known.kind} for one model of the average and a ${kind} for another; train again with one kind for it`,
      )
    if (known) continue
    if (column === '')
      throw new ModelError('a column without a name can not be an input of an ONNX file; name it, and train again')
    if (kind !== 'text') {
      inputs.push({ name: graph.input(column, inputType[kind], ['N', 1]), column, kind })
      continue
    }
    const length = `L${inputs.filter(one => one.tokens).length + 1}`
    const input = (what: string) => graph.input(free(`${column}/${what}`, names), 'int64', ['N', length])
    const [ids, mask] = [input('input_ids'), input('attention_mask')]
    inputs.push({ name: column, column, kind, tokens: { ids, mask, vectors: free(`${column}/vectors`, names) } })
  }
  return inputs
}

/** A name that no column has. */
const free = (name: string, columns: ReadonlySet<string>): string =>
  columns.has(name) ? free(`${name}_`, columns) : name

/** Adds what `encode` of tabular/encode.ts computes: inputs → features. `missing`: the words for a missing value that the
 *  run was given; `vectors`: those of the columns of texts. */
export function addFeatures(
  graph: Graph,
  inputs: readonly TableInput[],
  {
    encoding,
    missing,
    vectors = new Map(),
  }: { encoding: Encoding; missing?: readonly string[] | undefined; vectors?: ReadonlyMap<string, string> },
): GraphFeatures {
  const numbers: string[] = []
  const codes: string[] = []
  for (const one of encoding.columns) {
    const { name } = inputs.find(({ column }) => column === one.column)!
    if (one.kind === 'number') numbers.push(name)
    else if (one.kind === 'date') numbers.push(addDateParts(graph, name, one))
    else if (one.kind === 'text') numbers.push(addTextNumbers(graph, vectors.get(one.column)!, one))
    else {
      const keys = textCodes(one.words, missing)
      const attributes = {
        keys_strings: { strings: [...keys.keys()] },
        values_int64s: [...keys.values()],
        default_int64: 1,
      }
      codes.push(graph.add('LabelEncoder', [name], attributes))
    }
  }
  const joined = (parts: readonly string[]) =>
    parts.length === 1 ? parts[0]! : graph.add('Concat', parts, { axis: 1 }, 'features')
  return {
    ...(numbers.length > 0 ? { numbers: joined(numbers) } : {}),
    ...(codes.length > 0 ? { codes: joined(codes) } : {}),
  }
}

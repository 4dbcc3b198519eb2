import { ModelError } from '../../base/errors.ts'
import { setting } from '../../base/options.ts'
import type { Graph } from '../../onnx/index.ts'
import type { ColumnEncoding, Encoding } from '../../tabular/types.ts'
import { addDateParts } from './dates.ts'
import { textCodes } from './words.ts'

/** An input of the graph, [N, 1]. */
export interface TableInput {
  name: string
  column: string
  kind: Exclude<ColumnEncoding['kind'], 'text'>
}

/** The features of a model in a graph. */
export interface GraphFeatures {
  /** float [N, numbers], NaN where missing. */
  numbers?: string
  /** int64 [N, categories]. */
  codes?: string
}

/** The element type of the input of a column. */
export const inputType = { number: 'float', category: 'string', date: 'int64' } as const

/** Adds an input for each column of these encodings. The models of folds share them. */
export function addInputs(graph: Graph, encodings: readonly Encoding[]): TableInput[] {
  const inputs: TableInput[] = []
  for (const { column, kind } of encodings.flatMap(({ columns }) => columns)) {
    const known = inputs.find(one => one.column === column)
    if (known && known.kind !== kind)
      throw new ModelError(
        `the column "${column}" is a ${known.kind} for one model of the average and a ${kind} for another; train again with one kind for it`,
      )
    if (known) continue
    if (kind === 'text') throw noTexts(column)
    if (column === '')
      throw new ModelError('a column without a name can not be an input of an ONNX file; name it, and train again')
    inputs.push({ name: graph.input(column, inputType[kind], ['N', 1]), column, kind })
  }
  return inputs
}

/** A model that reads texts stays with Anneal. */
export const noTexts = (column: string): ModelError =>
  new ModelError(
    `the column "${column}" holds texts, and an ONNX file of a table can not read them yet. Predict with \`npx anneal predict\`, \`predictTable\` or \`rowPredictor\`; or train without it: ${setting('drop', [column])}.`,
  )

/** Adds what `encode` of tabular/encode.ts computes: inputs → features. `missing`: the words for a missing value that the
 *  run was given. */
export function addFeatures(
  graph: Graph,
  inputs: readonly TableInput[],
  { encoding, missing }: { encoding: Encoding; missing?: readonly string[] | undefined },
): GraphFeatures {
  const numbers: string[] = []
  const codes: string[] = []
  for (const one of encoding.columns) {
    const { name } = inputs.find(({ column }) => column === one.column)!
    if (one.kind === 'number') numbers.push(name)
    else if (one.kind === 'date') numbers.push(addDateParts(graph, name, one))
    else if (one.kind === 'text') throw noTexts(one.column)
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

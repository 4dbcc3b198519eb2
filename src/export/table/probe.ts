import { rng } from '../../base/random.ts'
import type { TableCardTexts, TableCell, TableFileCard } from '../../onnx/index.ts'
import { load, type RuntimeName } from '../runtimes.ts'
import { withVectorsOf } from './check.ts'
import { rowDifferences, tableTolerance } from './compare-rows.ts'
import { missingDate } from './dates.ts'
import { type OpenTableModel, trainedAnswers, withTexts } from './open.ts'
import { type CheckRows, someRows } from './rows.ts'
import { answersOf } from './run-rows.ts'

/** Rows in the card, with the answers to them. */
const probeRows = 24
/** How far the vectors of texts may be apart on two machines, as a share of their length, and how often that is tried. */
const [noise, draws] = [2e-5, 6]

/** Rows for the card, with the answers to them. Of a model that reads texts, only rows whose answer stays the same where the net for
 *  texts is computed in another order: no number of theirs lies on a threshold of a tree. exported: the file, in a runtime; with weights
 *  in fewer bits its answers are those of the card. Without it such a file has no rows in its card. */
export async function probeOf(
  model: OpenTableModel,
  made: CheckRows,
  {
    weights,
    exported,
    signal,
  }: {
    weights: TableCardTexts['weights']
    exported: { file: Uint8Array; card: TableFileCard; runtime: RuntimeName } | undefined
    signal: AbortSignal | undefined
  },
): Promise<TableFileCard['probe']> {
  if (!model.textNet) {
    const some = someRows(made, probeRows)
    return { rows: cellsOf(some), outputs: [...(await trainedAnswers(model, some.frame, signal))] }
  }
  const some = someRows(made, 2 * probeRows - 1) // without the long text, which takes as long as all others
  const { name: net, digest, width } = model.textNet
  const about = { net, digest, width }
  let { frame } = some
  if (weights === 'float32') {
    frame = await withTexts(model, frame, signal)
    frame = withVectorsOf(frame, vectorsOf(frame), about)
  } else {
    if (!exported) return undefined
    const loaded = await load(exported.runtime, exported.file)
    try {
      frame = withVectorsOf(frame, (await answersOf(loaded, exported.card, some, { signal })).vectors, about)
    } finally {
      await loaded.release()
    }
  }
  const answers = await trainedAnswers(model, frame, signal)
  const moved = new Float64Array(frame.rows)
  const random = rng(1, 7)
  for (let draw = 0; draw < draws; draw++) {
    const other = new Map(
      Array.from(vectorsOf(frame), ([name, values]) => [name, values.map(v => v + noise * random.normal())]),
    )
    const found = await trainedAnswers(model, withVectorsOf(frame, other, about), signal)
    for (const [row, by] of rowDifferences(answers, found, model.card.target).entries())
      moved[row] = Math.max(moved[row]!, by)
  }
  const rows = Array.from(moved.keys())
    .filter(row => moved[row]! <= tableTolerance / 2)
    .slice(0, probeRows)
  const classes = model.card.target.classes.length
  const cells = cellsOf(some)
  return {
    rows: rows.map(row => cells[row]!),
    outputs: rows.flatMap(row => [...answers.subarray(row * classes, (row + 1) * classes)]),
  }
}

/** The vectors of each row of the columns of texts, [rows × width]. */
function vectorsOf({ columns, rows }: CheckRows['frame']): Map<string, Float32Array> {
  const all = new Map<string, Float32Array>()
  for (const column of columns) {
    if (column.type !== 'words' || !column.vectors) continue
    const { width, values } = column.vectors
    const own = new Float32Array(rows * width)
    for (const [row, code] of column.values.codes.entries())
      if (code >= 0) own.set(values.subarray(code * width, (code + 1) * width), row * width)
    all.set(column.name, own)
  }
  return all
}

/** Rows as JSON: a word, a number, or null where it is missing. */
function cellsOf({ frame, feeds }: CheckRows): Record<string, TableCell>[] {
  const cell = (value: number | bigint | string): TableCell => {
    if (typeof value === 'bigint') return value === missingDate ? null : Number(value)
    return typeof value === 'number' && Number.isNaN(value) ? null : value
  }
  return Array.from({ length: frame.rows }, (_, row) =>
    Object.fromEntries(Object.entries(feeds).map(([name, { data }]) => [name, cell(data[row]!)])),
  )
}

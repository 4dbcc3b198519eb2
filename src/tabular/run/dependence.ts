import type { TableDependence } from '../../runs/index.ts'
import { turn } from '../../train/stop.ts'
import { encodedPart } from '../encoded.ts'
import type { ColumnEncoding, Encoded, Encoding, Frame, FrameColumn, TargetInfo } from '../types.ts'
import type { Predict } from './importance.ts'
import { type ColumnFeatures, type Encode, repeated, spread } from './rows.ts'

/** Rows whose mean a curve is, rows that have a line of their own, and places on the axis. */
const [mostRows, mostLines, mostValues, mostWords, mostCurves] = [300, 40, 20, 12, 4]

interface Model {
  encoding: Encoding
  encode: Encode
  predict: Predict
  target: TargetInfo
  /** The number of the positive class of two. */
  positive?: number | undefined
  signal?: AbortSignal | undefined
}

/** How the outputs change with each of these columns: partial dependence (Friedman 2001), the mean over rows whose value
 *  in that column is set to each place of a grid, with lines of single rows (Goldstein et al. 2015, arXiv:1309.6392).
 *  `frame` and `x`: the same validation rows. */
export async function partialDependence(
  { frame, x }: { frame: Frame; x: Encoded },
  features: readonly ColumnFeatures[],
  columns: readonly string[],
  model: Model,
): Promise<TableDependence[]> {
  const some = encodedPart(x, spread(x.rows, mostRows))
  const found: TableDependence[] = []
  for (const name of columns) {
    const column = frame.columns.find(c => c.name === name)
    const feature = features.find(f => f.column === name)
    const encoding = model.encoding.columns.find(c => c.column === name)
    if (!column || !feature || !encoding || encoding.kind === 'text') continue // texts have no axis
    const grid = gridOf(column, encoding)
    if (grid.rows < 2) continue
    found.push(await curves({ some, grid, feature, encoding }, model))
    await turn(model.signal)
  }
  return found
}

/** The places of a grid as a frame of one column: quantiles of numbers and dates, the most frequent words. */
function gridOf(column: FrameColumn, encoding: ColumnEncoding): Frame & { places: (number | string)[] } {
  const frame = (values: FrameColumn, places: (number | string)[]) => ({
    source: 'grid',
    rows: places.length,
    columns: [values],
    places,
  })
  if (column.type === 'words') {
    const counts = new Map<number, number>()
    for (const code of column.values.codes) if (code >= 0) counts.set(code, (counts.get(code) ?? 0) + 1)
    const codes = [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, mostWords)
    const { words } = column.values
    const values = { words, codes: Int32Array.from(codes, ([code]) => code) }
    return frame(
      { ...column, values },
      codes.map(([code]) => words[code]!),
    )
  }
  const sorted = column.values.filter(v => !Number.isNaN(v)).sort()
  const at = (i: number) => sorted[Math.round((i * (sorted.length - 1)) / (mostValues - 1))]!
  const few = encoding.kind === 'category' ? [...new Set(sorted)].slice(0, mostWords) : undefined
  const places = sorted.length === 0 ? [] : (few ?? [...new Set(Array.from({ length: mostValues }, (_, i) => at(i)))])
  return frame({ ...column, values: Float64Array.from(places) }, few ? places.map(String) : places)
}

async function curves(
  {
    some,
    grid,
    feature,
    encoding,
  }: { some: Encoded; grid: ReturnType<typeof gridOf>; feature: ColumnFeatures; encoding: ColumnEncoding },
  { encode, encoding: whole, predict, target, positive }: Model,
): Promise<TableDependence> {
  const { places } = grid
  const alone = encode(grid, { ...whole, columns: [encoding] })
  const changed = repeated(some, places.length)
  const [n, c] = [some.numberNames.length, some.categoryNames.length]
  for (let place = 0, row = 0; place < places.length; place++)
    for (let i = 0; i < some.rows; i++, row++) {
      feature.numbers.forEach((k, j) => {
        changed.numbers[row * n + k] = alone.numbers[place * feature.numbers.length + j]!
      })
      feature.categories.forEach((k, j) => {
        changed.categories[row * c + k] = alone.categories[place * feature.categories.length + j]!
      })
    }
  const outputs = await predict(changed)
  const width = target.classes.length
  const value = (place: number, row: number, of: number) => outputs[(place * some.rows + row) * width + of]!
  const shown = positive === undefined ? target.classes.map((_, of) => of).slice(0, mostCurves) : [positive]
  const mean = (of: number) =>
    places.map(
      (_, p) => Array.from({ length: some.rows }, (_, r) => value(p, r, of)).reduce((a, b) => a + b) / some.rows,
    )
  const lines =
    shown.length === 1
      ? Array.from(spread(some.rows, mostLines), row => places.map((_, p) => value(p, row, shown[0]!)))
      : []
  return {
    column: feature.column,
    kind: encoding.kind === 'date' ? 'date' : encoding.kind === 'number' ? 'number' : 'category',
    places,
    curves: shown.map(of => ({ of: target.classes[of]!, values: mean(of) })),
    lines,
  }
}

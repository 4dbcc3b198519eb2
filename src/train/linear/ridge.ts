import { TrainingError } from '../../base/errors.ts'
import { aten, fromArray, scope, type Tensor, zeros } from '../../torch/index.ts'
import { turn } from '../stop.ts'
import { type AnsweredFeatures, columnMeans, type LinearModel, rowsOf } from './logistic.ts'

/** Ridge regression (Hoerl & Kennard 1970) at many values of `l2`: half the mean squared error of each target + l2/2 ·
 *  ‖w‖², as scikit-learn's Ridge with alpha = N · l2; the biases have no penalty. y: [N × targets]. Closed form by
 *  Cholesky in float64, over features or over samples, whichever are fewer. If its signal is aborted, it throws
 *  `Stopped`. */
export async function ridgePath(
  { x, y }: AnsweredFeatures,
  targets: number,
  l2s: readonly number[],
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<LinearModel[]> {
  const n = rowsOf('ridgePath', y, targets)
  const width = x.length / n
  for (const l2 of l2s)
    if (!(l2 > 0)) throw new TrainingError(`ridgePath: l2 must be a number above 0, got ${l2}; 1e-6 is next to none`)
  const centre = columnMeans(x, width)
  const middle = columnMeans(y, targets)
  const table = { x, y, n, centre, middle }
  const system = width <= n ? scope(() => emptySystem(width, targets)) : scope(() => overSamples(table))
  try {
    // Over features, the sums are computed in blocks of rows, so that the signal is checked and memory stays small.
    for (let start = 0; width <= n && start < n; start += block) {
      scope(() => addRows(system, table, start, Math.min(block, n - start)))
      await turn(signal)
    }
    const models: LinearModel[] = []
    for (const l2 of l2s) {
      const w = scope(() => solve(system, n * l2).data() as Float64Array) // [targets × F]
      const bias = Float32Array.from(middle, (m, c) => centre.reduce((b, v, f) => b - v * w[c * width + f]!, m))
      models.push({ weight: Float32Array.from(w), bias })
      await turn(signal)
    }
    return models
  } finally {
    for (const t of Object.values(system)) t.dispose()
  }
}
/** Rows multiplied at a time. */
const block = 2048

interface Table {
  x: Float32Array
  y: Float32Array
  n: number
  centre: Float64Array
  middle: Float64Array
}
/** (matrix + alpha) · a = right, and w = a, or samples' · a. All float64. */
interface System {
  matrix: Tensor
  right: Tensor
  samples?: Tensor
}

/** Rows from `start` on, minus the mean of each column. */
const centred = (values: Float32Array, mean: Float64Array, start: number, count: number): Tensor =>
  fromArray(values.subarray(start * mean.length, (start + count) * mean.length), [count, mean.length])
    .to('float64')
    .sub(fromArray(mean, [mean.length]))

const emptySystem = (width: number, targets: number): System => ({
  matrix: zeros([width, width], { dtype: 'float64' }),
  right: zeros([width, targets], { dtype: 'float64' }),
})

function addRows({ matrix, right }: System, { x, y, centre, middle }: Table, start: number, count: number): void {
  const rows = centred(x, centre, start, count)
  aten.addmm_(matrix, rows.transpose(0, 1), rows)
  aten.addmm_(right, rows.transpose(0, 1), centred(y, middle, start, count))
}

function overSamples({ x, y, n, centre, middle }: Table): System {
  const samples = centred(x, centre, 0, n)
  return { matrix: samples.matmul(samples.transpose(0, 1)), right: centred(y, middle, 0, n), samples }
}

function solve({ matrix, right, samples }: System, alpha: number): Tensor {
  const shifted = matrix.clone()
  aten.diagonal(shifted).add_(alpha)
  const a = aten.cholesky_solve(right, aten.linalg_cholesky(shifted))
  return (samples ? samples.transpose(0, 1).matmul(a) : a).transpose(0, 1).contiguous()
}

import { fromArray, type Tensor } from '../torch/index.ts'
import type { Item, Task } from './types.ts'

/** Targets. Single-label: class indexes [N], int32. Multi-label: rows of 0 and 1 [N × classes], float32. Regression:
 *  rows of numbers [N × targets], float64. */
export type TargetTable = Int32Array | Float32Array | Float64Array

/** The targets of labelled samples, in the shapes of {@link TargetTable}. Regression targets stay float64 in their own
 *  units: in float32, times in seconds since 1970 that differ by a minute are equal. */
export function targetsOf(
  samples: readonly Pick<Item, 'labels' | 'values'>[],
  task: Task,
  classes: number,
): TargetTable {
  if (task === 'single') return Int32Array.from(samples, s => s.labels[0]!)
  const size = samples.length * classes
  const rows = task === 'regression' ? new Float64Array(size) : new Float32Array(size)
  samples.forEach(({ labels, values }, i) => {
    if (task === 'regression') rows.set(values ?? [], i * classes)
    else for (const label of labels) rows[i * classes + label] = 1
  })
  return rows
}

/** The targets of the samples with these `numbers`: class indexes as int64 [N], multi-label targets as float32 [N, C],
 *  regression targets as float64 [N, T]. */
export function targetTensor(
  numbers: Uint32Array,
  { targets, count }: { targets: TargetTable; count: number },
  device?: string,
): Tensor {
  if (targets instanceof Int32Array) {
    const y = fromArray(
      BigInt64Array.from(numbers, n => BigInt(targets[n]!)),
      [numbers.length],
    )
    return device ? y.to('int64', { device }) : y
  }
  const width = targets.length / count
  const size = numbers.length * width
  const rows = targets instanceof Float64Array ? new Float64Array(size) : new Float32Array(size)
  for (const [i, n] of numbers.entries()) rows.set(targets.subarray(n * width, (n + 1) * width), i * width)
  const y = fromArray(rows, [numbers.length, width])
  return device ? y.to(y.dtype, { device }) : y
}

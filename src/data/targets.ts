import { fromArray, type Tensor } from '../torch/index.ts'
import type { Item, Task } from './types.ts'

/** Right answers: class numbers [N]; rows of 0 and 1 [N × classes] in float32; rows of numbers [N × targets] in float64. */
export type TargetTable = Int32Array | Float32Array | Float64Array

/** Right answers of labelled pictures: class numbers [N] for one class each, rows of 0 and 1 [N × classes] for several
 *  labels, rows of numbers [N × targets]. Numbers stay float64 in their own units: seconds since 1970 that are a minute
 *  apart are all the same in float32. */
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

/** The answers of the samples given: class numbers as int64 [N], labels as float32 [N, C], numbers as float64 [N, T]. */
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

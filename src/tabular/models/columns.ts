import { DataError } from '../../base/errors.ts'
import type { Encoded } from '../types.ts'

/** The columns that a model was trained on. */
export interface TrainedColumns {
  numbers: readonly { name: string }[]
  categories: readonly { name: string }[]
}

/** Throws if the columns of rows are not those of the training rows. */
export function checkColumns(
  model: string,
  { numbers, categories }: TrainedColumns,
  { numberNames, categoryNames }: Encoded,
): void {
  const had = [...numbers, ...categories].map(c => c.name)
  const got = [...numberNames, ...categoryNames]
  const same = had.length === got.length && had.every((name, i) => name === got[i])
  if (same && numbers.length === numberNames.length) return
  throw new DataError(
    `${model}: the rows have the columns ${got.join(', ')}, the model was trained on ${had.join(', ')}; encode them with the model's own card`,
  )
}

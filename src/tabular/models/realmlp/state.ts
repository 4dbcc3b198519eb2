import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ModelError } from '../../../base/errors.ts'
import { ensureFolder } from '../../../base/files.ts'
import { fromArray, keep, type Tensor } from '../../../torch/index.ts'
import { storedTensors } from '../../../train/saved-model.ts'
import { type DTypeName, readMetadata, readWeights, writeSafetensors } from '../../../weights/index.ts'

/** Where a fit stands between two steps. */
export interface FitProgress {
  epoch: number
  /** Batches of this epoch that are done, and the sum of their losses. */
  batch: number
  lossSum: number
  /** The lowest validation loss and its epoch. */
  best: number
  bestEpoch: number
  seconds: number
}

/** All that the next step of a fit depends on. */
export interface StoredFit {
  at: FitProgress
  tensors: Map<string, Tensor>
}

const fileOf = (folder: string, model: string) => join(folder, `${model}.state.safetensors`)

/** Writes the resume state of a fit as one file. `plan`: the settings that a resumed fit must have too. */
export function writeFitState(folder: string, model: string, plan: object, { at, tensors }: StoredFit): void {
  ensureFolder(folder)
  const numbers = { ...at, best: Number.isFinite(at.best) ? at.best : null }
  const metadata = { plan: JSON.stringify(plan), at: JSON.stringify(numbers) }
  writeSafetensors(fileOf(folder, model), storedTensors(tensors), metadata)
}

/** Reads the resume state of a fit; undefined if there is none. Throws if it is of a fit with other settings. */
export function readFitState(folder: string, model: string, plan: object): StoredFit | undefined {
  const file = fileOf(folder, model)
  if (!existsSync(file)) return undefined
  const metadata = readMetadata(file)
  const now = JSON.stringify(plan)
  if (metadata.plan !== now)
    throw new ModelError(
      `${file}: the state is of a fit with ${metadata.plan}, this fit has ${now}; give the same rows and options, or delete the file to begin again`,
    )
  const at = JSON.parse(metadata.at!) as FitProgress & { best: number | null }
  const tensors = new Map(
    Array.from(readWeights(file), ([name, { data, shape, dtype }]) => [
      name,
      keep(fromArray(data, shape, { dtype: dtype as Exclude<DTypeName, 'bool'> })),
    ]),
  )
  return { at: { ...at, best: at.best ?? Number.POSITIVE_INFINITY }, tensors }
}

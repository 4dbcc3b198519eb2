import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ModelError } from '../../base/errors.ts'
import { ensureFolder } from '../../base/files.ts'
import { type DType, fromArray, keep, type Tensor } from '../../torch/index.ts'
import { storedTensors } from '../../train/saved-model.ts'
import { readMetadata, readWeights, writeSafetensors } from '../../weights/index.ts'
import { blocksOf } from '../encoded.ts'
import type { Encoded, LabelledRows, Targets } from '../types.ts'

/** All that the next step of a fit depends on: where it stands, as plain data, and its tensors. */
export interface StoredFit<P> {
  at: P
  tensors: Map<string, Tensor>
}

/** The resume state is written no more often, in seconds. */
export const secondsBetweenStates = 20

const fileOf = (folder: string, model: string) => join(folder, `${model}.state.safetensors`)

/** A digest of the rows of a fit, for its plan: a state of other rows is refused. */
export function rowsDigest(...parts: readonly LabelledRows[]): string {
  const digest = new RowsDigest()
  for (const { x, y } of parts) {
    for (const block of blocksOf(x, digestBlock)) digest.block(block)
    digest.targets(y)
  }
  return digest.text(parts)
}

/** The rows of a block that a digest takes. */
export const digestBlock = 16_384

/** The same, made on the way: of each part its blocks of `digestBlock` rows, then its targets. */
export class RowsDigest {
  readonly #hash = createHash('sha256')
  #add(values: Float32Array | Int32Array | Float64Array): void {
    this.#hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
  }
  block({ numbers, categories }: Encoded): void {
    this.#add(numbers)
    this.#add(categories)
  }
  targets({ values }: Targets): void {
    this.#add(values)
  }
  text(parts: readonly LabelledRows[]): string {
    return `${parts.map(({ x }) => x.rows).join(' and ')} (${this.#hash.digest('hex').slice(0, 12)})`
  }
}

/** Writes the resume state of a fit as one file. `plan`: the settings that a resumed fit must have too. */
export function writeFitState<P>(folder: string, model: string, plan: object, { at, tensors }: StoredFit<P>): void {
  ensureFolder(folder)
  const metadata = { plan: JSON.stringify(plan), at: JSON.stringify(at) }
  writeSafetensors(fileOf(folder, model), storedTensors(tensors), metadata)
}

/** Reads the resume state of a fit; undefined if there is none. Throws if it is of a fit with other settings. */
export function readFitState<P>(folder: string, model: string, plan: object): StoredFit<P> | undefined {
  const file = fileOf(folder, model)
  if (!existsSync(file)) return undefined
  const metadata = readMetadata(file)
  checkPlan(file, metadata.plan, JSON.stringify(plan))
  const tensors = new Map(
    Array.from(readWeights(file), ([name, { data, shape, dtype }]) => [
      name,
      keep(fromArray(data, shape, { dtype: dtype as DType })),
    ]),
  )
  return { at: JSON.parse(metadata.at!) as P, tensors }
}

/** Throws if a fit is to go on with other settings than it began with. */
export function checkPlan(file: string, began: string | undefined, now: string): void {
  if (began !== now)
    throw new ModelError(
      `${file}: the state is of a fit with ${began}, this fit has ${now}; give the same rows and options, or delete the file to begin again`,
    )
}

/** The tensors whose names begin with `prefix`, under their names without it. */
export const under = (prefix: string, tensors: ReadonlyMap<string, Tensor>): Map<string, Tensor> =>
  new Map(Array.from(tensors).flatMap(([name, t]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), t]] : [])))

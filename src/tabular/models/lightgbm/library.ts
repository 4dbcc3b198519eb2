import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { SetupError, TrainingError } from '../../../base/errors.ts'
import { findAddon, prepareEnvironment } from '../../../setup/index.ts'
import { defaultGenerator } from '../../../torch/index.ts'

/** The part of koffi that is used. */
interface Koffi {
  load(path: string): { func(definition: string): (...args: unknown[]) => unknown }
  decode(pointer: unknown, type: string, length?: number): unknown
}

/** A handle of the library: a pointer, as koffi represents it. */
export type Handle = unknown

/** The functions of LightGBM's C API that are used (LightGBM/c_api.h, version 4.7). Matrices are float32, row by row. */
const definitions = {
  error: 'const char *LGBM_GetLastError()',
  sampleCount: 'int LGBM_GetSampleCount(int32_t rows, const char *parameters, _Out_ int *out)',
  sampleIndices: 'int LGBM_SampleIndices(int32_t rows, const char *parameters, void *out, _Out_ int32_t *count)',
  datasetFromSample:
    'int LGBM_DatasetCreateFromSampledColumn(double **values, int **indices, int32_t columns, const int *counts, int32_t sampled, int32_t rows, int64_t allRows, const char *parameters, _Out_ void **out)',
  datasetLike: 'int LGBM_DatasetCreateByReference(void *reference, int64_t rows, _Out_ void **out)',
  pushRows:
    'int LGBM_DatasetPushRows(void *dataset, const void *data, int type, int32_t rows, int32_t columns, int32_t start)',
  setField: 'int LGBM_DatasetSetField(void *dataset, const char *field, const void *data, int count, int type)',
  freeDataset: 'int LGBM_DatasetFree(void *dataset)',
  create: 'int LGBM_BoosterCreate(void *dataset, const char *parameters, _Out_ void **out)',
  addValid: 'int LGBM_BoosterAddValidData(void *booster, void *dataset)',
  update: 'int LGBM_BoosterUpdateOneIter(void *booster, _Out_ int *finished)',
  evaluate: 'int LGBM_BoosterGetEval(void *booster, int data, _Out_ int *count, double *results)',
  toString:
    'int LGBM_BoosterSaveModelToString(void *booster, int start, int iterations, int importance, int64_t size, _Out_ int64_t *needed, void *out)',
  load: 'int LGBM_BoosterLoadModelFromString(const char *text, _Out_ int *iterations, _Out_ void **out)',
  predict:
    'int LGBM_BoosterPredictForMat(void *booster, const void *data, int type, int32_t rows, int32_t columns, int byRows, int kind, int start, int iterations, const char *parameters, _Out_ int64_t *count, double *results)',
  freeBooster: 'int LGBM_BoosterFree(void *booster)',
} as const

type Name = keyof typeof definitions

/** LightGBM's library, open. */
export class Lightgbm {
  readonly #functions: Readonly<Record<Name, (...args: unknown[]) => unknown>>

  constructor(path: string) {
    const koffi = openKoffi()
    loadThreads(koffi)
    const library = koffi.load(path)
    this.#functions = Object.fromEntries(
      Object.entries(definitions).map(([name, definition]) => [name, library.func(definition)]),
    ) as Record<Name, (...args: unknown[]) => unknown>
  }

  /** Calls a function. Throws its error as text if it fails. */
  call(name: Exclude<Name, 'error'>, ...args: unknown[]): void {
    if (this.#functions[name](...args) === 0) return
    throw new TrainingError(`LightGBM: ${String(this.#functions.error())}`)
  }
  /** Calls a function whose last argument is a count. */
  count(name: 'sampleCount' | 'sampleIndices', ...args: unknown[]): number {
    const out = [0]
    this.call(name, ...args, out)
    return out[0]!
  }
  /** Calls a function whose last argument is a new handle. */
  make(name: 'datasetFromSample' | 'datasetLike' | 'create' | 'load', ...args: unknown[]): Handle {
    const out: [Handle] = [null]
    this.call(name, ...args, out)
    return out[0]
  }
}

let open: { path: string; library: Lightgbm } | undefined

/** Opens LightGBM's library, once in a process. */
export function openLightgbm(path: string): Lightgbm {
  if (open?.path !== path) open = { path, library: new Lightgbm(path) }
  return open.library
}

/** The library, if this process opened it. */
export const openedLightgbm = (): Lightgbm | undefined => open?.library

/** The package that calls C libraries. Throws where it is not installed. */
export function openKoffi(): Koffi {
  try {
    return createRequire(import.meta.url)('koffi') as Koffi
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw cause
    throw new SetupError(
      'trees need one more package, which calls the library of LightGBM: npm install koffi. A trained model predicts without it',
      { cause },
    )
  }
}

/** LightGBM needs libgomp.so.1, and takes the one that is loaded. Loads libtorch's, if it is set up: then there is one
 *  pool of threads in the process, also when libtorch follows, and no system package is needed. libtorch itself is loaded
 *  only where its libgomp is no file of that name. */
function loadThreads(koffi: Koffi): void {
  prepareEnvironment()
  try {
    const { library } = findAddon() ?? {}
    const threads = library === undefined ? undefined : join(dirname(library), 'libgomp.so.1')
    if (threads !== undefined && existsSync(threads)) koffi.load(threads)
    else defaultGenerator()
  } catch {
    // Without libtorch the loader takes the system's libgomp.
  }
}

import { readObject, runPaths } from './paths.ts'

/** What a run predicts: single-label, multi-label or regression. */
export type RunTask = 'single' | 'multi' | 'regression'

/** Metrics by name: those that Anneal reports, and a user's own. A task has some of them: `accuracy` single-label and
 *  multi-label; `mAP`, `f1`, `f2` multi-label; `r2`, `mae`, `rmse` regression. */
export type Metrics = Record<string, number> &
  Partial<Record<'accuracy' | 'balancedAccuracy' | 'mAP' | 'f1' | 'f2' | 'r2' | 'mae' | 'rmse', number>>

/** How good weights are on one part of the data. `metrics` has all metrics of the task by name (`accuracy`, `mAP`, `f1`,
 *  `f2`, `r2`, `mae`, …; `metric-info.ts` says how they are printed), NaN where one is undefined, which is null in a file.
 *  `intervals` has the 95 % intervals of those that have one. */
export type PartResult = {
  loss: number
  metrics: Metrics
  intervals?: Record<string, [low: number, high: number]>
}

/** Metrics of one part of the data, of the plain pictures and with test-time augmentation, under the same names. */
export type TtaPart = { plain: Record<string, number>; augmented: Record<string, number> }

/** Test-time augmentation beside the plain result, at the same thresholds: the plain view of each picture and so many
 *  augmented `views`, joined by their mean or by the highest. */
export type TtaResult = { views: number; join: 'mean' | 'max'; valid: TtaPart; test?: TtaPart }

/** Mean and standard deviation of a metric over folds. */
export type Spread = { mean: number; std: number }

/** The result of a finished run, as in `result.json` and in the last line of `--json`: the best weights on the validation
 *  pictures, and on the `test` pictures where there are any. `seconds` holds the time of each phase and `total`; `task` is
 *  `single` where it is missing. */
export type RunResult = PartResult & {
  run: string
  model: string
  classes: string[]
  task?: RunTask
  /** The metric that the run is judged by, where it is not the usual one of its task. */
  leading?: string
  /** What a sample is called; `picture` where it is missing. */
  sample?: string
  epochs: number
  seconds: Record<string, number>
  /** Multi-label: one threshold for all labels, and one threshold per label. Two classes of a table: that of the positive
   *  class. */
  threshold?: number
  thresholds?: number[]
  test?: PartResult & { samples: number }
  /** What was chosen on the validation samples, so that their figures are better than those of new samples: `head` (the
   *  L2 of its last layer), `weights`, `temperature`, `thresholds`. Missing: an older run, which did not note it. */
  choseOnValid?: string[]
  /** Where test-time augmentation was asked for. */
  tta?: TtaResult
  /** Cross-validation: the result of each fold, whose means are the metrics of this result, and their mean and standard
   *  deviation by metric and for `loss`. */
  folds?: RunResult[]
  spread?: Record<string, Spread>
}

/** Metrics that the first runs wrote beside `metrics`, or in place of it. */
const copies = ['accuracy', 'balancedAccuracy', 'mAP', 'f1', 'f2', 'r2', 'mae'] as const

type Stored = Record<string, unknown> & { metrics?: Record<string, number | null> }

/** A part of a stored result as it is today: all metrics in `metrics`. JSON writes NaN as null; it is NaN again here. */
export function partOf<T extends PartResult>(stored: object): T {
  const part = { ...stored } as Stored
  const metrics: Record<string, number> = {}
  for (const name of copies) {
    if (typeof part[name] === 'number') metrics[name] = part[name]
    delete part[name]
  }
  for (const [name, value] of Object.entries(part.metrics ?? {})) metrics[name] = value ?? Number.NaN
  return { ...part, loss: part.loss ?? Number.NaN, metrics } as unknown as T
}

/** A result as it stands in `result.json` or in a `done` event, of this version or of an older one. */
export function resultOf(stored: object): RunResult {
  const { test, folds, ...result } = partOf<RunResult>(stored)
  return {
    ...result,
    ...(isObject(test) ? { test: testOf(test) } : {}),
    ...(Array.isArray(folds) ? { folds: folds.filter(isObject).map(resultOf) } : {}),
  }
}

/** The first versions counted `pictures`. */
function testOf(stored: object): NonNullable<RunResult['test']> {
  const { pictures, ...part } = partOf<NonNullable<RunResult['test']> & { pictures?: number }>(stored)
  return { ...part, samples: part.samples ?? pictures ?? 0 }
}

/** The result of the run in `dir`; undefined where it has none. Throws a plain `Error` where the file can't be read. */
export function readResult(dir: string): RunResult | undefined {
  const stored = readObject<object>(runPaths(dir).result)
  return stored && resultOf(stored)
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

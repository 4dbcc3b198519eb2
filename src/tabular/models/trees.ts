import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DataError, fileReason, ModelError } from '../../base/errors.ts'
import { writeAtomic } from '../../base/files.ts'
import { threadsWanted } from '../../setup/index.ts'
import { turn } from '../../train/stop.ts'
import { blocksOf, encodedPart, watched } from '../encoded.ts'
import type { Encoded, FitTableOptions, TableModel, TargetInfo, Targets } from '../types.ts'
import { timeIsOver } from './check.ts'
import { writeModelFile } from './files.ts'
import { Forest } from './forest.ts'
import { BinnedRows, Booster, type Matrix, type Parameters, Predictor } from './lightgbm/booster.ts'
import { openedLightgbm, openLightgbm } from './lightgbm/library.ts'
import { ensureLightgbm } from './lightgbm/provide.ts'
import { checkPlan, digestBlock, RowsDigest, rowsDigest } from './state.ts'
import { inUnits, trainedScale, trainedValues } from './targets.ts'

/** The parameters of pytabkit's `LGBM_TD_Classifier` and `LGBM_TD_Regressor` (Holzmüller et al. 2024, arXiv:2407.04491),
 *  tuned on 118 data sets. */
const tuned = {
  single: { learning_rate: 0.04, bagging_fraction: 0.75, num_leaves: 50, min_data_in_leaf: 40 },
  regression: { learning_rate: 0.05, bagging_fraction: 0.7, num_leaves: 100, min_data_in_leaf: 3 },
} as const
const mostTrees = 1000
/** A fit ends when the validation loss was not lower for so many trees. */
const patience = 300

/** Trees of LightGBM: one forest for classes, one for each target of a regression. */
export class Trees implements TableModel {
  readonly name = 'trees'
  readonly #texts: readonly string[]
  readonly #forests: readonly Forest[]
  readonly #target: TargetInfo

  constructor(texts: readonly string[], target: TargetInfo, source?: string) {
    this.#texts = texts
    this.#forests = texts.map((text, i) => new Forest(text, source && join(source, fileOf(i))))
    this.#target = target
  }

  /** One forest for classes, one for each target of a regression. */
  get forests(): readonly Forest[] {
    return this.#forests
  }

  /** The number of trees of each forest, for each output. */
  get rounds(): number[] {
    return this.#forests.map(forest => forest.trees.length / forest.outputs)
  }

  async predict(x: Encoded, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<Float64Array> {
    const { classes, task } = this.#target
    const columns = x.numberNames.length + x.categoryNames.length
    for (const { features } of this.#forests)
      if (features !== columns)
        throw new DataError(
          `trees: the model has ${features} features, got rows of ${columns}; encode with its own card`,
        )
    const out = new Float64Array(x.rows * classes.length)
    let at = 0
    const summing = this.#summing(x.rows)
    try {
      for (const block of blocksOf(x, rowsAtOnce)) {
        const data = featuresOf(block)
        const sums = summing.map(one => one.sums(data, block.rows))
        const own =
          task === 'single' ? probabilities(sums[0]!, classes.length) : inUnits(joined(sums, block.rows), this.#target)
        out.set(own, at)
        at += own.length
        await turn(signal)
      }
    } finally {
      for (const one of summing) one.free()
    }
    return out
  }

  /** What sums the leaves: LightGBM by all threads, where this process trained with it and the rows are many; else our own
   *  reading of its text. Both give the same bits. */
  #summing(rows: number): { sums(data: Float32Array, rows: number): Float64Array; free(): void }[] {
    const library = rows < rowsAtOnce ? undefined : openedLightgbm()
    if (!library) return this.#forests.map(forest => ({ sums: (data, rows) => forest.sums(data, rows), free() {} }))
    return this.#forests.map(({ outputs }, i) => {
      const predictor = new Predictor(library, this.#texts[i]!, threadsWanted())
      return { sums: (data, rows) => predictor.sums(data, rows, outputs), free: () => predictor.free() }
    })
  }

  async save(dir: string): Promise<void> {
    for (const [i, text] of this.#texts.entries()) writeAtomic(join(dir, fileOf(i)), text)
    writeModelFile(dir, { model: 'trees' })
  }

  /** Reads what `save` wrote. */
  static load(dir: string, target: TargetInfo): Trees {
    const count = target.task === 'single' ? 1 : target.classes.length
    const texts = Array.from({ length: count }, (_, i) => {
      const file = join(dir, fileOf(i))
      try {
        return readFileSync(file, 'utf8')
      } catch (cause) {
        throw new ModelError(
          `${file}: no trees can be read: ${fileReason(cause)}; give the folder of a trained table`,
          {
            cause,
          },
        )
      }
    })
    return new Trees(texts, target, dir)
  }
}

const fileOf = (target: number): string => (target === 0 ? 'trees.txt' : `trees.${target}.txt`)
const rowsAtOnce = 16_384

/** Trains trees with LightGBM, and keeps those up to the lowest validation loss. The same rows, seed and options give the
 *  same trees. Targets are trained side by side, one forest each. A stopped fit begins again, which gives the same trees;
 *  a finished one is read from `state`. */
export async function fitTrees(options: FitTableOptions): Promise<Trees> {
  const { train, valid, seed, state, lr, epochs } = options
  if (!state) return new Trees(await grownTexts(options), train.y)
  const file = join(state, 'trees.state.json')
  const planOf = (rows: string) => JSON.stringify({ seed, rows, lr, epochs })
  if (existsSync(file)) {
    const found = JSON.parse(readFileSync(file, 'utf8')) as { plan: string; texts: string[] }
    checkPlan(file, found.plan, planOf(rowsDigest(train, valid)))
    return new Trees(found.texts, train.y, file)
  }
  const digest = new RowsDigest()
  const texts = await grownTexts(options, digest)
  writeAtomic(file, JSON.stringify({ plan: planOf(digest.text([train, valid])), texts }))
  return new Trees(texts, train.y)
}

/** The model text of each forest. `digest` gets the rows on their way into LightGBM. */
async function grownTexts(options: FitTableOptions, digest?: RowsDigest): Promise<string[]> {
  const { train, valid, signal, report, onChoice, epochs = mostTrees } = options
  const library = openLightgbm(await ensureLightgbm(report, signal))
  const parameters = parametersOf(options)
  const labels = { train: labelsOf(train.y), valid: labelsOf(valid.y) }
  onChoice?.(
    'trees',
    `at most ${epochs}, rate ${parameters.learning_rate}, ${parameters.num_leaves} leaves`,
    `the defaults of pytabkit for ${train.y.task === 'single' ? 'classes' : 'numbers'}; ends after ${patience} trees without a lower validation loss`,
  )
  const seen = (x: Encoded) => (digest ? watched(x, block => digest.block(block)) : x)
  const matrices = { train: matrixOf(seen(train.x)), valid: matrixOf(seen(valid.x)) }
  const opened: { free(): void }[] = []
  const held = <T extends { free(): void }>(part: T): T => {
    opened.unshift(part)
    return part
  }
  try {
    // LightGBM reads the labels of a forest in each iteration, so each one has its own bins.
    const bins = labels.train.map((values, target) => {
      const binned = held(new BinnedRows(library, matrices.train, parameters))
      if (target === 0) digest?.targets(train.y)
      const binnedValid = held(new BinnedRows(library, matrices.valid, parameters, binned))
      if (target === 0) digest?.targets(valid.y)
      binned.label(values)
      binnedValid.label(labels.valid[target]!)
      return { binned, binnedValid, unit: deviationOf(train.y, values) }
    })
    options.onBinned?.()
    const boosters = bins.map(
      ({ binned, binnedValid, unit }) => new Growing(held(new Booster(library, binned, binnedValid, parameters)), unit),
    )
    await grow(boosters, options, epochs)
    return boosters.map(({ booster, best }) => booster.text(best.trees))
  } finally {
    for (const part of opened) part.free()
  }
}

/** A forest in training, and where its validation loss was lowest. */
class Growing {
  readonly booster: Booster
  /** What its loss is divided by, to be compared with those of other targets. */
  readonly #unit: number
  best = { trees: 0, loss: Number.POSITIVE_INFINITY }
  trees = 0
  ended = false
  trainLoss = 0
  validLoss = 0

  constructor(booster: Booster, unit: number) {
    this.booster = booster
    this.#unit = unit
  }
  update(): void {
    if (this.ended) return
    const finished = this.booster.update()
    this.trees++
    this.trainLoss = this.booster.score('train') / this.#unit
    this.validLoss = this.booster.score('valid') / this.#unit
    if (this.validLoss < this.best.loss) this.best = { trees: this.trees, loss: this.validLoss }
    this.ended = finished || this.trees - this.best.trees >= patience
  }
}

async function grow(forests: readonly Growing[], options: FitTableOptions, most: number): Promise<void> {
  const { signal, minutes = Number.POSITIVE_INFINITY, onStep, onChoice } = options
  const began = performance.now()
  const rate = Number(parametersOf(options).learning_rate)
  let lowest = Number.POSITIVE_INFINITY
  let epoch = 0
  while (epoch < most && forests.some(forest => !forest.ended)) {
    for (const forest of forests) forest.update()
    epoch++
    const validLoss = together(forests.map(forest => forest.validLoss))
    const best = validLoss < lowest
    if (best) lowest = validLoss
    const seconds = (performance.now() - began) / 1000
    const trainLoss = together(forests.map(forest => forest.trainLoss))
    onStep?.({ model: 'trees', epoch, epochs: most, trainLoss, validLoss, lrs: [rate], seconds, best })
    await turn(signal)
    if (seconds > 60 * minutes) {
      onChoice?.('trees', `ended after ${epoch} trees`, timeIsOver(minutes))
      break
    }
  }
  const kept = forests.map(forest => forest.best.trees).join(', ')
  onChoice?.('trees', `${kept} kept of ${epoch}`, 'the validation loss was lowest there')
}

/** One loss is itself; several are joined as root mean squares. */
const together = (losses: readonly number[]): number =>
  losses.length === 1 ? losses[0]! : Math.sqrt(losses.reduce((sum, loss) => sum + loss ** 2, 0) / losses.length)

/** Several targets have different units: the deviation of each. */
const deviationOf = ({ task, classes }: TargetInfo, values: Float32Array): number =>
  task === 'regression' && classes.length > 1 ? trainedScale(Float64Array.from(values), 1).std[0]! : 1

function parametersOf({ train: { x, y }, seed, threads, lr }: FitTableOptions): Parameters {
  const classes = y.classes.length
  const objective = y.task === 'regression' ? 'regression' : classes === 2 ? 'binary' : 'multiclass'
  const categorical = x.categoryNames.map((_, i) => x.numberNames.length + i)
  return {
    objective,
    metric: { regression: 'rmse', binary: 'binary_logloss', multiclass: 'multi_logloss' }[objective],
    ...(objective === 'multiclass' ? { num_class: classes } : {}),
    ...tuned[y.task],
    ...(lr === undefined ? {} : { learning_rate: lr }),
    bagging_freq: 1,
    min_sum_hessian_in_leaf: 1e-7,
    max_bin: 255,
    ...(categorical.length > 0 ? { categorical_feature: categorical.join(',') } : {}),
    seed: seed % 2 ** 31,
    deterministic: true,
    force_row_wise: true,
    num_threads: threads ?? threadsWanted(),
    verbosity: -1,
  }
}

/** Rows as LightGBM takes them: numbers, then category codes, NaN where missing. Rows of numbers alone are not copied. */
function featuresOf({ rows, numbers, numberNames, categories, categoryNames }: Encoded): Float32Array {
  const [a, b] = [numberNames.length, categoryNames.length]
  if (b === 0) return numbers
  const columns = a + b
  const data = new Float32Array(rows * columns)
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < a; i++) data[row * columns + i] = numbers[row * a + i]!
    for (let i = 0; i < b; i++) data[row * columns + a + i] = categories[row * b + i]!
  }
  return data
}

const matrixOf = (x: Encoded): Matrix => ({
  rows: x.rows,
  columns: x.numberNames.length + x.categoryNames.length,
  *blocks() {
    for (const block of blocksOf(x, digestBlock)) yield featuresOf(block)
  },
  part: rows => featuresOf(encodedPart(x, rows)),
})

/** One array for each forest: class numbers, or the values of one target. */
function labelsOf(y: Targets): Float32Array[] {
  const values = trainedValues(y)
  if (y.task === 'single') return [Float32Array.from(values)]
  const targets = y.classes.length
  return y.classes.map((_, t) =>
    Float32Array.from({ length: values.length / targets }, (_, i) => values[i * targets + t]!),
  )
}

/** Sums of leaves → [rows × classes]. Two classes have one sum, of the second. */
function probabilities(sums: Float64Array, classes: number): Float64Array {
  if (classes > 2) return softmaxRows(sums, classes)
  const out = new Float64Array(sums.length * 2)
  for (const [row, sum] of sums.entries()) {
    const p = 1 / (1 + Math.exp(-sum))
    out[2 * row] = 1 - p
    out[2 * row + 1] = p
  }
  return out
}

/** Rows of several sums, exponentials that add to 1, in place. */
function softmaxRows(sums: Float64Array, classes: number): Float64Array {
  for (let at = 0; at < sums.length; at += classes) {
    let most = Number.NEGATIVE_INFINITY
    for (let i = at; i < at + classes; i++) most = Math.max(most, sums[i]!)
    let total = 0
    for (let i = at; i < at + classes; i++) {
      sums[i] = Math.exp(sums[i]! - most)
      total += sums[i]!
    }
    for (let i = at; i < at + classes; i++) sums[i]! /= total
  }
  return sums
}

/** The sums of one forest for each target as rows. */
function joined(sums: readonly Float64Array[], rows: number): Float64Array {
  if (sums.length === 1) return sums[0]!
  const out = new Float64Array(rows * sums.length)
  for (const [t, column] of sums.entries())
    for (let row = 0; row < rows; row++) out[row * sums.length + t] = column[row]!
  return out
}

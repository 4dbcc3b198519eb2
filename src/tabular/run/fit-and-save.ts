import { join } from 'node:path'
import { collectGarbage } from '../../base/memory.ts'
import { version } from '../../base/version.ts'
import type { CalibrationPart } from '../../runs/index.ts'
import { operatorThreads } from '../../torch/index.ts'
import { watched } from '../encoded.ts'
import { fitTableModel } from '../models/index.ts'
import type { TableOptions } from '../options.ts'
import type { LabelledRows, TableModel, TableModelName, Targets } from '../types.ts'
import { type TableCard, writeCard } from './card.ts'
import { atTemperature, calibrate, chooseThreshold, positiveClass } from './decide.ts'
import { figuresOf } from './figures.ts'
import type { Predict } from './importance.ts'
import { linearRows } from './linear.ts'
import { type Decision, scored, tableMetrics } from './metrics.ts'
import { FitRecorder } from './record-fit.ts'
import { labelledAt, partOf, type RunTable, type TablePart, withoutTraining } from './run-table.ts'
import { noteRows, RowHashes, rowTexts } from './seen-rows.ts'
import type { TableSession } from './session.ts'
import type { Asked, TableHooks } from './types.ts'

/** The model where none is asked for. */
export const usualModel: TableModelName = 'both'
/** The model that options ask for. */
export const modelOf = ({ model = 'auto' }: TableOptions): TableModelName => (model === 'auto' ? usualModel : model)

/** One model of a run: its table and its settings. */
export interface One {
  table: RunTable
  config: Asked
  options: TableOptions
  clock: Clock
  /** No other run reads the same table. */
  alone: boolean
}

/** A model that is trained and saved, and what the rest of a run looks at. */
export interface Saved {
  trained: TableModel
  card: TableCard
  epochs: number
  table: RunTable
  train: LabelledRows
  /** Training rows for the linear model, where `train` no longer has its own. */
  some?: LabelledRows
  valid: TablePart
  /** Calibrated outputs for the validation rows. */
  outputs: Float64Array
  predict: Predict
  decision: Decision
  calibration: CalibrationPart | undefined
  tested: Awaited<ReturnType<typeof testOf>>
}

/** From so many rows for training on, trees free the memory of these rows when LightGBM has them in its bins. So many
 *  take longer than a learning curve may (`cheap`), which would need them again. */
const manyRows = 500_000

/** Fits the model, decides on the validation rows, and saves it. What only the report needs comes after this. */
export async function fitAndSave(
  session: TableSession,
  { table: whole, config, options, clock, alone }: One,
  { signal, report }: TableHooks,
): Promise<Saved> {
  const { run } = session
  const { seed } = config
  const { targets, parts } = whole
  const model = modelOf(options)
  const figures = figuresOf(whole.frame, whole.encoding, parts.train)
  const [{ x, y }, labelled] = [labelledAt(whole, parts.train), partOf(whole, parts.valid)]
  const hashes = new RowHashes(x.rows, rowTexts(whole.frame, whole.encoding, parts.train))
  const train = { x: watched(x, block => hashes.add(block)), y }
  let rest: { table: RunTable; some: LabelledRows; valid: TablePart } | undefined
  const free = () => {
    const some = linearRows({ x, y })
    for (const rows of [x, labelled.x]) rows.free?.()
    const table = withoutTraining(whole)
    rest = { table, some, valid: partOf(table, table.parts.valid) }
    collectGarbage()
  }
  const recorder = new FitRecorder(session)
  const minutes = options.minutes === undefined ? {} : { minutes: Math.max(0.01, options.minutes - run.seconds / 60) }
  const { epochs, members, lr } = options
  const trained = await fitTableModel(model, {
    train,
    valid: labelled,
    seed,
    threads: operatorThreads(),
    signal,
    report,
    epochs,
    members,
    lr,
    ...minutes,
    state: session.fitState('fit'),
    onStep: recorder.onStep,
    onChoice: recorder.onChoice,
    onFinder: recorder.onFinder,
    ...(model === 'trees' && alone && x.rows >= manyRows ? { onBinned: free } : {}),
  })
  recorder.end()
  clock('fit')
  const { table, some, valid } = rest ?? { table: whole, some: undefined, valid: labelled }
  const choose = (what: string, value: string, reason: string) => session.choice(what, value, reason)
  const raw = await trained.predict(valid.x, { signal })
  const { temperature, calibration } = calibrate(choose, valid.y, raw)
  const calibrated = (outputs: Float64Array) =>
    targets.task === 'regression' ? outputs : atTemperature(outputs, targets.classes.length, temperature)
  const outputs = calibrated(raw)
  const decision = decisionFor(choose, { train: y, valid: valid.y, outputs, options, seed })
  const predict: Predict = async rows => calibrated(await trained.predict(rows, { signal }))
  noteRows(join(run.dir, 'best'), hashes.of(x))
  const metrics = tableMetrics(valid.y, outputs, decision)
  const card = await save(run.dir, trained, { table, figures, options, temperature, decision, metrics })
  const tested = await testOf(table, { predict, decision, seed })
  clock('evaluate')
  const saved = { trained, card, epochs: recorder.epochs, outputs, predict, decision, calibration, tested }
  return some ? { ...saved, table, train: { x: some.x, y }, some, valid } : { ...saved, table, train, valid }
}

function decisionFor(
  choose: (what: string, value: string, reason: string) => void,
  {
    train,
    valid,
    outputs,
    options,
    seed,
  }: { train: Targets; valid: Targets; outputs: Float64Array; options: TableOptions; seed: number },
): Decision {
  const positive = positiveClass(choose, train, options.positive)
  if (positive === undefined) return {}
  const share = train.values.filter(v => v === positive).length / train.values.length
  return chooseThreshold(choose, valid, outputs, { positive, share, metric: options.thresholdFor, seed })
}

async function testOf(
  table: RunTable,
  {
    predict,
    decision,
    seed,
  }: { predict: (x: ReturnType<RunTable['encode']>) => Promise<Float64Array>; decision: Decision; seed: number },
) {
  const rows = table.parts.test
  if (!rows || rows.length === 0) return undefined
  const { x, y } = labelledAt(table, rows)
  const outputs = await predict(x)
  return { part: scored(y, outputs, { decision, seed }), y, outputs }
}

/** Writes the model's files, then its card. */
async function save(
  dir: string,
  trained: TableModel,
  {
    table,
    figures,
    options,
    temperature,
    decision,
    metrics,
  }: {
    table: RunTable
    figures: NonNullable<TableCard['figures']>
    options: TableOptions
    temperature: number
    decision: Decision
    metrics: Record<string, number>
  },
): Promise<TableCard> {
  const { task, columns, classes, log } = table.targets
  const stem = join(dir, 'best')
  await trained.save(stem)
  const card: TableCard = {
    format: 'anneal-table',
    version: 1,
    domain: 'tables',
    anneal: version(),
    model: trained.name,
    target: { task, columns, classes, ...(log ? { log } : {}) },
    columns: table.columns,
    encoding: table.encoding,
    figures,
    reading: readingOf(options),
    ...(temperature === 1 ? {} : { temperature }),
    ...(decision.positive === undefined ? {} : { positive: classes[decision.positive]! }),
    ...(decision.threshold === undefined ? {} : { threshold: decision.threshold }),
    metrics,
  }
  writeCard(stem, card)
  return card
}

const readingNames = ['missing', 'decimal', 'delimiter', 'encoding'] as const
/** The options that say how cells are read; prediction reads its table the same way. */
const readingOf = (options: TableOptions): Record<string, unknown> =>
  Object.fromEntries(Object.entries(options).filter(([name]) => (readingNames as readonly string[]).includes(name)))

/** The seconds of the parts of a run. */
export interface Clock {
  /** Ends a part, and begins the next one. */
  (part: string): void
  of(part: string): number
  all(): Record<string, number>
}
/** Measures the parts of a run, in seconds. */
export function stopwatch(): Clock {
  const seconds: Record<string, number> = {}
  let last = performance.now()
  const clock = (part: string) => {
    const now = performance.now()
    seconds[part] = (now - last) / 1000
    last = now
  }
  return Object.assign(clock, { of: (part: string) => seconds[part] ?? 0, all: () => seconds })
}

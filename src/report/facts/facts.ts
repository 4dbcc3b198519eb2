import { basename } from 'node:path'
import {
  type BatchEvent,
  type ChoiceEvent,
  type ClassCount,
  type ConfusionCell,
  type EpochEvent,
  type LrFindEvent,
  leadingMetric,
  type MetricInfo,
  metricInfo,
  nounOf,
  type PartResult,
  type Phase,
  type PictureProblem,
  phaseTitle,
  type RunEvent,
  type RunRecord,
  type RunResult,
  type RunTask,
  type Spread,
  type TtaPart,
  type TtaResult,
  taskOfMetrics,
} from '../../runs/index.ts'
import { accuracyOf } from '../charts/confusion.ts'
import { bestEpoch } from '../charts/series.ts'
import { type Interpreted, interpreted, objects } from './interpretation.ts'

/** How well the weights did on one part of the data: metrics that are numbers, by name, those with an interval, and the
 *  one that counts as `value`; `pictures` is 0 where that is not known. */
export type Score = {
  value: number
  metrics: Record<string, number>
  intervals: Record<string, [low: number, high: number]>
  loss: number
  pictures: number
}

/** The result of a fold; `name` is its folder. */
export type Fold = { name: string; metrics: Record<string, number>; loss: number; epochs: number; seconds: number }

/** How the run ended, with its reason where it stopped or failed. */
export type Ending = { state: 'done' | 'running' | 'stopped' | 'failed'; reason?: string }

/** A confusion matrix by its cells that are not 0, with the names of its rows and columns. */
export type Confusion = { classes: string[]; cells: ConfusionCell[] }

/** All facts about a run that the page shows, taken from its files; empty lists where there is nothing. */
export type Facts = Interpreted & {
  task: RunTask
  /** The metric that the run is judged by. */
  leading: MetricInfo
  /** What a sample is called: `picture`, or `row` of a table. */
  sample: string
  ending: Ending
  valid?: Score
  /** What was chosen on the validation pictures. */
  choseOnValid: string[]
  test?: Score
  tta?: TtaResult
  folds: Fold[]
  /** Over the folds, by metric and for `loss`. */
  spread: Record<string, Spread>
  classes: string[]
  counts: ClassCount[]
  pictures: { train: number; valid: number; test: number }
  problems: PictureProblem[]
  warnings: string[]
  choices: ChoiceEvent[]
  lines: { t: number; text: string }[]
  finds: LrFindEvent[]
  batches: BatchEvent[]
  /** The epochs that have a line, and how many ran. */
  epochs: EpochEvent[]
  ran: number
  groups: string[]
  seconds: number
  spent: { phase: string; seconds: number }[]
  resumed: number
  confusion?: Confusion
  testConfusion?: Confusion
}

/** Gathers the facts. Fields that a damaged file lacks are left out, never guessed. */
export function factsOf(record: RunRecord): Facts {
  const { events, config, result, interpret } = record
  const all = <T extends RunEvent['type']>(type: T) =>
    events.filter(e => e.type === type) as Extract<RunEvent, { type: T }>[]
  const scan = all('scan').at(-1)
  const epochs = all('epoch').map(phaseInWords)
  const counts = objects(scan?.classes)
  const sum = (part: 'train' | 'valid' | 'test') =>
    scan?.pictures?.[part] ?? counts.reduce((total, row) => total + (row[part] ?? 0), 0)
  const pictures = { train: sum('train'), valid: sum('valid'), test: sum('test') }
  const task = taskOf(record, epochs)
  const leading = leadingOf(record, task)
  const classes = strings(config?.classes) ?? strings(interpret?.classes) ?? counts.map(c => c.name)
  const confusion = matrix(interpret?.classes ?? classes, interpret?.confusion)
  const testConfusion = matrix(interpret?.classes ?? classes, interpret?.test?.confusion)
  const best = bestEpoch(epochs) ?? epochs.at(-1)
  const seen = (matrix: Confusion | undefined, part: number) => (matrix ? accuracyOf(matrix.cells).total : part)
  const ended = result && {
    ...result,
    metrics: numbers({ balancedAccuracy: interpret?.balancedAccuracy, ...result.metrics }),
  }
  const reached = best && { loss: best.validLoss, metrics: best.metrics }
  const valid = score(leading, ended ?? reached, seen(confusion, pictures.valid))
  const testPart = result?.test ?? interpret?.test
  const test = score(leading, testPart, result?.test?.samples ?? seen(testConfusion, pictures.test))
  const tta = ttaOf(result?.tta)
  return {
    ...interpreted(interpret),
    task,
    leading,
    sample: nounOf(config).one,
    ending: endingOf(record),
    ...(valid ? { valid } : {}),
    choseOnValid: strings(result?.choseOnValid) ?? [],
    ...(test ? { test } : {}),
    ...(tta ? { tta } : {}),
    folds: objects(result?.folds).map(foldOf),
    spread: Object.fromEntries(
      Object.entries(result?.spread ?? {}).filter(([, s]) => Number.isFinite(s?.mean) && Number.isFinite(s?.std)),
    ),
    classes,
    counts,
    pictures,
    problems: objects(scan?.problems),
    warnings: [...all('warning').map(e => e.message), ...record.problems],
    choices: all('choice'),
    lines: all('line'),
    finds: all('lrFind').map(phaseInWords),
    batches: all('batch').map(phaseInWords),
    epochs,
    ran: result?.epochs ?? epochs.length,
    groups: all('phase').findLast(e => Array.isArray(e.groups) && e.groups.length > 0)?.groups ?? [],
    seconds: result?.seconds?.total ?? events.at(-1)?.t ?? 0,
    spent: spentBy(record),
    resumed: all('resumed').length,
    ...(confusion ? { confusion } : {}),
    ...(testConfusion ? { testConfusion } : {}),
  }
}

/** The charts and tables name a phase with its picture size: `head at 128 px`. */
const phaseInWords = <T extends Phase>(part: T): T => ({ ...part, phase: phaseTitle(part) })

/** The metrics that are numbers. */
const numbers = (metrics: Record<string, unknown>): Record<string, number> =>
  Object.fromEntries(Object.entries(metrics).filter((m): m is [string, number] => Number.isFinite(m[1])))

function score(leading: MetricInfo, part: Partial<PartResult> | undefined, pictures: number): Score | undefined {
  const metrics = numbers({ ...part?.metrics })
  const value = metrics[leading.key]
  if (value === undefined) return undefined
  const pairs = Object.entries(part?.intervals ?? {}).filter(
    ([, pair]) => Array.isArray(pair) && pair.length === 2 && pair.every(Number.isFinite),
  )
  const loss = typeof part?.loss === 'number' ? part.loss : Number.NaN
  return { value, metrics, intervals: Object.fromEntries(pairs), loss, pictures }
}

/** The parts that have metrics; nothing where the validation part has none. */
function ttaOf(from: TtaResult | undefined): TtaResult | undefined {
  const part = (given: Partial<TtaPart> | undefined): TtaPart => ({
    plain: numbers({ ...given?.plain }),
    augmented: numbers({ ...given?.augmented }),
  })
  const [valid, test] = [part(from?.valid), part(from?.test)]
  const told = (p: TtaPart) => Object.keys(p.augmented).length > 0
  if (!from || !told(valid)) return undefined
  return { views: from.views, join: from.join, valid, ...(told(test) ? { test } : {}) }
}

const foldOf = ({ run, metrics, loss, epochs, seconds }: RunResult): Fold => ({
  name: basename(String(run ?? '')),
  metrics: numbers(metrics),
  loss: Number(loss ?? NaN),
  epochs: Number(epochs ?? NaN),
  seconds: Number(seconds?.total ?? NaN),
})

/** The metric that the run is judged by: its own, else that of its task. */
function leadingOf({ result, interpret }: RunRecord, task: RunTask): MetricInfo {
  const own = result?.leading ?? interpret?.table?.leading
  return typeof own === 'string' ? metricInfo(own, task) : leadingMetric(task)
}

/** The task as the files name it. A run that stopped early shows it by the metrics of its epochs. */
function taskOf({ result, interpret }: RunRecord, epochs: readonly EpochEvent[]): RunTask {
  const said = result?.task ?? interpret?.task
  if (said === 'single' || said === 'multi' || said === 'regression') return said
  if (interpret?.multi) return 'multi'
  if (interpret?.regression) return 'regression'
  return taskOfMetrics(Object.assign({}, ...epochs.map(e => e.metrics))) ?? 'single'
}

const strings = (value: unknown): string[] | undefined =>
  Array.isArray(value) && value.length > 0 && value.every(v => typeof v === 'string') ? value : undefined

/** The matrix, where it is one: of known classes, numbers in all its cells. Older runs have it as rows. */
function matrix(names: unknown, found: unknown): Confusion | undefined {
  const classes = strings(names)
  if (!classes || !Array.isArray(found) || found.length === 0) return undefined
  const n = classes.length
  const square = found.length === n && found.every(row => Array.isArray(row) && row.length === n)
  const cells: ConfusionCell[] = square
    ? found.flatMap((row: unknown[], actual) =>
        row.map((count, predicted) => ({ actual, predicted, count: count as number })),
      )
    : objects(found)
  const known = (c: number) => Number.isInteger(c) && c >= 0 && c < n
  const whole = cells.every(
    ({ actual, predicted, count }) => known(actual) && known(predicted) && Number.isFinite(count) && count >= 0,
  )
  return whole && (square || cells.length === found.length)
    ? { classes, cells: cells.filter(c => c.count > 0) }
    : undefined
}

/** The report is written while the run still holds its lock, so its own last word counts more than the lock. */
function endingOf({ events, result, state }: RunRecord): Ending {
  if (result) return { state: 'done' }
  const last = events.findLast(e => ['done', 'stopped', 'failed', 'resumed'].includes(e.type))
  if (last?.type === 'failed') return { state: 'failed', reason: last.message }
  if (last?.type === 'stopped') return { state: 'stopped', reason: last.reason }
  if (last?.type === 'done') return { state: 'done' }
  return { state: state === 'running' ? 'running' : 'stopped' }
}

/** Seconds by phase: as the result says, else from one phase event to the next. */
function spentBy({ events, result }: RunRecord): { phase: string; seconds: number }[] {
  if (result?.seconds) {
    const { total, ...rest } = result.seconds
    const spent = Object.entries(rest).map(([phase, seconds]) => ({ phase, seconds }))
    const other = (total ?? 0) - spent.reduce((sum, s) => sum + s.seconds, 0)
    return spent.length > 0 && other > 0.01 * (total ?? 0) && other > 0.5
      ? [...spent, { phase: 'other', seconds: other }]
      : spent
  }
  const spent = new Map<string, number>()
  const starts = events.filter(e => e.type === 'phase').map(phaseInWords)
  const end = events.at(-1)?.t ?? 0
  starts.forEach(({ phase, t }, i) => {
    spent.set(phase, (spent.get(phase) ?? 0) + Math.max(0, (starts[i + 1]?.t ?? end) - t))
  })
  return [...spent].map(([phase, seconds]) => ({ phase, seconds }))
}

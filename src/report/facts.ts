import type {
  BatchEvent,
  ChoiceEvent,
  ClassCount,
  ClassScore,
  EpochEvent,
  JudgedPicture,
  LrFindEvent,
  PictureProblem,
  RunEvent,
  RunRecord,
  SamplePicture,
} from '../runs/index.ts'
import { accuracyOf } from './confusion.ts'
import { bestEpoch } from './series.ts'

/** How well the weights did on one part of the data; `pictures` is 0 where that is not known. */
export type Score = { accuracy: number; loss: number; pictures: number }

/** How the run ended, and with what word. */
export type Ending = { state: 'done' | 'running' | 'stopped' | 'failed'; reason?: string }

/** A matrix of counts with the names of its rows and columns. */
export type Confusion = { classes: string[]; counts: number[][] }

/** What the page says about a run, taken from its files; empty lists where there is nothing. */
export type Facts = {
  ending: Ending
  valid?: Score
  test?: Score
  classes: string[]
  counts: ClassCount[]
  pictures: { train: number; valid: number; test: number }
  problems: PictureProblem[]
  warnings: string[]
  choices: ChoiceEvent[]
  lines: { t: number; text: string }[]
  finds: LrFindEvent[]
  batches: BatchEvent[]
  epochs: EpochEvent[]
  groups: string[]
  seconds: number
  spent: { phase: string; seconds: number }[]
  resumed: number
  scores: ClassScore[]
  topLosses: JudgedPicture[]
  mostUncertain: JudgedPicture[]
  samples: SamplePicture[]
  confusion?: Confusion
  testConfusion?: Confusion
}

/** Gathers the facts. Fields that a damaged file lacks are left out, never guessed. */
export function factsOf(record: RunRecord): Facts {
  const { events, config, result, interpret } = record
  const all = <T extends RunEvent['type']>(type: T) =>
    events.filter(e => e.type === type) as Extract<RunEvent, { type: T }>[]
  const scan = all('scan').at(-1)
  const epochs = all('epoch')
  const counts = objects(scan?.classes)
  const sum = (part: 'train' | 'valid' | 'test') => counts.reduce((total, row) => total + (row[part] ?? 0), 0)
  const pictures = { train: sum('train'), valid: sum('valid'), test: sum('test') }
  const classes = strings(config?.classes) ?? strings(interpret?.classes) ?? counts.map(c => c.name)
  const confusion = matrix(interpret?.classes ?? classes, interpret?.confusion)
  const testConfusion = matrix(interpret?.classes ?? classes, interpret?.test?.confusion)
  const best = bestEpoch(epochs) ?? epochs.at(-1)
  const validPictures = confusion ? accuracyOf(confusion.counts).total : pictures.valid
  const valid = score(result?.accuracy ?? best?.metrics.accuracy, result ? result.loss : best?.validLoss, validPictures)
  const testPart = result?.test ?? interpret?.test
  const test = score(
    testPart?.accuracy,
    testPart?.loss,
    result?.test?.pictures ?? (testConfusion ? accuracyOf(testConfusion.counts).total : pictures.test),
  )
  return {
    ending: endingOf(record),
    ...(valid ? { valid } : {}),
    ...(test ? { test } : {}),
    classes,
    counts,
    pictures,
    problems: objects(scan?.problems),
    warnings: [...all('warning').map(e => e.message), ...record.problems],
    choices: all('choice'),
    lines: all('line'),
    finds: all('lrFind'),
    batches: all('batch'),
    epochs,
    groups: all('phase').findLast(e => Array.isArray(e.groups) && e.groups.length > 0)?.groups ?? [],
    seconds: result?.seconds?.total ?? events.at(-1)?.t ?? 0,
    spent: spentBy(record),
    resumed: all('resumed').length,
    scores: objects(interpret?.perClass),
    topLosses: objects(interpret?.topLosses),
    mostUncertain: objects(interpret?.mostUncertain),
    samples: objects(interpret?.samples),
    ...(confusion ? { confusion } : {}),
    ...(testConfusion ? { testConfusion } : {}),
  }
}

function score(accuracy: unknown, loss: unknown, pictures: number): Score | undefined {
  if (typeof accuracy !== 'number' || !Number.isFinite(accuracy)) return undefined
  return { accuracy, loss: typeof loss === 'number' ? loss : Number.NaN, pictures }
}

const strings = (value: unknown): string[] | undefined =>
  Array.isArray(value) && value.length > 0 && value.every(v => typeof v === 'string') ? value : undefined

const objects = <T>(value: readonly T[] | undefined): T[] =>
  Array.isArray(value) ? value.filter(v => typeof v === 'object' && v !== null) : []

/** The matrix, where it is one: a row and a column for each class, numbers in all of them. */
function matrix(names: unknown, counts: unknown): Confusion | undefined {
  const classes = strings(names)
  if (!classes || !Array.isArray(counts) || counts.length !== classes.length) return undefined
  const whole = counts.every(
    row => Array.isArray(row) && row.length === classes.length && row.every(v => Number.isFinite(v) && v >= 0),
  )
  return whole ? { classes, counts } : undefined
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
    return other > 0.01 * (total ?? 0) && other > 0.5 ? [...spent, { phase: 'other', seconds: other }] : spent
  }
  const spent = new Map<string, number>()
  const starts = events.filter(e => e.type === 'phase')
  const end = events.at(-1)?.t ?? 0
  starts.forEach(({ phase, t }, i) => {
    spent.set(phase, (spent.get(phase) ?? 0) + Math.max(0, (starts[i + 1]?.t ?? end) - t))
  })
  return [...spent].map(([phase, seconds]) => ({ phase, seconds }))
}

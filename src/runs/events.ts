import { type RunResult, resultOf } from './result.ts'

/** The events of a run. `events.jsonl` has one JSON object per line, in the order in which they happened. The report, the run
 *  list and any other reader use these lines alone. */

/** Pictures of one class in each part of the data. */
export type ClassCount = { name: string; train: number; valid: number; test?: number }

/** A problem that the scan found with a picture. `kind` is a short word such as `damaged`, `duplicate` or `leak`. */
export type PictureProblem = { file: string; reason: string; kind: string }

/** The data as found, before training. `pictures` says how many there are where the classes don't add up to it, because
 *  a picture has several of them or none. */
export type ScanEvent = {
  type: 'scan'
  classes: ClassCount[]
  problems: PictureProblem[]
  pictures?: { train: number; valid: number; test?: number }
  /** What a sample is called; `picture` where it is missing. */
  sample?: string
}

/** A printed line without data of its own. */
export type LineEvent = { type: 'line'; text: string }

/** A decision, taken by the recipe or given by hand, with its reason. */
export type ChoiceEvent = { type: 'choice'; what: string; value: string; reason: string }

/** A part of a run: `scan`, `features`, `find`, `head`, `whole`, `test`, `fold` or another name. `size` is the side of the
 *  pictures in pixels, in a run that trains at several sizes. */
export type Phase = { phase: string; size?: number }

/** A phase begins. It plans so many `epochs`, of which the first has the number `firstEpoch`, and so many optimizer
 *  `steps`. `groups` names the layer groups from the first layers to the head, in the order of `lrs`. The phases `fold`
 *  and `net` train the fold or net of this number, from 1, of so many `folds`. */
export type PhaseEvent = Phase & {
  type: 'phase'
  epochs?: number
  firstEpoch?: number
  steps?: number
  groups?: string[]
  fold?: number
  folds?: number
}

/** One sweep of the rate finder. `losses` and `smoothed` are of the length of `lrs`; `how` names the rule that chose. */
export type LrFindEvent = Phase & {
  type: 'lrFind'
  lrs: number[]
  losses: number[]
  smoothed: number[]
  suggestions: { steep?: number; valley?: number; minimum?: number }
  chosen: number
  how: string
}

/** One optimizer step. `step` and `epoch` count from 1 over the whole run; `lrs` has one rate a layer group, 0 where
 *  the group is frozen. */
export type BatchEvent = Phase & {
  type: 'batch'
  step: number
  epoch: number
  loss: number
  smooth: number
  lrs: number[]
  momentum?: number
}

/** The end of an epoch, after validation. `step` is its last step; `best` says that its weights became the best;
 *  `metrics` are those of the task, the one that weights are chosen by among them (`accuracy`, `mAP`, `r2`). `optimum`
 *  marks the head's optimum: it takes the number of an epoch, but a linear solver found it, in no steps. */
export type EpochEvent = Phase & {
  type: 'epoch'
  epoch: number
  step: number
  trainLoss: number
  validLoss: number
  metrics: Record<string, number>
  seconds: number
  lrs: number[]
  best: boolean
  optimum?: boolean
}

/** The resume state of this step is about to be written; `truncateAfter` cuts behind this line. `number` counts the states
 *  of a run: two of them can be of one step, before and after its weights are judged. Runs of earlier versions have none. */
export type CheckpointEvent = { type: 'checkpoint'; step: number; epoch: number; number?: number }

/** A warning for the user. */
export type WarningEvent = { type: 'warning'; message: string }

/** The run goes on in a new process from this step. */
export type ResumedEvent = { type: 'resumed'; step: number }

/** The run was stopped before its end and can be resumed. */
export type StoppedEvent = { type: 'stopped'; reason: string; step: number }

/** The run ended by an error. */
export type FailedEvent = { type: 'failed'; message: string }

/** The run reached its end. */
export type DoneEvent = { type: 'done'; result: RunResult }

/** Every event, before its time is stamped. */
export type EventBody =
  | ScanEvent
  | LineEvent
  | ChoiceEvent
  | PhaseEvent
  | LrFindEvent
  | BatchEvent
  | EpochEvent
  | CheckpointEvent
  | WarningEvent
  | ResumedEvent
  | StoppedEvent
  | FailedEvent
  | DoneEvent

/** An event as it stands in the file; `t` counts seconds of work since the run began, pauses between processes left out. */
export type RunEvent = EventBody & { t: number }

// JSON has no NaN: it is written as null, and these fields (numbers, or arrays of numbers) are read back as NaN.
const numeric: Record<EventBody['type'], readonly string[]> = {
  scan: [],
  line: [],
  choice: [],
  phase: [],
  lrFind: ['lrs', 'losses', 'smoothed', 'chosen'],
  batch: ['step', 'epoch', 'loss', 'smooth', 'lrs'],
  epoch: ['epoch', 'step', 'trainLoss', 'validLoss', 'seconds', 'lrs'],
  checkpoint: ['step'],
  warning: [],
  resumed: ['step'],
  stopped: ['step'],
  failed: [],
  done: [],
}

const arrays: Partial<Record<EventBody['type'], readonly string[]>> = {
  scan: ['classes', 'problems'],
  lrFind: ['lrs', 'losses', 'smoothed'],
  batch: ['lrs'],
  epoch: ['lrs'],
}

/** Reads one line; undefined where it is no event of a known type with the fields that its type must have. */
export function parseEvent(line: string): RunEvent | undefined {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const event = value as Record<string, unknown>
  if (typeof event.t !== 'number' || typeof event.type !== 'string') return undefined
  if (!Object.hasOwn(numeric, event.type)) return undefined
  const type = event.type as EventBody['type']
  if (typeof event.phase === 'string') Object.assign(event, phaseOf(event.phase))
  for (const field of arrays[type] ?? []) if (!Array.isArray(event[field])) return undefined
  for (const field of numeric[type]) {
    const v = event[field] ?? Number.NaN
    event[field] = Array.isArray(v) ? v.map(item => (typeof item === 'number' ? item : Number.NaN)) : v
    if (!Array.isArray(v) && typeof v !== 'number') return undefined
  }
  if (type === 'lrFind' && typeof event.suggestions !== 'object') return undefined
  if (type === 'epoch') {
    const metrics = event.metrics
    if (typeof metrics !== 'object' || metrics === null) return undefined
    event.metrics = Object.fromEntries(Object.entries(metrics).map(([k, v]) => [k, v ?? Number.NaN]))
  }
  if (type === 'done') {
    if (typeof event.result !== 'object' || event.result === null) return undefined
    event.result = resultOf(event.result)
  }
  return event as RunEvent
}

/** The first runs wrote the phase at a further size as one string, `head@224`. */
function phaseOf(written: string): Phase {
  const [, phase, size] = /^(.*)@(\d+)$/s.exec(written) ?? []
  return phase === undefined ? { phase: written } : { phase, size: Number(size) }
}

/** A phase as people read it: `head`, `head at 224 px`, `fold 2 of 5`. */
export function phaseTitle({ phase, size, fold, folds }: Phase & Pick<PhaseEvent, 'fold' | 'folds'>): string {
  const which = fold === undefined ? '' : ` ${fold}${folds === undefined ? '' : ` of ${folds}`}`
  return `${phase}${which}${size === undefined ? '' : ` at ${size} px`}`
}

/** One line for the file, newline included. Losses and rates of a batch keep six digits, so that lines stay short. */
export function formatEvent(event: RunEvent): string {
  return `${JSON.stringify(event.type === 'batch' ? shorten(event) : event)}\n`
}

const six = (v: number) => Number(v.toPrecision(6))

function shorten(event: BatchEvent & { t: number }): BatchEvent & { t: number } {
  return { ...event, loss: six(event.loss), smooth: six(event.smooth), lrs: event.lrs.map(six) }
}

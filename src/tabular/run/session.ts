import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { RunError } from '../../base/errors.ts'
import { ensureFolder, writeAtomic } from '../../base/files.ts'
import { type EventBody, isRun, phaseTitle, type Run, type RunEvent, readEvents, readObject } from '../../runs/index.ts'
import type { Frame } from '../types.ts'

interface State {
  format: 1
  /** The digest of the rows that training began with. */
  data?: string
}

/** A run on a table in progress. A resumed run is the same program run again: what earlier processes have written is not
 *  written twice, and the fit goes on from the state in its own folder. */
export class TableSession {
  readonly run: Run
  readonly #listen: (event: RunEvent) => void
  readonly #written = new Set<string>()
  /** The number of the first epoch of each phase that an earlier process began. */
  readonly #first = new Map<string, number>()
  #state: State = { format: 1 }
  #last = { step: 0, epoch: 0 }

  constructor(run: Run, listen: (event: RunEvent) => void) {
    this.run = run
    this.#listen = listen
  }

  /** The folder in which a fit keeps its state. */
  fitState(name: string): string {
    return join(this.run.paths.resume, name)
  }
  get #path(): string {
    return join(this.run.paths.resume, 'state.json')
  }

  /** The number of the last epoch that was written. */
  get step(): number {
    return this.#last.step
  }

  /** The number of a phase's first epoch, where an earlier process of this run began it. */
  firstEpoch(phase: string): number | undefined {
    return this.#first.get(phase)
  }

  /** Reads what earlier processes of this run have written. */
  resume(): void {
    for (const event of readEvents(this.run.paths.events).events) {
      if (event.type === 'phase' && event.firstEpoch !== undefined) this.#first.set(event.phase, event.firstEpoch)
      if (event.type === 'epoch') this.#last = { step: event.step, epoch: event.epoch }
      const key = keyOf(event)
      if (key !== undefined) this.#written.add(key)
    }
    try {
      this.#state = readObject<State>(this.#path) ?? this.#state
    } catch (cause) {
      throw new RunError(
        `${this.#path}: the resume state can't be read (${(cause as Error).message}); start a new run.`,
        { cause },
      )
    }
    this.emit({ type: 'resumed', step: this.#last.step })
  }

  emit(body: EventBody): void {
    const key = keyOf(body)
    if (key !== undefined && this.#written.has(key)) {
      this.#listen({ t: this.run.seconds, ...body } as RunEvent)
      return
    }
    if (key !== undefined) this.#written.add(key)
    if (body.type === 'epoch') this.#last = { step: body.step, epoch: body.epoch }
    this.#listen(this.run.append(body))
  }
  choice(what: string, value: string, reason: string): void {
    this.emit({ type: 'choice', what, value, reason })
  }
  line(text: string): void {
    this.emit({ type: 'line', text })
  }
  warn(message: string): void {
    this.emit({ type: 'warning', message })
  }

  /** Notes the rows that training begins with; a resumed run must have the same. */
  began(frame: Frame): void {
    const data = digestOf(frame)
    if (this.#state.data === data) return
    if (this.#state.data !== undefined)
      throw new RunError(
        `${this.run.dir}: the rows of ${frame.source} are not those that this run began with: the table has changed, or its query returns other rows or another order. Restore it, or start a new run.`,
      )
    this.#state = { ...this.#state, data }
    ensureFolder(this.run.paths.resume)
    writeAtomic(this.#path, JSON.stringify(this.#state))
  }
  /** Whether folds of this run began. */
  get hasFolds(): boolean {
    return isRun(join(this.run.dir, 'fold-1'))
  }
  /** Whether training began: there is something to go on with. */
  get hasBegun(): boolean {
    return this.#state.data !== undefined
  }

  /** Deletes the resume state of a run that has ended well. */
  forget(): void {
    rmSync(this.run.paths.resume, { recursive: true, force: true })
  }
}

/** Two events with the same key are the same for a reader; undefined for those that are always written. */
function keyOf(body: EventBody): string | undefined {
  switch (body.type) {
    case 'choice':
      return `choice ${body.what}: ${body.value}`
    case 'epoch':
      return `epoch ${phaseTitle(body)} ${body.epoch}`
    case 'batch':
      return `batch ${phaseTitle(body)} ${body.step}`
    case 'lrFind':
      return `lrFind ${phaseTitle(body)}`
    case 'phase':
      return `phase ${phaseTitle(body)} ${body.fold ?? ''}`
    case 'scan':
    case 'line':
    case 'warning': {
      const { t: _, ...rest } = body as typeof body & { t?: number }
      return JSON.stringify(rest)
    }
    default:
      return undefined
  }
}

/** sha256 of the names, types and values of a frame. */
export function digestOf(frame: Frame): string {
  const hash = createHash('sha256')
  const add = (values: Float64Array | Int32Array) =>
    hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
  for (const column of frame.columns) {
    hash.update(JSON.stringify([column.name, column.type]))
    if (column.type === 'words') {
      hash.update(JSON.stringify(column.values.words))
      add(column.values.codes)
    } else add(column.values)
  }
  return hash.digest('hex')
}

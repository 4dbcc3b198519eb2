import { appendFileSync, existsSync, mkdirSync, readdirSync, rmSync, type Stats, statSync } from 'node:fs'
import { join } from 'node:path'
import { type AnnealError, RunError } from '../base/errors.ts'
import { ensureFolder, refusals, writeAtomic } from '../base/files.ts'
import { quoted } from '../base/format.ts'
import { option } from '../base/options.ts'
import type { RunConfig } from './config.ts'
import type { EpochEvent, EventBody, RunEvent } from './events.ts'
import { cutAfter, type EventLog, EventWriter, readEvents } from './log.ts'
import { metricsHeader, metricsRow, metricsTable, otherMetrics } from './metrics.ts'
import { readObject, runPaths } from './paths.ts'
import type { RunResult } from './result.ts'
import { takeLock } from './run-lock.ts'

/** An open run folder, held by this process alone until `close`. */
export interface Run {
  readonly dir: string
  readonly paths: ReturnType<typeof runPaths>
  /** Seconds of work since the run began, earlier processes included. */
  readonly seconds: number
  /** Why events could not be written at the last attempt (a full disk, say); they are kept and tried again. */
  readonly problem: Error | undefined
  writeConfig(config: RunConfig): void
  /** Stamps and appends an event; an epoch adds its row to `metrics.csv`. Never throws for a full disk. */
  append(event: EventBody): RunEvent
  /** Announces a resume state, on the disk when it returns. Call it just before that state is written. A process that is
   *  killed between the two leaves the announcement of a state that does not exist, so each state has its own `number`. */
  checkpoint(at: { step: number; epoch: number; number?: number }): void
  /** Drops every event and row behind the checkpoint of `step` with this `number`, so that a resumed run doubles no
   *  history. Without a number, behind the last checkpoint of the step. */
  truncateAfter(at: { step: number; number?: number | undefined }): void
  /** Writes `result.json` and the last event. Throws where they can't be written. */
  finish(result: RunResult): void
  /** Writes pending events and gives the folder back. Also done when the process exits. */
  close(): void
}

/** Opens a run folder for writing. `create` makes it, and refuses a folder with anything in it; `append` goes on with a
 *  run: it cuts a half-written last line and removes half-written files. Both refuse a folder that a live process has. */
export function openRun(dir: string, mode: 'create' | 'append'): Run {
  const paths = runPaths(dir)
  if (mode === 'create') makeEmpty(dir)
  else if (!isRun(dir))
    throw new RunError(`${dir}: ${existsSync(dir) ? 'holds no run' : 'no such folder'}. ${listHint}`)
  const unlock = takeLock(dir)
  try {
    if (mode === 'append') removeTemporary(dir)
    const log = readEvents(paths.events)
    if (mode === 'append') writeAtomic(paths.metrics, metricsTable(log.events))
    else appendFileSync(paths.metrics, metricsHeader())
    return hold(dir, log, unlock)
  } catch (error) {
    unlock()
    throw error
  }
}

const listHint = '`npx anneal runs` lists the runs that can be resumed.'

function hold(dir: string, log: EventLog, unlock: () => void): Run {
  const paths = runPaths(dir)
  const writer = new EventWriter(paths.events, log.bytes)
  let offset = log.events.at(-1)?.t ?? 0
  const opened = performance.now() // not the clock of the day, which may jump
  let open = true
  let more = otherMetrics(log.events)
  let unwrittenRows = false

  const close = (): boolean => {
    if (!open) return true
    open = false
    process.off('exit', close)
    const whole = writer.close()
    unlock()
    return whole
  }
  process.on('exit', close)

  const run: Run = {
    dir,
    paths,
    get seconds() {
      return offset + (performance.now() - opened) / 1000
    },
    get problem() {
      return writer.problem
    },
    writeConfig(config) {
      writeAtomic(paths.config, `${JSON.stringify(config, null, 2)}\n`)
    },
    append(body) {
      const event = { t: Math.round(run.seconds * 1000) / 1000, ...body } as RunEvent
      writer.append(event)
      if (event.type === 'batch') return event
      writer.flush()
      if (event.type === 'epoch') addRow(event)
      return event
    },
    checkpoint({ step, epoch, number }) {
      run.append({ type: 'checkpoint', step, epoch, ...(number === undefined ? {} : { number }) })
      writer.flush({ sync: true })
    },
    truncateAfter(at) {
      writer.flush()
      const log = readEvents(paths.events)
      writer.truncate(cutAfter(log, at))
      const { events } = readEvents(paths.events)
      writeAtomic(paths.metrics, metricsTable(events))
      more = otherMetrics(events)
      if (!events.some(e => e.type === 'done')) rmSync(paths.result, { force: true })
      offset = (events.at(-1)?.t ?? 0) - (performance.now() - opened) / 1000
    },
    finish(result) {
      writeAtomic(paths.result, `${JSON.stringify(result, null, 2)}\n`)
      run.append({ type: 'done', result })
      if (unwrittenRows) writeAtomic(paths.metrics, metricsTable(readEvents(paths.events).events))
      if (!writer.flush({ sync: true })) throw unwritten(dir, writer.problem)
    },
    close() {
      if (!close()) throw unwritten(dir, writer.problem)
    },
  }

  function addRow(epoch: EpochEvent & { t: number }): void {
    const found = otherMetrics([epoch]).filter(name => !more.includes(name))
    more = [...more, ...found]
    unwrittenRows ||= found.length > 0 // a metric that has no column yet: the table is made anew, with one
    try {
      if (unwrittenRows) writeAtomic(paths.metrics, metricsTable(readEvents(paths.events).events))
      else appendFileSync(paths.metrics, metricsRow(epoch, more))
      unwrittenRows = false
    } catch {
      unwrittenRows = true // the events hold the same numbers; the table is made from them once there is room
    }
  }

  return run
}

const unwritten = (dir: string, cause: Error | undefined) =>
  new RunError(
    `${dir}: the last events could not be written (${cause?.message ?? 'unknown reason'}). ` +
      'The weights saved before are intact; free some disk space and run `npx anneal train --resume` on this run.',
    { cause },
  )

/** Whether a folder looks like a run, whole or damaged. */
export const isRun = (dir: string): boolean => {
  const { config, events } = runPaths(dir)
  return existsSync(events) || (existsSync(config) && configFormat(config) === 1)
}

function configFormat(path: string): unknown {
  try {
    return readObject<RunConfig>(path)?.format
  } catch {
    return undefined
  }
}

function makeEmpty(dir: string): void {
  const stat = lookAt(dir)
  if (stat && !stat.isDirectory())
    throw new RunError(`${dir}: is a file; a run needs a folder. Choose another folder (${option('out')}).`)
  if (stat) {
    if (isRun(dir) && existsSync(runPaths(dir).result))
      throw new RunError(
        `${dir}: holds a run that is finished. Choose another folder (${option('out')}), or predict with it: npx anneal predict ${quoted(dir)} PICTURE.`,
      )
    if (isRun(dir))
      throw new RunError(
        `${dir}: holds a run already. Go on with it by \`npx anneal train --resume ${quoted(dir)}\`, or choose another folder (${option('out')}).`,
      )
    const found = readdirSync(dir).filter(name => name !== '.DS_Store')
    if (found.length > 0)
      throw new RunError(
        `${dir}: holds other files (${found.slice(0, 3).join(', ')}${found.length > 3 ? ', …' : ''}); ` +
          `a run needs a new or an empty folder. Choose another folder (${option('out')}).`,
      )
  }
  ensureRunFolder(dir)
}

function lookAt(dir: string): Stats | undefined {
  try {
    return statSync(dir, { throwIfNoEntry: false })
  } catch (cause) {
    throw notMade(dir, cause as NodeJS.ErrnoException) // below a file, or too long a name
  }
}

function ensureRunFolder(dir: string): void {
  try {
    ensureFolder(dir)
  } catch (cause) {
    throw notMade(dir, cause as NodeJS.ErrnoException)
  }
}

function notMade(dir: string, cause: NodeJS.ErrnoException): AnnealError {
  const at = cause.path === undefined || cause.path === dir ? '' : `${cause.path}: `
  const reason = refusals[cause.code ?? ''] ?? cause.message
  return new RunError(
    `${dir}: the run's folder can not be made: ${at}${reason} (${cause.code}). Choose another folder (${option('out')}).`,
    { cause },
  )
}

/** Removes the files that writeAtomic leaves behind when its process is killed. The lock's own files may belong to another
 *  process at work. */
function removeTemporary(dir: string): void {
  for (const folder of [dir, join(dir, 'resume')])
    for (const name of existsSync(folder) ? readdirSync(folder) : [])
      if (name.endsWith('.tmp') && !name.startsWith('lock.json')) rmSync(join(folder, name), { force: true })
}

const mostRuns = 100_000

/** Makes the folder of a run that was given no name: `ROOT/2026-12-31-resnet34-1`, the first number that is free.
 *  about: the model that was asked for, else the name of the data. */
export function newRunFolder(about: string, { root = 'runs', date = new Date() } = {}): string {
  ensureRunFolder(root)
  const day = [date.getFullYear(), date.getMonth() + 1, date.getDate()].map(n => String(n).padStart(2, '0')).join('-')
  const plain = about.replace(/[^\w.-]+/g, '-').replace(/^[.-]+|[.-]+$/g, '')
  const name = plain.slice(0, 80) || 'run'
  for (let n = 1; ; n++) {
    const dir = join(root, `${day}-${name}-${n}`)
    try {
      mkdirSync(dir)
      return dir
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT' && n < mostRuns)
        ensureRunFolder(root) // a run that failed at once took the empty folder away
      else if (code !== 'EEXIST') throw notMade(dir, error as NodeJS.ErrnoException)
    }
  }
}

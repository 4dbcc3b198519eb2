import { closeSync, fstatSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { RunError } from '../base/errors.ts'
import type { RunConfig } from './config.ts'
import { parseEvent, type RunEvent } from './events.ts'
import type { Interpretation } from './interpret.ts'
import { readEvents } from './log.ts'
import { summariseMetrics } from './metrics.ts'
import { readObject, runPaths } from './paths.ts'
import { partOf, type RunResult, readResult } from './result.ts'
import { isRun } from './run.ts'
import { lockOwner } from './run-lock.ts'

/** `damaged` is a run whose files contradict the format; its `reason` names the file. */
export type RunState = 'running' | 'done' | 'interrupted' | 'failed' | 'damaged'

/** A line of the run list. `metrics` are those of the best epoch so far, or of the result; `seconds` is the time of work. */
export type RunSummary = {
  dir: string
  name: string
  state: RunState
  reason?: string
  created?: Date
  model?: string
  classes?: number
  metrics: Record<string, number>
  /** The metric that the run is judged by, where it is not the usual one of its task. */
  leading?: string
  epochs: number
  seconds?: number
}

/** Everything in a run folder but its weights. `problems` names what could not be read. */
export type RunRecord = RunSummary & {
  config?: RunConfig
  result?: RunResult
  interpret?: Interpretation
  events: RunEvent[]
  problems: string[]
}

/** The runs under `root`, newest first. Reads little of each; a damaged one is listed as such with its reason, and
 *  what is no run is left out. A missing root has no runs. */
export function listRuns(root = 'runs'): RunSummary[] {
  let names: string[]
  try {
    names = readdirSync(root)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw new RunError(`${root}: can't be listed (${(error as Error).message}). Name the folder that holds the runs.`)
  }
  return names
    .map(name => join(root, name))
    .filter(isRun)
    .map(summariseRun)
    .sort((a, b) => (b.created?.getTime() ?? 0) - (a.created?.getTime() ?? 0) || (a.dir < b.dir ? 1 : -1))
}

/** One line about the run in `dir`; never throws for what is in it. */
export function summariseRun(dir: string): RunSummary {
  const paths = runPaths(dir)
  const summary: RunSummary = { dir, name: basename(resolve(dir)), state: 'damaged', metrics: {}, epochs: 0 }
  try {
    const config = part('config.json', () => readObject<RunConfig>(paths.config))
    const live = lockOwner(dir) !== undefined
    summary.created = madeAt(dir, config)
    if (!config && !live) throw new Error('config.json is missing')
    summary.model = String(config?.model ?? '')
    if (Array.isArray(config?.classes)) summary.classes = config.classes.length
    Object.assign(summary, summariseMetrics(readText(paths.metrics)))
    const end = lastEvents(paths.events)
    if (end.length > 0) summary.seconds = end.at(-1)!.t
    const result = part('result.json', () => readResult(dir))
    if (result) summary.metrics = { ...summary.metrics, ...result.metrics }
    if (result?.leading !== undefined) summary.leading = result.leading
    // Of a fit with many epochs not each has a row.
    if (result && (summary.epochs === 0 || result.sample !== undefined)) summary.epochs = result.epochs
    summary.state = live ? 'running' : result ? 'done' : stateFrom(end)
    const failed = end.findLast(e => e.type === 'failed')
    if (summary.state === 'failed' && failed?.type === 'failed') summary.reason = failed.message
    return summary
  } catch (error) {
    return { ...summary, state: 'damaged', reason: (error as Error).message }
  }
}

/** Reads a run folder as far as it can be read; throws only where `dir` holds no run. */
export function readRun(dir: string): RunRecord {
  if (!isRun(dir)) throw new RunError(`${dir}: holds no run. \`npx anneal runs\` lists the runs there are.`)
  const paths = runPaths(dir)
  const problems: string[] = []
  const read = <T>(name: string, of: () => T): T | undefined => {
    try {
      return part(name, of)
    } catch (error) {
      problems.push((error as Error).message)
      return undefined
    }
  }
  const config = read('config.json', () => readObject<RunConfig>(paths.config))
  const result = read('result.json', () => readResult(dir))
  const interpret = read('interpret.json', () => {
    const stored = readObject<Interpretation>(paths.interpret)
    return stored?.test ? { ...stored, test: partOf<NonNullable<Interpretation['test']>>(stored.test) } : stored
  })
  let events: RunEvent[] = []
  let unknown = 0
  try {
    ;({ events, unknown } = readEvents(paths.events))
  } catch (error) {
    problems.push(`events.jsonl can't be read (${(error as Error).message})`)
  }
  if (unknown > 0) problems.push(`events.jsonl has ${unknown} lines that can't be read`)
  return { ...summariseRun(dir), config, result, interpret, events, problems }
}

function part<T>(name: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw new Error(`${name} ${(error as Error).message}`)
  }
}

function madeAt(dir: string, config: RunConfig | undefined): Date {
  const created = new Date(config?.created ?? Number.NaN)
  return Number.isNaN(created.getTime()) ? statSync(dir).mtime : created
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** How a run that nobody writes to ended: the last word that it left. */
function stateFrom(events: readonly RunEvent[]): RunState {
  const last = events.findLast(e => ['done', 'stopped', 'failed', 'resumed'].includes(e.type))
  return last?.type === 'done' ? 'done' : last?.type === 'failed' ? 'failed' : 'interrupted'
}

/** The events in the last 64 KB of the file. */
function lastEvents(path: string): RunEvent[] {
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch {
    return []
  }
  try {
    const { size } = fstatSync(fd)
    const tail = Buffer.alloc(Math.min(size, 1 << 16))
    const read = readSync(fd, tail, 0, tail.byteLength, size - tail.byteLength)
    const lines = tail.toString('utf8', 0, read).split('\n').slice(0, -1)
    return lines.flatMap(line => parseEvent(line) ?? [])
  } finally {
    closeSync(fd)
  }
}

import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { RunError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { typed } from '../../base/options.ts'
import { silent, streamReport } from '../../base/progress.ts'
import { version } from '../../base/version.ts'
import {
  domainOf,
  doneText,
  newRunFolder,
  openRun,
  type RunConfig,
  type RunResult,
  readConfig,
  runPaths,
} from '../../runs/index.ts'
import { library, operatorThreads } from '../../torch/index.ts'
import { checkSameMachine, machineFacts } from '../../train/same-machine.ts'
import { Stopped } from '../../train/stop.ts'
import { Both } from '../models/both.ts'
import { fitTableModel } from '../models/index.ts'
import { returnMemory } from '../models/lightgbm/memory.ts'
import { lightgbmVersion } from '../models/lightgbm/pins.ts'
import type { TableOptions } from '../options.ts'
import { serverOf } from '../read/server.ts'
import { baselines, learningCurve } from './baselines.ts'
import { fitAndSave, modelOf, type One, stopwatch } from './fit-and-save.ts'
import { trainFolds } from './folds.ts'
import { interpretTable, writeInterpretation } from './interpret.ts'
import { leadingOf } from './metrics.ts'
import { openTable } from './open.ts'
import type { RunTable } from './run-table.ts'
import { TableSession } from './session.ts'
import type { Asked, Job, Made, TableHooks } from './types.ts'

/** Trains a model of a table, and writes the run into a folder. `source`: a file, a pattern of files or a database.
 *  `options.target` names the column to predict. */
export async function trainTable(source: string, options: TableOptions, hooks: TableHooks = {}): Promise<RunResult> {
  serverOf(source) // an address with a password is refused before anything is written
  const { out, ...others } = options
  const model = modelOf(others)
  const config: Asked = {
    format: 1,
    anneal: version(),
    created: new Date().toISOString(),
    command: hooks.command ?? [],
    domain: 'tables',
    model,
    data: existsSync(source) ? resolve(source) : source,
    classes: [],
    seed: others.seed ?? usualSeed,
    settings: Object.fromEntries(Object.entries(others).filter(([, value]) => value !== undefined)),
  }
  const existed = out !== undefined && existsSync(out)
  const dir = out ?? newRunFolder(model)
  try {
    return await drive(dir, { mode: 'create', config, options: others }, hooks)
  } catch (error) {
    if (!existed) removeEmpty(dir)
    if (out === undefined) removeEmpty(dirname(dir))
    throw error
  }
}

const usualSeed = 42

/** Trees are trained by LightGBM: libtorch is not loaded for them before the model is saved. */
const trainsOnLibtorch = (model: string): boolean => model !== 'trees'

function whole(asked: Asked): RunConfig {
  const libtorch = trainsOnLibtorch(asked.model)
  const facts: Record<string, string> = libtorch
    ? { libtorch: library().version }
    : { lightgbm: process.env.ANNEAL_LIGHTGBM || lightgbmVersion }
  return {
    versions: { node: process.versions.node, ...facts, anneal: version() },
    machine: machineFacts({ libtorch }),
    ...asked,
  }
}
function removeEmpty(dir: string): void {
  try {
    rmdirSync(dir)
  } catch {
    // It holds a run.
  }
}

/** Resumes a run on a table that was stopped or killed. On the same machine and threads the result is that of an
 *  uninterrupted run. `data`: where the table has moved to. */
export async function resumeTable(
  dir: string,
  { data, ...hooks }: TableHooks & { data?: string | undefined } = {},
): Promise<RunResult> {
  const config = readConfig(dir)
  if (!config?.machine || config.format !== 1 || domainOf(config) !== 'tables')
    throw new RunError(`${dir}: holds no run on a table that can be resumed. \`npx anneal runs\` lists the runs.`)
  if (existsSync(runPaths(dir).result)) throw new RunError(doneText(dir))
  checkSameMachine(dir, config)
  const moved = data === undefined ? config : { ...config, data: existsSync(data) ? resolve(data) : data }
  return drive(dir, { mode: 'append', config: moved, options: config.settings as TableOptions }, hooks)
}

/** Runs a training inside its folder, from the start or from where it stopped. */
export async function drive(dir: string, job: Job, hooks: TableHooks): Promise<RunResult> {
  const { mode, config } = job
  const { onRun, onEvent = () => {}, writeReport } = hooks
  if (!trainsOnLibtorch(config.model)) returnMemory()
  const run = openRun(dir, mode)
  let begun = mode === 'append'
  let held = true
  let written = false
  const session = new TableSession(run, event => {
    if (!written) run.writeConfig(whole(config))
    written = true
    onEvent(event)
  })
  try {
    if (mode === 'append') session.resume()
    onRun?.(dir, message => held && session.warn(message))
    try {
      const { result, made } = await work(session, job, hooks)
      run.writeConfig({ ...whole(config), ...made })
      run.finish(result)
      session.forget()
      await writeReport?.(dir).catch((error: Error) =>
        session.warn(`the report could not be drawn (${error.message}); \`anneal report ${dir}\` tries again`),
      )
      onEvent({ t: run.seconds, type: 'done', result })
      return result
    } catch (error) {
      held = false // how the run ended is its last event
      begun ||= session.hasBegun || session.hasFolds
      if (!stopped(error)) session.emit({ type: 'failed', message: (error as Error).message })
      if (!stopped(error) || (error as Stopped).saved !== undefined) throw error
      const saved = begun
        ? 'saved: the state of the fit; the table is read again'
        : 'nothing was trained yet; the table is read again'
      begun = true // the settings are kept
      session.emit({ type: 'stopped', reason: `interrupted; ${saved}`, step: session.step })
      throw new Stopped(saved)
    }
  } finally {
    held = false
    run.close()
    // Bad input leaves nothing behind.
    if (!begun && !existsSync(run.paths.result))
      for (const name of readdirSync(dir)) rmSync(join(dir, name), { recursive: true })
  }
}

const stopped = (error: unknown): boolean => error instanceof Stopped || (error as Error)?.name === 'AbortError'

async function work(session: TableSession, job: Job, hooks: TableHooks): Promise<Made> {
  const { config, options, fold } = job
  const clock = stopwatch()
  let { open } = job
  if (!open) {
    session.emit({ type: 'phase', phase: 'read' })
    open = await openTable(config.data, options, {
      onChoice: ({ what, value, reason }) => session.choice(what, value, reason),
      report: hooks.report ?? (hooks.onEvent ? silent : streamReport(process.stderr)),
      signal: hooks.signal,
      embedder: hooks.embedder,
      progress: hooks.progress,
      onWarning: message => session.warn(message),
    })
    session.began(open.frame)
    clock('read')
  }
  if (options.folds !== undefined && fold === undefined && options.fold === undefined)
    return trainFolds(session, { ...job, open }, hooks, drive)
  const table = await open.at(fold)
  if (job.open) session.began(open.frame)
  return oneModel(session, { table, config, options, clock, alone: job.open === undefined }, hooks)
}

async function oneModel(session: TableSession, one: One, hooks: TableHooks): Promise<Made> {
  const { run } = session
  const { signal, report } = hooks
  const { options, clock } = one
  const { seed } = one.config
  const model = modelOf(options)
  tellColumns(session, one.table)
  scan(session, one.table)
  tellLeaks(session, one.table)
  const saved = await fitAndSave(session, one, hooks)
  const { trained, card, table, train, some, valid, outputs, decision, tested } = saved
  const { targets, parts } = table

  session.emit({ type: 'phase', phase: 'baselines' })
  const asked = model === 'trees' ? { epochs: options.epochs, lr: options.lr } : undefined
  const shared = { train, some, valid, seed, threads: operatorThreads(), signal, report }
  const context = { ...shared, decision, fit: fitTableModel, trees: asked }
  const trainedParts = trained instanceof Both ? trained.parts.map(part => part.model) : [trained]
  const { whole: result, others } = await baselines(trainedParts, { ...context, outputs }, message =>
    session.warn(message),
  )
  const own = {
    name: model,
    text: 'the model of this run',
    metrics: result.metrics,
    intervals: result.intervals ?? {},
    seconds: clock.of('fit'),
    own: true,
  }
  const trees = model === 'trees' ? own : others.find(({ name }) => name === 'trees')
  const byRows = some ? [] : await learningCurve(context, trees)
  clock('baselines')
  session.emit({ type: 'phase', phase: 'interpret' })
  const found = await interpretTable(table, {
    valid,
    outputs,
    predict: saved.predict,
    decision,
    calibration: saved.calibration,
    baselines: [...others, own],
    byRows,
    test: tested,
    seed,
    signal,
  })
  writeInterpretation(run.paths.interpret, found)
  clock('interpret')
  const classes = [...targets.classes]
  return {
    result: {
      ...result,
      run: run.dir,
      model,
      classes,
      task: targets.task,
      leading: leadingOf(targets),
      sample: 'row',
      epochs: saved.epochs,
      seconds: { ...clock.all(), total: run.seconds },
      ...(card.threshold === undefined ? {} : { threshold: card.threshold }),
      choseOnValid: [
        'epochs',
        ...(model === 'both' ? ['the weights of net and trees'] : []),
        ...(card.temperature === undefined ? [] : ['temperature']),
        ...(card.threshold === undefined ? [] : ['threshold']),
      ],
      ...(tested ? { test: { ...tested.part, samples: parts.test!.length } } : {}),
    },
    made: { model, classes },
  }
}

function scan(session: TableSession, { targets, parts }: RunTable): void {
  const sizes = {
    train: parts.train.length,
    valid: parts.valid.length,
    ...(parts.test ? { test: parts.test.length } : {}),
  }
  const count = (part: Int32Array | undefined) => {
    const counts = targets.classes.map(() => 0)
    for (const row of part ?? []) counts[targets.values[row]!]!++
    return counts
  }
  const [train, valid, test] = targets.task === 'single' ? [parts.train, parts.valid, parts.test].map(count) : []
  const classes =
    targets.task === 'single'
      ? targets.classes.map((name, c) => ({
          name,
          train: train![c]!,
          valid: valid![c]!,
          ...(parts.test ? { test: test![c]! } : {}),
        }))
      : []
  session.emit({ type: 'scan', classes, problems: [], pictures: sizes, sample: 'row' })
}

/** More columns than this are told by kind, not one by one. */
const mostColumns = 40

/** What each column is used as, or why it is left out. */
function tellColumns(session: TableSession, { columns }: RunTable): void {
  const out = columns.filter(({ used }) => !used)
  for (const { name, kind, reason } of out.slice(0, mostColumns))
    session.choice(`column "${name}"`, 'left out', reason === kind ? kind : `${kind}: ${reason}`)
  const used = columns.filter(column => column.used)
  if (used.length <= mostColumns) {
    for (const { name, kind, reason } of used) session.choice(`column "${name}"`, kind, reason)
    return
  }
  for (const kind of new Set(used.map(column => column.kind))) {
    const own = used.filter(column => column.kind === kind).map(({ name }) => name)
    const shown = `${own.slice(0, 12).join(', ')}${own.length > 12 ? ', …' : ''}`
    session.choice(
      `${plural(own.length, 'column')}`,
      kind,
      `by their content: ${shown}; ${typed('as', 'NAME=KIND')} says otherwise`,
    )
  }
}

/** The findings of the leak check, each with what takes it away, ready to paste. */
function tellLeaks(session: TableSession, { leaks }: RunTable): void {
  for (const { message, remedy } of leaks) session.warn(`leak check: ${message}. To change that: ${remedy}`)
  const drop = [...new Set(leaks.flatMap(({ columns }) => columns))]
  if (drop.length > 1)
    session.warn(`leak check: to leave out all of these columns: ${typed('drop', drop.map(quotedName).join(','))}`)
}
/** A name in a typed list: in double quotes where it has a comma. */
const quotedName = (name: string) => (/[",\\]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name)

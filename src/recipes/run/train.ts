import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { AnnealError } from '../../base/errors.ts'
import { option } from '../../base/options.ts'
import { type Report, streamReport } from '../../base/progress.ts'
import { version } from '../../base/version.ts'
import {
  isRun,
  newRunFolder,
  openRun,
  type RunConfig,
  type RunEvent,
  type RunResult,
  readObject,
  runPaths,
} from '../../runs/index.ts'
import { machine } from '../../setup/index.ts'
import { keepMemory, library } from '../../torch/index.ts'
import { Stopped } from '../../train/stop.ts'
import { checkOptions, type TrainOptions } from '../options.ts'
import { checkDevice, usualDevice } from '../prepare/device.ts'
import { openIndex } from '../prepare/open-pictures.ts'
import { fiveSteps } from '../steps/five-steps.ts'
import type { Context, Progress } from './context.ts'
import { foldName, trainFolds } from './cross-validation.ts'
import { type Places, placed } from './moved-files.ts'
import { Session } from './session.ts'
import { restoredOptions, storedSettings } from './stored-options.ts'

/** Who hears of a training while it goes, and who may stop it. */
export interface TrainHooks {
  /** Called with the run's folder as soon as it is held, and with the way to put a warning into its events. */
  onRun?: (dir: string, warn: (message: string) => void) => void
  /** Hears of everything as it happens. */
  onEvent?: (event: RunEvent) => void
  /** Downloads. */
  report?: Report
  /** Work without losses: decoding, features. */
  progress?: Progress
  /** Aborted, training stops after its step, saves and throws `Stopped`. */
  signal?: AbortSignal
  /** Called when the run's work is done, before its report is drawn; draws it. */
  writeReport?: (runDir: string) => Promise<void>
  /** As the run's configuration records it. */
  command?: string[]
  /** For a run that goes on: the function that its labels came from. */
  labelOf?: TrainOptions['labelOf']
}

/** Trains a classifier on a folder of pictures by the five easy steps, into a run folder of its own. */
export async function trainFolder(
  data: string,
  { out, ...options }: TrainOptions & { out?: string | undefined } = {},
  hooks: TrainHooks = {},
): Promise<RunResult> {
  checkOptions(options)
  if (!existsSync(data))
    throw new AnnealError(
      `${data}: no such folder. Expected a folder with one folder of pictures a class, such as ${data}/cat and ${data}/dog.`,
    )
  const root = resolve(out ?? 'runs')
  if (!relative(resolve(data), root).startsWith('..'))
    throw new AnnealError(
      `${root}: the run would lie among the pictures of ${data}; name another folder (${option('out')}).`,
    )
  const config: Asked = {
    format: 1,
    anneal: version(),
    created: new Date().toISOString(),
    command: hooks.command ?? [],
    model: options.model ?? 'auto',
    data: resolve(data),
    classes: [],
    seed: options.seed ?? 42,
    settings: storedSettings(options),
  }
  const existed = existsSync(root)
  const dir = out ?? newRunFolder(options.model ?? 'auto')
  try {
    return await drive(dir, 'create', config, options, hooks)
  } catch (error) {
    if (!existed || out === undefined) removeEmpty(dir)
    if (out === undefined) removeEmpty(dirname(dir))
    throw error
  }
}

/** A run's configuration without what libtorch says of itself. */
type Asked = Omit<RunConfig, 'versions' | 'machine'> & Partial<RunConfig>
const whole = (asked: Asked): RunConfig => ({
  versions: { node: process.versions.node, libtorch: library().version, anneal: version() },
  machine: machineFacts(),
  ...asked,
})

function removeEmpty(dir: string): void {
  try {
    rmdirSync(dir)
  } catch {
    // It holds a run.
  }
}

/** Who hears of a run that goes on, and where its files have moved to meanwhile. */
export interface ResumeHooks extends TrainHooks {
  places?: Places
}

/** Goes on with a run that was stopped or killed, from its last checkpoint, to the same weights as an uninterrupted one
 *  on the same machine and threads. Pictures that have moved are known again by their content. */
export async function resumeRun(dir: string, { places = {}, ...hooks }: ResumeHooks = {}): Promise<RunResult> {
  const { config: path, result } = runPaths(dir)
  const config = readConfig(path)
  if (!config?.machine || config.format !== 1)
    throw new AnnealError(`${dir}: holds no run that can be resumed. \`npx anneal runs\` lists the runs.`)
  if (existsSync(result))
    throw new AnnealError(
      `${dir}: this run is done; its report is ${runPaths(dir).report}. To train more, start a new run.`,
    )
  const now = machineFacts()
  if (config.machine.threads !== now.threads)
    throw new AnnealError(
      `${dir}: began with ${config.machine.threads} threads and would go on with ${now.threads}, to other bits; set ANNEAL_THREADS=${config.machine.threads}.`,
    )
  const then = `libtorch ${config.versions.libtorch} with ${config.machine.cpuCapability}`
  const here = `libtorch ${library().version} with ${now.cpuCapability}`
  if (then !== here)
    throw new AnnealError(
      `${dir}: began on ${then} and would go on with ${here}, to other bits; set ANNEAL_LIBTORCH to the one that it began on, or start a new run.`,
    )
  const moved = placed(dir, config, places)
  return drive(dir, 'append', moved, restoredOptions(dir, moved.settings, hooks.labelOf), hooks)
}

function readConfig(path: string): RunConfig | undefined {
  try {
    return readObject<RunConfig>(path)
  } catch (cause) {
    throw new AnnealError(`${path}: ${(cause as Error).message}; the run can't be resumed. Start a new one.`, { cause })
  }
}

const machineFacts = (): RunConfig['machine'] => {
  const { cpu } = machine()
  const { threads, cpuCapability, cudaDevices } = library()
  return { cpu: cpu.model, cores: cpu.cores, amx: cpu.amx, threads, cpuCapability, cudaDevices }
}

async function drive(
  dir: string,
  mode: 'create' | 'append',
  config: Asked,
  options: TrainOptions,
  {
    onRun,
    onEvent = () => {},
    report = streamReport(process.stderr),
    progress = () => {},
    signal,
    writeReport,
    accepted: onAccepted,
  }: TrainHooks & Pick<Context, 'accepted'>,
): Promise<RunResult> {
  checkDevice(options.device ?? usualDevice(), options.precision)
  keepMemory()
  const run = openRun(dir, mode)
  let begun = true
  let held = true
  try {
    // Written with the first event: while pictures are listed, libtorch is still being loaded.
    let written = mode === 'append'
    const writeConfig = () => {
      if (!written) run.writeConfig(whole(config))
      written = true
    }
    const session = new Session(run, event => {
      writeConfig()
      onEvent(event)
    })
    if (mode === 'append') session.resume()
    onRun?.(dir, message => held && session.warn(message))
    try {
      const accepted = () => {
        if (mode === 'append') run.writeConfig(whole(config))
        onAccepted?.()
      }
      const context = { session, options, report, progress, signal, accepted }
      const { result, made } =
        options.folds !== undefined && options.fold === undefined
          ? await everyFold(config, context, { onEvent, report, progress, signal, writeReport, accepted })
          : await oneRun(config, context)
      run.writeConfig({ ...whole(config), ...made, settings: { ...config.settings, ...made.settings } })
      run.finish(result)
      session.forget()
      await writeReport?.(dir).catch((error: Error) =>
        session.warn(`the report could not be drawn (${error.message}); \`anneal report ${dir}\` tries again`),
      )
      onEvent({ t: run.seconds, type: 'done', result })
      return result
    } catch (error) {
      held = false // how the run ended is its last event
      if (wasStopped(error)) {
        const saved = (error as Stopped).saved ?? session.save() // a fold has said it already
        session.emit({ type: 'stopped', reason: `interrupted; ${saved}`, step: session.step })
        throw error instanceof Stopped && error.saved !== undefined ? error : new Stopped(saved)
      } else {
        session.emit({ type: 'failed', message: (error as Error).message })
        begun = mode === 'append' || session.known('data') !== undefined || isRun(join(dir, foldName(0)))
      }
      throw error
    }
  } finally {
    held = false
    run.close()
    // Bad input leaves nothing behind.
    if (!begun) for (const name of readdirSync(dir)) rmSync(join(dir, name), { recursive: true })
  }
}

/** What a run came to, and what of its configuration was found out on the way. */
interface Made {
  result: RunResult
  made: Pick<RunConfig, 'model' | 'classes' | 'settings'>
}

async function oneRun(config: Asked, context: Context): Promise<Made> {
  const { result, prepared } = await fiveSteps(config.data, context)
  const { modelName: model, classes, batchSize, precision, device, preprocessing } = prepared
  return { result, made: { model, classes, settings: { size: preprocessing.size, batchSize, precision, device } } }
}

async function everyFold(
  config: Asked,
  { session, options }: Context,
  hooks: TrainHooks & Pick<Context, 'accepted'>,
): Promise<Made> {
  // What can't be divided is refused before a fold is begun.
  await openIndex(config.data, { ...options, seed: config.seed, fold: 0 })
  const train = (fold: number, dir: string, resume: boolean) => {
    const settings = { ...config.settings, fold }
    return drive(dir, resume ? 'append' : 'create', { ...config, settings }, { ...options, fold }, hooks)
  }
  const result = await trainFolds(session, options.folds!, train, options)
  return { result, made: { model: result.model, classes: result.classes, settings: {} } }
}

/** Whether an error means that the run was stopped on request. */
export const wasStopped = (error: unknown): boolean =>
  error instanceof Stopped || (error as Error)?.name === 'AbortError'

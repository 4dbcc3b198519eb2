import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { dirname, join, parse, relative, resolve } from 'node:path'
import { RunError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { option } from '../../base/options.ts'
import { type Report, streamReport } from '../../base/progress.ts'
import { samples } from '../../base/samples.ts'
import { version } from '../../base/version.ts'
import type { LabelOptions } from '../../data/index.ts'
import { dataExists } from '../../data/shards/find.ts'
import type { Domain, ModelChoice, Progress } from '../../domain/index.ts'
import type { Ranks } from '../../ranks/ranks.ts'
import {
  domainOf,
  doneText,
  isRun,
  newRunFolder,
  openRun,
  type RunConfig,
  type RunEvent,
  type RunResult,
  readConfig,
  runPaths,
} from '../../runs/index.ts'
import { keepMemory, library } from '../../torch/index.ts'
import { checkSameMachine, machineFacts } from '../../train/same-machine.ts'
import { Stopped } from '../../train/stop.ts'
import type { RecipeOptions } from '../options.ts'
import { checkDevice, usualDevice } from '../prepare/device.ts'
import { averageNets } from '../steps/average-nets.ts'
import { type FiveSteps, fiveSteps } from '../steps/five-steps.ts'
import type { Context } from './context.ts'
import { averageOutputs, heldBy, type Members, memberName, trainMembers } from './cross-validation.ts'
import { type Places, placed } from './moved-files.ts'
import { copyRun, explained, folderOf, overRanks } from './over-ranks.ts'
import { atQuality, explainQuality, netsAtBest } from './quality.ts'
import { Session } from './session.ts'
import { restoredOptions, storedSettings } from './stored-options.ts'

/** Callbacks of a training run, and a signal to stop it. */
export interface TrainHooks {
  /** Called as soon as the run's folder is locked, with the folder and a function that adds a warning to its events. */
  onRun?: (dir: string, warn: (message: string) => void) => void
  /** Called with every event as it happens. */
  onEvent?: (event: RunEvent) => void
  /** Called with messages about downloads. */
  report?: Report
  /** Called with the progress of work without losses: decoding, features. */
  progress?: Progress
  /** When aborted, training stops after the current step, saves, and throws `Stopped`. */
  signal?: AbortSignal
  /** Called to draw the report when the run's work is done. */
  writeReport?: (runDir: string) => Promise<void>
  /** The command that the run's configuration records. */
  command?: string[]
  /** For a resumed run: the function that gives its labels. */
  labelOf?: LabelOptions['labelOf']
}

/** Trains a model by the five easy steps, into a run folder of its own. */
export async function train<O extends object>(
  domain: Domain<O>,
  data: string,
  { out, ...options }: O & RecipeOptions & { out?: string | undefined },
  hooks: TrainHooks = {},
): Promise<RunResult> {
  const { report, signal } = hooks
  const recipe = options as unknown as O & RecipeOptions
  const group = { domain, options: recipe, settings: storedSettings(options), report, signal }
  return overRanks(group, (ranks, signal) =>
    trainIn(ranks, domain, data, { ...recipe, out }, { ...hooks, ...(signal ? { signal } : {}) }),
  )
}

/** The same in a group of processes. */
async function trainIn<O extends object>(
  ranks: Ranks,
  domain: Domain<O>,
  data: string,
  { out, ...options }: O & RecipeOptions & { out?: string | undefined },
  hooks: TrainHooks,
): Promise<RunResult> {
  if (!dataExists(data)) throw new RunError(`${data}: no such folder or file. Expected ${domain.expected(data)}.`)
  const root = resolve(out ?? 'runs')
  if (!relative(resolve(data), root).startsWith('..'))
    throw new RunError(`${root}: the run would lie inside the data, ${data}; name another folder (${option('out')}).`)
  const config: Asked = {
    format: 1,
    anneal: version(),
    created: new Date().toISOString(),
    command: hooks.command ?? [],
    domain: domain.name,
    ...(domain.name === 'images' ? {} : { noun: { one: domain.words.one, many: domain.words.many } }),
    model: options.model ?? 'auto',
    data: resolve(data),
    classes: [],
    seed: options.seed ?? 42,
    settings: storedSettings(options),
  }
  const existed = existsSync(root)
  const named = options.model === 'auto' ? undefined : options.model
  const { dir, free } = folderOf(ranks, () => out ?? newRunFolder(named ?? parse(resolve(data)).name))
  try {
    const asked = { mode: 'create' as const, config, options: options as unknown as O & RecipeOptions, ranks }
    return await drive(domain, dir, asked, ranks.isFirst ? hooks : quiet(hooks))
  } catch (error) {
    if (!ranks.isFirst) throw error
    if (!existed || out === undefined) removeEmpty(dir)
    if (out === undefined) removeEmpty(dirname(dir))
    throw error
  } finally {
    free()
  }
}

/** The callbacks of a rank that is not the first: it shows and draws nothing. */
const quiet = ({ signal, labelOf }: TrainHooks): TrainHooks => ({
  report: () => {},
  ...(signal ? { signal } : {}),
  ...(labelOf ? { labelOf } : {}),
})

/** A run's configuration without the facts that libtorch reports. */
type Asked = Omit<RunConfig, 'versions' | 'machine'> & Partial<RunConfig>
const whole = (asked: Asked, ranks: Ranks): RunConfig => ({
  versions: { node: process.versions.node, libtorch: library().version, anneal: version() },
  machine: factsOf(ranks),
  ...asked,
})
const factsOf = ({ alone, size }: Ranks) => ({ ...machineFacts(), ...(alone ? {} : { ranks: size }) })

function removeEmpty(dir: string): void {
  try {
    rmdirSync(dir)
  } catch {
    // It holds a run.
  }
}

/** Callbacks of a resumed run, and the new places of its files. */
export interface ResumeHooks extends TrainHooks {
  places?: Places
}

/** Resumes a run that was stopped or killed, from its last checkpoint. On the same machine and threads the weights are
 *  the same as those of an uninterrupted run. Samples that have moved are recognised by their content. */
export async function resume<O extends object>(
  domain: Domain<O>,
  dir: string,
  hooks: ResumeHooks = {},
): Promise<RunResult> {
  const { report, signal } = hooks
  return overRanks({ domain, options: {}, settings: {}, report, signal, resumed: true }, async (ranks, signal) => {
    const own = { ...hooks, ...(signal ? { signal } : {}) }
    if (ranks.alone) return resumeIn(ranks, domain, dir, own)
    const { dir: folder, free } = folderOf(ranks, () => dir)
    try {
      if (ranks.isFirst) resumable(domain, dir)
      await copyRun(ranks, dir, folder)
      return await resumeIn(ranks, domain, folder, ranks.isFirst ? own : { ...quiet(own), places: hooks.places ?? {} })
    } finally {
      free()
    }
  })
}

/** The configuration of a run that can go on; throws if this one can't. */
function resumable(domain: { name: string }, dir: string): RunConfig {
  const config = readConfig(dir)
  if (!config?.machine || config.format !== 1)
    throw new RunError(`${dir}: holds no run that can be resumed. \`npx anneal runs\` lists the runs.`)
  if (existsSync(runPaths(dir).result)) throw new RunError(doneText(dir))
  const kind = domainOf(config)
  if (kind !== domain.name)
    throw new RunError(`${dir}: its data are ${kind}; it can't be resumed as a run of ${domain.name}.`)
  return config
}

async function resumeIn<O extends object>(
  ranks: Ranks,
  domain: Domain<O>,
  dir: string,
  { places = {}, ...hooks }: ResumeHooks,
): Promise<RunResult> {
  const config = resumable(domain, dir)
  const then = Number(config.machine.ranks ?? 1)
  checkSameMachine(dir, config, { otherRanks: then !== ranks.size })
  const placedConfig = placed(dir, config, places)
  const moved = then === ranks.size ? placedConfig : { ...placedConfig, machine: factsOf(ranks) }
  const regrouped = then === ranks.size ? undefined : regroupedText(then, ranks.size)
  const options = restoredOptions(dir, moved.settings, hooks.labelOf) as O & RecipeOptions
  return drive(domain, dir, { mode: 'append', config: moved, options, ranks, regrouped }, hooks)
}

async function drive<O extends object>(
  domain: Domain<O>,
  dir: string,
  {
    mode,
    config,
    options,
    ranks,
    regrouped,
    model,
  }: {
    mode: 'create' | 'append'
    config: Asked
    options: O & RecipeOptions
    /** The processes that do this run together. */
    ranks: Ranks
    /** What it changes that a run goes on in another number of processes, in words. */
    regrouped?: string | undefined
    /** The model, if it was chosen before. */
    model?: ModelChoice | undefined
  },
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
  const called = samples.call(domain.words)
  let begun = true
  let held = true
  let unhear = () => {}
  try {
    // Written with the first event: while samples are listed, libtorch is still being loaded.
    let written = mode === 'append'
    const writeConfig = () => {
      if (!written) run.writeConfig(whole(config, ranks))
      written = true
    }
    const name = `net ${config.seedShift ?? ''} fold ${options.fold ?? ''}`
    const listen = (event: RunEvent) => {
      writeConfig()
      onEvent(event)
    }
    const session = new Session(run, listen, { ranks, name })
    unhear = ranks.hearWarnings(message => held && session.warn(message))
    if (mode === 'append') session.resume()
    if (regrouped) session.emit({ type: 'line', text: regrouped })
    if (model && session.known('model') === undefined) session.know('model', model)
    onRun?.(dir, message => held && session.warn(message))
    try {
      const accepted = () => {
        if (mode === 'append') run.writeConfig(whole(config, ranks))
        onAccepted?.()
      }
      const { seedShift } = config
      const context = { domain, session, options: atQuality(options), report, progress, signal, accepted, seedShift }
      const members = await membersOf(config, context)
      const { result, made } = members
        ? await everyMember(config, context, members, { onEvent, report, progress, signal, writeReport, accepted })
        : await oneRun(config, context)
      run.writeConfig({ ...whole(config, ranks), ...made, settings: { ...config.settings, ...made.settings } })
      run.finish(result)
      session.forget()
      await writeReport?.(dir).catch((error: Error) =>
        session.warn(`the report could not be drawn (${error.message}); \`anneal report ${dir}\` tries again`),
      )
      onEvent({ t: run.seconds, type: 'done', result })
      return result
    } catch (thrown) {
      const error = explained(ranks, thrown)
      held = false // how the run ended is its last event
      if (wasStopped(error)) {
        const saved = (error as Stopped).saved ?? session.save() // a fold has said it already
        session.emit({ type: 'stopped', reason: `interrupted; ${saved}`, step: session.step })
        throw error instanceof Stopped && error.saved !== undefined ? error : new Stopped(saved)
      } else {
        session.emit({ type: 'failed', message: (error as Error).message })
        begun =
          mode === 'append' ||
          session.known('data') !== undefined ||
          isRun(join(dir, memberName('fold', 0))) ||
          isRun(join(dir, memberName('net', 0)))
      }
      throw error
    }
  } finally {
    held = false
    unhear() // the run of which this one is a fold hears them again
    samples.call(called)
    run.close()
    // Bad input leaves nothing behind.
    if (!begun) for (const name of readdirSync(dir)) rmSync(join(dir, name), { recursive: true })
  }
}

const regroupedText = (then: number, now: number): string =>
  `the run began in ${plural(then, 'process', 'processes')} and goes on in ${now}: each step sees the same samples, but sums are taken in another order, so the weights differ in their last digits; where dropout is on, it draws other masks; where BatchNorm takes its statistics from the batch of one process, that has another size`

/** The result of a run, and the parts of its configuration that were found during it. */
interface Made {
  result: RunResult
  made: Pick<RunConfig, 'model' | 'classes' | 'settings'>
}

async function oneRun<O extends object>(config: Asked, context: Context<O>): Promise<Made> {
  return madeOf(await fiveSteps(config.data, context))
}

function madeOf({ result, prepared }: FiveSteps): Made {
  const { modelName: model, objective, batchSize, precision, device, size } = prepared
  return { result, made: { model, classes: [...objective.names], settings: { size, batchSize, precision, device } } }
}

/** The nets that a run trains and averages; undefined if it is one net. */
async function membersOf<O extends object>(
  config: Asked,
  { domain, options }: Context<O>,
): Promise<Members | undefined> {
  const { fold, folds, quality } = options
  if (fold !== undefined) return undefined
  if (folds !== undefined) {
    // Data that can't be split are refused before the first fold begins.
    await domain.index(config.data, { ...options, seed: config.seed, fold: 0 })
    return { kind: 'fold', count: folds }
  }
  return quality === 'best' ? { kind: 'net', count: netsAtBest } : undefined
}

async function everyMember<O extends object>(
  config: Asked,
  context: Context<O>,
  members: Members,
  hooks: TrainHooks & Pick<Context, 'accepted'>,
): Promise<Made> {
  const { session, domain, options: given } = context
  const { kind, count } = members
  const { quality, minutes } = given
  if (quality === 'best') explainQuality(session, given, domain, members)
  // A member is a run of the usual quality. The minutes are for all of them together.
  const shared = {
    ...(quality === 'best' ? { quality: 'good' as const } : {}),
    ...(minutes ? { minutes: minutes / count } : {}),
  }
  // Nets of one kind are averaged: all members take the one that the first chose.
  const chosenBefore = (member: number): ModelChoice | undefined => {
    const name =
      member > 0 && (given.model ?? 'auto') === 'auto' && readConfig(join(session.run.dir, memberName(kind, 0)))?.model
    return name ? { name, reason: `the first ${kind} chose it`, lines: [] } : undefined
  }
  const train = (member: number, dir: string, resume: boolean) => {
    const own = { ...shared, ...(kind === 'fold' ? { folds: count, fold: member } : {}) }
    const asked = {
      ranks: session.ranks,
      config: {
        ...config,
        ...(kind === 'net' ? { seedShift: member } : {}),
        settings: { ...config.settings, ...own },
      },
      options: { ...given, ...own },
      model: chosenBefore(member),
    }
    return drive(domain, dir, { mode: resume ? 'append' : 'create', ...asked }, hooks)
  }
  const results = await trainMembers(session, members, train)
  if (kind === 'net') {
    const weights = results.map((_, member) => runPaths(join(session.run.dir, memberName(kind, member))).best.weights)
    const one = await averageNets(config.data, context, {
      results,
      weights,
      held: heldBy(session.run.dir, kind, count),
    })
    if (one) return madeOf(one)
  }
  const result = averageOutputs(session, kind, results, given)
  return { result, made: { model: result.model, classes: result.classes, settings: {} } }
}

/** Whether an error means that the run was stopped on request. */
export const wasStopped = (error: unknown): boolean =>
  error instanceof Stopped || (error as Error)?.name === 'AbortError'

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { OptionError, RanksError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { option, setting } from '../../base/options.ts'
import type { Report } from '../../base/progress.ts'
import { temporaryFolder } from '../../base/temporary.ts'
import type { Domain } from '../../domain/index.ts'
import { readEnvironment } from '../../ranks/environment.ts'
import { type JoinOptions, joinRanks } from '../../ranks/join.ts'
import { leaveProgram } from '../../ranks/program.ts'
import { LostError, type Ranks } from '../../ranks/ranks.ts'
import type { RunResult } from '../../runs/index.ts'
import { library } from '../../torch/index.ts'
import { Stopped } from '../../train/stop.ts'
import type { RecipeOptions } from '../options.ts'
import { usualDevice } from '../prepare/device.ts'

/** What a run over ranks begins with. */
interface Given {
  domain: Pick<Domain, 'name' | 'words' | 'overRanks'>
  options: RecipeOptions
  /** The settings as the run's configuration keeps them. */
  settings: Readonly<Record<string, unknown>>
  report: Report | undefined
  signal: AbortSignal | undefined
  /** Whether the run goes on: its settings are known later. */
  resumed?: boolean
}

/** Settings whose value may differ by machine: places of files. Their content is compared. */
const places = ['out', 'labels', 'weights', 'clean', 'labelOf']

/** Runs `train` in the group that the launcher's variables name, and says to the others how it ended. Without a launcher
 *  it runs alone. `signal`: that of the caller, which is also aborted when the group can't go on. */
export async function overRanks(
  given: Given,
  train: (ranks: Ranks, signal: AbortSignal | undefined) => Promise<RunResult>,
): Promise<RunResult> {
  if (readEnvironment()) refuse(given)
  const { domain, settings, report, signal } = given
  const facts = { 'the kind of data': domain.name, ...settingFacts(settings) }
  return inGroup({ facts, signal, ...(report ? { report } : {}) }, train)
}

/** Joins the group that the launcher's variables name, runs `work` in it, and says to the others how it ended. Without a
 *  launcher it runs alone. */
export async function inGroup<T>(
  { signal, ...how }: Pick<JoinOptions, 'facts' | 'signal' | 'report'>,
  work: (ranks: Ranks, signal: AbortSignal | undefined) => Promise<T>,
): Promise<T> {
  await leaveProgram()
  const ranks = await joinRanks({ ...how, signal })
  if (ranks.alone) return work(ranks, signal)
  const signals = [signal, ranks.signal].filter(s => s !== undefined)
  try {
    const result = await work(ranks, AbortSignal.any(signals))
    await ranks.untilFirstIsDone()
    await ranks.leave('done')
    return result
  } catch (thrown) {
    const error = explained(ranks, thrown)
    const stopped = (error as Error).name === 'AbortError'
    await ranks.leave(stopped ? 'stopped' : 'failed', stopped ? '' : (error as Error).message)
    throw error
  }
}

/** Throws on each rank that has other settings than the first one, with the difference. */
export async function sameSettings(ranks: Ranks, settings: Given['settings']): Promise<void> {
  if (ranks.alone) return
  const own = settingFacts(settings)
  const first = await ranks.fromFirst('settings', () => own)
  const differences = [...new Set([...Object.keys(own), ...Object.keys(first)])].flatMap(name =>
    own[name] === first[name] ? [] : [`${name}: ${own[name] ?? 'none'}, rank 0 ${first[name] ?? 'none'}`],
  )
  if (differences.length > 0)
    throw new RanksError(`rank ${ranks.rank} has ${differences.join('; ')}. All ranks need the same.`)
}

/** Runs on the first rank alone what several processes do not share; the others wait for its end, and return its result,
 *  plain data. `says`: what the first rank does, in words. */
export async function onFirst<T>(
  { says, settings, report, signal }: Pick<Given, 'settings' | 'report' | 'signal'> & { says: string },
  work: (signal: AbortSignal | undefined) => Promise<T>,
): Promise<T> {
  if (!readEnvironment()) return work(signal)
  const how = { facts: settingFacts(settings), signal, ...(report ? { report } : {}) }
  return inGroup(how, async (ranks, signal) => {
    if (ranks.isFirst && !ranks.alone)
      report?.({
        line: `${says}: rank 0 of ${ranks.size} does it alone, in ${plural(library().threads, 'thread')}, and the others wait. Without the launcher one process uses all cores.`,
      })
    return ranks.fromFirst('result', () => work(signal), signal)
  })
}

/** What an error means to this rank: where another rank stopped or ended first, that. */
export function explained(ranks: Ranks, thrown: unknown): unknown {
  const error = ranks.explained(thrown)
  return error instanceof LostError && error.lost.kind === 'stopped' ? new Stopped() : error
}

const settingFacts = (settings: Given['settings']) =>
  Object.fromEntries(
    Object.entries(settings)
      .filter(([name]) => !places.includes(name))
      .map(([name, value]) => [`the setting ${name}`, JSON.stringify(value)]),
  )

/** Refuses by name what several processes can't do together yet. */
function refuse({ options, domain, resumed = false }: Given): void {
  refuseOther(options.device ?? (resumed ? 'cpu' : usualDevice()))
  if (!domain.overRanks)
    throw new OptionError(
      `${domain.name}: several processes do not train on ${domain.words.many} yet; train in one process, without the launcher.`,
    )
}

/** Refuses devices on which several processes do not compute together yet. */
export function refuseOther(device: string): void {
  if (device !== 'cpu')
    throw new OptionError(
      `${option('device')}: ${device}: several processes compute on CPUs only so far (NCCL is not used yet); give ${setting('device', 'cpu')}, or start one process, without the launcher.`,
    )
}

/** The folder of a rank's run: the first rank's is the run; the others work in temporary ones, which `free` deletes. */
export function folderOf(ranks: Ranks, own: () => string): { dir: string; free: () => void } {
  if (ranks.isFirst) return { dir: own(), free: () => {} }
  const parent = temporaryFolder('anneal-rank-', `${ranks.rank}-`)
  return { dir: join(parent, 'run'), free: () => rmSync(parent, { recursive: true, force: true }) }
}

/** Copies the first rank's run into the folders of the others, so that they go on from the same state. */
export async function copyRun(ranks: Ranks, from: string, to: string): Promise<void> {
  if (ranks.alone) return
  const files = await ranks.fromFirst('files of the run', () => filesBelow(from))
  for (const { path, bytes } of files) {
    const content = ranks.bytesOfFirst(ranks.isFirst ? readFileSync(join(from, path)) : undefined, bytes)
    if (ranks.isFirst) continue
    mkdirSync(dirname(join(to, path)), { recursive: true })
    writeFileSync(join(to, path), content)
  }
}

/** The files of a run that say where it stands. */
function filesBelow(dir: string): { path: string; bytes: number }[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true }).flatMap(entry => {
    const whole = join(entry.parentPath ?? entry.path, entry.name)
    const left = !entry.isFile() || /^lock\.json|\.tmp$|^report\.|\.part$/.test(basename(whole))
    return left ? [] : [{ path: relative(dir, whole), bytes: readFileSync(whole).length }]
  })
}

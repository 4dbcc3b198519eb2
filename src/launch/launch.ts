import { closeSync, existsSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { FileError, fileReason, OptionError, RunError } from '../base/errors.ts'
import { ensureFolder } from '../base/files.ts'
import { duration, plural, quoted } from '../base/format.ts'
import { temporaryFolder } from '../base/temporary.ts'
import { makesRun, type RankCommand, resumed } from './command-line.ts'
import { type Failure, type Group, type RankPlan, startGroup } from './group.ts'
import { launchVariable } from './launched.ts'
import { Sink } from './lines.ts'
import { launchOptions } from './options.ts'
import { freePort, type LaunchOptions, type Place, placeOf, rankVariables, threadsOf } from './place.ts'

/** What a launch needs from the process that it runs in. */
export interface LaunchContext {
  /** How this process runs Anneal: `[node, bin/anneal.mjs]`. */
  self: readonly string[]
  /** Cores of this machine. */
  cores: number
  stdout: Writable & { isTTY?: boolean }
  stderr: Writable & { isTTY?: boolean }
  env?: NodeJS.ProcessEnv
  /** Is called with a function for signals: the first one stops the ranks, the second one ends them at once. */
  onSignal: (pass: (signal: NodeJS.Signals) => void) => void
  /** Is called with a function that stops writing to a stream that nobody reads any more. */
  onLost: (lose: (stream: 'stdout' | 'stderr') => void) => void
}

/** Starts the ranks of this machine, passes their output and signals on, and starts them again after a failure if
 *  `maxRestarts` allows it. Returns the exit code: 0, or that of the first rank that failed after signals stopped the group.
 *  Throws a RunError with that exit code if a rank failed otherwise. */
export async function launch(command: RankCommand, options: LaunchOptions, context: LaunchContext): Promise<number> {
  const place = placeOf(options, context.env)
  const { grace = launchOptions.grace.usual, maxRestarts = launchOptions.maxRestarts.usual } = options
  checkRestarts(command, place, maxRestarts)
  const silence = Number((context.env ?? process.env).ANNEAL_SILENCE_SECONDS) || 15
  const notes = temporaryFolder('anneal-launch-')
  const began = Date.now()
  const output = openOutput(command, place, options.logDir, context)
  let group: Group | undefined
  let stopped: NodeJS.Signals | undefined
  const killAll = () => group?.all('SIGKILL')
  process.on('exit', killAll)
  context.onLost(output.lose)
  context.onSignal(signal => {
    if (signal === 'SIGSTOP' || signal === 'SIGCONT' || signal === 'SIGWINCH') return group?.all(signal)
    if (stopped !== undefined) return group?.all('SIGKILL')
    stopped = signal
    group?.stop(signal)
  })
  try {
    for (let restart = 0, now = command; ; restart++) {
      if (restart > 0) now = resumed(command, context.self, noted(notes) ?? outOf(command, place))
      const masterPort = place.masterPort ?? (await freePort())
      const plans = planRanks({ ...place, masterPort }, { restart, maxRestarts, notes, options, context, output })
      if (restart === 0) output.say(opening(place, masterPort, plans[0]!.env.ANNEAL_THREADS!, context.cores))
      group = startGroup(now, plans, { grace, silence, say: output.say })
      const failure = await group.ended
      group = undefined
      if (stopped !== undefined || failure === undefined) return failure?.exitCode ?? 0
      const done = makesRun(command) ? finished(noted(notes), began) : undefined
      if (done !== undefined) {
        output.say(`${told(failure)}${lines(failure)}`)
        output.say(
          `${done} had its result by then, so the run is whole. \`npx anneal report ${quoted(done)}\` draws its report.`,
        )
        return 0
      }
      if (restart === maxRestarts || failure.exitCode === 2 || failure.exitCode === 127)
        throw failed(failure, place, { restart, maxRestarts })
      output.say(`${told(failure)}${lines(failure)}`)
      const from = resumed(command, context.self, noted(notes)) === command ? '' : `, from ${noted(notes)}`
      output.say(`all ranks start again (${restart + 1} of ${plural(maxRestarts, 'restart')})${from}`)
      output.mark(`--- restart ${restart + 1} ---`)
    }
  } finally {
    process.off('exit', killAll)
    output.close()
    rmSync(notes, { recursive: true, force: true })
  }
}

/** The run, if its result was written since the ranks began. */
function finished(run: string | undefined, began: number): string | undefined {
  const result = run === undefined ? '' : join(run, 'result.json')
  return existsSync(result) && statSync(result).mtimeMs >= began - 2000 ? run : undefined // file systems count seconds
}

/** On several machines each launcher has to know which run a restart goes on with: the one that rank 0 makes. */
function checkRestarts(command: RankCommand, { nnodes }: Place, maxRestarts: number): void {
  const { anneal = [] } = command
  const named = anneal.some(word => /^--(out|resume)(=|$)/.test(word))
  if (nnodes > 1 && maxRestarts > 0 && makesRun(command) && !named)
    throw new OptionError(
      `launch: --max-restarts ${maxRestarts} with --nnodes ${nnodes} needs the name of the run, so that all machines go on with the same one; expected --out after ${anneal[0]}. Example: train photos --out runs/first`,
      { exitCode: 2 },
    )
}

/** `2 ranks on this machine, 1 thread each (2 cores); they meet at 127.0.0.1:43211`. */
function opening({ nproc, nnodes, nodeRank, masterAddr }: Place, port: number, threads: string, cores: number): string {
  const whole = nnodes > 1 ? ` (machine ${nodeRank} of ${nnodes}, ${plural(nnodes * nproc, 'rank')} in all)` : ''
  return `${plural(nproc, 'rank')} on this machine${whole}, ${plural(Number(threads), 'thread')} each (${plural(cores, 'core')}); they meet at ${masterAddr}:${port}`
}

const told = ({ rank, what, seconds, exitCode }: Failure): string =>
  `rank ${rank} ${what}${exitCode === 127 ? '' : ` after ${duration(seconds)}`}`

const lines = ({ lastLines, rank }: Failure): string =>
  lastLines.length === 0
    ? ''
    : `. The last lines of its stderr:\n${lastLines
        .slice(-6)
        .map(line => `  [rank ${rank}] ${line}`)
        .join('\n')}`

function failed(
  failure: Failure,
  { nproc, nnodes }: Place,
  { restart, maxRestarts }: { restart: number; maxRestarts: number },
) {
  const memory = failure.what.endsWith('SIGKILL') ? '. If nobody killed it, memory ran out: dmesg says so' : ''
  const of = restart > 0 ? `, after ${restart} of ${plural(maxRestarts, 'restart')}` : ''
  const all = nproc * nnodes > 1 ? ` of ${nproc * nnodes} ranks` : ''
  return new RunError(`launch: ${told(failure)} (the first${all} that failed${of})${memory}${lines(failure)}`, {
    exitCode: failure.exitCode,
  })
}

/** The run of rank 0 on another machine. */
const outOf = ({ anneal = [] }: RankCommand, { nodeRank }: Place): string | undefined => {
  const at = anneal.findIndex(word => /^--out(=|$)/.test(word))
  return nodeRank === 0 || at < 0 ? undefined : (/^--out=(.*)/s.exec(anneal[at]!)?.[1] ?? anneal[at + 1])
}

/** The run that a rank made, as it noted it. */
function noted(notes: string): string | undefined {
  try {
    return readFileSync(join(notes, 'run'), 'utf8')
  } catch {
    return undefined
  }
}

interface Output {
  take: (rank: number) => RankPlan['take']
  onTerminal: (rank: number) => boolean
  /** A line of the launcher itself, on stderr. */
  say: (line: string) => void
  /** A line for the files of `logDir` alone. */
  mark: (line: string) => void
  lose: (stream: 'stdout' | 'stderr') => void
  close: () => void
}

/** Where lines of ranks go. Each has the rank before it, if there are several; but not rank 0 on a terminal, whose bar is
 *  redrawn there, and not the JSON lines of `--json`. */
function openOutput(command: RankCommand, place: Place, logDir: string | undefined, context: LaunchContext): Output {
  const { stdout, stderr } = context
  const first = place.nodeRank * place.nproc
  const several = place.nproc * place.nnodes > 1
  const json = command.anneal?.includes('--json') ?? false
  const shared = stdout.isTTY === true && logDir === undefined // with rank 0
  const sinks = { stdout: new Sink(stdout), stderr: new Sink(stderr) }
  const logs = logDir === undefined ? undefined : openLogs(logDir, first, place.nproc)
  // Rank 0 may have drawn a bar on the line where the cursor is.
  const start = (to: 'stdout' | 'stderr') => (shared && context[to].isTTY ? '\r\x1b[K' : '')
  return {
    onTerminal: rank => rank === 0 && shared,
    take: rank => (line, from, source) => {
      const to = json && rank !== 0 ? 'stderr' : from
      const bare = !several || (rank === 0 && (shared || (json && from === 'stdout')))
      sinks[to].write(`${start(to)}${bare ? '' : `[rank ${rank}] `}${line}\n`, source)
      if (logs) writeSync(logs.get(rank)!, `${line}\n`)
    },
    say: line => sinks.stderr.write(`${start('stderr')}launch: ${line}\n`),
    mark: line => {
      for (const fd of logs?.values() ?? []) writeSync(fd, `${line}\n`)
    },
    lose: stream => sinks[stream].lose(),
    close: () => {
      for (const fd of logs?.values() ?? []) closeSync(fd)
    },
  }
}

function openLogs(dir: string, first: number, count: number): Map<number, number> {
  try {
    ensureFolder(dir)
    return new Map(
      Array.from({ length: count }, (_, i) => [first + i, openSync(join(dir, `rank-${first + i}.log`), 'a')]),
    )
  } catch (error) {
    throw new FileError(
      `launch: the folder ${dir} of --log-dir can not be written: ${fileReason(error)}. Choose another one.`,
      {
        cause: error,
      },
    )
  }
}

function planRanks(
  place: Place & { masterPort: number },
  given: {
    restart: number
    maxRestarts: number
    notes: string
    options: LaunchOptions
    context: LaunchContext
    output: Output
  },
): RankPlan[] {
  const { restart, maxRestarts, notes, options, context, output } = given
  const env = context.env ?? process.env
  const threads =
    options.threads ??
    (Number(env.ANNEAL_THREADS) || Number(env.OMP_NUM_THREADS) || threadsOf(context.cores, place.nproc))
  const note = JSON.stringify({ pid: process.pid, command: commandLine(place), run: join(notes, 'run') })
  return Array.from({ length: place.nproc }, (_, local) => {
    const variables = rankVariables(place, local, { restart, maxRestarts, runId: `anneal-${process.pid}` })
    const rank = Number(variables.RANK)
    return {
      rank,
      onTerminal: output.onTerminal(rank),
      take: output.take(rank),
      env: {
        ...env,
        ...variables,
        OMP_NUM_THREADS: String(threads),
        ANNEAL_THREADS: String(threads),
        [launchVariable]: note,
      },
    }
  })
}

/** How the same group is started again, up to the command of its ranks. */
function commandLine({ nproc, nnodes, nodeRank, masterAddr, masterPort }: Place): string {
  const machines =
    nnodes === 1
      ? []
      : ['--nnodes', nnodes, '--node-rank', nodeRank, '--master-addr', quoted(masterAddr), '--master-port', masterPort]
  return ['npx anneal launch --nproc', nproc, ...machines].join(' ')
}

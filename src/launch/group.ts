import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'
import type { Readable } from 'node:stream'
import { duration, plural } from '../base/format.ts'
import type { RankCommand } from './command-line.ts'
import { eachLine } from './lines.ts'
import { watchStopped } from './stopped.ts'

/** One rank that is to be started. */
export interface RankPlan {
  rank: number
  env: NodeJS.ProcessEnv
  /** Its stdout is ours, so that it may redraw lines on the terminal. */
  onTerminal: boolean
  /** Where each line of its stdout and stderr goes, source included for back pressure. */
  take: (line: string, from: 'stdout' | 'stderr', source: Readable) => void
}

/** Why a rank counts as failed. */
export interface Failure {
  rank: number
  /** `ended with exit code 3`, `was killed by SIGKILL`, `could not be started: …`. */
  what: string
  /** The exit code for a command that ends for this reason: 128 plus the number for a signal. */
  exitCode: number
  /** Seconds since its start. */
  seconds: number
  /** The last lines of its stderr. */
  lastLines: readonly string[]
}

/** Ranks that run. */
export interface Group {
  /** Resolves when all ranks have ended; with the first failure, if one failed. */
  ended: Promise<Failure | undefined>
  /** Passes a signal on to each rank, as a request to stop. */
  stop(signal: NodeJS.Signals): void
  /** Sends a signal to each rank and everything that it started. */
  all(signal: NodeJS.Signals): void
}

interface Member extends RankPlan {
  child: ChildProcess
  alive: boolean
  lastLines: string[]
}

const keptLines = 12

/** Starts the ranks. When one fails, the others get SIGTERM, and SIGKILL after `grace` seconds. After {@link Group.stop}
 *  the ranks may take as long as they need, until the first of them has ended. Ranks notice one that is stopped; once one has
 *  ended well, nobody may be left to notice, so a rank that then is stopped for `silence` seconds is named and killed. `say`
 *  gets lines for the user. */
export function startGroup(
  command: RankCommand,
  ranks: readonly RankPlan[],
  { grace, silence, say }: { grace: number; silence: number; say: (line: string) => void },
): Group {
  const began = performance.now()
  const members: Member[] = []
  let failure: Failure | undefined
  let stopping = false
  let killer: NodeJS.Timeout | undefined
  let unwatch: (() => void) | undefined
  let finish: (failure: Failure | undefined) => void
  const ended = new Promise<Failure | undefined>(resolve => {
    finish = resolve
  })
  const living = () => members.filter(({ alive }) => alive)

  const killAfterGrace = () => {
    if (killer !== undefined || living().length === 0) return
    killer = setTimeout(() => {
      const left = living()
      say(`${named(left)} did not end within ${duration(grace)} and ${left.length === 1 ? 'is' : 'are'} killed`)
      for (const member of left) signalTree(member.child, 'SIGKILL')
    }, grace * 1000)
  }

  const endOthers = (first: Failure) => {
    const others = living()
    if (others.length > 0)
      say(`rank ${first.rank} ${first.what}; ${named(others)} ${others.length === 1 ? 'is' : 'are'} ended`)
    for (const { child } of others) child.kill('SIGTERM')
  }

  const gone = (member: Member, how: Omit<Failure, 'rank' | 'seconds' | 'lastLines'> | undefined) => {
    if (!member.alive) return
    member.alive = false
    if (how) {
      signalTree(member.child, 'SIGKILL') // what it started and left behind
      const { rank, lastLines } = member
      const fault = { rank, ...how, seconds: (performance.now() - began) / 1000, lastLines }
      if (failure === undefined) {
        failure = fault
        if (!stopping) endOthers(fault)
      }
    }
    if (how || stopping) killAfterGrace()
    else unwatch ??= watchStopped(() => living().flatMap(({ child }) => child.pid ?? []), silence, stoppedFor)
    if (living().length > 0) return
    clearTimeout(killer)
    unwatch?.()
    void drained(members).then(() => finish(failure))
  }

  const stoppedFor = (pid: number) => {
    const member = members.find(({ child }) => child.pid === pid)!
    say(`rank ${member.rank} is stopped (SIGSTOP) since ${duration(silence)}, and other ranks have ended; it is killed`)
    gone(member, { what: 'was stopped (SIGSTOP) after other ranks had ended, and was killed', exitCode: 137 })
  }

  for (const plan of ranks) {
    const child = spawn(command.file, command.args, {
      env: plan.env,
      stdio: ['ignore', plan.onTerminal ? 'inherit' : 'pipe', 'pipe'],
      detached: true, // a group of its own: Ctrl-C reaches the ranks through us alone, once, and a group can be ended whole
    })
    const member: Member = { ...plan, child, alive: true, lastLines: [] }
    members.push(member)
    for (const from of ['stdout', 'stderr'] as const) {
      const stream = child[from]
      if (stream === null) continue
      eachLine(stream, line => {
        if (from === 'stderr' && line.trim() !== '') member.lastLines.push(line)
        if (member.lastLines.length > keptLines) member.lastLines.shift()
        plan.take(line, from, stream)
      })
    }
    child.on('error', error => {
      if (child.pid === undefined) gone(member, { what: notStarted(command.file, error), exitCode: 127 })
    })
    child.on('exit', (code, signal) => gone(member, faultOf(code, signal)))
  }

  return {
    ended,
    stop(signal) {
      stopping = true
      for (const { child } of living()) child.kill(signal)
    },
    all(signal) {
      for (const { child } of living()) signalTree(child, signal)
    },
  }
}

function notStarted(file: string, error: NodeJS.ErrnoException): string {
  return error.code === 'ENOENT'
    ? `could not be started: there is no program "${file}"; expected train, demo, evaluate, a script of Node or a program on the PATH`
    : `could not be started: ${error.message}`
}

function faultOf(code: number | null, signal: NodeJS.Signals | null): { what: string; exitCode: number } | undefined {
  if (signal !== null) {
    return { what: `was killed by ${signal}`, exitCode: 128 + constants.signals[signal] }
  }
  return code === 0 ? undefined : { what: `ended with exit code ${code}`, exitCode: code ?? 1 }
}

const named = (members: readonly { rank: number }[]): string =>
  members.length > 4
    ? plural(members.length, 'rank')
    : `rank${members.length === 1 ? '' : 's'} ${members.map(({ rank }) => rank).join(', ')}`

/** Sends a signal to a rank and to everything that it started. */
function signalTree(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // All of them have ended.
  }
}

/** Waits until the output of the ranks has been read; not for ever, because a process that a rank left behind may hold it. */
async function drained(members: readonly Member[]): Promise<void> {
  const open = members.flatMap(({ child }) => [child.stdout, child.stderr].filter(s => s !== null && !s.readableEnded))
  const all = Promise.all(open.map(stream => new Promise(resolve => stream!.once('close', resolve))))
  let timer: NodeJS.Timeout | undefined
  await Promise.race([all, new Promise(resolve => (timer = setTimeout(resolve, 2000)))])
  clearTimeout(timer)
}

/** What bench/ranks-chaos.ts does to a group of processes: starts it, finds its processes in /proc, and harms them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import type { Random } from '../src/base/random.ts'

/** The variable by which all processes of a group are found, also those that have lost their parent. */
const mark = 'ANNEAL_CHAOS'

/** A command that runs, alone or under `anneal launch`, and everything that it started. */
export class Group {
  readonly size: number
  readonly out: string[] = []
  readonly began: number = performance.now()
  readonly #child: ChildProcess
  readonly #token: string
  code: number | null = null
  signal: NodeJS.Signals | null = null

  constructor(args: readonly string[], { size, token, env }: { size: number; token: string; env: NodeJS.ProcessEnv }) {
    this.size = size
    this.#token = `${mark}=${token}`
    this.#child = spawn(process.execPath, args, {
      env: { ...env, [mark]: token },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // a signal to this bench reaches it through us alone
    })
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.setEncoding('utf8').on('data', (text: string) => this.out.push(text))
    this.#child.once('exit', (code, signal) => {
      this.code = code
      this.signal = signal
    })
  }

  /** The process that was started: the launcher, or the only process. */
  get first(): number {
    return this.#child.pid!
  }
  get text(): string {
    return this.out.join('')
  }

  /** The ranks that run, by their number, and the process of each; a process without a launcher is rank 0. */
  ranks(): Map<number, number> {
    const found = new Map<number, number>()
    for (const { pid, variables } of this.#processes()) {
      const rank = variables.find(v => v.startsWith('RANK='))
      if (rank !== undefined && pid !== this.first) found.set(Number(rank.slice(5)), pid)
    }
    if (this.size === 1 && found.size === 0 && this.processes().length > 0) found.set(0, this.first)
    return found
  }
  /** All processes that run. */
  processes(): number[] {
    return this.#processes().map(({ pid }) => pid)
  }
  #processes(): { pid: number; variables: string[] }[] {
    return readdirSync('/proc').flatMap(name => {
      if (!/^\d+$/.test(name)) return []
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'latin1')
        if (/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2))) return []
        const variables = readFileSync(`/proc/${name}/environ`, 'utf8').split('\0')
        return variables.includes(this.#token) ? [{ pid: Number(name), variables }] : []
      } catch {
        return [] // it has just ended, or is another user's
      }
    })
  }

  /** Waits until all processes have ended. Returns whether they did within these seconds. */
  async ended(seconds: number): Promise<boolean> {
    const until = performance.now() + seconds * 1000
    while (this.processes().length > 0) {
      if (performance.now() > until) return false
      await pause(100)
    }
    // Node tells of the end a little later.
    while (this.code === null && this.signal === null && performance.now() < until) await pause(20)
    return true
  }
  /** Ends everything that is left. */
  clear(): void {
    for (const pid of this.processes()) send(pid, 'SIGKILL')
  }
}

export const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

function send(pid: number | undefined, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(pid, signal)
  } catch {
    // It has ended.
  }
}

/** What a fault has to lead to. */
export interface Expected {
  /** What was done, with the numbers of the ranks. */
  done: string
  /** Whether the group goes on and ends well. */
  survives: boolean
  /** What the output has to say; undefined: nothing can be said any more. */
  says?: RegExp
}

/** A way to harm a group. `needs`: how many ranks it takes. */
export interface Fault {
  needs: number
  hit: (group: Group, random: Random) => Promise<Expected>
}

const named = (v: number) =>
  v === 0 ? 'rank 0(?: of \\d+|, which keeps the group together,)?' : `rank ${v}(?: of \\d+)?`
/** What the output says of a rank that is gone. A rank 0 that was stopped before it listened is not reached. */
const lost = (v: number) =>
  new RegExp(
    `${named(v)} (was killed by SIGKILL|was stopped \\(SIGSTOP\\)|has given no sign of life|can't be reached|did not come within)${v === 0 ? '|could not reach rank 0 at' : ''}`,
  )

async function turns(group: Group, victim: number, random: Random): Promise<void> {
  while (group.processes().length > 0) {
    const pid = group.ranks().get(victim)
    send(pid, 'SIGSTOP')
    await pause(random.uniform(200, 900))
    send(pid, 'SIGCONT')
    await pause(random.uniform(50, 400))
  }
}

/** One process of one rank; the launcher, or the only process. */
const toRank = (
  signal: 'SIGKILL' | 'SIGTERM' | 'SIGINT' | 'SIGSTOP',
  choose: (size: number, random: Random) => number,
) =>
  async function hit(group: Group, random: Random): Promise<Expected> {
    const victim = choose(group.size, random)
    send(group.ranks().get(victim), signal)
    const done = `rank ${victim}: ${signal}`
    if (signal === 'SIGTERM' || signal === 'SIGINT')
      return { done, survives: false, says: /Go on with:|ended with exit code (143|130)/ }
    return { done, survives: false, says: lost(victim) }
  }
const toFirst = (signal: 'SIGKILL' | 'SIGTERM' | 'SIGINT') =>
  async function hit(group: Group): Promise<Expected> {
    send(group.first, signal)
    const done = `launcher: ${signal}`
    return signal === 'SIGKILL' ? { done, survives: false } : { done, survives: false, says: /Go on with:|stopped/ }
  }
const other = (size: number, random: Random) => 1 + random.integer(size - 1)
const zero = () => 0

/** All faults by their names. */
export const faults: Readonly<Record<string, Fault>> = {
  'a rank is killed': { needs: 2, hit: toRank('SIGKILL', other) },
  'rank 0 is killed': { needs: 2, hit: toRank('SIGKILL', zero) },
  'a rank is stopped': { needs: 2, hit: toRank('SIGSTOP', other) },
  'rank 0 is stopped': { needs: 2, hit: toRank('SIGSTOP', zero) },
  'a rank is slow': {
    needs: 2,
    async hit(group, random) {
      const victim = random.integer(group.size)
      await turns(group, victim, random)
      return { done: `rank ${victim}: SIGSTOP and SIGCONT in turns`, survives: true }
    },
  },
  'all ranks freeze and go on': {
    needs: 1,
    async hit(group, random) {
      const seconds = random.uniform(1, 10)
      const all = group.processes()
      for (const pid of all) send(pid, 'SIGSTOP')
      await pause(seconds * 1000)
      for (const pid of all) send(pid, 'SIGCONT')
      return { done: `all processes: SIGSTOP for ${seconds.toFixed(1)} s`, survives: true }
    },
  },
  'the launcher is killed': { needs: 2, hit: toFirst('SIGKILL') },
  'the launcher gets Ctrl-C': { needs: 2, hit: toFirst('SIGINT') },
  'the launcher gets SIGTERM': { needs: 2, hit: toFirst('SIGTERM') },
  'a rank gets SIGTERM': { needs: 2, hit: toRank('SIGTERM', (size, random) => random.integer(size)) },
  'a rank gets SIGINT': { needs: 2, hit: toRank('SIGINT', (size, random) => random.integer(size)) },
  'everything is killed': {
    needs: 1,
    async hit(group) {
      for (const pid of group.processes()) send(pid, 'SIGKILL')
      return { done: 'all processes: SIGKILL', survives: false }
    },
  },
}

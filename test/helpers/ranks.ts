import { type ChildProcess, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { root } from './sources.ts'

/** A TCP port of the loopback that is free now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

/** A process of a group, and what it has written. */
export interface RankProcess {
  rank: number
  child: ChildProcess
  out: () => string
  err: () => string
  /** How it ended, and after how many seconds. */
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null; seconds: number }>
}

/** Variables of one rank on this machine. */
export const rankEnv = (rank: number, size: number, port: number): Record<string, string> => ({
  RANK: String(rank),
  WORLD_SIZE: String(size),
  LOCAL_RANK: String(rank),
  LOCAL_WORLD_SIZE: String(size),
  MASTER_ADDR: '127.0.0.1',
  MASTER_PORT: String(port),
})

/** Starts one rank with these arguments of node. */
export function startRank(
  args: readonly string[],
  { rank, size, port, env = {} }: { rank: number; size: number; port: number; env?: Record<string, string> },
): RankProcess {
  const began = performance.now()
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: {
      ...process.env,
      NODE_TEST_CONTEXT: undefined,
      ANNEAL_THREADS: '1',
      OMP_NUM_THREADS: '1',
      ANNEAL_JOIN_SECONDS: '60',
      ...rankEnv(rank, size, port),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [out, err]: [string[], string[]] = [[], []]
  child.stdout!.setEncoding('utf8').on('data', (text: string) => out.push(text))
  child.stderr!.setEncoding('utf8').on('data', (text: string) => err.push(text))
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null; seconds: number }>(resolve =>
    child.once('close', (code, signal) => resolve({ code, signal, seconds: (performance.now() - began) / 1000 })),
  )
  return { rank, child, out: () => out.join(''), err: () => err.join(''), ended }
}

/** Starts all ranks of a group with the same arguments; `env`: more variables of each. */
export async function startRanks(
  args: readonly string[],
  size: number,
  env: (rank: number) => Record<string, string> = () => ({}),
): Promise<RankProcess[]> {
  const port = await freePort()
  return Array.from({ length: size }, (_, rank) => startRank(args, { rank, size, port, env: env(rank) }))
}

/** Runs all ranks of a script to their end; throws with what they wrote if one fails. Returns their last lines as JSON. */
export async function runRanks<T>(
  args: readonly string[],
  size: number,
  env?: (rank: number) => Record<string, string>,
): Promise<T[]> {
  const ranks = await startRanks(args, size, env)
  const ends = await Promise.all(ranks.map(r => r.ended))
  const bad = ends.findIndex(e => e.code !== 0)
  if (bad >= 0)
    throw new Error(
      `rank ${bad} ended with ${ends[bad]!.code ?? ends[bad]!.signal}: ${ranks.map(r => `\n--- ${r.rank}\n${r.out()}${r.err()}`).join('')}`,
    )
  return ranks.map(r => JSON.parse(r.out().trim().split('\n').at(-1)!) as T)
}

import { OptionError } from '../base/errors.ts'
import { type Found, inJob, type Launcher, launchers, type Variables } from './launchers.ts'

/** The place of this process in a group of processes that train one model together, as its launcher says. */
export interface Environment {
  /** Which launcher's variables were read, in words: `torchrun`, `Slurm`, … */
  readonly launcher: string
  /** The number of this process, from 0, and how many there are. */
  readonly rank: number
  readonly size: number
  /** The number of this process on its machine, from 0, and how many there are on this machine. */
  readonly localRank: number
  readonly localSize: number
  /** Where the ranks meet: a name or an address, and a TCP port. */
  readonly host: string
  readonly port: number
  /** Whether the launcher itself listens there (torchrun's agent). If not, rank 0 does. */
  readonly storeIsThere: boolean
  /** The same text for all ranks of a job, and another one for other jobs where the launcher gives one. */
  readonly job: string
  /** How often the launcher has started the group again, from 0. */
  readonly attempt: number
  /** The network interface or the address to listen on; undefined: the one on the way to `host`. */
  readonly listenOn: string | undefined
  /** How long the ranks wait for each other at the start, and after how much silence a rank counts as lost. */
  readonly joinSeconds: number
  readonly silenceSeconds: number
}

/** The place of this process as its launcher's variables say; undefined if there are none, or if they say that it is the
 *  only one. Throws if they are half set, are no numbers, or if two launchers contradict each other. */
export function readEnvironment(env: Variables = process.env): Environment | undefined {
  const found = launchers.flatMap(launcher => {
    const there = readLauncher(launcher, env)
    return there ? [{ launcher, ...there }] : []
  })
  const first = found[0]
  if (!first) return undefined
  if (!first.launcher.nests) refuseContradictions(found)
  const { launcher, rank, size } = first
  if (size === 1) return undefined
  const [localRank, localSize] = localPlace(first)
  const { host, port, job } = meeting(launcher, first, env)
  return {
    launcher: launcher.name,
    rank,
    size,
    localRank,
    localSize,
    host,
    port,
    storeIsThere: env.TORCHELASTIC_USE_AGENT_STORE === 'True',
    job,
    attempt: wholeNumber(env, 'TORCHELASTIC_RESTART_COUNT') ?? 0,
    listenOn: env.ANNEAL_INTERFACE || env.GLOO_SOCKET_IFNAME?.split(',')[0] || undefined,
    joinSeconds: wholeNumber(env, 'ANNEAL_JOIN_SECONDS') || 300,
    silenceSeconds: wholeNumber(env, 'ANNEAL_SILENCE_SECONDS') || 15,
  }
}

/** A launcher's place of this process; undefined if it did not start this process. */
function readLauncher(launcher: Launcher, env: Variables): Found | undefined {
  const { name, variables, applies } = launcher
  if (applies && !applies(env)) return undefined
  const { rank: rankName, sizeOfStep } = variables
  const sizeName = sizeOfStep !== undefined && env[sizeOfStep] ? sizeOfStep : variables.size
  const [rank, size] = [wholeNumber(env, rankName), wholeNumber(env, sizeName)]
  if (rank === undefined && size === undefined) return undefined
  if (rank === undefined || size === undefined) {
    const [there, missing] = rank === undefined ? [sizeName, rankName] : [rankName, sizeName]
    throw wrong(
      `${there}=${env[there]} is set, but ${missing} is not. ${name} sets both. Set ${missing} too, or unset ${there} to train in one process.`,
    )
  }
  if (size < 1) throw wrong(`${sizeName}=${env[sizeName]}: a group has at least 1 process (${name}).`)
  if (rank >= size)
    throw wrong(
      `${rankName}=${rank} and ${sizeName}=${size} contradict each other: ranks go from 0 to ${size - 1} (${name}).`,
    )
  const found: Found = { rank, size }
  const localRank = variables.localRank && wholeNumber(env, variables.localRank)
  const localSize = variables.localSize ? wholeNumber(env, variables.localSize) : launcher.localSize?.(env)
  if (localRank !== undefined && localRank !== '') found.localRank = localRank
  if (localSize !== undefined) found.localSize = localSize
  const refusal = launcher.refuses?.(env, found)
  if (refusal !== undefined) throw wrong(refusal)
  return found
}

/** Throws where two launchers give this process two places, as after `export RANK=0` before `mpirun -n 2`. */
function refuseContradictions(found: readonly ({ launcher: Launcher } & Found)[]): void {
  const [first, ...others] = found
  for (const { launcher, rank, size } of others)
    if (size > 1 && (rank !== first!.rank || size !== first!.size))
      throw wrong(
        `${said(first!.launcher, first!)}, but ${said(launcher, { rank, size })}. Unset the variables of the launcher that you do not use.`,
      )
}
const said = ({ name, variables }: Launcher, { rank, size }: Found) =>
  `${variables.rank}=${rank} and ${variables.size}=${size} are set (${name})`

/** The place on the machine. A launcher that does not say it runs one process on each machine. */
function localPlace({ launcher, localRank, localSize, size }: { launcher: Launcher } & Found): [number, number] {
  const { localRank: rankName, localSize: sizeName } = launcher.variables
  if (localRank === undefined) return [0, 1]
  const most = localSize ?? size
  if (localRank >= most)
    throw wrong(
      `${rankName}=${localRank} and ${sizeName ?? `the ${most} processes of this machine`}${sizeName ? `=${most}` : ''} contradict each other: the processes of a machine are numbered from 0 (${launcher.name}).`,
    )
  return [localRank, localSize ?? localRank + 1]
}

/** Where the ranks meet. */
function meeting(launcher: Launcher, found: Found, env: Variables): { host: string; port: number; job: string } {
  const job = inJob(env)
  const known = launcher.meets?.(env, found, job)
  const host = env[launcher.variables.host ?? 'MASTER_ADDR'] || env.MASTER_ADDR || known?.host
  const port =
    wholeNumber(env, launcher.variables.port ?? 'MASTER_PORT') ?? wholeNumber(env, 'MASTER_PORT') ?? known?.port
  if (!host)
    throw wrong(
      `MASTER_ADDR is not set, and ${launcher.name} does not say on which machine rank 0 runs. Set MASTER_ADDR to that machine's name or address, the same for all ${found.size} ranks.`,
    )
  if (port === undefined)
    throw wrong(
      `MASTER_PORT is not set, and ${launcher.name} does not give a port. Set MASTER_PORT to a free TCP port of ${host}, the same for all ${found.size} ranks.`,
    )
  if (port < 1 || port > 65535) throw wrong(`MASTER_PORT=${port}: a TCP port is a number from 1 to 65535.`)
  return { host, port, job }
}

/** The value of a variable as a whole number from 0; undefined if it is not set or empty. */
function wholeNumber(env: Variables, name: string): number | undefined {
  const text = env[name]
  if (text === undefined || text === '') return undefined
  if (!/^\d{1,9}$/.test(text))
    throw wrong(
      `${name}=${text}: expected a whole number from 0. The launcher sets it; unset it to train in one process.`,
    )
  return Number(text)
}

const wrong = (message: string) => new OptionError(`training over ranks: ${message}`)

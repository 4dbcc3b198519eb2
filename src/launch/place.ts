import { createServer } from 'node:net'
import { OptionError } from '../base/errors.ts'
import type { Options } from '../base/option-table.ts'
import type { launchOptions } from './options.ts'

/** The options of a launch. */
export type LaunchOptions = Options<typeof launchOptions>

/** Where the ranks of this machine stand in the whole group. */
export interface Place {
  nproc: number
  nnodes: number
  nodeRank: number
  masterAddr: string
  /** `undefined`: any free port of the loopback address, chosen for each start. */
  masterPort: number | undefined
}

const loopback = '127.0.0.1'

/** Whether this is a pod of a PyTorchJob (Kubeflow's training operator from 1.7 on), before any launcher. RANK is then the
 *  number of the pod. */
const inPod = ({ PET_NNODES, PET_NODE_RANK, LOCAL_RANK, TORCHELASTIC_RUN_ID }: NodeJS.ProcessEnv): boolean =>
  !!PET_NNODES && !!PET_NODE_RANK && LOCAL_RANK === undefined && TORCHELASTIC_RUN_ID === undefined

/** Finds the place of this machine from the options, and from the variables `PET_…` (Kubeflow's trainer and its training
 *  operator; torchrun reads them too) for options that were not given. Throws if the options contradict each other, or if
 *  this process is itself a rank. */
export function placeOf(options: LaunchOptions, env: NodeJS.ProcessEnv = process.env): Place {
  const { RANK, LOCAL_RANK, WORLD_SIZE, TORCHELASTIC_RUN_ID } = env
  if (RANK !== undefined && WORLD_SIZE !== undefined && options.nnodes === undefined && !inPod(env)) {
    const inside = LOCAL_RANK !== undefined || TORCHELASTIC_RUN_ID !== undefined
    throw new OptionError(
      `launch: RANK=${RANK} and WORLD_SIZE=${WORLD_SIZE} are set, so this process is already one of a group. Start the command itself (npx anneal train …)${
        inside ? '' : `, or start several ranks on each machine with --nnodes ${WORLD_SIZE} --node-rank ${RANK}`
      }.`,
      { exitCode: 2 },
    )
  }
  const perNode = /^(auto|cpu|gpu)$/.test(env.PET_NPROC_PER_NODE ?? '') ? 1 : fromEnv(env, 'PET_NPROC_PER_NODE')
  const nproc = options.nproc ?? perNode ?? 1
  const nnodes = options.nnodes ?? fromEnv(env, 'PET_NNODES') ?? 1
  const nodeRank = options.nodeRank ?? fromEnv(env, 'PET_NODE_RANK') ?? 0
  const [addr, port] = inPod(env) ? (['MASTER_ADDR', 'MASTER_PORT'] as const) : []
  const masterAddr = options.masterAddr ?? env.PET_MASTER_ADDR ?? (addr && env[addr])
  const masterPort = options.masterPort ?? fromEnv(env, 'PET_MASTER_PORT') ?? (port && fromEnv(env, port))
  if (nodeRank >= nnodes)
    throw new OptionError(
      `launch: --node-rank ${nodeRank} and --nnodes ${nnodes} do not fit; expected a number from 0 to ${nnodes - 1}. Give each of the ${nnodes} machines its own number.`,
      { exitCode: 2 },
    )
  if (nnodes > 1 && masterAddr === undefined)
    throw new OptionError(
      `launch: --nnodes ${nnodes} needs the address of machine 0, where the ranks meet; expected --master-addr, the same on each machine. Example: --master-addr 10.0.0.1`,
      { exitCode: 2 },
    )
  if (nnodes > 1) return { nproc, nnodes, nodeRank, masterAddr: masterAddr!, masterPort: masterPort ?? 29500 }
  return { nproc, nnodes, nodeRank, masterAddr: masterAddr ?? loopback, masterPort }
}

function fromEnv(env: NodeJS.ProcessEnv, name: string): number | undefined {
  const given = env[name]
  if (given === undefined || given === '') return undefined
  const value = Number(given)
  if (Number.isInteger(value) && value >= 0) return value
  throw new OptionError(
    `launch: the variable ${name} is ${JSON.stringify(given)}; expected a whole number. Correct it, or give the option itself.`,
    { exitCode: 2 },
  )
}

/** A port of the loopback address that nobody listens on. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, loopback, () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

/** The variables of one rank, named as torchrun names them. Rank 0 opens the store at MASTER_PORT itself. */
export function rankVariables(
  place: Place & { masterPort: number },
  local: number,
  { restart = 0, maxRestarts = 0, runId = 'anneal' }: { restart?: number; maxRestarts?: number; runId?: string } = {},
): Record<string, string> {
  const { nproc, nnodes, nodeRank, masterAddr, masterPort } = place
  const rank = String(nodeRank * nproc + local)
  const size = String(nnodes * nproc)
  return {
    RANK: rank,
    LOCAL_RANK: String(local),
    WORLD_SIZE: size,
    LOCAL_WORLD_SIZE: String(nproc),
    GROUP_RANK: String(nodeRank),
    GROUP_WORLD_SIZE: String(nnodes),
    ROLE_NAME: 'default',
    ROLE_RANK: rank,
    ROLE_WORLD_SIZE: size,
    MASTER_ADDR: masterAddr,
    MASTER_PORT: String(masterPort),
    TORCHELASTIC_RESTART_COUNT: String(restart),
    TORCHELASTIC_MAX_RESTARTS: String(maxRestarts),
    TORCHELASTIC_RUN_ID: runId,
    TORCHELASTIC_USE_AGENT_STORE: 'False',
  }
}

/** Threads of each rank: the cores divided by the ranks, at least one. */
export const threadsOf = (cores: number, nproc: number): number => Math.max(1, Math.floor(cores / nproc))

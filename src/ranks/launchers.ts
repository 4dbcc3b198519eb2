import { launchVariable } from '../launch/launched.ts'

/** Variables of a process. */
export type Variables = Readonly<Record<string, string | undefined>>

/** What a launcher says about this process. */
export interface Found {
  rank: number
  size: number
  localRank?: number
  localSize?: number
}

/** The variables of one launcher. */
export interface Launcher {
  name: string
  /** The names of its variables. Without `host` and `port`: MASTER_ADDR and MASTER_PORT, or `meets`. */
  variables: {
    rank: string
    size: string
    localRank?: string
    localSize?: string
    host?: string
    port?: string
    /** Read before `size`, if it is set: the processes of this step, where `size` may be those of the whole job. */
    sizeOfStep?: string
  }
  /** Whether its variables mean that it started this process; default: whenever they are set. */
  applies?(env: Variables): boolean
  /** Whether it may run inside another launcher, whose variables this process then has too: `srun torchrun …`. */
  nests?: boolean
  /** Why these variables do not suit this process, in a sentence with what to do; undefined if they do. */
  refuses?(env: Variables, found: Found): string | undefined
  /** How many processes this machine has, where no variable has just this number. */
  localSize?(env: Variables): number | undefined
  /** Where the ranks meet, as far as the launcher's own variables say so. */
  meets?(env: Variables, found: Found, job: string): { host?: string | undefined; port?: number | undefined }
}

const variablesOfTorchrun = {
  rank: 'RANK',
  size: 'WORLD_SIZE',
  localRank: 'LOCAL_RANK',
  localSize: 'LOCAL_WORLD_SIZE',
}

/** The launchers, the innermost first: the first one whose variables are set gives the place. Sources:
 *  docs.pytorch.org/docs/stable/elastic/run.html; Kubeflow's trainer and training-operator; slurm.schedmd.com/srun.html;
 *  the FAQ of Open MPI; the README of MPICH's hydra. */
export const launchers: readonly Launcher[] = [
  {
    name: 'anneal launch',
    variables: variablesOfTorchrun,
    applies: env => isSet(env[launchVariable]) && isSet(env.LOCAL_RANK),
    nests: true,
  },
  {
    name: 'torchrun',
    variables: variablesOfTorchrun,
    applies: env => isSet(env.LOCAL_RANK) && isSet(env.LOCAL_WORLD_SIZE),
    nests: true,
  },
  {
    // One process in each pod; also who sets the variables by hand.
    name: 'RANK and WORLD_SIZE, as of a PyTorchJob',
    variables: { rank: 'RANK', size: 'WORLD_SIZE', localRank: 'LOCAL_RANK' },
    applies: env => !(isSet(env.LOCAL_RANK) && isSet(env.LOCAL_WORLD_SIZE)),
    refuses: ({ PET_NNODES: pods, PET_NPROC_PER_NODE: each }, { size }) =>
      Number(each) > 1 && size === Number(pods) * Number(each)
        ? `WORLD_SIZE=${size} counts PET_NPROC_PER_NODE=${each} processes in each of PET_NNODES=${pods} pods, but this pod starts one. Start them with "npx anneal launch train …", or give the PyTorchJob nprocPerNode: "1".`
        : undefined,
  },
  {
    name: 'Open MPI',
    variables: {
      rank: 'OMPI_COMM_WORLD_RANK',
      size: 'OMPI_COMM_WORLD_SIZE',
      localRank: 'OMPI_COMM_WORLD_LOCAL_RANK',
      localSize: 'OMPI_COMM_WORLD_LOCAL_SIZE',
    },
    nests: true,
    meets: (_, found, job) => onOneMachine(found, job),
  },
  {
    name: 'Slurm',
    variables: {
      rank: 'SLURM_PROCID',
      size: 'SLURM_NTASKS',
      sizeOfStep: 'SLURM_STEP_NUM_TASKS',
      localRank: 'SLURM_LOCALID',
    },
    // In a batch script Slurm sets them too, for the script itself: only `srun` makes steps.
    applies: env => isSet(env.SLURM_STEP_ID) || isSet(env.SLURM_STEPID),
    localSize: env => tasksOf(env.SLURM_STEP_TASKS_PER_NODE || env.SLURM_TASKS_PER_NODE, Number(env.SLURM_NODEID ?? 0)),
    meets: env => ({
      host: firstHost(env.SLURM_STEP_NODELIST || env.SLURM_JOB_NODELIST || env.SLURM_NODELIST),
      port: env.SLURM_JOB_ID === undefined ? undefined : 15_000 + (Number(env.SLURM_JOB_ID) % 10_000),
    }),
  },
  {
    name: 'MPICH',
    variables: { rank: 'PMI_RANK', size: 'PMI_SIZE', localRank: 'MPI_LOCALRANKID', localSize: 'MPI_LOCALNRANKS' },
    nests: true,
    meets: (_, found, job) => onOneMachine(found, job),
  },
  {
    // Kubeflow's trainer (v2) without torchrun: one process in each pod.
    name: "Kubeflow's trainer",
    variables: { rank: 'PET_NODE_RANK', size: 'PET_NNODES', host: 'PET_MASTER_ADDR', port: 'PET_MASTER_PORT' },
    applies: env => /^\d+$/.test(env.PET_NNODES ?? '') && isSet(env.PET_NODE_RANK),
  },
]

const isSet = (value: string | undefined): boolean => value !== undefined && value !== ''

/** A text that all ranks of a job share. Empty if the launcher gives none. */
export const inJob = (env: Variables): string =>
  env.TORCHELASTIC_RUN_ID || env.PMIX_NAMESPACE || env.OMPI_MCA_ess_base_jobid || slurmStep(env) || ''
const slurmStep = ({ SLURM_JOB_ID: job, SLURM_STEP_ID: step = '' }: Variables) => job && `${job}.${step}`

/** Where the ranks of mpirun on one machine meet: on the loopback, at a port that follows from the name of the job. */
function onOneMachine({ size, localSize }: Found, job: string) {
  if (localSize !== size) return {}
  let sum = 0
  for (const c of job) sum = (sum * 31 + c.charCodeAt(0)) % 10_000
  return { host: '127.0.0.1', port: job === '' ? 29_500 : 15_000 + sum }
}

/** The first host of Slurm's list: `node[03-05,9],other` → `node03`. */
export function firstHost(list: string | undefined): string | undefined {
  if (!list) return undefined
  const [, before, inside, after] = /^([^,[]+)(?:\[([^\]]+)\])?([^,]*)/.exec(list) ?? []
  return before === undefined ? undefined : before + (inside?.split(/[-,]/)[0] ?? '') + (after ?? '')
}

/** The number of tasks of a node in Slurm's list: `4(x2),3` has 4, 4 and 3. */
export function tasksOf(list: string | undefined, node: number): number | undefined {
  let first = 0
  for (const part of list?.split(',') ?? []) {
    const [, tasks, nodes = '1'] = /^(\d+)(?:\(x(\d+)\))?$/.exec(part) ?? []
    if (tasks === undefined) return undefined
    first += Number(nodes)
    if (node < first) return Number(tasks)
  }
  return undefined
}

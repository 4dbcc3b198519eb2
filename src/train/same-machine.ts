import { RunError } from '../base/errors.ts'
import type { RunConfig } from '../runs/index.ts'
import { machine } from '../setup/index.ts'
import { library, operatorThreads } from '../torch/index.ts'

/** What a run notes of its machine: the same weights come only from the same threads and the same libtorch. Without
 *  `libtorch`, which is then not loaded: the model is trained by another library. */
export function machineFacts({ libtorch = true } = {}): RunConfig['machine'] {
  const { cpu } = machine()
  const own = { cpu: cpu.model, cores: cpu.cores, amx: cpu.amx }
  if (!libtorch) return { ...own, threads: operatorThreads() }
  const { threads, cpuCapability, cudaDevices } = library()
  return { ...own, threads, cpuCapability, cudaDevices }
}

/** Throws if the run in `dir` would not go on to the same weights here. `otherRanks`: it goes on in another number of
 *  processes, so their threads may differ. */
export function checkSameMachine(
  dir: string,
  config: Pick<RunConfig, 'machine' | 'versions'>,
  { otherRanks = false } = {},
): void {
  const libtorch = config.machine.cpuCapability !== undefined
  const now = machineFacts({ libtorch })
  if (!otherRanks && config.machine.threads !== now.threads)
    throw new RunError(
      `${dir}: began with ${config.machine.threads} threads and would go on with ${now.threads}: that would not reproduce the same weights. Set ANNEAL_THREADS=${config.machine.threads}.`,
    )
  if (!libtorch) return
  const then = `libtorch ${config.versions.libtorch} with ${config.machine.cpuCapability}`
  const here = `libtorch ${library().version} with ${now.cpuCapability}`
  if (then !== here)
    throw new RunError(
      `${dir}: began on ${then} and would go on with ${here}: that would not reproduce the same weights. Set ANNEAL_LIBTORCH to the libtorch that it began on, or start a new run.`,
    )
}

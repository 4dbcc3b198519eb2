import { SetupError } from '../base/errors.ts'
import { machine } from './machine.ts'

/** How many threads an operator may use: `ANNEAL_THREADS`, else `OMP_NUM_THREADS`, else all cores. Throws for a text that
 *  is no number. */
export function threadsWanted(cores: number = machine().cpu.cores): number {
  const name = process.env.ANNEAL_THREADS === undefined ? 'OMP_NUM_THREADS' : 'ANNEAL_THREADS'
  const given = process.env[name]
  if (given === undefined) return cores
  // OpenMP allows a list: the number for the outermost region, then for the regions inside it.
  const n = Number(name === 'OMP_NUM_THREADS' ? given.split(',')[0] : given)
  if (!Number.isInteger(n) || n < 1) throw new SetupError(`${name} must be a whole number from 1, got "${given}"`)
  return n
}

import { existsSync } from 'node:fs'
import { SetupError } from '../base/errors.ts'
import { type Linked, readState, stampOf, stateKey } from './state.ts'

/** The addon that is ready on this machine, or undefined if set-up must run (again). Starts no process and takes about
 *  a millisecond. `library`: the file libtorch_cpu.so. `ANNEAL_ADDON` names a `.node` file directly. */
export function findAddon(): { path: string; libtorch?: Linked; library?: string } | undefined {
  const given = process.env.ANNEAL_ADDON
  if (given) {
    if (existsSync(given)) return { path: given }
    throw new SetupError(`ANNEAL_ADDON=${given}: there is no such file; expected a built anneal.node, or unset it`)
  }
  const ready = readState()[stateKey()]
  if (!ready || !existsSync(ready.path) || stampOf(ready.library) !== ready.stamp) return undefined
  return { path: ready.path, libtorch: ready.libtorch, library: ready.library }
}

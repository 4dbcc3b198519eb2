import { existsSync } from 'node:fs'
import { SetupError } from '../base/errors.ts'
import { hasStamp, type Linked, type Ready, readState, stateKey } from './state.ts'

/** An addon and the libtorch that it was set up with. `library`: the file libtorch_cpu.so. */
export type FoundAddon = { path: string; libtorch?: Linked } & Partial<Pick<Ready, 'library' | 'from' | 'cuda'>>

/** The addon that is ready on this machine, or undefined if set-up must run (again). Starts no process and takes about
 *  a millisecond. `ANNEAL_ADDON` names a `.node` file directly. */
export function findAddon(): FoundAddon | undefined {
  const given = process.env.ANNEAL_ADDON
  if (given) {
    if (existsSync(given)) return { path: given }
    throw new SetupError(`ANNEAL_ADDON=${given}: there is no such file; expected a built anneal.node, or unset it`)
  }
  const ready = readState()[stateKey()]
  if (!ready || !existsSync(ready.path) || !hasStamp(ready.library, ready.stamp)) return undefined
  const { path, libtorch, library, from, cuda } = ready
  return { path, libtorch, library, ...(from && { from }), ...(cuda && { cuda }) }
}

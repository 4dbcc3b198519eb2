import { ask } from './call.ts'
import { native } from './native.ts'
import type { Tensor } from './tensor.ts'

/** How a process opens the store that all ranks of a group see. */
export interface StoreOptions {
  host: string
  /** 0, with `listen`: any free port. */
  port: number
  rank: number
  size: number
  /** The address at which this process listens. Without it, it connects. */
  listen?: string | undefined
  /** Comes before all keys. */
  prefix?: string
  timeoutMs: number
}

/** How a process joins the group over an open store. */
export interface GroupOptions {
  /** Operators find the group by this name. */
  name: string
  /** The address or the network interface to listen on; default: the one on the way to the store. */
  listen?: string | undefined
  prefix?: string
  /** After so much silence a rank counts as lost; 0: nothing is watched. */
  silenceMs: number
  timeoutMs: number
}

/** A group of processes, as libtorch's c10d makes it: TCPStore and Gloo. A process is in one group at most. */
export const group = {
  /** Opens the store; a promise of its port. */
  open: async ({ host, port, rank, size, listen, prefix = '', timeoutMs }: StoreOptions): Promise<number> =>
    Number(await native.openStore(host, port, rank, size, listen !== undefined, listen ?? '', prefix, timeoutMs)),
  /** Joins; a promise of the address that this process listens at. */
  join: ({ name, listen = '', prefix = '', silenceMs, timeoutMs }: GroupOptions): Promise<string> =>
    native.joinGroup(name, listen, prefix, silenceMs, timeoutMs),
  leave: (): void => native.leaveGroup(),
  /** Why the group can't go on, as `RANK\tKIND\tTEXT`; empty while it can. `passedMs`: since the last such question. */
  trouble: (passedMs: number): string => native.groupTrouble(passedMs),
  /** Seconds that this process waited for others in operators, and the bytes that it gave to them. */
  work: (): [waitedSeconds: number, sentBytes: number] => native.groupWork(),
  set: (key: string, value: string): void => native.storeSet(key, value),
  get: (key: string): string | undefined => native.storeGet(key) ?? undefined,
  add: (key: string, n: number): number => native.storeAdd(key, n),
} as const

/** Calls `then` with the number of a leaf whenever backward has added to its gradient, while backward goes on. Not on a
 *  GPU, whose gradients are computed on other threads. Returns a function that ends this. */
export const onGradients = (leaves: readonly Tensor[], then: (leaf: number) => void): (() => void) =>
  ask('onGradients', leaves, () => native.onGradients(leaves, then))

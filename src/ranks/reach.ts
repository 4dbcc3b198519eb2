import { lookup } from 'node:dns/promises'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { RanksError } from '../base/errors.ts'
import type { Report } from '../base/progress.ts'
import type { Environment } from './environment.ts'

/** Waits until something listens where the ranks meet. Throws with the reason of the last try. */
export async function untilReached(
  { rank, host, port, joinSeconds }: Environment,
  { signal, report }: { signal?: AbortSignal | undefined; report: Report },
): Promise<void> {
  const began = performance.now()
  let told = false
  for (let ms = 50; ; ms = Math.min(1000, ms * 2)) {
    signal?.throwIfAborted()
    const reason = await tried(host, port)
    if (reason === undefined) return
    const seconds = (performance.now() - began) / 1000
    if (seconds > joinSeconds)
      throw new RanksError(
        `rank ${rank} could not reach rank 0 at ${host}:${port} for ${joinSeconds} s: ${reason}. Check that rank 0 runs, that MASTER_ADDR and MASTER_PORT are those of its machine, and that no firewall closes the port.`,
      )
    if (!told && seconds > 10) {
      report({ line: `rank ${rank} waits for rank 0 at ${host}:${port}: ${reason}` })
      told = true
    }
    await new Promise(resolve => setTimeout(resolve, ms))
  }
}

/** Tries to connect: undefined, or the reason why not. */
function tried(host: string, port: number): Promise<string | undefined> {
  return new Promise(resolve => {
    const socket = connect({ host, port })
    const end = (reason?: string) => {
      socket.destroy()
      resolve(reason)
    }
    socket.setTimeout(3000, () => end('no answer (a firewall, or a wrong address)'))
    socket.once('connect', () => end())
    socket.once('error', (error: NodeJS.ErrnoException) => end(reasons[error.code ?? ''] ?? error.message))
  })
}
const reasons: Record<string, string> = {
  ECONNREFUSED: 'nothing listens there (ECONNREFUSED)',
  ENOTFOUND: 'the name is not known (ENOTFOUND)',
  EAI_AGAIN: 'the name can not be looked up now (EAI_AGAIN)',
  EHOSTUNREACH: 'no way leads there (EHOSTUNREACH)',
  ENETUNREACH: 'no way leads there (ENETUNREACH)',
  ETIMEDOUT: 'no answer (ETIMEDOUT: a firewall, or a wrong address)',
  EACCES: 'a firewall refuses it (EACCES)',
}

/** The address at which rank 0 listens: that of `listenOn`, else of `host` alone, so that no other network can reach it. */
export async function ownAddress({ host, size, localSize, listenOn }: Environment): Promise<string> {
  if (listenOn !== undefined) return networkInterfaces()[listenOn]?.[0]?.address ?? listenOn
  const found = await lookup(host).catch((error: NodeJS.ErrnoException) => {
    throw new RanksError(
      `rank 0 can't listen: MASTER_ADDR=${host}: ${reasons[error.code ?? ''] ?? error.message}. Give the name or the address of this machine.`,
    )
  })
  const looped = found.address === '::1' || found.address.startsWith('127.')
  if (looped && localSize < size && !isLoopback(host))
    throw new RanksError(
      `MASTER_ADDR=${host} is ${found.address} on this machine, which no other machine can reach, and ${size - localSize} of ${size} ranks are elsewhere. Give this machine's address in the network; if all ranks run here, MASTER_ADDR=127.0.0.1.`,
    )
  return found.address
}
const isLoopback = (host: string): boolean => host === 'localhost' || host.startsWith('127.') || host === '::1'

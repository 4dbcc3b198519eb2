import { hostname } from 'node:os'
import { RanksError } from '../base/errors.ts'
import { type Report, silent } from '../base/progress.ts'
import { version } from '../base/version.ts'
import { group, library } from '../torch/index.ts'
import { type Environment, readEnvironment } from './environment.ts'
import { alone, Ranks } from './ranks.ts'
import { ownAddress, untilReached } from './reach.ts'
import { lostText, troubleOf } from './trouble.ts'

/** What all ranks must have alike, in words: its name, and its value. */
export type Facts = Readonly<Record<string, string | number | boolean>>

/** How a rank joins. */
export interface JoinOptions {
  /** What is compared beside versions, threads and instructions. */
  facts?: Facts
  environment?: Environment | undefined
  signal?: AbortSignal | undefined
  report?: Report
}

/** How long the ranks may take to connect to each other, once all of them have come. */
const connectMs = 60_000

/** How often this process has joined a group: a launcher's store still holds what was said in the groups before. */
let joins = 0

/** Joins the group that the environment names: meets the other ranks, compares versions, threads and `facts` with them, and
 *  connects to them. Without such an environment it returns the group of one. Throws with one line: the port is taken, the
 *  address is wrong, ranks are missing, or a rank differs. */
export async function joinRanks({
  facts = {},
  environment = readEnvironment(),
  signal,
  report = silent,
}: JoinOptions = {}): Promise<Ranks> {
  if (!environment) return alone
  const { rank, size, listenOn, silenceSeconds } = environment
  const again = joins++
  const prefix = `${environment.storeIsThere ? `/worker/attempt_${environment.attempt}` : ''}${again > 0 ? `/again_${again}` : ''}`
  const timeoutMs = environment.joinSeconds * 1000
  const how = { prefix, timeoutMs, facts, signal, report }
  await (again > 0 && rank > 0 && !environment.storeIsThere ? meetAgain(environment, how) : meet(environment, how))
  try {
    const listen = listenOn === '0.0.0.0' || listenOn === '::' ? undefined : listenOn
    const name = 'anneal'
    const soon = Math.min(timeoutMs, connectMs)
    await group
      .join({ name, listen, prefix, silenceMs: silenceSeconds * 1000, timeoutMs: soon })
      .catch((error: Error) => {
        throw new RanksError(
          `rank ${rank} of ${size} could not connect to the other ranks: ${firstLine(error)}. Ranks connect to each other at free TCP ports: check that no firewall is between their machines; ANNEAL_INTERFACE names the network to use.`,
          { cause: error },
        )
      })
    return new Ranks({ rank, size, name })
  } catch (error) {
    throw await leftFor(error, environment)
  }
}

interface Meeting extends Pick<JoinOptions, 'signal'> {
  prefix: string
  timeoutMs: number
  facts: Facts
  report: Report
}

/** Opens the store, waits for the other ranks, and compares itself with them. */
async function meet(environment: Environment, { facts, ...how }: Meeting): Promise<void> {
  const { rank, size, host, port } = environment
  await openStore(environment, how)
  try {
    if (group.add(`anneal/came/${rank}`, 1) > 1) {
      group.leave() // the group goes on with the first one
      throw new RanksError(
        `rank ${rank} of ${size} has come already to ${host}:${port}: two processes have this rank, or another job uses this port. Set MASTER_PORT to a free one, the same for all ranks of this job.`,
      )
    }
    await compareFacts(environment, facts, how)
  } catch (error) {
    throw await leftFor(error, environment)
  }
}

/** Rank 0 looks this often whether all have left its store. */
const closesWithin = 300 // ms

/** The same in a later group of this process. Rank 0 closes the store of the group before as soon as all have left it. A rank
 *  that still came to that one finds it gone, and comes again. */
async function meetAgain(environment: Environment, how: Meeting): Promise<void> {
  const until = performance.now() + how.timeoutMs
  for (;;) {
    await new Promise(resolve => setTimeout(resolve, closesWithin))
    try {
      return await meet(environment, how)
    } catch (error) {
      how.signal?.throwIfAborted()
      // What we say ourselves has no cause; a store that is gone is told by libtorch.
      const isGone = !(error instanceof RanksError) || error.cause !== undefined
      if (!isGone || performance.now() > until) throw error
    }
  }
}

const firstLine = ({ message }: Error) => message.split('\n')[0]!.slice(0, 300)

async function openStore(
  environment: Environment,
  {
    prefix,
    timeoutMs,
    signal,
    report,
  }: { prefix: string; timeoutMs: number } & Pick<JoinOptions, 'signal'> & { report: Report },
): Promise<void> {
  const { host, port, rank, size, storeIsThere } = environment
  const at = { host, port, rank, size, prefix, timeoutMs }
  const listens = rank === 0 && !storeIsThere
  if (!listens) await untilReached(environment, { signal, report })
  const listen = listens ? await ownAddress(environment) : undefined
  await group.open({ ...at, listen }).catch((error: Error) => {
    const [kind = '', reason = ''] = firstLine(error).split('\t')
    const words: Record<string, string> = {
      taken: `port ${port} of ${listen} is taken by another program. Set MASTER_PORT to a free one, the same for all ranks.`,
      foreign: `MASTER_ADDR=${host} (${listen}) is no address of this machine, on which rank 0 runs. Give its address, or start rank 0 there; ANNEAL_INTERFACE=0.0.0.0 listens on all networks.`,
      forbidden: `port ${port} needs more rights (${reason}). Set MASTER_PORT to one above 1023, the same for all ranks.`,
      listen: `it can't listen on ${listen}:${port} (${reason}).`,
      name: `MASTER_ADDR=${host} can't be looked up (${reason}).`,
    }
    throw new RanksError(
      listens
        ? `rank 0 can't wait for the other ranks: ${words[kind] ?? firstLine(error)}`
        : `rank ${rank}: what listens on ${host}:${port} is no store of a group (${firstLine(error)}). Check MASTER_ADDR and MASTER_PORT.`,
      { cause: error },
    )
  })
}

/** Waits for all ranks, and compares what each has with rank 0. */
async function compareFacts(
  { rank, size, joinSeconds }: Environment,
  facts: Facts,
  { signal, report }: Pick<JoinOptions, 'signal'> & { report: Report },
): Promise<void> {
  const { version: libtorch, threads, cpuCapability } = library()
  const own: Facts = {
    Anneal: version(),
    libtorch,
    'threads (ANNEAL_THREADS)': threads,
    'the instructions of the processor': cpuCapability,
    ranks: size,
    ...facts,
  }
  group.set(`anneal/facts/${rank}`, JSON.stringify({ host: hostname(), facts: own }))
  const all: { host: string; facts: Facts }[] = []
  const began = performance.now()
  let told = false
  for (let ms = 5; ; ms = Math.min(200, ms * 2)) {
    for (let r = 0; r < size; r++) {
      if (all[r]) continue
      const text = group.get(`anneal/facts/${r}`)
      if (text !== undefined) all[r] = JSON.parse(text)
    }
    const missing = Array.from({ length: size }, (_, r) => r).filter(r => !all[r])
    if (missing.length === 0) break
    refuseIfLeft(size)
    const seconds = (performance.now() - began) / 1000
    const who = `${missing.length === 1 ? 'rank' : 'ranks'} ${missing.slice(0, 10).join(', ')}${missing.length > 10 ? ', …' : ''} of ${size}`
    if (seconds > joinSeconds)
      throw new RanksError(
        `${who} did not come within ${joinSeconds} s. Check that ${missing.length === 1 ? 'it was' : 'they were'} started, with the same MASTER_ADDR, MASTER_PORT and WORLD_SIZE.`,
      )
    if (!told && seconds > 10 && rank === 0) {
      report({ line: `waiting for ${who}` })
      told = true
    }
    signal?.throwIfAborted()
    await new Promise(resolve => setTimeout(resolve, ms))
  }
  const differences = all.flatMap(({ host, facts }, r) => {
    const other = differing(all[0]!.facts, facts)
    return other.length === 0 ? [] : [`rank ${r} (${host}) has ${other.join('; ')}`]
  })
  if (differences.length > 0)
    throw new RanksError(
      `the ranks differ: ${differences.slice(0, 5).join('. ')}${differences.length > 5 ? `, and ${differences.length - 5} more ranks` : ''}. All ranks need the same.`,
    )
}

/** Throws if a rank has left while others were waited for: it was stopped, or has failed. */
function refuseIfLeft(size: number): void {
  if (group.add('anneal/left', 0) === 0) return
  const why = Array.from({ length: size }, (_, r) => group.get(`anneal/why/${r}`))
  const rank = why.findIndex(text => text !== undefined)
  if (rank >= 0)
    throw new RanksError(
      `rank ${rank} of ${size} has left before all ranks had come: ${why[rank]!.replace(/\.$/, '')}. Start all ranks again.`,
    )
}

const differing = (first: Facts, other: Facts): string[] =>
  [...new Set([...Object.keys(first), ...Object.keys(other)])].flatMap(name =>
    first[name] === other[name] ? [] : [`${name}: ${other[name] ?? 'none'}, rank 0 ${first[name] ?? 'none'}`],
  )

/** Leaves a group that could not be joined. Returns the reason in words. */
async function leftFor(thrown: unknown, environment: Environment): Promise<unknown> {
  const { rank, size } = environment
  const lost = troubleOf(thrown)
  if (lost) {
    group.leave() // a store that does not answer can't be told
    return new RanksError(lostText(lost, size), { cause: thrown })
  }
  const error = thrown as Error
  if (!(error instanceof RanksError) && brokenStore.test(error.message)) {
    group.leave()
    return new RanksError(
      `rank ${rank} of ${size}: rank 0, which keeps the group together, has ended before all ranks had come (${firstLine(error)}). Its own output says why. Start all ranks again.`,
      { cause: error },
    )
  }
  await parting(environment, error.name === 'AbortError' ? 'it was stopped' : firstLine(error).replace(/\.$/, ''))
  return error
}

/** What libtorch says when the connection to the store breaks. */
const brokenStore = /recv|send|socket|connection|broken pipe/i

/** Leaves a group that is not whole, and says why. The store is on rank 0: it stays until the others have read what it says. */
async function parting({ rank, size, storeIsThere }: Environment, why: string): Promise<void> {
  try {
    group.set(`anneal/why/${rank}`, why)
    group.add('anneal/left', 1)
    const until = performance.now() + 3000
    while (rank === 0 && !storeIsThere && group.add('anneal/left', 0) < size && performance.now() < until)
      await new Promise(resolve => setTimeout(resolve, 50))
  } catch {
    // There is no store.
  }
  group.leave()
}

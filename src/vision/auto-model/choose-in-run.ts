import { ModelError, WeightsError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { option } from '../../base/options.ts'
import type { FolderIndex } from '../../data/index.ts'
import type { DomainContext, ModelChoice } from '../../domain/index.ts'
import { type ImageModel, type KnownModel, loadPretrained, model, pretrainedState } from '../../models/index.ts'
import { kernelsInUse, nn, zeros } from '../../torch/index.ts'
import { computedBy } from '../../train/choose-kernels.ts'
import { computeFeatures } from '../../train/features.ts'
import { type Computed, computeBy, knownWays, ratesOf, type Way, waysOf } from '../../train/measure-kernels.ts'
import { type Network, network } from '../../train/network.ts'
import { pictureBatch } from '../batch.ts'
import type { Pictures } from '../dataset.ts'
import { shrunk } from '../decode/resize.ts'
import { keptChannels, shortSide } from '../domain/open-pictures.ts'
import type { ImageOptions } from '../domain/options.ts'
import { everyClassInTurn } from '../sample.ts'
import type { Item } from '../types.ts'
import { planSeconds, usualMinutes } from './plan.ts'
import { folds, probeOf } from './probe.ts'
import { candidates, fetchWeights, unreachable } from './reach.ts'
import { type Contender, chooseNet, fits, netReason, netTable, type Terms } from './rule.ts'

/** Fewer training pictures say nothing about a net. */
const fewest = 20
/** The most pictures that the nets are compared on. */
const most = 600
/** The side in pixels at which the kernels of a net are measured. */
const measuredSide = 128

/** The pictures of the run, decoded for one net, and whether all their channels are kept. */
export type Look = (info: KnownModel, size: number) => Promise<{ pictures: Pictures; keeps: boolean }>

type Context = DomainContext<ImageOptions>

/** Chooses a pretrained net for these pictures: by the accuracy of cross-validated linear probes on frozen features, and
 *  by the time that the whole run of each net takes on this machine. Only nets whose run ends within the budget are
 *  fetched and compared. */
export async function chooseInRun(
  index: FolderIndex,
  context: Context,
  { look, among = candidates }: { look: Look; among?: readonly string[] },
): Promise<ModelChoice> {
  const { options } = context
  const { task, items } = index
  const train = items.filter(item => item.split === 'train').length
  const asked = options.minutes !== undefined
  const budget = 60 * (options.minutes ?? usualMinutes)
  const terms: Terms = { task, budget, asked, pictures: 0, folds }
  const nets = await Promise.all(among.map(name => contender(name, options)))
  if (train < fewest) return withoutProbe(nets, context, train)

  const computing = measureSpeeds(nets, index, options)
  const wanted = bySpeed(nets)
  const within = wanted.filter(net => fits(net, budget))
  await fetchAll(within, context)
  if (!within.some(isIn)) await fetchFirst(wanted, context)
  const compared = within.filter(isIn)
  if (compared.length > 1) terms.pictures = await compare(compared, context, { task, computing, look })
  const found = chooseNet(nets, terms)
  const { name } = found.chosen
  return { name, reason: netReason(found, terms), lines: netTable(found.rows, terms) }
}

const isIn = ({ out }: Contender) => out === undefined

async function contender(name: string, { size, sizes }: ImageOptions): Promise<Contender> {
  const out = await unreachable(name)
  return { name, size: sizes?.[0] ?? size ?? model(name).size, ...(out === undefined ? {} : { out }) }
}

/** The reachable nets, the one with the fastest run first. */
const bySpeed = (nets: readonly Contender[]) => nets.filter(isIn).sort((a, b) => a.speed!.seconds - b.speed!.seconds)

/** With few pictures: the first candidate whose weights can be had. */
async function withoutProbe(nets: readonly Contender[], context: Context, train: number): Promise<ModelChoice> {
  const name = await fetchFirst(nets.filter(isIn), context)
  const reason = `${plural(train, 'training picture')} ${train === 1 ? 'is' : 'are'} too few to compare nets by (at least ${fewest} are needed); the usual net, ${option('model')} takes another`
  return { name: name ?? nets[0]!.name, reason, lines: [] }
}

async function fetchAll(nets: readonly Contender[], { report, signal }: Context): Promise<void> {
  for (const net of nets) {
    // Asked again: a source that failed for one net is not asked for the next one.
    const out = (await unreachable(net.name)) ?? (await fetchWeights(net.name, { report, signal }))
    if (out !== undefined) net.out = out
  }
}

/** Fetches the weights of the first net that can be had; undefined if none can. */
async function fetchFirst(nets: readonly Contender[], context: Context): Promise<string | undefined> {
  for (const net of nets) {
    if (isIn(net)) await fetchAll([net], context)
    if (isIn(net)) return net.name
  }
  return undefined
}

/** How a run computes with each net, by its name. */
type Computing = ReadonlyMap<string, Computed>

/** Measures how fast each reachable net computes here (once on each machine), and plans its run. */
function measureSpeeds(nets: readonly Contender[], index: FolderIndex, options: ImageOptions): Computing {
  const { device = 'cpu' } = options
  const kinds = new Map<boolean, Way[]>()
  const computing = new Map<string, Computed>()
  for (const net of nets.filter(isIn)) {
    const { name, size } = net
    const noise = lazyNet(() => model(name).build({ classes: 0 }), device)
    const computed = computedAs(name, options, { kinds, made: noise.made })
    const rates = ratesOf(name, noise.made, { ...computed, device }, [3, size, size])
    noise.free()
    computing.set(name, computed)
    const sizes = options.sizes ?? [size]
    net.speed = { step: rates.step, seconds: planSeconds(rates, index, { options, sizes, measured: size }) }
  }
  return computing
}

/** How a run would compute with this net. A net whose kernels were not measured yet computes like another one of its
 *  kind: the measurement takes seconds, and only that of the chosen net is needed. */
function computedAs(
  name: string,
  { device = 'cpu', precision = 'auto', epochs }: ImageOptions,
  { kinds, made }: { kinds: Map<boolean, Way[]>; made: () => Network },
): Computed {
  if (device !== 'cpu') {
    const by = { step: { kernels: kernelsInUse() }, frozen: { kernels: kernelsInUse() } }
    return { precision: precision === 'auto' ? 'bfloat16' : precision, by }
  }
  const { depthwise } = model(name)
  const shape = [3, measuredSide, measuredSide]
  const ways = knownWays(name, shape) ?? kinds.get(depthwise) ?? waysOf(name, made, shape)
  if (!kinds.has(depthwise)) kinds.set(depthwise, ways)
  return computedBy(ways, precision, epochs === 0 ? 'frozen' : 'step')
}

/** A net that is made when it is first needed; `free` frees its memory. */
function lazyNet(build: () => ImageModel, device: string) {
  let net: Network<ImageModel> | undefined
  return {
    made: () => (net ??= network(build(), 2, { device })),
    free() {
      for (const t of net?.net.stateDict().values() ?? []) t.dispose()
    },
  }
}

/** Computes a probe for each net, on the same pictures. Returns how many there were. */
async function compare(
  nets: readonly Contender[],
  context: Context,
  { task, computing, look }: { task: FolderIndex['task']; computing: Computing; look: Look },
): Promise<number> {
  const { options, progress, signal } = context
  const { seed = 42 } = options
  // The largest pictures are decoded, and made smaller for the other nets.
  const largest = nets.reduce((a, b) => (shortOf(b) > shortOf(a) ? b : a))
  const { pictures, keeps } = await look(model(largest.name), largest.size)
  const items = everyClassInTurn(pictures.data.of('train'), { task, most, seed })
  const total = nets.length * items.length
  let done = 0
  for (const net of nets) {
    const onBatch = (seen: number) => progress('comparing nets', done + seen, total)
    const computed = computing.get(net.name)!
    try {
      const features = await featuresOf(net, { pictures, keeps, items, computed, onBatch }, context)
      net.probe = await probeOf(features, items, { task, seed, signal })
    } catch (error) {
      if (!(error instanceof ModelError || error instanceof WeightsError)) throw error
      net.out = `its weights can't be used: ${error.message}`
    }
    done += items.length
  }
  return items.length
}

const shortOf = ({ name, size }: Contender) => shortSide(size, model(name))

/** The features of the plain view of each picture. [N × F] */
async function featuresOf(
  net: Contender,
  {
    pictures,
    keeps,
    items,
    computed: { precision, by },
    onBatch,
  }: {
    pictures: Pictures
    keeps: boolean
    items: readonly Item[]
    computed: Computed
    onBatch: (done: number) => void
  },
  { options, report, signal }: Context,
): Promise<Float32Array> {
  const info = model(net.name)
  const { device = 'cpu' } = options
  const kept = keeps ? keptChannels(pictures) : undefined
  const { mean, std } = kept ?? info
  const channels = kept?.channels ?? 3
  const state = await pretrainedState(net.name, { report, signal })
  const { made, free } = lazyNet(() => {
    const body = nn.init.undrawn(() => info.build({ classes: 0, channels }))
    loadPretrained(body, state)
    return body
  }, device)
  const short = shortOf(net)
  const how = { size: net.size, short, normalization: { mean, std }, channels, device }
  const source = {
    count: items.length,
    batch: (samples: Uint32Array) => {
      const seen = Array.from(samples, n => shrunk(pictures.picture(items[n]!.picture), short, info.interpolation))
      return { x: pictureBatch(seen, undefined, how), y: zeros([samples.length], { dtype: 'int64' }) }
    },
  }
  const done = computeBy(by.frozen)
  try {
    return await computeFeatures(made(), source, { precision, signal, onBatch })
  } finally {
    done()
    free()
  }
}

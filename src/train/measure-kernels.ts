import { cacheFolder } from '../base/files.ts'
import { recalled, remembered } from '../base/remember.ts'
import { findAddon, machine } from '../setup/index.ts'
import {
  autocast,
  generator,
  type Kernels,
  kernelCalls,
  kernelSets,
  library,
  noGrad,
  randn,
  scope,
  synchronize,
  type Tensor,
  useKernelSet,
  useKernels,
  withThreads,
} from '../torch/index.ts'
import { type ConvPlan, useConvPlan } from '../torch/nn/conv-ways.ts'
import { type LayerTimes, measureLayers, planOf } from './measure-layers.ts'
import type { Network, Precision } from './network.ts'
import { processorUse, undisturbedNow } from './processor.ts'

/** The kinds of work of a run: training steps (forward and backward), and inference with the frozen body. */
export type Work = 'step' | 'frozen'

/** Which kernels compute; for own kernels also their set, if their type has several. */
export interface Computing {
  kernels: Kernels
  set?: string
  /** How each convolution is computed; the usual way where this says nothing. */
  plan?: ConvPlan
}

/** Selects the kernels for layers from now on; the returned function restores the selection before. */
export function computeBy({ kernels, set, plan = {} }: Computing): () => void {
  const before = useKernels(kernels)
  const other = set === undefined ? undefined : useKernelSet(set)
  const planBefore = useConvPlan(plan)
  return () => {
    useKernels(before)
    useConvPlan(planBefore)
    if (other !== undefined) useKernelSet(other)
  }
}

/** The number type of a run's products, and the kernels for each kind of work. */
export interface Computed {
  precision: Precision
  by: Record<Work, Computing>
}

/** One way to compute a net, and its measured speed. */
export interface Way extends Computing {
  precision: Precision
  /** Samples per second through the body, for each kind of work. */
  rates: Record<Work, number>
}

/** The ways in which this processor can compute: in bfloat16 if it has instructions for it, with own kernels if there
 *  are some. In bfloat16 every kernel set is tried: with the tiles of AMX libtorch computes convolutions, without them
 *  we do. */
export function waysHere(): Omit<Way, 'rates'>[] {
  const { amx, avx512bf16, neonBf16 } = machine().cpu
  const [wide] = kernelSets('float32')
  return [
    { precision: 'float32', kernels: 'aten' },
    ...(wide ? [{ precision: 'float32', kernels: 'own', set: wide } as const] : []),
    ...(amx || avx512bf16 || neonBf16 ? [{ precision: 'bfloat16', kernels: 'aten' } as const] : []),
    ...kernelSets('bfloat16').map(set => ({ precision: 'bfloat16', kernels: 'own', set }) as const),
  ]
}

/** Makes a batch of inputs like the real ones. */
type Noise = (batch: number) => Tensor

const rounds = 3
const longEnough = 4 // seconds
/** A way that takes this many times as long as the fastest is timed once. */
const hopeless = 3
/** A measurement is disturbed if threads wait for a core for more than this share of the time. */
const disturbed = 0.1
/** A disturbed measurement expires after this many milliseconds. */
const countsFor = 3_600_000

/** Times both kinds of work of the body in these ways, in turn, on noise of the `shape` of one input (own kernels only
 *  if the body has layers for them). The least time of each counts, since other work on the machine affects it least.
 *  Weights, statistics, gradients and random state are restored afterwards. */
export function measureWays(
  network: Network,
  ways: readonly Omit<Way, 'rates'>[],
  {
    shape = [3, 128, 128],
    batch = 8,
    noise,
  }: { shape?: readonly number[]; batch?: number; noise?: Noise | undefined } = {},
): Way[] {
  const ownBefore = kernelCalls()
  const rates = ratesIn(network, ways, { shape, batch, noise })
  const hasOwn = kernelCalls() > ownBefore
  return ways.flatMap((way, i) => (way.kernels === 'aten' || hasOwn ? [{ ...way, rates: rates[i]! }] : []))
}

/** Samples per second in each of these ways; `now` is the clock, in milliseconds. */
function ratesIn(
  network: Network,
  ways: readonly Omit<Way, 'rates'>[],
  {
    shape,
    batch,
    noise: given,
    now = () => performance.now(),
  }: { shape: readonly number[]; batch: number; noise?: Noise | undefined; now?: () => number },
): Record<Work, number>[] {
  const { body, device = 'cpu' } = network
  const parameters = body.parameters()
  const before = parameters.map(p => p.requiresGrad)
  const training = Array.from(body.modules(), ([, m]) => [m, m.training] as const)
  body.eval()
  for (const p of parameters) p.requiresGrad = true
  const least = ways.map(() => ({ step: Number.POSITIVE_INFINITY, frozen: Number.POSITIVE_INFINITY }))
  const onDevice = { device }
  try {
    scope(() => {
      const noise = given?.(batch) ?? randn([batch, ...shape], { generator: generator(1) }).to('float32', onDevice)
      const x = shape.length === 3 ? noise.contiguous('channels_last') : noise
      const work: Record<Work, (precision: Precision) => void> = {
        step: precision =>
          autocast(precision, () => body.features(x), onDevice)
            .to('float32')
            .mean()
            .backward(),
        frozen: precision => noGrad(() => autocast(precision, () => body.features(x), onDevice).to('float32')),
      }
      const started = performance.now()
      for (let round = 0; round <= rounds; round++) {
        if (round > 1 && performance.now() - started > 1000 * longEnough) break
        const best = (kind: Work) => Math.min(...least.map(l => l[kind]))
        const fastest = { step: best('step'), frozen: best('frozen') }
        for (const [i, way] of ways.entries())
          for (const kind of ['step', 'frozen'] as const) {
            if (least[i]![kind] > hopeless * fastest[kind]) continue
            const done = computeBy(way)
            const start = now()
            try {
              scope(() => void work[kind](way.precision))
              synchronize()
            } finally {
              done()
            }
            const ms = now() - start
            // The first round is slow: it only says which ways are hopeless.
            least[i]![kind] = round < 2 ? ms : Math.min(least[i]![kind], ms)
          }
      }
    })
  } finally {
    noGrad(() => body.zeroGrad())
    parameters.forEach((p, i) => {
      p.requiresGrad = before[i]!
    })
    for (const [m, was] of training) m.training = was
  }
  const rate = (ms: number) => (1000 * batch) / ms
  return least.map(({ step, frozen }) => ({ step: rate(step), frozen: rate(frozen) }))
}

/** What a run knows of a net before it measures it. */
export interface Measured {
  /** The shape of one input. */
  shape: readonly number[]
  noise?: Noise | undefined
}

/** `measureLayers` with a cache: one measurement for each net, size of the inputs, batch, type, machine, number of
 *  threads and build of the addon. */
export function layersOf(
  name: string,
  network: Network | (() => Network),
  { shape, noise, batch, precision }: Measured & { batch: number; precision: Precision },
): LayerTimes[] {
  const net = () => (typeof network === 'function' ? network() : network)
  const what = { layers: shape, batch, precision, asked: process.env.ANNEAL_CONV }
  return perMachine(name, what, () => ({ layers: measureLayers(net(), { shape, noise, batch, precision }) })).layers
}

/** `measureWays` with a cache: one measurement per net, machine, number of threads and build of the addon. A
 *  measurement that other work disturbed is repeated after an hour; until then all processes use it. `plans`: how own
 *  kernels compute each convolution, for each type. */
export function waysOf(
  name: string,
  network: Network | (() => Network),
  shape: readonly number[],
  { noise, plans = {} }: { noise?: Noise | undefined; plans?: Partial<Record<Precision, ConvPlan>> } = {},
): Way[] {
  const net = () => (typeof network === 'function' ? network() : network)
  const planned = (way: Omit<Way, 'rates'>) => {
    const plan = way.kernels === 'own' ? plans[way.precision] : undefined
    return plan && Object.keys(plan).length > 0 ? { ...way, plan } : way
  }
  const what = Object.keys(plans).length > 0 ? { shape, plans } : shape
  return perMachine(name, what, () => {
    const body = net()
    const once = () => measureWays(body, waysHere().map(planned), { shape, noise })
    const ways = once()
    if (!isSurprising(ways)) return { ways }
    const again = once()
    const faster = (i: number, kind: Work) => Math.max(ways[i]!.rates[kind], again[i]!.rates[kind])
    return { ways: ways.map((way, i) => ({ ...way, rates: { step: faster(i, 'step'), frozen: faster(i, 'frozen') } })) }
  }).ways
}

/** The plan of each type that is measured layer by layer: bfloat16's if the processor computes in it, or the type that
 *  is asked for. Several shapes of inputs, as a run with several sizes has them, make one plan. */
export function plansOf(
  name: string,
  network: Network | (() => Network),
  { inputs, batch, asked }: { inputs: readonly Measured[]; batch: number; asked: Precision | 'auto' },
): { layers: LayerTimes[]; plans: Partial<Record<Precision, ConvPlan>> } {
  if (process.env.ANNEAL_KERNELS === 'aten') return { layers: [], plans: {} }
  const [half] = kernelSets('bfloat16')
  const precision = asked === 'auto' ? (half ? 'bfloat16' : 'float32') : asked
  if (kernelSets(precision === 'float32' ? 'float32' : 'bfloat16').length === 0) return { layers: [], plans: {} }
  const layers = inputs.flatMap(input => layersOf(name, network, { ...input, batch, precision }))
  return { layers, plans: { [precision]: planOf(layers) } }
}

/** The ways of a net if they were measured before. */
export const knownWays = (name: string, shape: readonly number[]): Way[] | undefined =>
  recalled<{ ways: Way[] } & Expires>(speeds(name), machineKey(shape), counts)?.ways

/** How fast a net computes inputs of this shape in this way, in samples per second; with the same cache. The kernels of
 *  steps and of the frozen body may differ. The time in which other work has the cores is left out, since it may end
 *  soon. */
export function ratesOf(
  name: string,
  network: () => Network,
  { precision, by, device }: Computed & { device: string },
  shape: readonly number[],
): Record<Work, number> {
  const each = [by.step, by.frozen].map(computing => ({ precision, ...computing }))
  const ways = JSON.stringify(each[0]) === JSON.stringify(each[1]) ? each.slice(0, 1) : each
  const batch = device === 'cpu' ? 8 : 32
  return perMachine(name, { shape, ways, device }, () => {
    const once = () => ratesIn(network(), ways, { shape, batch, now: undisturbedNow })
    const end = processorUse()
    let [step, frozen = step] = once()
    const { threads } = library()
    if ((end().waited ?? 0) > disturbed && threads > 1 && device === 'cpu') {
      // While one thread waits for a core, the others wait for it: one alone shows how fast a core is.
      const alone = withThreads(1, once).map(rates => scaled(rates, threads ** speedUp))
      ;[step, frozen = step] = alone
    }
    return { rates: { step: step!.step, frozen: frozen!.frozen } }
  }).rates
}

const scaled = ({ step, frozen }: Record<Work, number>, by: number) => ({ step: by * step, frozen: by * frozen })
/** n threads are about n to this power times as fast as one. */
const speedUp = 0.9

/** A measurement that expires at a time, in milliseconds since 1970. */
interface Expires {
  until?: number
}
const counts = ({ until = Number.POSITIVE_INFINITY }: Expires) => Date.now() < until

const speeds = (name: string) => cacheFolder('speed', `${name}.json`)

/** Changes with all that the speed of a net depends on, and with what is measured. */
function machineKey(what: unknown): string {
  const { version, threads, cpuCapability } = library()
  const addon = findAddon()?.path ?? ''
  const form = 6 // the format of the cached data
  return JSON.stringify([machine().cpu.model, threads, cpuCapability, version, addon, what, form])
}

/** A measurement of a net, made once on each machine; again after an hour if other work disturbed it. */
function perMachine<T extends object>(name: string, what: unknown, measure: () => T): T {
  const make = (): T & Expires => {
    const end = processorUse()
    const made = measure()
    return (end().waited ?? 0) > disturbed ? { ...made, until: Date.now() + countsFor } : made
  }
  return remembered<T & Expires>(speeds(name), machineKey(what), make, counts)
}

/** Whether own kernels were not faster in bfloat16 although the processor has instructions for it: other work may have
 *  disturbed only one of the measurements. */
function isSurprising(ways: readonly Way[]): boolean {
  const own = (precision: Precision) => {
    const rates = ways.filter(w => w.precision === precision && w.kernels === 'own').map(w => w.rates.step)
    return rates.length > 0 ? Math.max(...rates) : undefined
  }
  const [wide, half] = [own('float32'), own('bfloat16')]
  return wide !== undefined && half !== undefined && half < 1.1 * wide
}

import { cacheFolder } from '../base/files.ts'
import { remembered } from '../base/remember.ts'
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
  useKernelSet,
  useKernels,
} from '../torch/index.ts'
import type { Network, Precision } from './network.ts'
import { processorUse } from './processor.ts'

/** The kinds of work of a run: training steps (forward and backward), and inference with the frozen body. */
export type Work = 'step' | 'frozen'

/** Which kernels compute; for own kernels also their set, if their type has several. */
export interface Computing {
  kernels: Kernels
  set?: string
}

/** Selects the kernels for layers from now on; the returned function restores the selection before. */
export function computeBy({ kernels, set }: Computing): () => void {
  const before = useKernels(kernels)
  const other = set === undefined ? undefined : useKernelSet(set)
  return () => {
    useKernels(before)
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
  const { amx, avx512bf16 } = machine().cpu
  const [wide] = kernelSets('float32')
  return [
    { precision: 'float32', kernels: 'aten' },
    ...(wide ? [{ precision: 'float32', kernels: 'own', set: wide } as const] : []),
    ...(amx || avx512bf16 ? [{ precision: 'bfloat16', kernels: 'aten' } as const] : []),
    ...kernelSets('bfloat16').map(set => ({ precision: 'bfloat16', kernels: 'own', set }) as const),
  ]
}

const rounds = 3
const longEnough = 4 // seconds
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
  { shape = [3, 128, 128], batch = 8 }: { shape?: readonly number[]; batch?: number } = {},
): Way[] {
  const { body } = network
  const parameters = body.parameters()
  const before = parameters.map(p => p.requiresGrad)
  const training = Array.from(body.modules(), ([, m]) => [m, m.training] as const)
  body.eval()
  for (const p of parameters) p.requiresGrad = true
  const least = ways.map(() => ({ step: Number.POSITIVE_INFINITY, frozen: Number.POSITIVE_INFINITY }))
  const ownBefore = kernelCalls()
  try {
    scope(() => {
      const noise = randn([batch, ...shape], { generator: generator(1) })
      const x = shape.length === 3 ? noise.contiguous('channels_last') : noise
      const work: Record<Work, (precision: Precision) => void> = {
        step: precision =>
          autocast(precision, () => body.features(x))
            .to('float32')
            .mean()
            .backward(),
        frozen: precision => noGrad(() => autocast(precision, () => body.features(x)).to('float32')),
      }
      const started = performance.now()
      for (let round = 0; round <= rounds; round++) {
        if (round > 1 && performance.now() - started > 1000 * longEnough) break
        for (const [i, way] of ways.entries())
          for (const kind of ['step', 'frozen'] as const) {
            const done = computeBy(way)
            const start = performance.now()
            try {
              scope(() => void work[kind](way.precision))
            } finally {
              done()
            }
            if (round > 0) least[i]![kind] = Math.min(least[i]![kind], performance.now() - start)
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
  const hasOwn = kernelCalls() > ownBefore
  const rate = (ms: number) => (1000 * batch) / ms
  return ways.flatMap((way, i) => {
    const { step, frozen } = least[i]!
    return way.kernels === 'aten' || hasOwn ? [{ ...way, rates: { step: rate(step), frozen: rate(frozen) } }] : []
  })
}

/** `measureWays` with a cache: one measurement per net, machine, number of threads and build of the addon. A
 *  measurement that other work disturbed is repeated after an hour; until then all processes use it. */
export function waysOf(name: string, network: Network, shape: readonly number[]): Way[] {
  const { version, threads, cpuCapability } = library()
  const { model } = machine().cpu
  const addon = findAddon()?.path ?? ''
  const form = 4 // the format of the cached data
  const key = JSON.stringify([model, threads, cpuCapability, version, addon, shape, form])
  const measure = (): { ways: Way[]; until?: number } => {
    const end = processorUse()
    const once = () => measureWays(network, waysHere(), { shape })
    let ways = once()
    if (isSurprising(ways)) {
      const again = once()
      const faster = (i: number, kind: Work) => Math.max(ways[i]!.rates[kind], again[i]!.rates[kind])
      ways = ways.map((way, i) => ({ ...way, rates: { step: faster(i, 'step'), frozen: faster(i, 'frozen') } }))
    }
    return (end().waited ?? 0) > disturbed ? { ways, until: Date.now() + countsFor } : { ways }
  }
  const counts = ({ until = Number.POSITIVE_INFINITY }) => Date.now() < until
  return remembered(cacheFolder('speed', `${name}.json`), key, measure, counts).ways
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

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
  withKernels,
} from '../torch/index.ts'
import type { Network, Precision } from './network.ts'
import { processorUse } from './processor.ts'

/** How a net may be computed, and how fast that was. */
export interface Way {
  precision: Precision
  kernels: Kernels
  /** Pictures a second, forward and backward through the body. */
  rate: number
}

/** In which ways this processor can compute: bfloat16 where it has instructions for it, own kernels where there are some. */
export function waysHere(): Pick<Way, 'precision' | 'kernels'>[] {
  const { amx, avx512bf16 } = machine().cpu
  return [
    { precision: 'float32', kernels: 'aten' },
    ...(kernelSets('float32').length > 0 ? [{ precision: 'float32', kernels: 'own' } as const] : []),
    ...(amx || avx512bf16 ? [{ precision: 'bfloat16', kernels: 'aten' } as const] : []),
    ...(kernelSets('bfloat16').length > 0 ? [{ precision: 'bfloat16', kernels: 'own' } as const] : []),
  ]
}

const rounds = 3
const longEnough = 4 // seconds
/** Other work disturbs where threads stand in a queue for a core for more than this share of the time. */
const disturbed = 0.1
/** So long, in milliseconds, a measurement counts that was disturbed. */
const countsFor = 3_600_000

/** Times steps of the body in these ways (those of own kernels only where it has layers for them), taken in turn, on noise of `size` pixels; the least time of each counts, which
 *  other work on the machine spoils least. Weights, statistics, gradients and random state are afterwards what they were. */
export function measureWays(
  network: Network,
  ways: readonly Pick<Way, 'precision' | 'kernels'>[],
  { size = 128, batch = 8, channels = 3 }: { size?: number; batch?: number; channels?: number } = {},
): Way[] {
  const { body } = network
  const parameters = body.parameters()
  const before = parameters.map(p => p.requiresGrad)
  const training = Array.from(body.modules(), ([, m]) => [m, m.training] as const)
  body.eval()
  for (const p of parameters) p.requiresGrad = true
  const least = ways.map(() => Number.POSITIVE_INFINITY)
  const ownBefore = kernelCalls()
  try {
    scope(() => {
      const x = randn([batch, channels, size, size], { generator: generator(1) }).contiguous('channels_last')
      const started = performance.now()
      for (let round = 0; round <= rounds; round++) {
        if (round > 1 && performance.now() - started > 1000 * longEnough) break
        ways.forEach(({ precision, kernels }, i) => {
          const start = performance.now()
          scope(() =>
            withKernels(kernels, () =>
              autocast(precision, () => body.features(x))
                .to('float32')
                .mean()
                .backward(),
            ),
          )
          if (round > 0) least[i] = Math.min(least[i]!, performance.now() - start)
        })
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
  return ways.flatMap((way, i) =>
    way.kernels === 'aten' || hasOwn ? [{ ...way, rate: (1000 * batch) / least[i]! }] : [],
  )
}

/** `measureWays`, kept in the cache: one measurement for each net, machine, number of threads and build of the addon. One
 *  that other work disturbed is made again after an hour; until then all processes go by it alike. */
export function waysOf(name: string, network: Network, channels: number): Way[] {
  const { version, threads, cpuCapability } = library()
  const { model } = machine().cpu
  const addon = findAddon()?.path ?? ''
  const form = 2 // of what is kept
  const key = JSON.stringify([model, threads, cpuCapability, version, addon, channels, form])
  const measure = (): { ways: Way[]; until?: number } => {
    const end = processorUse()
    const once = () => measureWays(network, waysHere(), { channels, ...(name === 'vit_b_16' ? { size: 224 } : {}) })
    let ways = once()
    if (isSurprising(ways)) {
      const again = once()
      ways = ways.map((way, i) => ({ ...way, rate: Math.max(way.rate, again[i]!.rate) }))
    }
    return (end().waited ?? 0) > disturbed ? { ways, until: Date.now() + countsFor } : { ways }
  }
  const counts = ({ until = Number.POSITIVE_INFINITY }) => Date.now() < until
  return remembered(cacheFolder('speed', `${name}.json`), key, measure, counts).ways
}

/** Whether own kernels are no faster in bfloat16, for which they have instructions: other work may have been in the way of one
 *  and not of the other. */
function isSurprising(ways: readonly Way[]): boolean {
  const own = (precision: Precision) => ways.find(w => w.precision === precision && w.kernels === 'own')?.rate
  const [wide, half] = [own('float32'), own('bfloat16')]
  return wide !== undefined && half !== undefined && half < 1.1 * wide
}

import { model } from '../models/index.ts'
import { fromArray, keep, manualSeed, rand, scope, synchronize } from '../torch/index.ts'
import { computeFeatures } from '../train/features.ts'
import { Learner, type LearnerOptions } from '../train/learner.ts'
import { type Computing, computeBy } from '../train/measure-kernels.ts'
import { type Network, network, type Precision } from '../train/network.ts'
import type { Source } from '../train/source.ts'
import { recomputeBatchNorm } from '../train/swa.ts'

/** Pictures of noise, ready for the net: the same batch again and again. */
export interface NoiseOptions {
  size: number
  batchSize: number
  classes: number
  device?: string
}

/** A source of `count` samples. All batches are the same noise, so that making them takes no time. */
export function noiseSource(count: number, options: NoiseOptions): Source & { dispose(): void } {
  const { size, batchSize, classes, device = 'cpu' } = options
  const batch = scope(() =>
    keep({
      x: rand([batchSize, 3, size, size], { device }).contiguous('channels_last'),
      y: fromArray(
        BigInt64Array.from({ length: batchSize }, (_, i) => BigInt(i % classes)),
        [batchSize],
      ).to('int64', { device }),
    }),
  )
  return {
    count,
    batch: () => batch,
    dispose() {
      batch.x.dispose()
      batch.y.dispose()
    },
  }
}

/** A net of this model with random weights, made as in the recipe; BatchNorm has the statistics of the noise. */
export async function noiseNet(name: string, options: NoiseOptions, signal?: AbortSignal): Promise<Network> {
  const { size, batchSize, classes, device = 'cpu' } = options
  manualSeed(42)
  const net = network(model(name).build({ classes: 0, channels: 3, size }), classes, { device })
  const source = noiseSource(batchSize, options)
  await recomputeBatchNorm(net, source, { batchSize, signal })
  source.dispose()
  return net
}

/** What to time, and how. */
export interface SpeedOptions extends NoiseOptions, Computing {
  precision: Precision
  /** How many steps are timed, after one untimed step. */
  steps: number
  /** Untimed steps run for at least this many milliseconds, since caches, memory and machine code are cold at first. */
  warm?: number
  signal?: AbortSignal | undefined
  onStep?: (() => void) | undefined
}

/** Milliseconds of training steps of the whole net: forward, loss, backward, optimizer and the average of weights. By
 *  default with the statistics of BatchNorm kept, as the recipe does below 20,000 pictures. */
export async function timeSteps(
  net: Network,
  options: SpeedOptions,
  { bnFreeze = true, ...learning }: Partial<LearnerOptions> & { bnFreeze?: boolean } = {},
): Promise<number[]> {
  const { precision, kernels, set, plan, steps, warm = 0, batchSize, classes, signal, onStep } = options
  const source = noiseSource((steps + mostUntimed) * batchSize, options)
  const learn = new Learner(net, {
    train: source,
    classes: Array.from({ length: classes }, (_, i) => String(i)),
    batchSize,
    precision,
    labelSmoothing: 0.1,
    averageSteps: 20,
    ...learning,
  })
  learn.unfreeze()
  learn.bnFreeze = bnFreeze
  learn.dropout = false
  const clock = stopwatch(onStep)
  const began = performance.now()
  let untimed = 0
  const afterBatch = () => {
    clock.lap()
    const { length } = clock.laps
    if (untimed === 0 && (performance.now() - began >= warm || length === mostUntimed)) untimed = length
    return untimed > 0 && length === untimed + steps ? 'stop' : undefined
  }
  const done = computeBy({ kernels, ...(set !== undefined && { set }), ...(plan && { plan }) })
  try {
    await learn.fit(1, { lr: 1e-6, schedule: 'constant', signal, callbacks: [{ afterBatch }] })
  } finally {
    done()
    for (const t of [...learn.optimizerTensors().values(), ...(learn.average?.tensors.values() ?? [])]) t.dispose()
    source.dispose()
  }
  return clock.laps.slice(untimed)
}
const mostUntimed = 100

/** Milliseconds of batches through the frozen body, as the recipe computes features. */
export async function timeFrozen(net: Network, options: SpeedOptions): Promise<number[]> {
  const { precision, kernels, set, plan, steps, batchSize, signal, onStep } = options
  const source = noiseSource((steps + 1) * batchSize, options)
  const clock = stopwatch(onStep)
  const done = computeBy({ kernels, ...(set !== undefined && { set }), ...(plan && { plan }) })
  try {
    await computeFeatures(net, source, { batchSize, precision, signal, onBatch: clock.lap })
  } finally {
    done()
    source.dispose()
  }
  return clock.laps.slice(1)
}

function stopwatch(onLap?: () => void) {
  const laps: number[] = []
  let began = performance.now()
  return {
    laps,
    lap(): void {
      synchronize()
      const now = performance.now()
      laps.push(now - began)
      onLap?.()
      began = performance.now()
    },
  }
}

/** The middle value; for an even count the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2
}

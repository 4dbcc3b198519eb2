import type { Kernels } from '../torch/kernels.ts'
import type { Precision } from '../train/network.ts'

/** One kind of work by one means. */
export interface Timing {
  work: 'training step' | 'frozen body'
  precision: Precision
  kernels: Kernels
  batch: number
  size: number
  imagesPerSecond: number
  /** Of a batch. */
  milliseconds: { median: number; least: number }
}

/** How fast this machine trains a model. The numbers beside `timings` are of what the recipe takes. */
export interface BenchResult {
  model: string
  size: number
  batch: number
  precision: Precision
  /** Why this precision. */
  reason: string
  kernels: Kernels
  imagesPerSecond: number
  stepMilliseconds: { median: number; least: number }
  frozenImagesPerSecond: number
  /** The most memory that the process held while it took these training steps. */
  peakBytes: number
  threads: number
  cores: number
  /** How many cores the training steps kept busy on average. */
  coresBusy: number
  /** For which share of the time threads found no core free; null where the system does not say. */
  waited: number | null
  cpu: string
  instructionSets: string[]
  libtorch: string
  device: string
  timings: Timing[]
  /** The same training step with a larger batch, and with smaller pictures. */
  others: Timing[]
  advice: string[]
}

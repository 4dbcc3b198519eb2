import type { Kernels } from '../torch/kernels.ts'
import type { LayerTimes } from '../train/measure-layers.ts'
import type { Precision } from '../train/network.ts'

/** The times of one kind of work with one precision and one choice of kernels. */
export interface Timing {
  work: 'training step' | 'frozen body'
  precision: Precision
  kernels: Kernels
  batch: number
  size: number
  imagesPerSecond: number
  /** The time of one batch. */
  milliseconds: { median: number; least: number }
}

/** How fast this machine trains a model. The values outside of `timings` are for the recipe's choice. */
export interface BenchResult {
  model: string
  size: number
  batch: number
  precision: Precision
  /** The reason for this precision. */
  reason: string
  kernels: Kernels
  imagesPerSecond: number
  stepMilliseconds: { median: number; least: number }
  frozenImagesPerSecond: number
  /** The most memory that the process held during these training steps. */
  peakBytes: number
  threads: number
  cores: number
  /** How many cores the training steps kept busy on average. */
  coresBusy: number
  /** The share of the time in which threads waited for a free core; null if the system does not report it. */
  waited: number | null
  cpu: string
  instructionSets: string[]
  libtorch: string
  device: string
  timings: Timing[]
  /** The same training step with a larger batch, and with smaller pictures. */
  others: Timing[]
  /** With `layers`: the convolutions of each shape, the milliseconds of each way, and the way that was taken. */
  layers?: LayerTimes[]
  advice: string[]
}

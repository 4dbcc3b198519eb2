import { purpose, rng } from '../base/random.ts'
import { aten, fromArray, type Tensor } from '../torch/index.ts'

/** What may change in a sound without changing its class; shares of the window, of the frames and of the bands. */
export interface Augmentation {
  /** It moves in time by up to this share of the window; what leaves at one end comes back at the other. */
  shift: number
  /** It becomes louder or softer by up to so many decibels. */
  gain: number
  /** So many bars of time, each up to this share of the frames, become silent; so many of pitch alike. */
  timeMasks: number
  timeMask: number
  bandMasks: number
  bandMask: number
}

/** The presets by their names. Masks are SpecAugment's (Park et al. 2019, arXiv:1904.08779), as PANNs has them. Sounds are
 *  neither reversed nor stretched: many would then mean something else. */
export const augmentations: Readonly<Record<'usual' | 'none', Augmentation>> = {
  usual: { shift: 0.1, gain: 6, timeMasks: 2, timeMask: 0.08, bandMasks: 2, bandMask: 0.08 },
  none: { shift: 0, gain: 0, timeMasks: 0, timeMask: 0, bandMasks: 0, bandMask: 0 },
}

/** A bar of frames or bands, as shares of all. */
interface Bar {
  from: number
  width: number
}

/** What changes in one sound. */
export interface Change {
  /** Share of the window. */
  shift: number
  /** The factor of its samples. */
  gain: number
  time: readonly Bar[]
  bands: readonly Bar[]
}

/** The change of a sample in an epoch: a function of seed, epoch and sample alone. */
export function drawChange(how: Augmentation, seed: number, epoch: number, sample: number): Change {
  const random = rng(seed, epoch, sample, purpose.augment)
  const shift = random.uniform(-how.shift, how.shift)
  const gain = 10 ** (random.uniform(-how.gain, how.gain) / 20)
  const bars = (count: number, most: number): Bar[] =>
    Array.from({ length: count }, () => {
      const width = random.uniform(0, most)
      return { from: random.uniform(0, 1 - width), width }
    })
  return { shift, gain, time: bars(how.timeMasks, how.timeMask), bands: bars(how.bandMasks, how.bandMask) }
}

/** Moves and scales the samples of a window, in place. */
export function changeSamples(window: Float32Array, { shift, gain }: Change): void {
  const by = Math.round(shift * window.length)
  if (by !== 0) {
    const at = ((by % window.length) + window.length) % window.length
    const tail = window.slice(window.length - at)
    window.copyWithin(at, 0, window.length - at)
    window.set(tail)
  }
  if (gain !== 1) for (let i = 0; i < window.length; i++) window[i]! *= gain
}

/** Masks bars of the spectra x: [N, C, H, W] with each map's lowest value (silence). `time`: the dimension of time, 2 or
 *  3. */
export function maskBars(x: Tensor, changes: readonly Change[], time: 2 | 3): Tensor {
  if (changes.every(c => c.time.length + c.bands.length === 0)) return x
  const [n = 0, , height = 0, width = 0] = x.shape
  const [frames, bands] = time === 2 ? [height, width] : [width, height]
  const keep = new Float32Array(n * height * width).fill(1)
  const clear = (sample: number, { from, width: share }: Bar, size: number, isTime: boolean) => {
    const [begin, end] = [Math.round(from * size), Math.round((from + share) * size)]
    for (let k = begin; k < end; k++)
      for (let j = 0; j < (isTime ? bands : frames); j++) {
        const [t, b] = isTime ? [k, j] : [j, k]
        keep[sample * height * width + (time === 2 ? t * width + b : b * width + t)] = 0
      }
  }
  changes.forEach((c, sample) => {
    for (const bar of c.time) clear(sample, bar, frames, true)
    for (const bar of c.bands) clear(sample, bar, bands, false)
  })
  const mask = fromArray(keep, [n, 1, height, width])
  const silence = aten.amin(x, { dim: [2, 3], keepdim: true })
  return aten.add(x.sub(silence).mul(mask), silence)
}

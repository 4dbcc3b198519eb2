import { targetsOf, targetTensor } from '../data/targets.ts'
import type { Task } from '../data/types.ts'
import { fromArray, scope, type Tensor } from '../torch/index.ts'
import type { LabelledSource } from '../train/source.ts'
import { type Augmentation, type Change, changeSamples, drawChange, maskBars } from './augment.ts'
import { type Preprocessing, toInput } from './features/inputs.ts'
import type { WindowItem } from './types.ts'

/** A window of `size` samples from a recording: what lies outside it is silence. */
export function windowOf(
  samples: (from: number, count: number) => Float32Array,
  from: number,
  into: Float32Array,
): Float32Array {
  const before = Math.max(0, -from)
  into.fill(0)
  into.set(samples(from + before, into.length - before).subarray(0, into.length - before), before)
  return into
}

/** The net's input of windows, changed or not: windows [N × samples], full scale from -1 to 1. */
export function inputOf(
  windows: Float32Array,
  count: number,
  how: Preprocessing,
  { changes, device = 'cpu' }: { changes?: readonly Change[] | undefined; device?: string | undefined } = {},
): Tensor {
  return scope(() => {
    const x = toInput(how)(fromArray(windows, [count, windows.length / count], { copy: false }))
    const masked = changes ? maskBars(x, changes, how.input === 'speech' ? 2 : 3) : x
    return device === 'cpu' ? masked : masked.to('float32', { device })
  })
}

/** Windows of recordings, and how they become batches. */
export interface SoundSourceOptions {
  /** Samples of a recording, by its number in the cache. */
  samples(number: number, from: number, count: number): Float32Array
  items: readonly WindowItem[]
  task: Task
  classes: number
  preprocessing: Preprocessing
  /** Changes of each epoch. Default: none. */
  augmentation?: Augmentation | undefined
  seed?: number
  device?: string | undefined
}

/** The number of each window's recording, in their order; undefined if each recording has one window. */
export function partsOf(items: readonly WindowItem[]): Uint32Array | undefined {
  const numbers = new Map<number, number>()
  const parts = Uint32Array.from(items, ({ sound }) => {
    if (!numbers.has(sound)) numbers.set(sound, numbers.size)
    return numbers.get(sound)!
  })
  return numbers.size < items.length ? parts : undefined
}

/** Windows of recordings as batches: x as `toInput` makes it, y as `targetTensor` makes it. What changes in a sample depends
 *  only on seed, epoch and sample. */
export function soundSource(options: SoundSourceOptions): LabelledSource & { items: readonly WindowItem[] } {
  const { samples, items, task, classes, preprocessing, augmentation, seed = 0, device } = options
  const targets = targetsOf(items, task, classes)
  const size = preprocessing.samples
  return {
    count: items.length,
    items,
    targets,
    parts: partsOf(items),
    batch(numbers, epoch) {
      const windows = new Float32Array(numbers.length * size)
      const changes = augmentation && Array.from(numbers, n => drawChange(augmentation, seed, epoch, n))
      for (const [row, n] of numbers.entries()) {
        const { sound, from } = items[n]!
        const window = windows.subarray(row * size, (row + 1) * size)
        windowOf((at, count) => samples(sound, at, count), from, window)
        if (changes) changeSamples(window, changes[row]!)
      }
      return {
        x: inputOf(windows, numbers.length, preprocessing, { changes, device }),
        y: targetTensor(numbers, { targets, count: items.length }, device),
      }
    },
  }
}

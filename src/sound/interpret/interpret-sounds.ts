import { relative } from 'node:path'
import type { Trained } from '../../domain/index.ts'
import { answerOf } from '../../interpret/index.ts'
import type { HeardSound, Interpretation, SamplePicture } from '../../runs/index.ts'
import { resample } from '../../runtime/sound/resample.ts'
import { scope } from '../../torch/index.ts'
import type { Evaluation } from '../../train/evaluate.ts'
import { argmaxRows } from '../../train/metrics/single.ts'
import type { Network } from '../../train/network.ts'
import type { Parts } from '../../train/pooled.ts'
import { type Augmentation, changeSamples, drawChange } from '../augment.ts'
import type { SoundStore } from '../cache/store.ts'
import type { Preprocessing } from '../features/inputs.ts'
import { inputOf, windowOf } from '../source.ts'
import type { WindowItem } from '../types.ts'
import { listenedTo } from './listened.ts'
import { jpegOf, levelsOf } from './spectrogram.ts'
import { wavOf } from './wav.ts'

/** So many sounds can be played in a report, each of at most so many seconds: with 16 kHz and 16 bits some 4 MB. */
const [mostSounds, mostSeconds, playedRate] = [12, 8, 16_000]

/** The recordings of a run, as inputs of its network. */
export interface ShownSounds {
  dir: string
  store: SoundStore
  preprocessing: Preprocessing
  /** The windows of the validation recordings. */
  valid: readonly WindowItem[]
  /** The number of each window's recording, if some have several. */
  parts?: Parts
}

/** The samples of a window without the silence around a short recording. */
export function playedSamples(
  { sound, from }: Pick<WindowItem, 'sound' | 'from'>,
  store: SoundStore,
  size: number,
): Float32Array {
  return store.samples(sound, Math.max(0, from), from < 0 ? size + 2 * from : size)
}

/** A small picture of a recording's window. */
export const pictureOf = (item: WindowItem, store: SoundStore, size: number): Promise<string> =>
  jpegOf(levelsOf(playedSamples(item, store, size), store.rate))

/** The validation recordings that went most wrong, and then those with the highest loss: their prediction, and the sound,
 *  the spectrogram and where the net listened of the window with the highest loss. */
export async function interpretSounds(
  { net, classes, precision }: Trained,
  { losses, probabilities, targets, rows }: Evaluation & { rows: Evaluation },
  { dir, store, preprocessing, valid, parts }: ShownSounds,
  network: Pick<Network, 'device'>,
): Promise<HeardSound[]> {
  const predicted = argmaxRows(probabilities, classes.length)
  const wrong = (i: number) => predicted[i] !== targets[i]
  const windows = worstWindows(rows.losses, parts)
  const order = Array.from(losses.keys()).sort((a, b) => Number(wrong(b)) - Number(wrong(a)) || losses[b]! - losses[a]!)
  const size = preprocessing.samples
  const shown: HeardSound[] = []
  for (const i of order.slice(0, mostSounds)) {
    const item = valid[windows[i]!]!
    const window = windowOf((f, count) => store.samples(item.sound, f, count), item.from, new Float32Array(size))
    const levels = levelsOf(window, store.rate)
    const heat = scope(() =>
      listenedTo({ net: net.net, ...network }, inputOf(window, 1, preprocessing, network), {
        of: predicted[i]!,
        time: preprocessing.input === 'speech' ? 2 : 3,
        precision,
      }),
    )
    shown.push({
      file: relative(dir, item.file),
      from: Math.max(0, item.from) / store.rate,
      actual: classes[targets[i]!]!,
      predicted: classes[predicted[i]!]!,
      probability: probabilities[i * classes.length + predicted[i]!]!,
      loss: losses[i]!,
      thumbnail: await jpegOf(levels),
      overlay: await jpegOf(levels, heat),
      audio: played(playedSamples(item, store, size), store.rate),
    })
  }
  return shown
}

/** The window of each recording with the highest loss. losses: of the windows. */
function worstWindows(losses: Float32Array, parts: Parts): number[] {
  const worst: number[] = []
  for (const [row, loss] of losses.entries()) {
    const part = parts?.[row] ?? row
    if (worst[part] === undefined || loss > losses[worst[part]]!) worst[part] = row
  }
  return worst
}

/** Training sounds as the net hears them, as pictures. */
export async function augmentedSounds(
  items: readonly WindowItem[],
  {
    store,
    preprocessing,
    augmentation,
    classes,
    seed,
    most = 12,
  }: Pick<ShownSounds, 'store' | 'preprocessing'> & {
    augmentation: Augmentation
    classes: readonly string[]
    seed: number
    most?: number
  },
): Promise<SamplePicture[]> {
  const count = Math.min(most, items.length)
  const chosen = Array.from({ length: count }, (_, i) => Math.floor((i * items.length) / count))
  return Promise.all(
    chosen.map(async i => {
      const item = items[i]!
      const window = windowOf(
        (f, n) => store.samples(item.sound, f, n),
        item.from,
        new Float32Array(preprocessing.samples),
      )
      changeSamples(window, drawChange(augmentation, seed, 1, i))
      return { label: answerOf(item, classes), thumbnail: await jpegOf(levelsOf(window, store.rate)) }
    }),
  )
}

/** A WAVE file at 16 kHz in base64; longer sounds are cut. */
const played = (samples: Float32Array, rate: number): string =>
  wavOf(resample(samples.subarray(0, mostSeconds * rate), rate, playedRate), playedRate).toString('base64')

/** Whether a run's interpretation shows sounds: of one class each. */
export const showsSounds = ({ task }: Pick<Interpretation, 'task'>): boolean => task === 'single' || task === undefined

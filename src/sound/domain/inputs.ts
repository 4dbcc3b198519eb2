import { isDeepStrictEqual } from 'node:util'
import type { Split, Task } from '../../data/types.ts'
import type { ChosenInputs, DomainContext, Inputs, Ready } from '../../domain/index.ts'
import { windowStarts } from '../../runtime/sound/windows.ts'
import { mixedSource } from '../../train/mixed-source.ts'
import { type Augmentation, augmentations } from '../augment.ts'
import type { SoundStore } from '../cache/store.ts'
import type { SoundDataset } from '../dataset.ts'
import type { Preprocessing } from '../features/inputs.ts'
import { augmentedSounds, interpretSounds, pictureOf, showsSounds } from '../interpret/interpret-sounds.ts'
import { nearCopies, mostSeconds as nearSeconds } from '../interpret/near-copies.ts'
import { partsOf, soundSource } from '../source.ts'
import type { Item, WindowItem } from '../types.ts'
import { mostWindows } from '../windows.ts'
import type { SoundOptionsOfRun } from './options.ts'

/** The windows of recordings, in their order. */
export function windowItems(items: readonly Item[], store: SoundStore, size: number, most: number): WindowItem[] {
  return items.flatMap(item => {
    const row = store.rows[item.sound]!
    const samples = 'offset' in row ? row.samples : 0
    return windowStarts(samples, size, most).map((from): WindowItem => ({ ...item, from }))
  })
}

/** Chooses the augmentation, and makes inputs. */
export function chooseInputs(
  data: SoundDataset,
  store: SoundStore,
  preprocessing: Preprocessing,
  { device, seed }: Ready,
  { options, narrator }: DomainContext<SoundOptionsOfRun>,
): ChosenInputs<Preprocessing> {
  const name = options.augment ?? 'usual'
  const augment = augmentations[name]
  narrator.choice(
    'augment',
    name,
    options.augment === undefined ? 'shift in time, gain, masks of time and pitch; none disables it' : 'as asked',
  )
  const inputs = inputsOf(data, store, preprocessing, { augment, device, seed, mixup: options.mixup })
  return { augmentation: augment, plain: isDeepStrictEqual(augment, augmentations.none), at: async () => inputs }
}

function inputsOf(
  data: SoundDataset,
  store: SoundStore,
  preprocessing: Preprocessing,
  { augment, device, seed, mixup }: { augment: Augmentation; device: string; seed: number; mixup?: number | undefined },
): Inputs<Preprocessing> {
  const { task, classes } = data
  const windows = new Map<Split, WindowItem[]>()
  const itemsOf = (split: Split): WindowItem[] => {
    const known = windows.get(split) ?? windowItems(data.of(split), store, preprocessing.samples, mostWindows[split])
    windows.set(split, known)
    return known
  }
  /** A window as it is, or the first one of a recording. */
  const firstWindow = (item: Item): WindowItem =>
    'from' in item ? (item as WindowItem) : windowItems([item], store, preprocessing.samples, 1)[0]!
  return {
    preprocessing,
    source(split, { augmented = false, mixed = false } = {}) {
      const items = itemsOf(split)
      const plain = sourceOf(store, items, {
        task,
        classes: classes.length,
        preprocessing,
        device,
        seed,
        augmentation: augmented ? augment : undefined,
      })
      return mixed && mixup !== undefined ? mixedSource(plain, { mixup, classes: classes.length, task, seed }) : plain
    },
    both() {
      const key = (item: WindowItem) => `${item.file} ${item.from}`
      const items = [...itemsOf('train'), ...itemsOf('valid')].sort((a, b) => (key(a) < key(b) ? -1 : 1))
      const unlabelled = items.map(item => ({ ...item, labels: [0] }))
      return sourceOf(store, unlabelled, { task: 'single', classes: 1, preprocessing, device })
    },
    show: item => pictureOf(firstWindow(item as Item), store, preprocessing.samples),
    nearlySame(features, items, { signal }) {
      const wave = (i: number) => {
        const { sound } = items[i] as Item
        return { samples: store.samples(sound, 0, nearSeconds * store.rate), rate: store.rate }
      }
      return nearCopies(features, items.length, wave, { signal })
    },
    async interpret(trained, evaluation, found) {
      const how = { store, preprocessing, augmentation: augment, classes, seed }
      const samples = await augmentedSounds(itemsOf('train'), how)
      if (!showsSounds(found)) return { samples }
      const shown = { dir: data.dir, store, preprocessing, valid: itemsOf('valid'), parts: partsOf(itemsOf('valid')) }
      return { samples, sounds: await interpretSounds(trained, evaluation, shown, { device }) }
    },
  }
}

/** A source over the windows of a store. */
export const sourceOf = (
  store: SoundStore,
  items: readonly WindowItem[],
  how: {
    task: Task
    classes: number
    preprocessing: Preprocessing
    device?: string | undefined
    seed?: number
    augmentation?: Augmentation | undefined
  },
) => soundSource({ ...how, samples: (number, from, count) => store.samples(number, from, count), items })

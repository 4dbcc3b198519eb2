import { relative } from 'node:path'
import { AnnealError } from '../base/errors.ts'
import { checkTable, type Options, pick } from '../base/option-table.ts'
import { type Report, silent } from '../base/progress.ts'
import { purpose, rng, shuffle } from '../base/random.ts'
import type { FolderIndex } from '../data/index.ts'
import { type LabelOptions, labelOptions } from '../data/labels/options.ts'
import { chooseModel, loadPretrained, model as modelInfo, pretrainedState } from '../models/index.ts'
import { drawSheet, type Sheet } from '../report/page/augment-sheet.ts'
import { scope, tensor } from '../torch/index.ts'
import { network } from '../train/network.ts'
import { type Augmentation, augmentation, augmentationText, drawChange } from './augment/index.ts'
import { chooseAugmentation, type Sense } from './auto-augment/auto-augment.ts'
import { pictureBatch } from './batch.ts'
import { type Item, indexPictures, listPictures, loadPicture, openPictures, type Picture, preview } from './index.ts'
import { sheetOptions } from './options.ts'

/** The options of a contact sheet, and of the measurement if the augmentation is `auto`. Ranges and defaults:
 *  docs/options.md. */
export type SheetOptions = Options<typeof sheetOptions> & {
  format?: 'png' | 'jpeg'
  report?: Report
  progress?: (what: string, done: number, total: number) => void
}

/** A picture that is not decoded yet. */
type Labelled = Omit<Item, 'picture'>

/** A contact sheet of training pictures as training would see them: the plain view, then epochs 1, 2, … It also works
 *  for a folder without labels, except with `auto`. Nothing is trained or written. */
export async function augmentSheet(
  dir: string,
  options: SheetOptions = {},
): Promise<{ image: Buffer; augmentation: Augmentation; sense?: Sense }> {
  checkTable(sheetOptions, options, { who: 'augmentSheet', also: ['format', 'report', 'progress'] })
  const usual = sheetOptions
  const { augment = usual.augment.usual, size = usual.size.usual, seed = usual.seed.usual, format = 'png' } = options
  const { pictures = usual.pictures.usual, views = usual.views.usual } = options
  const known = augment === 'auto' ? undefined : augmentation(augment)
  const index = await indexed(dir, { ...pick(labelOptions, options), seed }, known !== undefined)
  const sense = known ? undefined : await senseFolder(index, { ...options, seed })
  const chosen = known ?? sense!.augmentation
  const short = Math.round(size / 0.875)
  const train = index.items.filter(item => item.split === 'train')
  const shown = await firstGood(train, everyClass(train, seed), { most: pictures, short })
  const rows = shown.map(({ n, picture }) => ({
    caption: captionOf(train[n]!, index),
    tiles: viewsOf(picture, { augmentation: chosen, seed, views, sample: n, size, short }),
  }))
  const sheet: Sheet = {
    title: `${augmentationText(chosen)} (${size} px, seed ${seed})`,
    columns: ['plain', ...Array.from({ length: views }, (_, v) => `epoch ${v + 1}`)],
    rows,
    side: size,
  }
  return { image: await drawSheet(sheet, { format }), augmentation: chosen, ...(sense ? { sense } : {}) }
}

/** Labelled pictures; if the folder has no labels and the options name none, its pictures without labels. */
async function indexed(
  dir: string,
  options: LabelOptions,
  bare: boolean,
): Promise<Pick<FolderIndex, 'dir' | 'items' | 'classes' | 'task'> & { whole?: FolderIndex }> {
  try {
    const whole = await indexPictures(dir, options)
    return { ...whole, whole }
  } catch (error) {
    if (!bare || !(error instanceof AnnealError) || options.labels !== undefined || options.labelRegex !== undefined)
      throw error
    const items = listPictures([dir]).pictures.map((place): Labelled => ({ ...place, labels: [], split: 'train' }))
    return { dir, items, classes: [], task: 'multi' }
  }
}

/** The indices of all items, one of each class in turn, in random order by the seed. */
function everyClass(items: readonly Labelled[], seed: number): number[] {
  const order = shuffle(Array.from(items.keys()), rng(seed, 0, 0, purpose.sense))
  const seen = new Map<string, number>()
  const rank = order.map(n => {
    const key = items[n]!.labels.join()
    const place = seen.get(key) ?? 0
    seen.set(key, place + 1)
    return { n, place, first: items[n]!.labels[0] ?? -1 }
  })
  return rank.sort((a, b) => a.place - b.place || a.first - b.first).map(({ n }) => n)
}

/** The first pictures that can be decoded; throws if none can. */
async function firstGood(
  items: readonly Labelled[],
  numbers: readonly number[],
  { most, short }: { most: number; short: number },
): Promise<{ n: number; picture: Picture }[]> {
  const found: { n: number; picture: Picture }[] = []
  let failed: unknown
  for (const n of numbers) {
    if (found.length === most) break
    try {
      found.push({ n, picture: preview(await loadPicture(items[n]!, { short })) })
    } catch (error) {
      failed = error
    }
  }
  if (found.length === 0) throw failed
  return found
}

function captionOf(item: Labelled, { dir, classes }: Pick<FolderIndex, 'dir' | 'classes'>): string {
  const file = relative(dir, item.file)
  const names = item.values
    ? item.values.map((v, i) => `${classes[i]} ${v}`)
    : item.labels.map(label => classes[label]!)
  return names.length > 0 ? `${names.join(', ')} (${file})` : file
}

/** The plain view and the augmented ones: 8-bit RGB, [size, size, 3] each. */
function viewsOf(
  picture: Picture,
  {
    augmentation: a,
    seed,
    views,
    sample,
    size,
    short,
  }: { augmentation: Augmentation; seed: number; views: number; sample: number; size: number; short: number },
): Uint8Array[] {
  const plainly = augmentation('none')
  const changes = Array.from({ length: views + 1 }, (_, v) => drawChange(v === 0 ? plainly : a, seed, v, sample))
  const area = size * size * 3
  // Normalised and converted back, so that erased boxes show the noise that training sees.
  const { mean, std } = modelInfo('resnet34')
  const numbers = (values: readonly number[]) => tensor([...values]).mul(255)
  const pixels = scope(() =>
    pictureBatch(
      changes.map(() => picture),
      changes,
      { size, short, normalization: { mean, std } },
    )
      .permute(0, 2, 3, 1)
      .mul(numbers(std))
      .add(numbers(mean))
      .add(0.5)
      .clamp(0, 255)
      .to('uint8')
      .contiguous()
      .data(),
  ) as Uint8Array
  return changes.map((_, v) => pixels.subarray(v * area, (v + 1) * area))
}

/** The augmentation that `auto` finds; all training pictures are decoded as in training. */
async function senseFolder(
  index: { whole?: FolderIndex; task: FolderIndex['task'] },
  options: SheetOptions & { seed: number },
): Promise<Sense> {
  const { model = 'auto', weights, report = silent, progress, seed } = options
  const name = await chooseModel(model, { report, pretrained: weights === undefined })
  const info = modelInfo(name)
  const short = Math.round(info.size / info.cropPct)
  const opened = await openPictures(index.whole!, {
    short,
    interpolation: info.interpolation,
    report,
    onProgress: (done, total) => progress?.('pictures', done, total),
  })
  const { task, classes } = opened.data
  const net = network(info.build({ classes: 0 }), classes.length, { seed })
  loadPretrained(net.body, await pretrainedState(name, { ...(weights === undefined ? {} : { file: weights }), report }))
  return chooseAugmentation({
    network: net,
    items: opened.data.of('train'),
    picture: n => opened.picture(n),
    preprocessing: { size: info.size, short, mean: info.mean, std: info.std, channels: 3 },
    task,
    classes,
    seed,
    ...(info.sizes === 'any' ? {} : { size: info.size }),
    progress: (done, total) => progress?.('trying changes', done, total),
  })
}

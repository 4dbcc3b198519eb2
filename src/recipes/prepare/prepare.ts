import { AnnealError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { option, setting } from '../../base/options.ts'
import type { Split, Task } from '../../data/index.ts'
import { manualSeed, nn, type Tensor } from '../../torch/index.ts'
import { type Network, network, type Precision } from '../../train/network.ts'
import { type Objective, objective } from '../../train/objective.ts'
import { augmentationText, keptOn } from '../../vision/augment/index.ts'
import { type Augmentation, chooseChannels, type Item, type Pictures } from '../../vision/index.ts'
import type { Preprocessing } from '../../vision/inference/saved.ts'
import {
  checkSizes,
  chooseModel,
  type ImageModel,
  loadPretrained,
  model as modelInfo,
  pretrainedState,
} from '../../vision/models/index.ts'
import { type PictureSource, pictureSource } from '../../vision/picture-source.ts'
import { augmentationOf, beginsFrozen, type TrainOptions } from '../options.ts'
import type { Context, Narrator } from '../run/context.ts'
import { senseAugmentation } from './auto-augment.ts'
import { batchThatFits, looker } from './batch-size.ts'
import { areUneven, balance } from './class-balance.ts'
import { usualDevice } from './device.ts'
import { keptChannels, openAt, openIndex, shortSide } from './open-pictures.ts'
import { type Computed, choosePrecision } from './precision.ts'
import { scaleOfTargets, targetWarnings } from './targets.ts'

/** How the last layer over a body from random weights begins: with outputs near 0, so that nothing wrong is to be unlearned
 *  first (torchvision's MobileNetV2). */
const smallStd = 0.01

/** What the steps work with: pictures, network, and how one becomes the other's input. */
export interface Prepared {
  pictures: Pictures
  task: Task
  objective: Objective
  classes: string[]
  modelName: string
  net: Network<ImageModel>
  preprocessing: Preprocessing
  augment: Augmentation
  precision: Precision
  /** Whose kernels compute in training steps, which are in use, and with the frozen body. */
  by: Computed['by']
  device: string
  seed: number
  batchSize: number
  /** What a mistake in each class weighs, and how often each training picture is seen; alike where absent. */
  classWeights?: number[] | undefined
  sampleWeights?: number[] | undefined
  /** Sides of the pictures in pixels, in the order in which they are trained on. */
  sizes: readonly number[]
  /** The same net, labels and split with pictures of another size. */
  at(size: number): Promise<Prepared>
  /** Pictures of one part as batches; `augmented` changes them each epoch. */
  source(split: Split, options?: { augmented?: boolean }): PictureSource & { items: Item[] }
}

/** Everything before the first step: model, pictures, network. */
export async function prepare(
  dir: string,
  context: Omit<Context, 'session'> & { session: Narrator },
): Promise<Prepared> {
  const { session, options, report, signal } = context
  const { seed = 42, pretrained = true } = options
  // The folder first, which costs nothing yet; then the weights: a model that can't be had should not cost a scan.
  const index = await openIndex(dir, { ...options, seed })
  if (index.task === 'regression') scaleOfTargets(index.classes, trainingItems(index))
  const given = options.model ?? 'auto'
  const modelName = await session.once('model', () =>
    chooseModel(given, { report, pretrained: pretrained && options.weights === undefined }),
  )
  session.choice('model', modelName, given === 'auto' ? autoReason(modelName, options) : 'as asked')
  const info = modelInfo(modelName)
  const sizes = options.sizes ?? [options.size ?? info.size]
  checkSizes(modelName, options.testSize === undefined ? sizes : [...sizes, options.testSize])
  const state = pretrained
    ? await pretrainedState(modelName, {
        ...(options.weights === undefined ? {} : { file: options.weights }),
        report,
        signal,
      })
    : undefined

  session.emit({ type: 'phase', phase: 'scan' })
  session.stands?.('the settings', 'the look through the pictures and their decoding')
  for (const { what, value, reason } of index.choices ?? []) session.choice(what, value, reason)
  const { channelFiles: bands } = options
  const asked = { asked: options.channels ?? 'auto', signal }
  const { mode, range, choice } = await session.once('channels', () => chooseChannels(index.items, asked))
  if (mode !== 'rgb' || options.channels !== undefined) session.choice(choice.what, choice.value, choice.reason)
  const opened = new Map<number, Pictures>()
  const open = async (size: number): Promise<Pictures> => {
    const pictures = opened.get(size) ?? (await openAt(index, { size, info, mode, range }, context))
    opened.set(size, pictures)
    return pictures
  }
  const first = await open(sizes[0]!)
  const { data } = first
  const { classes, task } = data
  for (const { what, value, reason } of data.choices.slice(index.choices?.length ?? 0))
    session.choice(what, value, reason)
  session.stands?.('the decoded pictures', 'what was measured of pictures and net before training')
  session.emit({
    type: 'scan',
    classes: data.counts,
    problems: data.problems.map(({ file, reason, kind }) => ({ file, reason, kind })),
    ...(task === 'single' ? {} : { pictures: data.pictures }),
  })
  const kept = mode === 'keep' ? keptChannels(first) : undefined
  const channels = kept?.channels ?? 3
  const normalization = kept ?? info
  if (kept) session.choice('normalisation', `${plural(channels, 'channel')}`, kept.reason)

  const device = options.device ?? usualDevice()
  const head = {
    ...(options.hidden ? { hidden: options.hidden } : {}),
    ...(options.dropout === undefined ? {} : { dropout: options.dropout }),
    ...(beginsFrozen(options) ? {} : { std: smallStd }),
  }
  manualSeed(seed) // libtorch's own start is another in every process, and a body without weights is drawn from it
  const build = () => info.build({ classes: 0, channels, size: sizes[0]! })
  const body = state ? nn.init.undrawn(build) : build()
  const look = looker(modelName, body, channels)
  const groups = look('groups', () => body.groups)
  const net = network(body, classes.length, { seed, device, groups, ...head })
  if (state) loadPretrained(net.body, state)
  if (typeof options.lr === 'object' && options.lr.length !== 1 && options.lr.length !== net.groups.length)
    throw new AnnealError(
      `${option('lr')}: ${modelName} has ${net.groups.length} layer groups (${net.groups.map(g => g.name).join(', ')}); expected one rate or as many, got ${options.lr.length}`,
    )
  const { precision, by } = await choosePrecision({ session, options, modelName, net, channels, device })
  const preprocessingAt = (size: number): Preprocessing => ({
    size,
    short: shortSide(size, info),
    interpolation: info.interpolation,
    mean: normalization.mean,
    std: normalization.std,
    channels,
    ...(mode === 'rgb' ? {} : { mode }),
    ...(range ? { range } : {}),
    ...(bands ? { bands } : {}),
  })
  const augment =
    options.augment === 'auto'
      ? await senseAugmentation(context, {
          fixed: info.sizes !== 'any',
          net,
          pictures: first,
          preprocessing: preprocessingAt(sizes[0]!),
          precision,
          by,
          seed,
        })
      : augmentationOf(options.augment ?? 'side-on')
  if (options.augment !== undefined && options.augment !== 'auto')
    session.choice('augment', augmentationText(augment), 'as asked')
  else if (options.augment === undefined)
    session.choice(
      'augment',
      'side-on',
      `photos as people take them; ${setting('augment', 'auto')} finds out, top-down is for pictures without an up, none for neither`,
    )
  const wanted = options.batchSize ?? 32
  session.choice(
    'settings',
    `${sizes.join(', ')} px, batches of ${wanted}, seed ${seed}, on ${device}`,
    options.size === undefined && options.sizes === undefined && options.batchSize === undefined
      ? "the model's own size; the usual batch"
      : 'as asked',
  )
  const names = net.groups.map(g => g.name).join(' | ')
  session.choice('layer groups', names, 'from the picture to the head; each has its own rate')

  const scale = task === 'regression' ? { scale: scaleOfTargets(classes, data.of('train')) } : {}
  if (task === 'regression') {
    const parts = { train: data.of('train'), valid: data.of('valid'), test: data.of('test') }
    for (const message of targetWarnings(classes, parts)) session.emit({ type: 'warning', message })
  }
  const uneven = areUneven(data.counts.map(c => c.train))
  const fixed = {
    task,
    objective: objective(task, classes, { loss: options.loss ?? 'auto', uneven, ...scale }),
    classes,
    modelName,
    net,
    augment,
    precision,
    by,
    device,
    seed,
    sizes,
    ...balance(data, context),
  }
  const made = new Map<number, Prepared>()
  const at = async (size: number): Promise<Prepared> => {
    const known = made.get(size)
    if (known) return known
    const pictures = await open(size)
    const picture = (number: number) => pictures.picture(number)
    const shown = device === 'cpu' ? picture : keptOn(device, picture)
    // A resumed run must not choose anew: other batches are other bits.
    const { batchSize, reason } = await session.once(`batch ${size}`, () =>
      batchThatFits(net, { wanted, size, channels, look }),
    )
    if (reason !== undefined) session.choice('batch', `${batchSize} pictures of ${size} px`, reason)
    const preprocessing = preprocessingAt(size)
    const { short } = preprocessing
    const prepared: Prepared = {
      ...fixed,
      pictures,
      preprocessing,
      batchSize,
      at,
      source(split, { augmented = false } = {}) {
        const items = data.of(split)
        const source = pictureSource({
          picture: shown,
          samples: items,
          task,
          classes: classes.length,
          augmentation: augmented ? augment : undefined,
          size,
          short,
          normalization,
          channels,
          seed,
          ...(device === 'cpu' ? {} : { device }),
        })
        return { ...source, items }
      },
    }
    made.set(size, prepared)
    return prepared
  }
  return at(sizes[0]!)
}

/** The net's tensors under the names of a resume state. */
export const netTensors = ({ net }: Prepared): Map<string, Tensor> =>
  new Map(Array.from(net.net.stateDict(), ([name, t]) => [`net.${name}`, t]))

const trainingItems = ({ items }: { items: readonly Pick<Item, 'split' | 'values'>[] }) =>
  items.filter(item => item.split === 'train')

const autoReason = (name: string, { pretrained = true, weights }: TrainOptions) =>
  name !== 'resnet34'
    ? 'the weights of resnet34 can not be had here; these come from a package registry'
    : pretrained && weights === undefined
      ? 'the usual one, and its weights are here or can be fetched'
      : 'the usual one'

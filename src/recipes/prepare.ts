import { AnnealError } from '../base/errors.ts'
import { plural } from '../base/format.ts'
import type { Report } from '../base/progress.ts'
import { augmentationText } from '../data/augment.ts'
import {
  type Augmentation,
  applyDecisions,
  type ChannelChoice,
  channelStatistics,
  checkChannels,
  chooseChannels,
  depthOf,
  type FolderIndex,
  type ImageData,
  type Item,
  indexPictures,
  joinBands,
  openPictures,
  type Picture,
  type Pictures,
  readDecisions,
  type Split,
  type Task,
} from '../data/index.ts'
import { type PictureSource, pictureSource } from '../data/source.ts'
import {
  checkSizes,
  chooseModel,
  loadPretrained,
  type ModelInfo,
  model as modelInfo,
  pretrainedState,
} from '../models/index.ts'
import { machine } from '../setup/index.ts'
import { library, manualSeed } from '../torch/index.ts'
import { classWeights, imbalanceAdvice, positiveWeights, sampleWeights } from '../train/balance.ts'
import { type Network, network, type Precision } from '../train/network.ts'
import { type Objective, objective, type TargetScale } from '../train/objective.ts'
import type { Preprocessing } from '../train/saved.ts'
import { batchThatFits } from './memory.ts'
import { augmentationOf, type TrainOptions } from './options.ts'
import { chooseAugmentation, senseTable } from './sense.ts'
import type { Session } from './session.ts'

/** How far a long piece of work without losses is: decoding, features. */
export type Progress = (what: string, done: number, total: number) => void

/** Who hears of decisions and remembers answers: a run's session, or nobody. */
export type Narrator = Pick<Session, 'once' | 'choice' | 'emit'>

/** What a run was told, and who hears of it. */
export interface Context {
  session: Session
  options: TrainOptions
  report: Report
  progress: Progress
  signal?: AbortSignal | undefined
}

/** What the steps work with: pictures, network, and how one becomes the other's input. */
export interface Prepared {
  pictures: Pictures
  task: Task
  objective: Objective
  classes: string[]
  modelName: string
  net: Network
  preprocessing: Preprocessing
  augment: Augmentation
  precision: Precision
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
  const { session, options, report } = context
  const { seed = 42, pretrained = true } = options
  // The folder first, which costs nothing yet; then the weights: a model that can't be had should not cost a scan.
  const index = await openIndex(dir, { ...options, seed })
  const given = options.model ?? 'auto'
  const modelName = await session.once('model', () =>
    chooseModel(given, { report, pretrained: pretrained && options.weights === undefined }),
  )
  session.choice('model', modelName, given === 'auto' ? autoReason(modelName, options) : 'as asked')
  const info = modelInfo(modelName)
  const sizes = options.sizes ?? [options.size ?? info.size]
  checkSizes(modelName, options.testSize === undefined ? sizes : [...sizes, options.testSize])
  const state = pretrained
    ? await pretrainedState(modelName, { ...(options.weights === undefined ? {} : { file: options.weights }), report })
    : undefined

  session.emit({ type: 'phase', phase: 'scan' })
  for (const { what, value, reason } of index.choices ?? []) session.choice(what, value, reason)
  const { channelFiles: bands } = options
  const asked = { asked: options.channels ?? 'auto', signal: context.signal }
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

  const device = options.device ?? (library().cudaDevices > 0 ? 'cuda' : 'cpu')
  const head = {
    ...(options.hidden ? { hidden: options.hidden } : {}),
    ...(options.dropout === undefined ? {} : { dropout: options.dropout }),
  }
  manualSeed(seed) // libtorch's own start is another in every process, and a body without weights is drawn from it
  const net = network(info.build({ classes: 0, channels, size: sizes[0]! }), classes.length, { seed, device, ...head })
  if (state) loadPretrained(net.body, state)
  if (typeof options.lr === 'object' && options.lr.length !== 1 && options.lr.length !== net.groups.length)
    throw new AnnealError(
      `--lr: ${modelName} has ${net.groups.length} layer groups (${net.groups.map(g => g.name).join(', ')}); expected one rate or as many, got ${options.lr.length}`,
    )
  const precision = choosePrecision({ session, options, info, device })
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
          seed,
        })
      : augmentationOf(options.augment ?? 'side-on')
  if (options.augment !== undefined && options.augment !== 'auto')
    session.choice('augment', augmentationText(augment), 'as asked')
  else if (options.augment === undefined)
    session.choice(
      'augment',
      'side-on',
      'photos as people take them; --augment auto finds out, top-down is for pictures without an up, none for neither',
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

  const scale = task === 'regression' ? { scale: scaleOf(data) } : {}
  const uneven = areUneven(data.counts.map(c => c.train))
  const fixed = {
    task,
    objective: objective(task, classes, { loss: options.loss ?? 'auto', uneven, ...scale }),
    classes,
    modelName,
    net,
    augment,
    precision,
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
    // A resumed run must not choose anew: other batches are other bits.
    const { batchSize, reason } = await session.once(`batch ${size}`, () =>
      batchThatFits(net, { wanted, size, channels }),
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
          picture: number => pictures.picture(number),
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

/** Which changes make sense for these pictures, measured; the table that it was decided from is told. */
async function senseAugmentation(
  { session, progress, signal }: Omit<Context, 'session'> & { session: Narrator },
  {
    fixed,
    net,
    pictures,
    preprocessing,
    precision,
    seed,
  }: Pick<Prepared, 'net' | 'pictures' | 'preprocessing' | 'precision' | 'seed'> & { fixed: boolean },
): Promise<Augmentation> {
  const { data } = pictures
  const sense = await session.once('sense', () =>
    chooseAugmentation({
      network: net,
      ...(fixed ? { size: preprocessing.size } : {}),
      items: data.of('train'),
      picture: n => pictures.picture(n),
      preprocessing,
      task: data.task,
      classes: data.classes,
      seed,
      precision,
      signal,
      progress: (done, total) => progress('augmentation', done, total),
    }),
  )
  for (const text of senseTable(sense.rows)) session.emit({ type: 'line', text })
  session.choice('augment', augmentationText(sense.augmentation), sense.reason)
  return sense.augmentation
}

/** Labelled pictures as they lie there, with decisions of `anneal clean` applied, and files of one picture joined. */
async function openIndex(dir: string, { channelFiles, clean, ...options }: TrainOptions): Promise<FolderIndex> {
  const found = await indexPictures(dir, options)
  const index = channelFiles ? joinBands(found, channelFiles) : found
  return clean === undefined ? index : applyDecisions(index, readDecisions(clean))
}

/** Of pictures whose channels are kept: how many there are, and their own statistics over the training pictures. */
function keptChannels({ data, picture }: Pictures) {
  const seen = data.items.map(item => ({ file: item.file, ...picturesKind(picture(item.picture)) }))
  const { channels } = checkChannels(seen)
  const numbers = data.of('train').map(item => item.picture)
  const { mean, std, pictures } = channelStatistics(picture, numbers)
  const text = (values: readonly number[]) => values.map(v => v.toPrecision(3)).join(', ')
  const reason = `the pictures' own over ${plural(pictures, 'picture')}: mean ${text(mean)}, deviation ${text(std)}; the first convolution is adapted`
  return { channels, mean, std, reason }
}

const picturesKind = ({ channels = 3, data }: Picture) => ({ channels, depth: depthOf(data) })

/** The short side that pictures are seen at before the crop. */
const shortSide = (size: number, { cropPct }: ModelInfo) => Math.round(size / cropPct)

/** Pictures as they are kept for a size. */
const openAt = (
  index: FolderIndex,
  { size, info, mode, range }: { size: number; info: ModelInfo } & Pick<ChannelChoice, 'mode' | 'range'>,
  { progress, signal }: Pick<Context, 'progress' | 'signal'>,
): Promise<Pictures> =>
  openPictures(index, {
    short: shortSide(size, info),
    interpolation: info.interpolation,
    channels: mode,
    range,
    signal,
    onProgress: (done, total) => progress('pictures', done, total),
  })

/** Whether the largest class that there is has more than twice as many pictures as the smallest. */
export function areUneven(counts: readonly number[]): boolean {
  const known = counts.filter(n => n > 0)
  return Math.max(...known) > 2 * Math.min(...known)
}

/** Weights against uneven classes, as asked; advice where none are asked for. */
function balance(
  data: ImageData,
  { session, options }: { session: Narrator; options: TrainOptions },
): Pick<Prepared, 'classWeights' | 'sampleWeights'> {
  const { classWeights: given, sampling, loss } = options
  if (data.task === 'regression') {
    if (given !== undefined || sampling !== undefined)
      throw new AnnealError(
        `--${given === undefined ? 'sampling' : 'class-weights'} ${given ?? sampling}: numbers have no classes that could be rare; leave it out.`,
      )
    return {}
  }
  const counts = data.counts.map(c => c.train)
  const advice = imbalanceAdvice(data.counts.map(({ name, train }) => ({ name, count: train })))
  if (advice && given === undefined && sampling === undefined && loss !== 'focal')
    session.emit({ type: 'warning', message: `${advice.text}: --class-weights ${advice.scheme}` })
  if (typeof given === 'object' && given.length !== counts.length)
    throw new AnnealError(
      `--class-weights: got ${given.length} weights for ${counts.length} classes (${data.classes.slice(0, 20).join(', ')}); expected one a class`,
    )
  const weights =
    given === undefined
      ? undefined
      : typeof given === 'object'
        ? [...given]
        : data.task === 'multi'
          ? positiveWeights(counts, data.of('train').length)
          : classWeights(counts, { scheme: given })
  const short = (values: readonly number[]) => values.map(v => v.toPrecision(3)).join(', ')
  if (weights)
    session.choice('class weights', short(weights.slice(0, 20)), typeof given === 'string' ? given : 'as asked')
  if (sampling === undefined) return weights ? { classWeights: weights } : {}
  session.choice('sampling', 'balanced', 'as asked: pictures of rare classes are seen more often')
  const often = sampleWeights(data.of('train'), classWeights(counts))
  return { ...(weights ? { classWeights: weights } : {}), sampleWeights: often }
}

/** Mean and deviation of each target over the training pictures. */
function scaleOf(data: ImageData): TargetScale {
  const rows = data.of('train').map(item => item.values!)
  const of = (measure: (column: number[]) => number) => data.classes.map((_, t) => measure(rows.map(row => row[t]!)))
  const average = (column: number[]) => column.reduce((sum, v) => sum + v, 0) / column.length
  const mean = of(average)
  const std = mean.map((m, t) => Math.sqrt(average(rows.map(row => (row[t]! - m) ** 2))) || 1)
  return { mean, std }
}

const autoReason = (name: string, { pretrained = true, weights }: TrainOptions) =>
  name !== 'resnet34'
    ? 'the weights of resnet34 can not be had here; these come from a package registry'
    : pretrained && weights === undefined
      ? 'the usual one, and its weights are here or can be fetched'
      : 'the usual one'

function choosePrecision({
  session,
  options,
  info,
  device,
}: {
  session: Narrator
  options: TrainOptions
  info: ModelInfo
  device: string
}): Precision {
  const given = options.precision ?? 'auto'
  if (given !== 'auto') {
    session.choice('precision', given, 'as asked')
    return given
  }
  const { amx } = machine().cpu
  const [precision, reason]: [Precision, string] =
    device !== 'cpu'
      ? ['bfloat16', 'on a GPU it is faster than float32']
      : !amx
        ? ['float32', 'this processor has no AMX']
        : info.depthwise
          ? ['float32', 'depthwise convolutions are slower in bfloat16']
          : ['bfloat16', 'this processor has AMX']
  session.choice('precision', precision, reason)
  return precision
}

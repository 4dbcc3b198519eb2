import { plural } from '../../base/format.ts'
import type { FolderIndex } from '../../data/index.ts'
import type { DomainContext, Opened } from '../../domain/index.ts'
import { manualSeed, nn } from '../../torch/index.ts'
import type { Pictures } from '../dataset.ts'
import { chooseChannels } from '../decode/choose-channels.ts'
import type { Preprocessing } from '../inference/saved.ts'
import {
  checkSizes,
  chooseModel,
  type ImageModel,
  loadPretrained,
  type ModelInfo,
  model as modelInfo,
  pretrainedState,
} from '../models/index.ts'
import type { Item } from '../types.ts'
import { chooseInputs } from './inputs.ts'
import { keptChannels, openAt, shortSide } from './open-pictures.ts'
import type { ImageOptions } from './options.ts'

/** The side in pixels at which the speed of kernels is measured, where the net takes any. */
const measuredSide = 128

/** Model, weights, pictures, channels: all that a run needs of its pictures. A model that can't be had costs no scan. */
export async function openImages(
  index: FolderIndex,
  context: DomainContext<ImageOptions>,
): Promise<Opened<ImageModel, Preprocessing>> {
  const { options, narrator } = context
  const { seed = 42 } = options
  const { modelName, info, sizes, state } = await takeModel(context)
  const { mode, range, open, first } = await scan(index, { info, size: sizes[0]! }, context)
  const kept = mode === 'keep' ? keptChannels(first) : undefined
  const channels = kept?.channels ?? 3
  const { mean, std } = kept ?? info
  if (kept) narrator.choice('normalisation', plural(channels, 'channel'), kept.reason)

  manualSeed(seed) // libtorch's own start is another in every process, and a body without weights is drawn from it
  const build = () => info.build({ classes: 0, channels, size: sizes[0]! })
  const body = state ? nn.init.undrawn(build) : build()
  if (state) loadPretrained(body, state)
  const { interpolation } = info
  const preprocessing = (size: number): Preprocessing => ({
    size,
    short: shortSide(size, info),
    interpolation,
    mean,
    std,
    channels,
    ...(mode === 'rgb' ? {} : { mode }),
    ...(range ? { range } : {}),
    ...(options.channelFiles ? { bands: options.channelFiles } : {}),
  })
  const fixed = info.sizes !== 'any'
  return {
    data: first.data,
    hash: item => first.hash((item as Item).picture),
    modelName,
    body,
    sizes,
    testSize: options.testSize,
    measuredAt: fixed ? info.size : measuredSide,
    shape: size => [channels, size, size],
    async inputs(ready) {
      const chosen = await chooseInputs({ open, preprocessing, size: sizes[0]!, fixed }, ready, context)
      const { size, batchSize, sizes: given } = options
      narrator.choice(
        'settings',
        `${sizes.join(', ')} px, batches of ${batchSize ?? 32}, seed ${seed}, on ${ready.device}`,
        size === undefined && given === undefined && batchSize === undefined
          ? "the model's own size; the usual batch"
          : 'as asked',
      )
      return chosen
    },
  }
}

/** The model by name, its sizes, and its pretrained weights. */
async function takeModel({ options, narrator, report, signal }: DomainContext<ImageOptions>) {
  const { pretrained = true, weights, testSize } = options
  const given = options.model ?? 'auto'
  const modelName = await narrator.once('model', () =>
    chooseModel(given, { report, pretrained: pretrained && weights === undefined }),
  )
  narrator.choice('model', modelName, given === 'auto' ? autoReason(modelName, options) : 'as asked')
  const info = modelInfo(modelName)
  const sizes = options.sizes ?? [options.size ?? info.size]
  checkSizes(modelName, testSize === undefined ? sizes : [...sizes, testSize])
  const file = weights === undefined ? {} : { file: weights }
  const state = pretrained ? await pretrainedState(modelName, { ...file, report, signal }) : undefined
  return { modelName, info, sizes, state }
}

/** Chooses the channels and decodes the pictures of the first size; others are opened when they are needed. */
async function scan(
  index: FolderIndex,
  { info, size }: { info: ModelInfo; size: number },
  context: DomainContext<ImageOptions>,
) {
  const { options, narrator, signal } = context
  narrator.emit({ type: 'phase', phase: 'scan' })
  narrator.stands?.('the settings', 'the look through the pictures and their decoding')
  for (const { what, value, reason } of index.choices ?? []) narrator.choice(what, value, reason)
  const asked = { asked: options.channels ?? 'auto', signal }
  const { mode, range, choice } = await narrator.once('channels', () => chooseChannels(index.items, asked))
  if (mode !== 'rgb' || options.channels !== undefined) narrator.choice(choice.what, choice.value, choice.reason)
  const opened = new Map<number, Pictures>()
  const open = async (size: number): Promise<Pictures> => {
    const pictures = opened.get(size) ?? (await openAt(index, { size, info, mode, range }, context))
    opened.set(size, pictures)
    return pictures
  }
  const first = await open(size)
  const { data } = first
  for (const { what, value, reason } of data.choices.slice(index.choices?.length ?? 0))
    narrator.choice(what, value, reason)
  narrator.stands?.('the decoded pictures', 'what was measured of pictures and net before training')
  narrator.emit({
    type: 'scan',
    classes: data.counts,
    problems: data.problems.map(({ file, reason, kind }) => ({ file, reason, kind })),
    ...(data.task === 'single' ? {} : { pictures: data.pictures }),
  })
  return { mode, range, open, first }
}

const autoReason = (name: string, { pretrained = true, weights }: ImageOptions) =>
  name !== 'resnet34'
    ? 'the weights of resnet34 can not be had here; these come from a package registry'
    : pretrained && weights === undefined
      ? 'the usual one, and its weights are here or can be fetched'
      : 'the usual one'

import { createHash } from 'node:crypto'
import { ImageError, ModelError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { option, setting } from '../../base/options.ts'
import type { FolderIndex } from '../../data/index.ts'
import type { DomainContext, ModelChoice, Opened } from '../../domain/index.ts'
import {
  checkSizes,
  chooseModel,
  type ImageModel,
  type KnownModel,
  loadPretrained,
  type ModelOptions,
  model as modelInfo,
  type NetworkFunction,
  ownInfo,
  pretrainedState,
  readGivenWeights,
  savedArchitecture,
} from '../../models/index.ts'
import { manualSeed, nn } from '../../torch/index.ts'
import { usualBatch } from '../../train/usual-plan.ts'
import { chooseInRun } from '../auto-model/choose-in-run.ts'
import type { Pictures } from '../dataset.ts'
import { type ChannelChoice, chooseChannels } from '../decode/choose-channels.ts'
import type { Preprocessing } from '../inference/saved.ts'
import type { Item } from '../types.ts'
import { keptChannels, openAt, shortSide } from './open-pictures.ts'
import type { ImageOptions } from './options.ts'
import { chooseInputs } from './training-inputs.ts'

/** The side in pixels at which the speed of kernels is measured, if the net takes any size. */
const measuredSide = 128

/** Opens model, weights, pictures and channels. The model comes first, so that a model without weights fails before the
 *  scan. */
export async function openImages(
  index: FolderIndex,
  context: DomainContext<ImageOptions>,
  own?: NetworkFunction,
): Promise<Opened<ImageModel, Preprocessing>> {
  const { options, narrator } = context
  const { seed = 42 } = options
  let found: Scanned | undefined
  const scanned = async (info: KnownModel, size: number) => (found ??= await scan(index, { info, size }, context))
  const { modelName, info, sizes, state } = await (own ? takeOwn(own, context) : takeModel(index, context, scanned))
  const { mode, range, openFor } = await scanned(info, sizes[0]!)
  const open = (size: number) => openFor(info, size)
  const first = await open(sizes[0]!)
  const kept = mode === 'keep' ? keptChannels(first) : undefined
  const channels = kept?.channels ?? 3
  const { mean, std } = kept ?? info
  if (kept) narrator.choice('normalisation', plural(channels, 'channel'), kept.reason)

  manualSeed(seed) // libtorch's default seed differs in every process, and random weights are drawn from it
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
        `${sizes.join(', ')} px, batches of ${batchSize ?? usualBatch(first.data.of('train').length, options)}, seed ${seed}, on ${ready.device}`,
        size === undefined && given === undefined && batchSize === undefined
          ? "the model's own size; the usual batch size for so many pictures"
          : 'as asked',
      )
      return chosen
    },
  }
}

/** The model by name, its sizes, and its pretrained weights. If several nets are compared, the pictures are scanned for
 *  them. */
async function takeModel(
  index: FolderIndex,
  context: DomainContext<ImageOptions>,
  scanned: (info: KnownModel, size: number) => Promise<Scanned>,
) {
  const { options, narrator, report, signal } = context
  const { pretrained = true, weights, testSize } = options
  const chosen = await narrator.once('model', () => nameModel(index, context, scanned))
  const { name: modelName, reason, lines } = chosen
  for (const text of lines) narrator.emit({ type: 'line', text })
  narrator.choice('model', modelName, reason)
  const info = modelInfo(modelName)
  const sizes = options.sizes ?? [options.size ?? info.size]
  checkSizes(modelName, testSize === undefined ? sizes : [...sizes, testSize])
  const file = weights === undefined ? {} : { file: weights }
  const state = pretrained ? await pretrainedState(modelName, { ...file, report, signal }) : undefined
  return { modelName, info, sizes, state }
}

/** The model that was asked for; for `auto` the one that suits the pictures and the time, if its weights are not
 *  given. */
async function nameModel(
  index: FolderIndex,
  context: DomainContext<ImageOptions>,
  scanned: (info: KnownModel, size: number) => Promise<Scanned>,
): Promise<ModelChoice> {
  const { model = 'auto', pretrained = true, weights } = context.options
  if (model === 'auto' && pretrained && weights === undefined)
    return chooseInRun(index, context, {
      async look(info, size) {
        const { mode, openFor } = await scanned(info, size)
        return { pictures: await openFor(info, size), keeps: mode === 'keep' }
      },
    })
  const saved = weights === undefined ? undefined : savedArchitecture(weights)
  if (model === 'auto' && saved !== undefined) {
    modelInfo(saved)
    return { name: saved, reason: `the net whose weights ${weights} holds`, lines: [] }
  }
  if (saved !== undefined && saved !== model)
    throw new ModelError(
      `${setting('weights', weights)} holds a ${saved}, and ${setting('model', model)} asks for another net; leave ${option('model')} out.`,
    )
  const name = await chooseModel(model, { report: context.report, pretrained: false })
  return { name, reason: model === 'auto' ? 'the default' : 'as asked', lines: [] }
}

/** The caller's own network function, with a name that changes with its source text; the usual ImageNet
 *  preprocessing. */
async function takeOwn(own: NetworkFunction, { options, narrator }: DomainContext<ImageOptions>) {
  const text = createHash('sha256').update(String(own)).digest('hex').slice(0, 8)
  const modelName = `${own.name || 'network'} (your own, ${text})`
  narrator.choice('model', modelName, 'as asked')
  const info = { ...ownInfo, build: (given?: ModelOptions) => checkedModel(own(given ?? {}), own.name) }
  const state = options.weights === undefined ? undefined : readGivenWeights(options.weights)
  return { modelName, info, sizes: options.sizes ?? [options.size ?? info.size], state }
}

/** Checks that the function returned a network for pictures. */
function checkedModel(model: ImageModel, name: string): ImageModel {
  const lacking = (['pooled', 'features', 'pooledFeatures', 'numFeatures', 'classifier', 'adapt'] as const).filter(
    part => model?.[part] === undefined,
  )
  if (lacking.length === 0) return model
  throw new ImageError(
    `your network function ${name} returned a value without ${lacking.join(', without ')}; make it with imageModel(children, { features, numFeatures })`,
  )
}

/** The channels that were chosen, and the decoded pictures for a model and a size. */
interface Scanned extends Pick<ChannelChoice, 'mode' | 'range'> {
  openFor(info: KnownModel, size: number): Promise<Pictures>
}

/** Chooses the channels and decodes the pictures for the first model and size; those for others are opened when they are
 *  needed. */
async function scan(
  index: FolderIndex,
  { info, size }: { info: KnownModel; size: number },
  context: DomainContext<ImageOptions>,
): Promise<Scanned> {
  const { options, narrator, signal } = context
  narrator.emit({ type: 'phase', phase: 'scan' })
  narrator.stands?.('the settings', 'the scan and the decoding of the pictures')
  for (const { what, value, reason } of index.choices ?? []) narrator.choice(what, value, reason)
  const asked = { asked: options.channels ?? 'auto', signal }
  const { mode, range, choice } = await narrator.once('channels', () => chooseChannels(index.items, asked))
  if (mode !== 'rgb' || options.channels !== undefined) narrator.choice(choice.what, choice.value, choice.reason)
  const opened = new Map<string, Pictures>()
  const openFor = async (info: KnownModel, size: number): Promise<Pictures> => {
    const key = `${shortSide(size, info)} ${info.interpolation}`
    const pictures = opened.get(key) ?? (await openAt(index, { size, info, mode, range }, context))
    opened.set(key, pictures)
    return pictures
  }
  const { data } = await openFor(info, size)
  for (const { what, value, reason } of data.choices.slice(index.choices?.length ?? 0))
    narrator.choice(what, value, reason)
  narrator.stands?.('the decoded pictures', 'the measurements of pictures and net before training')
  narrator.emit({
    type: 'scan',
    classes: data.counts,
    problems: data.problems.map(({ file, reason, kind }) => ({ file, reason, kind })),
    ...(data.task === 'single' ? {} : { pictures: data.pictures }),
  })
  return { mode, range, openFor }
}

import { didYouMean, ModelError } from '../base/errors.ts'
import { convnexts } from './convnext.ts'
import { densenets } from './densenet.ts'
import { efficientnets } from './efficientnet.ts'
import type { ImageModel, ModelOptions } from './image-model.ts'
import { mobilenets } from './mobilenet.ts'
import { type KnownModel, type ModelInfo, usual } from './model-info.ts'
import { resnets } from './resnet.ts'
import { squeezenets } from './squeezenet.ts'
import { vggs } from './vgg.ts'
import { vits } from './vit.ts'

const families = {
  ...resnets,
  ...convnexts,
  ...vits,
  ...densenets,
  ...vggs,
  ...mobilenets,
  ...squeezenets,
  ...efficientnets,
}

/** The name of a model: `resnet34`. */
export type ModelName = keyof typeof families

/** All models by their torchvision or timm names. Papers, sources and digests are in the file of each family. The
 *  digests come from several public repositories and agree with the digits in the files' names. */
export const models: Readonly<Record<ModelName, ModelInfo>> = families

/** A function that makes a user's own network for the given number of channels, without a classifier if `classes` is
 *  0. */
export type NetworkFunction = (options: ModelOptions) => ImageModel

/** The preprocessing for a user's own network: the same as for most models here. */
export const ownInfo: Omit<KnownModel, 'build'> = usual

const isModelName = (name: string): name is ModelName => Object.hasOwn(models, name)

/** The facts about a model, by name. An unknown name throws an error that lists the known ones. */
export function model(name: string): ModelInfo {
  const names = Object.keys(models)
  if (isModelName(name)) return models[name]
  throw new ModelError(`no model is called "${name}".${didYouMean(name, names)} Known models: ${names.join(', ')}`)
}

/** Throws for picture sizes (sides in pixels) that a model can't take, with the reason. Several sizes are those of one
 *  training run. */
export function checkSizes(name: string, sizes: readonly number[]): void {
  const takes = model(name).sizes
  if (takes === 'any') return
  const { multipleOf } = takes
  const odd = sizes.find(size => size % multipleOf !== 0)
  if (odd !== undefined)
    throw new ModelError(
      `${name} cuts pictures into patches of ${multipleOf} × ${multipleOf} pixels: its size must be a multiple of ${multipleOf}, got ${odd}. Take ${Math.max(1, Math.round(odd / multipleOf)) * multipleOf}`,
    )
  if (new Set(sizes).size > 1)
    throw new ModelError(
      `${name} learns a position embedding for each patch of the picture, so it is built for one size and can't change it during training; got ${sizes.join(', ')}. Give one size, or take a model that pools its last map, such as resnet34`,
    )
}

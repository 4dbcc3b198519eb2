import type { ImageModel, ModelOptions } from './image-model.ts'
import type { WeightsSource } from './sources.ts'

/** Facts about a model beside its layers. */
export interface ModelInfo {
  build(options?: ModelOptions): ImageModel
  /** The number of trained parameters, with the classifier of 1000 classes. */
  params: number
  /** Top-1 accuracy of its pretrained weights on ImageNet's validation pictures, in percent, from their source. */
  top1: number
  /** Mean and std per channel, of pixels in [0, 1], that its pretrained weights expect. */
  mean: readonly [r: number, g: number, b: number]
  std: readonly [r: number, g: number, b: number]
  /** How pictures were resized for its pretrained weights. */
  interpolation: 'bilinear' | 'bicubic'
  /** Side in pixels of the pictures that its pretrained weights were trained on. */
  size: number
  /** The sizes that it takes: any size, which may change from batch to batch, or only the one that it is built for
   *  (`ModelOptions.size`), a multiple of its patches. See `checkSizes`. */
  sizes: 'any' | { multipleOf: number }
  /** Share of the resized short side that the centre crop keeps: 224 of 256. */
  cropPct: number
  /** The licence of the weights. */
  licence: string
  /** Who trained the weights, and on which data. */
  source: string
  weights: WeightsSource
  /** Converts the name of a weight in the file to our name, if files have older or other names; other names are
   *  unchanged. */
  rename?(name: string): string
  /** Whether most of its convolutions are depthwise: the model is small, but slow on a CPU for its size. */
  depthwise: boolean
  paper: string
}

/** The facts about a model that the domain of pictures needs. */
export type KnownModel = Pick<ModelInfo, 'build' | 'mean' | 'std' | 'interpolation' | 'size' | 'sizes' | 'cropPct'>

/** The models of one file by their torchvision or timm names, for the list in `registry.ts`. It keeps the names in the
 *  type: an editor completes them, and the compiler refuses others. */
export const family = <Name extends string>(list: Record<Name, ModelInfo>): Readonly<Record<Name, ModelInfo>> => list

/** The facts that most models of torchvision share. */
export const usual = {
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
  interpolation: 'bilinear',
  size: 224,
  sizes: 'any',
  cropPct: 224 / 256,
  licence: 'BSD-3-Clause',
  source: 'torchvision, ImageNet-1k (IMAGENET1K_V1)',
  depthwise: false,
} as const

/** The normalisation to pixels from -1 to 1, which Google's models expect. */
export const halfMean = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] } as const

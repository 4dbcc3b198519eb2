import { F, type Layer, nn } from '../torch/index.ts'
import { type ImageModel, imageModel, initialise, type ModelOptions } from './image-model.ts'
import { family, usual } from './model-info.ts'
import { torchvision } from './sources.ts'

/** ResNet v1.5 (He et al. 2015, arXiv:1512.03385) and ResNeXt (Xie et al. 2016, arXiv:1611.05431); v1.5 puts the stride
 *  on the 3 × 3. Names and order of the state are torchvision's (BSD-3-Clause), so its weights load unchanged. Only the
 *  initialisation without weights differs: each block begins as identity (Goyal et al. 2017, arXiv:1706.02677). */

const conv = (cin: number, cout: number, k: number, stride = 1, groups = 1) =>
  nn.conv2d(cin, cout, k, { stride, groups, padding: k >> 1, bias: false })

const shortcut = (cin: number, cout: number, stride: number) =>
  cin === cout ? nn.identity() : nn.sequential(conv(cin, cout, 1, stride), nn.batchNorm2d(cout))

type Block = (cin: number, planes: number, stride: number, width: number, groups: number) => nn.Module

const basic: Block = (cin, planes, stride) => {
  // biome-ignore format: a table
  const m = {
    conv1: conv(cin, planes, 3, stride), bn1: nn.batchNorm2d(planes),
    conv2: conv(planes, planes, 3),      bn2: nn.batchNorm2d(planes, { init: 0 }),
    downsample: shortcut(cin, planes, stride),
  }
  return nn.module(m, x => nn.residualRelu(m.conv2, m.bn2, x.pipe(m.conv1, m.bn1, F.relu_), m.downsample(x)))
}

const bottleneck: Block = (cin, planes, stride, width, groups) => {
  const mid = (planes * width * groups) / 64
  const cout = planes * 4
  // biome-ignore format: a table
  const m = {
    conv1: conv(cin, mid, 1),                 bn1: nn.batchNorm2d(mid),
    conv2: conv(mid, mid, 3, stride, groups), bn2: nn.batchNorm2d(mid),
    conv3: conv(mid, cout, 1),                bn3: nn.batchNorm2d(cout, { init: 0 }),
    downsample: shortcut(cin, cout, stride),
  }
  return nn.module(m, x =>
    nn.residualRelu(m.conv3, m.bn3, x.pipe(m.conv1, m.bn1, F.relu_, m.conv2, m.bn2, F.relu_), m.downsample(x)),
  )
}

interface Shape {
  depths: readonly [number, number, number, number]
  block: Block
  /** The channels of a block's output divided by its planes. */
  expansion?: number
  width?: number
  groups?: number
}

function resnet(
  { depths, block, expansion = 1, width = 64, groups = 1 }: Shape,
  { classes = 1000, channels = 3 }: ModelOptions,
) {
  const stage = (i: 0 | 1 | 2 | 3) => {
    const planes = 64 << i
    const cin = i === 0 ? 64 : (planes / 2) * expansion
    const blocks = Array.from({ length: depths[i] }, (_, j) =>
      block(j === 0 ? cin : planes * expansion, planes, i > 0 && j === 0 ? 2 : 1, width, groups),
    )
    return nn.sequential(...blocks)
  }
  const stages = { layer1: stage(0), layer2: stage(1), layer3: stage(2), layer4: stage(3) }
  const m = { conv1: conv(channels, 64, 7, 2), bn1: nn.batchNorm2d(64), ...stages }
  const numFeatures = 512 * expansion
  const features: Layer = x => x.pipe(m.conv1, m.bn1, F.relu_, F.maxPool2d(3, 2, 1), ...Object.values(stages))
  const fc = classes > 0 ? nn.linear(numFeatures, classes) : undefined
  const model = imageModel(m, {
    features,
    classifier: fc && { fc },
    logits: fc && (x => x.pipe(features, F.globalAvgPool, fc)),
    numFeatures,
    channels,
  })
  return initialise(model, { Conv2d: weight => nn.init.kaimingNormal_(weight, { mode: 'fan_out' }) })
}

const small = { block: basic }
const large = { block: bottleneck, expansion: 4 }

/** ResNet of 18 layers, as torchvision names it. */
const resnet18 = (options: ModelOptions = {}): ImageModel => resnet({ ...small, depths: [2, 2, 2, 2] }, options)
/** ResNet of 34 layers. */
const resnet34 = (options: ModelOptions = {}): ImageModel => resnet({ ...small, depths: [3, 4, 6, 3] }, options)
/** ResNet of 50 layers, with bottleneck blocks. */
const resnet50 = (options: ModelOptions = {}): ImageModel => resnet({ ...large, depths: [3, 4, 6, 3] }, options)
/** ResNeXt of 50 layers: 32 groups of 4 channels in the 3 × 3 convolutions of the first stage. */
const resnext50_32x4d = (options: ModelOptions = {}): ImageModel =>
  resnet({ ...large, depths: [3, 4, 6, 3], groups: 32, width: 4 }, options)

/** What is known of them. */
export const resnets = family({
  resnet18: {
    ...usual,
    build: resnet18,
    params: 11_689_512,
    top1: 69.758,
    weights: torchvision('resnet18', {
      bytes: 46_830_571,
      sha256: 'f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec',
    }),
    paper: 'He et al. 2015, arXiv:1512.03385',
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
    paper: 'He et al. 2015, arXiv:1512.03385',
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
    paper: 'He et al. 2015, arXiv:1512.03385',
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
})

import { F, type Layer, nn } from '../../torch/index.ts'
import { type ImageModel, imageModel, initialise, type ModelOptions } from './image-model.ts'

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
export const resnet18 = (options: ModelOptions = {}): ImageModel => resnet({ ...small, depths: [2, 2, 2, 2] }, options)
/** ResNet of 34 layers. */
export const resnet34 = (options: ModelOptions = {}): ImageModel => resnet({ ...small, depths: [3, 4, 6, 3] }, options)
/** ResNet of 50 layers, with bottleneck blocks. */
export const resnet50 = (options: ModelOptions = {}): ImageModel => resnet({ ...large, depths: [3, 4, 6, 3] }, options)
/** ResNeXt of 50 layers: 32 groups of 4 channels in the 3 × 3 convolutions of the first stage. */
export const resnext50_32x4d = (options: ModelOptions = {}): ImageModel =>
  resnet({ ...large, depths: [3, 4, 6, 3], groups: 32, width: 4 }, options)

import { F, nn } from '../torch/index.ts'
import { type ImageModel, imageModel, initialise, type ModelOptions } from './image-model.ts'
import { family, usual } from './model-info.ts'
import { torchvision } from './sources.ts'

/** VGG (Simonyan & Zisserman 2014, arXiv:1409.1556) with BatchNorm. Names and order of the state are torchvision's
 *  (BSD-3-Clause), so its weights load unchanged. Nine tenths of its weights are in the classifier. */

const stages = [
  [64, 64],
  [128, 128],
  [256, 256, 256],
  [512, 512, 512],
  [512, 512, 512],
] as const

/** VGG of 16 layers with BatchNorm, as torchvision names it. */
function vgg16_bn({ classes = 1000, channels = 3 }: ModelOptions = {}): ImageModel {
  let cin = channels
  const layers = stages.flatMap(widths => [
    ...widths.flatMap(cout => {
      const block = [nn.conv2d(cin, cout, 3, { padding: 1 }), nn.batchNorm2d(cout), relu()]
      cin = cout
      return block
    }),
    nn.layer(F.maxPool2d(2), 'MaxPool2d'),
  ])
  const features = nn.sequential(...layers)
  const numFeatures = 512
  const classifier = classes > 0 ? top(numFeatures, classes) : undefined
  const model = imageModel(
    { features },
    {
      features,
      classifier: classifier && { classifier },
      logits: classifier && (x => x.pipe(features, F.adaptiveAvgPool2d(7)).flatten(1).pipe(classifier)),
      numFeatures,
      channels,
    },
  )
  return initialise(model, {
    Conv2d: weight => nn.init.kaimingNormal_(weight, { mode: 'fan_out' }),
    Linear: weight => nn.init.normal_(weight, { std: 0.01 }),
  })
}

const relu = () => nn.layer(F.relu_, 'ReLU')

const top = (c: number, classes: number) =>
  nn.sequential(
    nn.linear(c * 7 * 7, 4096),
    relu(),
    nn.dropout(),
    nn.linear(4096, 4096),
    relu(),
    nn.dropout(),
    nn.linear(4096, classes),
  )

/** What is known of them. */
export const vggs = family({
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
})

import { cat, F, nn } from '../torch/index.ts'
import { type ImageModel, imageModel, initialise, type ModelOptions } from './image-model.ts'
import { family, usual } from './model-info.ts'
import { torchvision } from './sources.ts'

/** SqueezeNet 1.1 (Iandola et al. 2016, arXiv:1602.07360). Names and order of the state are torchvision's (BSD-3-Clause),
 *  so its weights load unchanged. No BatchNorm; the classifier is a 1 × 1 convolution, averaged. */

function fire(cin: number, squeeze: number, expand: number): nn.Module {
  const m = {
    squeeze: nn.conv2d(cin, squeeze, 1),
    expand1x1: nn.conv2d(squeeze, expand, 1),
    expand3x3: nn.conv2d(squeeze, expand, 3, { padding: 1 }),
  }
  return nn.module(m, x => {
    const y = x.pipe(m.squeeze, F.relu_)
    return cat([m.expand1x1(y), m.expand3x3(y)], 1).pipe(F.relu_)
  })
}

const pool = () => nn.layer(F.maxPool2d(3, 2, 0, { ceilMode: true }), 'MaxPool2d')
const relu = () => nn.layer(F.relu_, 'ReLU')

/** SqueezeNet 1.1, as torchvision names it. */
function squeezenet1_1({ classes = 1000, channels = 3 }: ModelOptions = {}): ImageModel {
  const numFeatures = 512
  // biome-ignore format: a table
  const features = nn.sequential(
    nn.conv2d(channels, 64, 3, { stride: 2 }), relu(), pool(),
    fire(64, 16, 64),   fire(128, 16, 64),  pool(),
    fire(128, 32, 128), fire(256, 32, 128), pool(),
    fire(256, 48, 192), fire(384, 48, 192), fire(384, 64, 256), fire(512, 64, 256),
  )
  const last = classes > 0 ? nn.conv2d(numFeatures, classes, 1) : undefined
  const classifier = last && nn.sequential(nn.dropout(0.5), last, relu(), nn.layer(F.globalAvgPool, 'AvgPool'))
  const model = imageModel(
    { features },
    {
      features,
      classifier: classifier && { classifier },
      logits: classifier && (x => x.pipe(features, classifier)),
      numFeatures,
      channels,
    },
  )
  initialise(model, { Conv2d: weight => nn.init.kaimingUniform_(weight, { a: 0 }) })
  if (last) nn.init.normal_(last.own.parameters.weight!, { std: 0.01 })
  return model
}

/** What is known of them. */
export const squeezenets = family({
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
})

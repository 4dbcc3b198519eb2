import { cat, F, type Layer, nn } from '../torch/index.ts'
import { type ImageModel, imageModel, initialise, type ModelOptions } from './image-model.ts'
import { family, usual } from './model-info.ts'
import { torchvision } from './sources.ts'

/** DenseNet (Huang et al. 2016, arXiv:1608.06993), with bottlenecks and compression. Names and order of the state are
 *  torchvision's (BSD-3-Clause); its files have older names (`fromOldName`). */

const growth = 32

function denseLayer(cin: number): nn.Module {
  const mid = 4 * growth
  // biome-ignore format: a table
  const m = {
    norm1: nn.batchNorm2d(cin), conv1: nn.conv2d(cin, mid, 1, { bias: false }),
    norm2: nn.batchNorm2d(mid), conv2: nn.conv2d(mid, growth, 3, { padding: 1, bias: false }),
  }
  return nn.module(m, x => x.pipe(m.norm1, F.relu_, m.conv1, m.norm2, F.relu_, m.conv2))
}

/** The input of each layer is the block's input and the outputs of all earlier layers. */
function denseBlock(cin: number, depth: number): nn.Module {
  const layers = Array.from({ length: depth }, (_, i) => denseLayer(cin + i * growth))
  const named = Object.fromEntries(layers.map((layer, i) => [`denselayer${i + 1}`, layer]))
  return nn.module(named, x =>
    layers.reduce((seen, layer) => {
      const more = cat([seen, layer(seen)], 1)
      if (seen !== x) seen.dispose() // nothing else uses them, and they would add up
      return more
    }, x),
  )
}

const transition = (cin: number, cout: number) =>
  nn.chain({
    norm: nn.batchNorm2d(cin),
    relu: nn.layer(F.relu_, 'ReLU'),
    conv: nn.conv2d(cin, cout, 1, { bias: false }),
    pool: nn.layer(F.avgPool2d(2), 'AvgPool2d'),
  })

/** DenseNet of 121 layers, as torchvision names it. */
function densenet121({ classes = 1000, channels = 3 }: ModelOptions = {}): ImageModel {
  const stages: nn.Children = {
    conv0: nn.conv2d(channels, 64, 7, { stride: 2, padding: 3, bias: false }),
    norm0: nn.batchNorm2d(64),
    relu0: nn.layer(F.relu_, 'ReLU'),
    pool0: nn.layer(F.maxPool2d(3, 2, 1), 'MaxPool2d'),
  }
  let c = 64
  for (const [i, depth] of [6, 12, 24, 16].entries()) {
    if (i > 0) stages[`transition${i}`] = transition(c, (c /= 2))
    stages[`denseblock${i + 1}`] = denseBlock(c, depth)
    c += depth * growth
  }
  const body = nn.chain({ ...stages, norm5: nn.batchNorm2d(c) })
  const features: Layer = x => x.pipe(body, F.relu_)
  const classifier = classes > 0 ? nn.linear(c, classes) : undefined
  const model = imageModel(
    { features: body },
    {
      features,
      classifier: classifier && { classifier },
      logits: classifier && (x => x.pipe(features, F.globalAvgPool, classifier)),
      numFeatures: c,
      channels,
    },
  )
  return initialise(model, {
    Conv2d: weight => nn.init.kaimingNormal_(weight),
    Linear: weight => nn.init.kaimingUniform_(weight),
  })
}

/** The name here of a weight in torchvision's files, in which a layer's modules have a dot before their number. */
const fromOldName = (name: string): string =>
  name.replace(/^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\.(?:weight|bias|running_mean|running_var))$/, '$1$2')

/** What is known of them. */
export const densenets = family({
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
})

import { F, nn } from '../torch/index.ts'
import { type ImageModel, imageModel, initialise, type ModelOptions } from './image.ts'

/** MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381). Names and order of the state are torchvision's (BSD-3-Clause), so
 *  its weights load unchanged. */

// biome-ignore format: a table
const table = [
  // expansion, channels, blocks, stride of the first
  [1,  16, 1, 1],
  [6,  24, 2, 2],
  [6,  32, 3, 2],
  [6,  64, 4, 2],
  [6,  96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const

const convBnRelu = (cin: number, cout: number, k: number, stride = 1, groups = 1) =>
  nn.sequential(
    nn.conv2d(cin, cout, k, { stride, groups, padding: k >> 1, bias: false }),
    nn.batchNorm2d(cout),
    nn.layer(F.relu6_, 'ReLU6'),
  )

function invertedResidual(cin: number, cout: number, stride: number, expansion: number): nn.Module {
  const mid = cin * expansion
  const conv = nn.sequential(
    ...(expansion === 1 ? [] : [convBnRelu(cin, mid, 1)]),
    convBnRelu(mid, mid, 3, stride, mid),
    nn.conv2d(mid, cout, 1, { bias: false }),
    nn.batchNorm2d(cout),
  )
  const residual = stride === 1 && cin === cout
  return nn.module({ conv }, x => (residual ? conv(x).add_(x) : conv(x)))
}

/** MobileNetV2 at width 1, as torchvision names it. */
export function mobilenet_v2({ classes = 1000 }: ModelOptions = {}): ImageModel {
  const blocks = [convBnRelu(3, 32, 3, 2)]
  let cin = 32
  for (const [expansion, cout, depth, stride] of table)
    for (let i = 0; i < depth; i++) {
      blocks.push(invertedResidual(cin, cout, i === 0 ? stride : 1, expansion))
      cin = cout
    }
  const numFeatures = 1280
  blocks.push(convBnRelu(cin, numFeatures, 1))
  const features = nn.sequential(...blocks)
  const classifier = classes > 0 ? nn.sequential(nn.dropout(0.2), nn.linear(numFeatures, classes)) : undefined
  const names = blocks.map((_, i) => `features.${i}`)
  const model = imageModel(classifier ? { features, classifier } : { features }, {
    features,
    logits: classifier && (x => x.pipe(F.globalAvgPool, classifier)),
    numFeatures,
    groups: [names.slice(0, 7), names.slice(7)],
  })
  return initialise(model, {
    Conv2d: weight => nn.init.kaimingNormal_(weight, { mode: 'fan_out' }),
    Linear: weight => nn.init.normal_(weight, { std: 0.01 }),
  })
}

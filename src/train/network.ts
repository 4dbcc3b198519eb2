import { autocast, type DType, type Generator, generator, nn, noGrad, type Tensor } from '../torch/index.ts'

/** What the loop trains: a module that gives logits, and its layer groups from the input to the head, the last one. */
export interface Trainable {
  net: nn.Module
  groups: LayerGroup[]
  /** Where its weights are; `cpu` unless given. */
  device?: string
}

/** The part of a network that transfer learning takes over: all but the last layers. */
export interface Body extends nn.Module {
  /** x → what a new head sees: [N, pooledFeatures]. */
  pooled(x: Tensor): Tensor
  readonly pooledFeatures: number
  /** x → what `pooled` pools; the same where there is nothing to pool. */
  features(x: Tensor): Tensor
  /** Layer groups for freezing and discriminative rates, earliest first: names of modules, input to output. */
  readonly groups: readonly (readonly string[])[]
}

/** A pretrained body and a fresh head: what transfer learning trains. Children `body`, `head`. */
export interface Network<B extends Body = Body> extends Trainable {
  body: B
  /** [N, pooledFeatures] → logits [N, classes]. */
  head: nn.Module
  /** x → [N, pooledFeatures]: what the head sees, the same for any input size. */
  features(x: Tensor): Tensor
}
/** Modules that freeze together and share a rate. */
export interface LayerGroup {
  name: string
  modules: nn.Module[]
}

/** The form of a head. */
export interface HeadOptions {
  /** Widths of hidden layers: [] is one linear layer, [512] fastai's default head. */
  hidden?: readonly number[]
  /** Dropout before the last layer; half of it before the others, as fastai does. */
  dropout?: number
  /** Standard deviation of the last layer's weights at the start; Kaiming's unless given. */
  std?: number
  generator?: Generator
}

/** The head: BatchNorm, dropout, linear on the pooled features (fastai's create_head); each
 *  hidden layer adds BatchNorm, dropout, linear, ReLU before it. Initialised by Kaiming's normal, biases 0. */
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

/** Joins a body without classifier and a new head; the body in channels_last, where convolutions are fastest. `groups`:
 *  the body's, where they are known. */
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
  // The head is small: in float32 it is the net that the frozen phase trained, and faster than with its weights converted.
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
    // Whoever only predicts has no use for them.
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

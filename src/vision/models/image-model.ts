import { type Layer, nn, noGrad, scope, type Tensor } from '../../torch/index.ts'
import type { Body } from '../../train/network.ts'
import { layerGroups } from './layer-groups.ts'

/** A network for pictures x: [N, C, H, W]. Calling it gives logits [N, classes], or the feature map where it was built
 *  with `classes: 0`. */
export interface ImageModel extends Body {
  /** The last feature map before pooling: [N, C, H, W] → [N, numFeatures, h, w]. */
  features(x: Tensor): Tensor
  readonly numFeatures: number
  /** What a new head sees: [N, C, H, W] → [N, pooledFeatures]. Of a convolutional net the maximum and the mean of the last
   *  map, of a ViT the class token. A hook on a body without classifier sees the map that all of it came from,
   *  [N, numFeatures, h, w], and may give another: there a heat map looks. */
  pooled(x: Tensor): Tensor
  readonly pooledFeatures: number
  /** The body's layer groups for freezing and discriminative rates, earliest first: names of modules, input to output
   *  (`layerGroups`). */
  readonly groups: readonly (readonly string[])[]
  /** Names of the children that classify; what else there is is the body. */
  readonly classifier: readonly string[]
  /** How a weight of a file for other pictures becomes one for these, by its name here. */
  readonly adapt: Readonly<Record<string, (given: Tensor) => Tensor>>
}

/** What every family's function takes. */
export interface ModelOptions {
  /** How many classes it tells apart; 0 leaves the classifier and its pooling out. 1000 unless given. */
  classes?: number
  /** Channels of the pictures; 3 unless given. */
  channels?: number
  /** Side of the pictures in pixels, for a model that is built for one (`ModelInfo.sizes`); others take any. */
  size?: number
}

/** What an image model is made of: a body of named children in the order of its weight files, what runs them, and a
 *  classifier where there is one. */
export interface ModelParts {
  features: Layer
  classifier?: nn.Children | undefined
  /** Picture → logits. */
  logits?: Layer | undefined
  numFeatures: number
  channels?: number | undefined
  /** Where it is not the maximum and the mean of the last map; `look`, where somebody looks, is shown the map that all of
   *  it came from and gives the one to go on with. */
  pooled?: { features: number; of(x: Tensor, look?: Layer): Tensor }
  /** Side of the pictures that `groups` are found by, in pixels: any will do, or the only one. */
  size?: number
  adapt?: ImageModel['adapt']
}

/** A network for pictures from its parts: how every family here is made, and a net of one's own. */
export function imageModel(
  body: nn.Children,
  { features, classifier = {}, logits, numFeatures, channels = 3, pooled, size = 128, adapt = {} }: ModelParts,
): ImageModel {
  const model = nn.module({ ...body, ...classifier }, logits ?? features, {
    kind: 'ImageModel',
  }) as unknown as ImageModel
  const facts = {
    features: logits ? (x: Tensor) => scope(() => features(x)) : model,
    numFeatures,
    pooled: pooled
      ? (x: Tensor) => pooled.of(x, logits || model.hooks.size === 0 ? undefined : map => hooked(model, x, map))
      : (x: Tensor) => nn.concatPool(model.features(x)),
    pooledFeatures: pooled?.features ?? 2 * numFeatures,
    classifier: Object.keys(classifier),
    adapt,
  }
  let groups: ImageModel['groups'] | undefined
  const find = () => layerGroups(model, { forward: model.features, without: facts.classifier, channels, size })
  return Object.defineProperty(Object.assign(model, facts), 'groups', { get: () => (groups ??= find()) })
}

const hooked = (model: nn.Module, x: Tensor, map: Tensor): Tensor =>
  [...model.hooks].reduce((y, hook) => hook(model, x, y) ?? y, map)

/** Draws the weights of every module of a kind anew and zeroes its biases: how a family begins without pretrained weights. */
export function initialise<M extends nn.Module>(model: M, rules: Record<string, (weight: Tensor) => void>): M {
  for (const [, { kind, own }] of model.modules()) {
    const rule = rules[kind]
    if (!rule) continue
    rule(own.parameters.weight!)
    noGrad(() => own.parameters.bias?.zero_())
  }
  return model
}

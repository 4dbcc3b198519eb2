import { type Layer, nn, noGrad, scope, type Tensor } from '../torch/index.ts'
import type { Body } from '../train/network.ts'
import { layerGroups } from './layer-groups.ts'

/** A network for pictures x: [N, C, H, W]. Calling it gives logits [N, classes], or the feature map if it was built
 *  with `classes: 0`. */
export interface ImageModel extends Body {
  /** The last feature map before pooling: [N, C, H, W] → [N, numFeatures, h, w]. */
  features(x: Tensor): Tensor
  readonly numFeatures: number
  /** The input of a new head: [N, C, H, W] → [N, pooledFeatures]. For a convolutional net it is the maximum and the
   *  mean of the last map, for a ViT the class token. A hook on a body without classifier is called with the map that
   *  they are computed from, [N, numFeatures, h, w], and may replace it; heat maps use this. */
  pooled(x: Tensor): Tensor
  readonly pooledFeatures: number
  /** The body's layer groups for freezing and discriminative rates, earliest first: names of modules, input to output
   *  (`layerGroups`). */
  readonly groups: readonly (readonly string[])[]
  /** Names of the children that classify; all others are the body. */
  readonly classifier: readonly string[]
  /** Functions that adapt a weight of a file for other pictures, by our name of the weight. */
  readonly adapt: Readonly<Record<string, (given: Tensor) => Tensor>>
}

/** The options of every family's function. */
export interface ModelOptions {
  /** The number of classes; 0 leaves out the classifier and its pooling. Default: 1000. */
  classes?: number
  /** Channels of the pictures. Default: 3. */
  channels?: number
  /** Side of the pictures in pixels, for a model that is built for one (`ModelInfo.sizes`); others take any. */
  size?: number
}

/** The parts of an image model: a body of named children in the order of its weight files, the functions that run them,
 *  and a classifier if there is one. */
export interface ModelParts {
  features: Layer
  classifier?: nn.Children | undefined
  /** Picture → logits. */
  logits?: Layer | undefined
  numFeatures: number
  channels?: number | undefined
  /** Needed if the pooled features are not the maximum and the mean of the last map. `look`, if given, is called with
   *  the map that they are computed from, and returns the map to continue with. */
  pooled?: { features: number; of(x: Tensor, look?: Layer): Tensor }
  /** Side in pixels of the picture that finds the `groups`: any, or the only size that the net takes. */
  size?: number
  adapt?: ImageModel['adapt']
}

/** Makes a network for pictures from its parts. All families here are made with it; use it for your own network too. */
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

/** Initialises the weights of every module of a kind and zeroes its biases, for a family without pretrained weights. */
export function initialise<M extends nn.Module>(model: M, rules: Record<string, (weight: Tensor) => void>): M {
  for (const [, { kind, own }] of model.modules()) {
    const rule = rules[kind]
    if (!rule) continue
    rule(own.parameters.weight!)
    noGrad(() => own.parameters.bias?.zero_())
  }
  return model
}

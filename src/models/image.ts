import { type Layer, nn, noGrad, scope, type Tensor } from '../torch/index.ts'

/** A network for pictures x: [N, 3, H, W] of any size. Calling it gives logits [N, classes], or the feature map where it
 *  was built with `classes: 0`. */
export interface ImageModel extends nn.Module {
  /** The last feature map before pooling: [N, 3, H, W] → [N, numFeatures, h, w]. */
  features(x: Tensor): Tensor
  readonly numFeatures: number
  /** The body's layer groups for freezing and discriminative rates, earliest first: names of modules, input to output.
   *  Split as fastai's resnets are: what sees strides up to 8 | what sees 16 and 32. */
  readonly groups: readonly (readonly string[])[]
}

/** What every family's function takes: how many classes it tells apart; 0 leaves the classifier and its pooling out. */
export interface ModelOptions {
  classes?: number
}

/** A model from its children in the order of its weight files, and its two halves; `logits` is absent where there is no
 *  classifier. */
export function imageModel(
  children: nn.Children,
  { features, logits, ...facts }: Pick<ImageModel, 'numFeatures' | 'groups'> & Halves,
): ImageModel {
  const model = nn.module(children, x => (logits ? logits(features(x)) : features(x)), { kind: 'ImageModel' })
  return Object.assign(model, { features: (x: Tensor) => scope(() => features(x)), ...facts })
}
interface Halves {
  features: Layer
  logits?: Layer | undefined
}

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

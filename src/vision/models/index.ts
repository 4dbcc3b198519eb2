/** Networks for pictures, facts about them, and their pretrained weights. */

export { convnext_tiny } from './convnext.ts'
export { densenet121 } from './densenet.ts'
export { efficientnet_b0, tf_efficientnet_lite0 } from './efficientnet.ts'
export { adaptFirstConv } from './first-conv.ts'
export { type ImageModel, imageModel, type ModelOptions, type ModelParts } from './image-model.ts'
export { type LayerGroupOptions, layerGroups } from './layer-groups.ts'
export { loadPretrained } from './load.ts'
export { mobilenet_v2, mobilenet_v3_large } from './mobilenet.ts'
export { canHave, chooseModel, pretrainedState } from './pretrained.ts'
export {
  checkSizes,
  type KnownModel,
  type ModelInfo,
  type ModelName,
  model,
  models,
  type NetworkFunction,
  ownInfo,
} from './registry.ts'
export { resnet18, resnet34, resnet50, resnext50_32x4d } from './resnet.ts'
export type { PipSource, UrlSource, WeightsSource } from './sources.ts'
export { squeezenet1_1 } from './squeezenet.ts'
export { vgg16_bn } from './vgg.ts'
export { vit_b_16 } from './vit.ts'

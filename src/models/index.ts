/** Networks for pictures, facts about them, and their pretrained weights. */

export { adaptFirstConv } from './first-conv.ts'
export { readGivenWeights, savedArchitecture } from './given-weights.ts'
export { type ImageModel, imageModel, type ModelOptions, type ModelParts } from './image-model.ts'
export { type LayerGroupOptions, layerGroups } from './layer-groups.ts'
export { loadPretrained } from './load.ts'
export type { KnownModel, ModelInfo } from './model-info.ts'
export { canHave, chooseModel, pretrainedState } from './pretrained.ts'
export { checkSizes, type ModelName, model, models, type NetworkFunction, ownInfo } from './registry.ts'
export type { WeightsSource } from './sources.ts'

/** Train good image classifiers from TypeScript. Tensors and modules are in `anneal/torch`.
 *
 *  @module anneal */

export {
  type Evaluated,
  type EvaluateFolderOptions,
  evaluateFolder,
  ImageLearner,
  type ImageLearnerOptions,
  learner,
  type Recipe,
  type ResumeHooks,
  recipeFor,
  resumeRun,
  type TrainHooks,
  type TrainOptions,
  trainFolder,
} from './api/index.ts'
export { AnnealError } from './base/errors.ts'
export {
  applyDecisions,
  type ClassCount,
  type Decision,
  type FolderIndex,
  type FolderOptions,
  type LabelOptions,
  type Problem,
  readDecisions,
  type Split,
  type Task,
} from './data/index.ts'
export type * from './domain/index.ts'
export { type Judgement, mostCorrect, mostIncorrect, mostUncertain, topLossesByLabel } from './interpret/ranking.ts'
export { writeReport } from './report/index.ts'
export type { Interpretation, PartResult, RunEvent, RunRecord, RunResult, RunSummary, TtaResult } from './runs/index.ts'
export { listRuns, readRun } from './runs/index.ts'
export { doctor } from './setup/index.ts'
export { classWeights, focalLoss, imbalanceAdvice, sampleWeights, type WeightScheme } from './train/balance.ts'
export type {
  BatchAnswer,
  BatchInfo,
  Callback,
  EpochAnswer,
  EpochInfo,
  FitAnswer,
  FitInfo,
  InputBatch,
  LossBatch,
  PredictedBatch,
  PredictedValidationBatch,
  TrainAnswer,
  Training,
  ValidateAnswer,
  ValidationBatch,
} from './train/callback.ts'
export { ensemble } from './train/ensemble.ts'
export type { Evaluation } from './train/evaluate.ts'
export { computeFeatures } from './train/features.ts'
export { Learner, type Snapshot } from './train/learner.ts'
export type { BatchTransform, FitOptions, LearnerOptions, LearnerSettings } from './train/learner-options.ts'
export {
  type FitProgress,
  type LearnerProgress,
  type LearnerState,
  readState,
  writeState,
} from './train/learner-state.ts'
export { outOfFold } from './train/linear/out-of-fold.ts'
export * as metrics from './train/metrics.ts'
export {
  type Body,
  createHead,
  type HeadOptions,
  type LayerGroup,
  type Network,
  network,
  type Precision,
  type Trainable,
} from './train/network.ts'
export { type LossName, type Objective, objective } from './train/objective.ts'
export type { OptimizerFunction, OptimizerName } from './train/optimizer.ts'
export type { LossFunction } from './train/own-loss.ts'
export type { MetricFunction, OwnMetric } from './train/own-metrics.ts'
export type { MultiPrediction, Prediction, RegressionPrediction, SinglePrediction } from './train/prediction.ts'
export { type FindOptions, lrFind, type RateFinding } from './train/rates/finder.ts'
export type { Curves, ScheduleName } from './train/rates/named.ts'
export { cosineRestarts, cycleEpochs } from './train/rates/restarts.ts'
export type { Schedule } from './train/rates/schedule.ts'
export * as schedules from './train/rates/schedule.ts'
export type { Batch, LabelledSource, Source } from './train/source.ts'
export type { StepPlace, StepResult } from './train/step.ts'
export { Stopped } from './train/stop.ts'
export { recomputeBatchNorm, WeightMean } from './train/swa.ts'
export { mirrorTta, type TtaOptions, tta } from './train/tta.ts'
export type { AugmentationSettings } from './vision/augment/index.ts'
export { mixedSource } from './vision/augment/mixed-source.ts'
export { augmentSheet, type SheetOptions } from './vision/augment-sheet.ts'
export {
  type Augmentation,
  type AugmentationName,
  augmentation,
  augmentations,
  type ImageData,
  type Item,
  imageFolder,
  indexPictures,
  openPictures,
  type Picture,
  type Pictures,
} from './vision/index.ts'
export { type Classifier, type LoadOptions, loadClassifier } from './vision/inference/classifier.ts'
export type { BlobLike, ByteStream, ImageInput, RawPixels, UrlLike } from './vision/inference/inputs.ts'
export type { PredictAllOptions, PredictOptions } from './vision/inference/predict.ts'
export type { ModelCard, Preprocessing } from './vision/inference/saved.ts'
export { type FeatureMap, type LayerFeatures, layerFeatures } from './vision/interpret/feature-maps.ts'
export { gradCam, type HeatMaps, overlay } from './vision/interpret/gradcam.ts'
export { type DuplicateOptions, type NearDuplicates, nearDuplicates } from './vision/interpret/near-duplicates.ts'
export {
  adaptFirstConv,
  type ImageModel,
  imageModel,
  layerGroups,
  loadPretrained,
  type ModelInfo,
  type ModelOptions,
  type ModelParts,
  models,
  type NetworkFunction,
  pretrainedState,
} from './vision/models/index.ts'
export { type PictureSource, type PictureSourceOptions, pictureSource } from './vision/picture-source.ts'

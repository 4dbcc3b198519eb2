/** Anneal: train good image classifiers from TypeScript. Tensors and modules are in `anneal/torch`. */
export { AnnealError } from './base/errors.ts'
export {
  type Augmentation,
  type AugmentationName,
  augmentations,
  type ImageData,
  imageFolder,
  openPictures,
} from './data/index.ts'
export { type ImageModel, type ModelInfo, models } from './models/index.ts'
export { resumeRun, type TrainHooks, type TrainOptions, trainFolder } from './recipes/index.ts'
export { ImageLearner, type ImageLearnerOptions, learner } from './recipes/learner.ts'
export { writeReport } from './report/index.ts'
export type { Interpretation, RunEvent, RunResult } from './runs/index.ts'
export { listRuns } from './runs/index.ts'
export { doctor } from './setup/index.ts'
export type { BatchInfo, Callback, EpochInfo } from './train/callback.ts'
export { type Classifier, loadClassifier } from './train/classifier.ts'
export type { Evaluation } from './train/evaluate.ts'
export { type FindOptions, lrFind, type RateFinding } from './train/finder.ts'
export { type FitOptions, Learner, type LearnerOptions } from './train/learner.ts'
export * as metrics from './train/metrics.ts'
export { createHead, type Network, network } from './train/network.ts'
export type { Prediction } from './train/predict.ts'
export { cosineRestarts, cycleEpochs } from './train/restarts.ts'
export * as schedules from './train/schedule.ts'
export type { Source } from './train/source.ts'
export { Stopped } from './train/turn.ts'

/** Train good image classifiers from TypeScript. Tensors and modules are in `anneal/torch`.
 *
 *  @module anneal */

export {
  type Evaluated,
  type EvaluateFolderOptions,
  evaluateFolder,
  evaluateTable,
  ImageLearner,
  type ImageLearnerOptions,
  learner,
  type NamedModel,
  predictRows,
  predictTable,
  type Recipe,
  type ResumeHooks,
  recipeFor,
  resumeRun,
  rowPredictor,
  type TrainHooks,
  type TrainOptions,
  trainFolder,
  trainTable,
} from './api/index.ts'
export {
  AnnealError,
  DataError,
  DownloadError,
  type ErrorCode,
  type ErrorDetails,
  FileError,
  ImageError,
  ModelError,
  OptionError,
  RunError,
  SetupError,
  TensorError,
  TrainingError,
  WeightsError,
} from './base/errors.ts'
export type { Digest as FileDigest, Pinned as PinnedFile } from './base/fetch.ts'
export type { WheelPin } from './base/packages.ts'
export type { Notice, Report } from './base/progress.ts'
export type { Random } from './base/random.ts'
export type { SampleNoun } from './base/samples.ts'
export {
  applyDecisions,
  type Choice,
  type ClassCount,
  type Decision,
  type FolderIndex,
  type FolderOptions,
  type LabelOptions,
  type Place,
  type Problem,
  type ProblemKind,
  readDecisions,
  type Split,
  type Task,
} from './data/index.ts'
export type { LabelOf } from './data/labels/options.ts'
export type { SplitPlan } from './data/split/draw-split.ts'
export type { TargetTable } from './data/targets.ts'
export type { Item as Sample } from './data/types.ts'
export type * from './domain/index.ts'
export {
  type Judgement,
  mostCorrect,
  mostIncorrect,
  mostUncertain,
  type Ranked,
  type RankOptions,
  topLossesByLabel,
} from './interpret/ranking.ts'
export {
  adaptFirstConv,
  type ImageModel,
  imageModel,
  type LayerGroupOptions,
  layerGroups,
  loadPretrained,
  type ModelInfo,
  type ModelName,
  type ModelOptions,
  type ModelParts,
  models,
  type NetworkFunction,
  pretrainedState,
  type WeightsSource,
} from './models/index.ts'
export type { Ranks, Share } from './ranks/ranks.ts'
export type { RecipeOptions } from './recipes/options.ts'
export type { EvaluateModelOptions } from './recipes/results/evaluate.ts'
export type { PredictSamplesOptions } from './recipes/results/predict.ts'
export type { Places as MovedFiles } from './recipes/run/moved-files.ts'
export { writeReport } from './report/index.ts'
export {
  type AugmentTrial,
  type BatchEvent,
  type CalibrationCurve,
  type CalibrationPart,
  type CheckpointEvent,
  type ChoiceEvent,
  type ClassCount as ScanClassCount,
  type ClassScore,
  type ConfusionCell,
  type DoneEvent,
  type EpochEvent,
  type EventBody,
  type FailedEvent,
  type FeatureLayer,
  type FeaturePicture,
  type HeardSound,
  type HeatPicture,
  type Interpretation,
  type IssuePicture,
  type JudgedPicture,
  type LabelledPicture,
  type LabelScore,
  type LineEvent,
  type LrFindEvent,
  listRuns,
  type Metrics,
  type MultiInterpretation,
  type NearDuplicateGroup,
  type PartResult,
  type Phase,
  type PhaseEvent,
  type PictureProblem,
  type ReadText,
  type RegressionInterpretation,
  type ResumedEvent,
  type RunConfig,
  type RunEvent,
  type RunRecord,
  type RunResult,
  type RunState,
  type RunSummary,
  type RunTask,
  readRun,
  type SamplePicture,
  type ScanEvent,
  type SimpleModel,
  type SizeScore,
  type Spread,
  type StoppedEvent,
  type TableBaseline,
  type TableDependence,
  type TableInterpretation,
  type TableLeak,
  type TableSlice,
  type TtaPart,
  type TtaResult,
  type WarningEvent,
  type WeightPoint,
} from './runs/index.ts'
export type { Heard } from './runtime/sound/mono.ts'
export type { DoctorReport } from './setup/doctor.ts'
export type { Cache as DoctorCache, Finding, Loaded as LoadedLibtorch } from './setup/findings.ts'
export { doctor } from './setup/index.ts'
export type { Source as LibtorchSource } from './setup/libtorch.ts'
export type { Candidate as LibtorchCandidate } from './setup/lookup.ts'
export type { Cpu, Machine } from './setup/machine.ts'
export type { Linked as LinkedLibtorch } from './setup/state.ts'
export { readSound, type Sound } from './sound/decode/decode.ts'
export {
  type HeardPart,
  loadSoundClassifier,
  type PredictSoundsOptions,
  predictSounds,
  type SoundClassifier,
  type SoundPrediction,
  type StreamOptions,
  type StreamPrediction,
} from './sound/inference/predict.ts'
export type { SoundInput } from './sound/inference/windows-of.ts'
export type { TableOptions, TableReadOptions } from './tabular/options.ts'
export type { EvaluatedTable } from './tabular/run/evaluate.ts'
export type {
  PredictedTable,
  PredictTableOptions,
  RowPrediction,
  RowPredictor,
  RowValue,
} from './tabular/run/predict.ts'
export type { ReadingHooks } from './tabular/run/read-for.ts'
export type { TableHooks } from './tabular/run/types.ts'
export type { OpenEmbedder, TextEmbedder } from './tabular/texts/embedder.ts'
export type { CellReading, CodedWords, Frame, FrameColumn, TableModelName, TextVectors } from './tabular/types.ts'
export type { BertConfig } from './text/net/config.ts'
export {
  loadTextClassifier,
  type PredictTextsOptions,
  predictTexts,
  type TextClassifier,
  type TextInput,
} from './text/run/predict.ts'
export type { TextColumns, TextPreprocessing } from './text/types.ts'
export type { ConvPlan, ConvProduct, ConvWay, ConvWays } from './torch/nn/conv-ways.ts'
export {
  classWeights,
  focalLoss,
  type Imbalance,
  imbalanceAdvice,
  sampleWeights,
  type WeightScheme,
} from './train/balance.ts'
export type {
  AsyncHookAnswer,
  BatchAnswer,
  BatchInfo,
  Callback,
  EpochAnswer,
  EpochInfo,
  FitAnswer,
  FitInfo,
  HookAnswer,
  InputBatch,
  LossBatch,
  PredictedBatch,
  TrainAnswer,
  Training,
  ValidateAnswer,
} from './train/callback.ts'
export type { WeightAverage } from './train/ema.ts'
export { ensemble, type Member as EnsembleMember } from './train/ensemble.ts'
export type { EvaluateOptions, Evaluation } from './train/evaluate.ts'
export { computeFeatures, type FeatureOptions } from './train/features.ts'
export type { LayeredNetwork } from './train/layered-network.ts'
export { Learner, type Snapshot } from './train/learner.ts'
export type { BatchTransform, FitOptions, LearnerOptions, LearnerSettings } from './train/learner-options.ts'
export {
  type FitProgress,
  type LearnerProgress,
  type LearnerState,
  readState,
  writeState,
} from './train/learner-state.ts'
export { type FoldOptions, type OutOfFold, outOfFold } from './train/linear/out-of-fold.ts'
export type { Answer as EventAnswer, EventName } from './train/loop-events.ts'
export type { Computed, Computing, Work as ComputedWork } from './train/measure-kernels.ts'
export * as metrics from './train/metrics.ts'
export { mixedSource } from './train/mixed-source.ts'
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
export {
  type LossName,
  type LossOptions,
  type Objective,
  type ObjectiveOptions,
  type Outputs,
  objective,
  type TargetScale,
  type Targets,
} from './train/objective.ts'
export type { OptimizerFunction, OptimizerName } from './train/optimizer.ts'
export type { LossFunction } from './train/own-loss.ts'
export type { MetricFunction, OwnMetric } from './train/own-metrics.ts'
export type { PairSettings } from './train/pairs.ts'
export type {
  AnyPrediction,
  ByTask,
  MultiPrediction,
  Prediction,
  RegressionPrediction,
  SinglePrediction,
} from './train/prediction.ts'
export type { ChosenRate } from './train/rates/choose.ts'
export { type FindOptions, lrFind, type RateFinding } from './train/rates/finder.ts'
export type { Curves, ScheduleName } from './train/rates/named.ts'
export { type Cycles, cosineRestarts, cycleEpochs, type Restarts } from './train/rates/restarts.ts'
export type { Schedule } from './train/rates/schedule.ts'
export * as schedules from './train/rates/schedule.ts'
export type { RateRule } from './train/rates/suggest.ts'
export type { SavedComputing } from './train/saved-computing.ts'
export type { ModelCard as AnyModelCard } from './train/saved-model.ts'
export type { Batch, LabelledSource, PredictedValidationBatch, Source, ValidationBatch } from './train/source.ts'
export type { StepPlace, StepResult } from './train/step.ts'
export { Stopped } from './train/stop.ts'
export { type BatchNormOptions, recomputeBatchNorm, WeightMean } from './train/swa.ts'
export { mirrorTta, type OutputOptions, type TtaOptions, tta } from './train/tta.ts'
export type { AugmentationSettings, MixOptions } from './vision/augment/index.ts'
export type { Pad as PadMode } from './vision/augment/pad.ts'
export { augmentSheet, type SheetOptions } from './vision/augment-sheet.ts'
export type { Sense, SenseRow } from './vision/auto-augment/auto-augment.ts'
export type { TrialId } from './vision/auto-augment/trials.ts'
export type { BatchOptions, Normalization } from './vision/batch.ts'
export type { ChannelOptions } from './vision/decode/decode.ts'
export {
  type Augmentation,
  type AugmentationName,
  augmentation,
  augmentations,
  type CacheOptions,
  type ChannelMode,
  type ImageDataset,
  type Item,
  imageFolder,
  indexPictures,
  openPictures,
  type Picture,
  type Pictures,
  type Pixels,
} from './vision/index.ts'
export { type Classifier, type LoadOptions, loadClassifier } from './vision/inference/classifier.ts'
export type { BlobLike, ByteStream, ImageInput, RawPixels, UrlLike } from './vision/inference/image-inputs.ts'
export type { PredictAllOptions, PredictOptions } from './vision/inference/predict.ts'
export type { ModelCard, Preprocessing } from './vision/inference/saved.ts'
export { type FeatureMap, type LayerFeatures, layerFeatures } from './vision/interpret/feature-maps.ts'
export { gradCam, type HeatMaps, overlay } from './vision/interpret/gradcam.ts'
export {
  type DuplicateOptions,
  type NearDuplicate,
  type NearDuplicates,
  nearDuplicates,
} from './vision/interpret/near-duplicates.ts'
export { type PictureSource, type PictureSourceOptions, pictureSource } from './vision/picture-source.ts'

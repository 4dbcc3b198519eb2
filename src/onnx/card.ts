/** The key of the card in the metadata of an exported model. */
export const cardKey = 'ai.anneal.card'

/** How a picture becomes the net's input; the graph does all of it from raw pixels. */
export interface CardInput {
  /** The name of the graph's input. `image`: uint8 [N, height, width, channels], any height and width; `pixels`, in a file
   *  of the net alone: float [N, channels, size, size], normalised. */
  name: string
  channels: number
  /** How the channels of a file become those of the input: `rgb` (the default of training), `copy` (grey or two channels
   *  to three), or `keep` (all channels of the file). */
  mode: 'rgb' | 'copy' | 'keep'
  /** Side of the square that the net sees, and the short side that a picture is resized to before the crop, in pixels. */
  size: number
  short: number
  interpolation: 'bilinear' | 'bicubic'
  mean: readonly number[]
  std: readonly number[]
}

/** A metric with its 95 % interval, where there is one. */
export interface CardMetric {
  value: number
  interval?: readonly [low: number, high: number]
}

/** What a change of a net costs on the same pictures. */
export interface CardCost {
  before: number
  after: number
  /** The 95 % interval of the paired difference; positive is worse. */
  cost: readonly [low: number, high: number]
  /** The upper end of `cost` that is accepted: the distance of `before` from the worse end of its own 95 % interval. */
  allowed: number
}

/** The results of a check of the exported file: files of the validation part, from file to label, in one runtime. */
export interface CardCheck {
  /** `onnxruntime-node`, `onnxruntime-web (wasm)`, with the version. */
  runtime: string
  files: number
  /** The part of the run's data that the files are from; `train` for an average of folds, which leaves no other. */
  part: 'valid' | 'train'
  /** Share of files with the same label as the trained net gives; for several labels the share of their decisions. 1 for
   *  regression. */
  same: number
  /** Largest difference of a probability (regression: of a value in standard deviations) over files, and over equal
   *  pixels at the input of the net, where the net was at hand alone. */
  differenceOnFiles: number
  differenceOnPixels?: number
  /** The metric of the task by the trained net and by the exported file. */
  metric: string
  trained: number
  exported: number
  /** Of a quantised file: what it costs in loss. */
  loss?: CardCost
  /** Milliseconds for one picture from decoded pixels to the answer: the median over the files, one at a time. */
  milliseconds: number
}

/** How a net was quantised to integers. */
export interface CardQuantization {
  /** How the ranges of values were chosen. */
  method: 'minmax' | 'percentile' | 'mse'
  /** Training samples that the ranges were measured on. */
  calibration: number
  /** How many convolutions and matrix products the net has, and which of them stayed float32. */
  layers: number
  float32: readonly string[]
  /** Measured on these samples of the validation part (`train` for folds): the loss, the metric of the task, and the share of
   *  same labels. Before: float32. */
  part: 'valid' | 'train'
  samples: number
  loss: CardCost
  metric: CardCost & { name: string }
  same: number
  /** Bytes of the net alone, and milliseconds for one sample in it, in float32 and quantised. */
  bytes: { float32: number; quantized: number }
  milliseconds: readonly { runtime: string; float32: number; quantized: number }[]
}

/** What the trained model predicted on its validation samples: a server compares its own answers with it. */
export interface CardValidation {
  /** The share of samples that got each label. */
  labels?: readonly number[]
  /** The mean probability of the predicted label, for several labels of all. */
  confidence?: number
  /** Of each target, in the order of `classes`. */
  values?: { mean: readonly number[]; std: readonly number[] }
}

/** What the card of an exported model says, whatever it predicts. */
export interface FileCard {
  version: 1
  /** The version of Anneal that exported it. */
  anneal: string
  /** The name of the run. */
  name: string
  /** When it was exported, ISO 8601. */
  created: string
  task: 'single' | 'multi' | 'regression'
  /** Names of the classes or targets, in the order of the outputs. */
  classes: readonly string[]
  /** Validation and test metrics. */
  metrics: { valid: Readonly<Record<string, CardMetric>>; test?: Readonly<Record<string, CardMetric>> }
}

/** What the card of a model of pictures, texts or sounds says of its nets. */
export interface NetCard extends FileCard {
  /** Several labels: the probability from which each counts as given. */
  thresholds?: readonly number[]
  /** Architectures of the nets, one for each member. */
  architectures: readonly string[]
  /** Width of the output `features`; absent if the model has no such output. */
  features?: number
  /** Licence of the pretrained weights, as an SPDX identifier where there is one. */
  licence?: string
  /** sha256 of the trained weights and of the list of training samples with their digests. */
  digests: { weights: readonly string[]; data?: string }
  /** How the weights are stored; `quantized`: int8, and layers compute with integers, too. */
  weights: 'float32' | 'float16' | 'int8' | 'quantized'
  quantization?: CardQuantization
}

/** The result of a check of an exported model of texts or sounds in one runtime, beside the trained net. */
export interface NetCheck {
  /** `onnxruntime-node`, `onnxruntime-web (wasm)`, with the version. */
  runtime: string
  /** The part of the run's data that the samples are from; `train` for an average of folds, which leaves no other. */
  part: 'valid' | 'train'
  /** Share of samples with the same label; for several labels the share of their decisions. 1 for regression. */
  same: number
  /** The largest difference of a probability; of a value in standard deviations of its target. */
  difference: number
  /** The largest difference that is accepted; a quantised file has none, and what its `loss` allows counts. */
  tolerance?: number
  /** The metric of the task by the trained net and by the exported file. */
  metric: string
  trained: number
  exported: number
  /** Of a quantised file: what it costs in loss. */
  loss?: CardCost
  /** Milliseconds for one sample, as it goes into the graph, to the answer: the median, one at a time. */
  milliseconds: number
}

/** The card of an exported model of pictures: JSON in the file's metadata, before the graph. All that a person or a program
 *  needs to know of it. */
export interface Card extends NetCard {
  format: 'anneal-model'
  input: CardInput
  /** Size of the output `heat`, float [N, classes, rows, columns]: what each place of the last map adds to the logit of each
   *  class, over the square that the net sees. Absent if the model has no such output. */
  heat?: { rows: number; columns: number }
  /** What the model predicted on the validation pictures. Absent in older files. */
  validation?: CardValidation & { pictures: number }
  checks?: readonly CardCheck[]
  /** A picture (`probePicture`) and the first output for it, which every device must give. */
  probe?: { width: number; height: number; seed: number; outputs: readonly number[] }
}

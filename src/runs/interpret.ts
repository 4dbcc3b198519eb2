import type { PartResult, RunTask } from './result.ts'

/** The beginning of a thumbnail that is a text: `data:text/plain,` and the text, percent-encoded. */
const textStart = 'data:text/plain;charset=utf-8,'

/** A text as a thumbnail. */
export const textThumbnail = (text: string): string =>
  textStart + encodeURIComponent(text.replace(/\p{Surrogate}/gu, '\ufffd'))

/** The text of a thumbnail; undefined where it is a picture, or no text can be read from it. */
export function thumbnailText(thumbnail: unknown): string | undefined {
  if (typeof thumbnail !== 'string' || !thumbnail.startsWith(textStart)) return undefined
  try {
    return decodeURIComponent(thumbnail.slice(textStart.length))
  } catch {
    return undefined
  }
}

/** A picture with the model's prediction. `probability` is that of `predicted`; `thumbnail` is a small JPEG in
 *  base64, the path of a picture file inside the run folder, or a text (`textThumbnail`). */
export type JudgedPicture = {
  file: string
  actual: string
  predicted: string
  loss: number
  probability: number
  thumbnail: string
}

/** A training picture as the model saw it, augmented. */
export type SamplePicture = { label: string; thumbnail: string }

/** Scores of one class on the validation pictures; `support` counts its pictures. */
export type ClassScore = { name: string; precision: number; recall: number; f1: number; support: number }

/** How many pictures of the class `actual` were predicted as the class `predicted`, both by number. */
export type ConfusionCell = { actual: number; predicted: number; count: number }

/** `interpret.json`: the predictions of the best weights on the validation pictures, ready to be drawn. `confusion` has the cells of
 *  the matrix that are not 0, row by row, and none where a picture has no single class. The first runs have
 *  `number[][]` there, all cells of each row. */
export type Interpretation = {
  classes: string[]
  task?: RunTask
  confusion: ConfusionCell[]
  topLosses: JudgedPicture[]
  mostUncertain: JudgedPicture[]
  /** The most certain correct predictions, and the most certain wrong ones. */
  mostCorrect?: JudgedPicture[]
  mostIncorrect?: JudgedPicture[]
  samples: SamplePicture[]
  perClass: ClassScore[]
  balancedAccuracy?: number
  multi?: MultiInterpretation
  regression?: RegressionInterpretation
  calibration?: CalibrationPart
  heatmaps?: HeatPicture[]
  sounds?: HeardSound[]
  /** Texts with what each of their parts contributes. */
  texts?: ReadText[]
  /** A simple model on the same split, to compare with. */
  baseline?: SimpleModel
  featureMaps?: FeaturePicture[]
  /** How the model does at each picture size. */
  sizes?: SizeScore[]
  /** Nets between the weights of the frozen phase and those of the whole net. */
  weightPath?: WeightPoint[]
  labelIssues?: IssuePicture[]
  nearDuplicates?: NearDuplicateGroup[]
  augmentAuto?: AugmentTrial[]
  test?: PartResult & { confusion?: ConfusionCell[] }
  table?: TableInterpretation
}

/** A net whose weights lie at a share of the way from those of the frozen phase (0) to those of the whole net (1): its
 *  validation loss at the temperature that fits best, its metrics, and whether it was kept. */
export type WeightPoint = { share: number; loss: number; metrics: Record<string, number>; kept: boolean }

/** Multi-label. `threshold` is the one for all, `thresholds` those of each class; `perClass`, `averages` and
 *  the labels of `worst` are decided by `thresholds`. */
export type MultiInterpretation = {
  threshold: number
  thresholds: number[]
  perClass: LabelScore[]
  /** Points of a class's curve, recall rising. */
  curves: { name: string; points: [recall: number, precision: number][] }[]
  /** The pictures with the largest errors of each label. */
  worst: { name: string; pictures: LabelledPicture[] }[]
  /** By `samples`, `micro`, `macro` or `weighted`. */
  averages: Record<string, { precision: number; recall: number; f1: number }>
  /** Pictures with the highest loss over all labels. */
  topLosses?: LabelledPicture[]
  /** How often one label was missed while another one was given wrongly. */
  confused?: { actual: string; predicted: string; count: number }[]
}

/** One label on the validation pictures: `support` have it, `ap` is its average precision (null without any), and the
 *  rest is what its threshold decides. */
export type LabelScore = ClassScore & {
  ap: number | null
  tn: number
  fp: number
  fn: number
  tp: number
  threshold: number
}

/** A picture with the labels that it has and those that it was given. `probability` is that of the label in question. */
export type LabelledPicture = {
  file: string
  actual: string[]
  predicted: string[]
  loss: number
  probability?: number
  thumbnail: string
}

/** Regression. `points` are actual and predicted values of validation pictures. */
export type RegressionInterpretation = {
  /** `r2` is NaN, null in a file, where all actual values are the same. */
  targets: { name: string; r2: number; mae: number; rmse: number; points: [actual: number, predicted: number][] }[]
  /** Pictures with the largest error. */
  worst: {
    file: string
    thumbnail: string
    loss: number
    /** `shown` has both as texts, with all decimals that the target has. */
    values: { name: string; actual: number; predicted: number; shown?: { actual: string; predicted: string } }[]
  }[]
}

/** Predictions in bins of probability, empty bins left out: the mean probability of each bin, and the share that is right. */
export type CalibrationCurve = {
  bins: { from: number; to: number; count: number; confidence: number; accuracy: number }[]
  /** Expected calibration error, the mean gap between the two. */
  ece: number
}

/** Calibration before and after the outputs are divided by `temperature`. */
export type CalibrationPart = { before: CalibrationCurve; after?: CalibrationCurve; temperature?: number }

/** A picture, and the same with a heat map of the class `of` over it; both small JPEGs. */
export type HeatPicture = JudgedPicture & { overlay: string; of: string }

/** A sound to play: `audio` is a small WAVE file in base64, `from` where it begins in its recording in seconds; `overlay` is
 *  its spectrogram with colour where the net listened. */
export type HeardSound = JudgedPicture & { from: number; audio: string; overlay: string }

/** A picture and its feature maps in a few layers, from the first to the last. */
export type FeaturePicture = { file: string; label: string; thumbnail: string; layers: FeatureLayer[] }

/** The strongest channels of a layer's output, which has `channels` of `height` × `width` values. A map is shown with
 *  `rows` × `columns`: the means of blocks, where the layer's are more than some 64 a side. */
export type FeatureLayer = {
  /** The module's name in the body; `''` is the body's own output. */
  layer: string
  height: number
  width: number
  channels: number
  rows: number
  columns: number
  /** `data` is `rows` × `columns` bytes in base64, from the lowest value of the map (0) to its highest (255). */
  maps: { channel: number; strength: number; data: string }[]
}

/** The best weights at one picture size in px, on validation pictures of that size; `metrics` where the accuracy is not
 *  what counts. */
export type SizeScore = { size: number; accuracy: number; loss: number; metrics?: Record<string, number> }

/** A label that may be wrong: `score` is how much the model believes it. A label of many is `given` or `suggested` as
 *  words (`cloudy`, `not cloudy`), beside all `labels` that the picture has. */
export type IssuePicture = {
  file: string
  given: string
  suggested: string
  score: number
  labels?: string[]
  thumbnail: string
}

/** Pictures that are nearly the same, `similarity` up to 1; `part` says where each lies (train, valid, test). */
export type NearDuplicateGroup = {
  similarity?: number
  pictures: { file: string; label: string; part?: string; thumbnail: string }[]
}

/** What a change of the pictures costs a model that was not taught it: `drop` in accuracy (or the task's metric), and
 *  whether training uses it. */
export type AugmentTrial = { change: string; accuracy: number; drop: number; chosen: boolean }

/** A text, and how much each part adds to the probability (for numbers the value) of `of`: that of the whole text minus
 *  that of the text without the part. The parts together are the text. */
export type ReadText = {
  file: string
  actual: string
  predicted: string
  of: string
  probability: number
  loss: number
  parts: [part: string, weight: number][]
}

/** A simple model that was trained on the same training samples, and its metrics on the validation samples. */
export type SimpleModel = { name: string; metrics: Record<string, number> }

/** A run on a table: what the model is compared with, what it uses, and where it does worst, all on validation rows. */
export type TableInterpretation = {
  /** The metric of comparisons and of importance; a name of `metrics`. */
  leading: string
  /** Two classes: the one that probabilities, average precision and the threshold are for. */
  positive?: string
  threshold?: number
  /** Other models on the same split, the simplest first, then the model of the run, which is `own`. */
  baselines: TableBaseline[]
  importance: { column: string; mean: number; std: number }[]
  dependence: TableDependence[]
  slices: TableSlice[]
  /** Regression: the mean error in bins of the predicted value, for the first target. */
  residuals?: { target: string; points: [predicted: number, residual: number][] }
  /** The leading metric of a quick model that was trained on a part of the training rows. */
  byRows: { rows: number; value: number }[]
  /** Every column of the table: what it is used as, or why it is left out. */
  columns: { name: string; kind: string; used: boolean; reason: string }[]
  /** What the leak check found. */
  leaks: TableLeak[]
}

/** A model that was trained on the same rows. */
export type TableBaseline = {
  name: string
  text: string
  metrics: Record<string, number>
  intervals?: Record<string, [low: number, high: number]>
  seconds: number
  own?: boolean
}

/** The mean output as a column takes each of `places`, of each class or target in `curves`; `lines` has the outputs of
 *  single rows, where there is one curve. Dates are seconds since 1970. */
export type TableDependence = {
  column: string
  kind: 'number' | 'category' | 'date'
  places: (number | string)[]
  curves: { of: string; values: number[] }[]
  lines: number[][]
}

/** A part of the validation rows on which the model does worse than on all: `where` is a condition on `column`, `value`
 *  the leading metric of these rows. */
export type TableSlice = { column: string; where: string; rows: number; loss: number; value: number }

/** A finding of the leak check, and what takes it away. `columns` are those to leave out if it is a leak. */
export type TableLeak = { kind: string; columns: string[]; message: string; remedy: string }

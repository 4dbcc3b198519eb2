import type { Card } from '../onnx/card.ts'
import type { OpenOther } from './sound/read.ts'

/** Pixels without a file: [height, width, channels], row-major. A canvas' `ImageData` is one. */
export interface RawPixels {
  /** 0 to 255, 0 to 65535, or floats from 0 (black) to 1 (white). */
  readonly data: Uint8Array | Uint8ClampedArray | Uint16Array | Float32Array
  readonly width: number
  readonly height: number
  /** Grey 1, grey and alpha 2, RGB 3, RGBA 4; any number where the model was trained on it. Default: as many as `data`
   *  has. */
  readonly channels?: number
  /** Whether the last channel is alpha, which is laid on white as in files. Default: of four channels, where the model
   *  was not trained on channels as they are. */
  readonly alpha?: boolean
}

/** Pixels as the model takes them: uint8 [height, width, channels of the card]. */
export interface ModelPixels {
  readonly data: Uint8Array
  readonly width: number
  readonly height: number
  readonly channels: number
}

/** What an `AbortSignal` is. */
export interface Signal {
  readonly aborted: boolean
  readonly reason?: unknown
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void
  removeEventListener(type: 'abort', listener: () => void): void
}

/** What a `Blob` or `File` is. */
export interface BlobLike {
  readonly size: number
  arrayBuffer(): Promise<ArrayBuffer>
}

/** A tensor of onnxruntime. */
export interface OrtTensor {
  readonly data: unknown
  readonly dims: readonly number[]
  dispose?(): void
}
/** A session of onnxruntime. */
export interface OrtSession {
  readonly inputNames: readonly string[]
  readonly outputNames: readonly string[]
  readonly inputMetadata?: readonly unknown[]
  readonly outputMetadata?: readonly unknown[]
  run(feeds: Record<string, OrtTensor>, fetches: readonly string[]): Promise<Record<string, OrtTensor>>
  release(): Promise<void>
}
/** The constructor of tensors. */
export interface OrtTensorOf {
  new (type: 'uint8', data: Uint8Array, dims: readonly number[]): OrtTensor
  new (type: 'float32', data: Float32Array, dims: readonly number[]): OrtTensor
  new (type: 'int64', data: BigInt64Array, dims: readonly number[]): OrtTensor
  new (type: 'string', data: readonly string[], dims: readonly number[]): OrtTensor
}
/** The module of onnxruntime: `import * as ort from 'onnxruntime-node'`, or `'onnxruntime-web/wasm'`. */
export interface Ort {
  readonly InferenceSession: { create(model: Uint8Array, options?: object): Promise<OrtSession> }
  readonly Tensor: OrtTensorOf
  readonly env: object
}

/** Where a model computes. */
export type Device = 'cpu' | 'wasm' | 'webgpu'

/** What a model predicts: pictures, the rows of a table, texts, or sounds. */
export type ModelKind = 'picture' | 'table' | 'text' | 'sound'

/** How a model is loaded. */
export interface LoadOptions<K extends ModelKind = ModelKind> {
  /** The kind of model that is expected: the result has its type, and a file of another kind is an error. Default: any. */
  kind?: K
  /** Default `auto`: the processor; in a browser WebGPU where `ort` has it, the probe picture of the card gives the same
   *  answer there, and it is faster. */
  device?: 'auto' | Device
  /** Threads of onnxruntime. Default: the processors that this process may use; in a browser 1, or up to 4 if the page is
   *  cross-origin isolated and `wasmPaths` has `mjs`. */
  threads?: number
  /** Ends the loading. */
  signal?: Signal
  /** The module of onnxruntime, where a bundler or a worker can't import it by itself. */
  ort?: Ort
  /** Where onnxruntime-web finds its .wasm file: the address of the file, or of a folder with `/` at its end. Default:
   *  beside the script. `mjs`: the address of ort-wasm-simd-threaded.mjs, which threads need. */
  wasmPaths?: string | { wasm?: string; mjs?: string }
  /** The .wasm file of onnxruntime-web itself: its bytes, or compiled (a `WebAssembly.Module`), as workers import it. */
  wasm?: Uint8Array | ArrayBuffer | object
  /** The most pixels that a picture may have; larger ones are refused before they are decoded. */
  limitPixels?: number
  /** The most seconds that a recording may last; longer ones are refused. Default: 3600. */
  limitSeconds?: number
  /** Decodes the bytes of picture files, instead of the runtime's own way; on the edge, of files other than PNG. */
  decode?: (bytes: Uint8Array) => Promise<RawPixels>
}

/** Options of one prediction. */
export interface PredictOptions {
  /** Ends it: a prediction that waits leaves the queue. */
  signal?: Signal
  /** Whether the prediction has the picture's pooled features. Default: no. */
  features?: boolean
  /** Whether the prediction has its class activation maps, of a model that has them (`card.heat`). Default: no. */
  heat?: boolean
}

interface Answer {
  /** The probabilities (for regression the values), in the order of the card's `classes`. */
  scores: Float32Array
  /** The picture's pooled features, if they were asked for. */
  features?: Float32Array
  /** What each place of the picture adds to the logit of each class, if it was asked for: [classes, rows, columns] of
   *  `card.heat`, over the square that the net sees. */
  heat?: Float32Array
}
/** The class of a picture. */
export interface SinglePrediction extends Answer {
  task: 'single'
  /** The most probable class. */
  label: string
  /** Its probability. */
  probability: number
  /** Of every class, by name. Names that look like whole numbers come first; `scores` has the order of `classes`. */
  probabilities: Record<string, number>
}
/** The labels of a picture that may have several, or none. */
export interface MultiPrediction extends Answer {
  task: 'multi'
  /** The labels whose probability reaches their threshold, the most probable first. */
  labels: string[]
  /** The probability of every label, by name. */
  probabilities: Record<string, number>
}
/** The target values of a picture. */
export interface RegressionPrediction extends Answer {
  task: 'regression'
  /** The value of each target, in its own unit. */
  values: Record<string, number>
}
/** The prediction for one picture; `task` says which of the three kinds it is. */
export type Prediction = SinglePrediction | MultiPrediction | RegressionPrediction

/** The prediction for one text. */
export type TextPrediction =
  | Omit<SinglePrediction, 'heat'>
  | Omit<MultiPrediction, 'heat'>
  | Omit<RegressionPrediction, 'heat'>

/** Samples without a file: one channel, from -1 to 1, and how many there are in a second. */
export interface RawSound {
  readonly samples: Float32Array
  readonly sampleRate: number
}
/** What an `AudioBuffer` is. */
export interface AudioBufferLike {
  readonly numberOfChannels: number
  readonly length: number
  readonly sampleRate: number
  getChannelData(channel: number): Float32Array
}
/** A recording to predict: the bytes of a file (`Uint8Array`, `ArrayBuffer`, `Blob`), an `AudioBuffer`, or samples; in Node also
 *  the path of a file, or its `URL`. */
export type SoundInput =
  | string
  | { readonly href: string }
  | Uint8Array
  | ArrayBuffer
  | BlobLike
  | AudioBufferLike
  | RawSound

/** What a window of a recording was heard as; `from` and `to` in seconds. */
export interface HeardPart {
  from: number
  to: number
  /** The probabilities (for regression the values), in the order of the card's `classes`. */
  scores: Float32Array
}
type SoundAnswer = Omit<SinglePrediction, 'heat'> | Omit<MultiPrediction, 'heat'> | Omit<RegressionPrediction, 'heat'>
/** The prediction for one recording: the mean over its windows. */
export type SoundPrediction = SoundAnswer & {
  /** How long the recording is. */
  seconds: number
  /** What each window was heard as; empty for an average of nets. */
  parts: HeardPart[]
}
/** The prediction for a window of a stream; `from` and `to` in seconds since its beginning. */
export type StreamPrediction = SoundAnswer & { from: number; to: number }

/** How a host reads recordings. */
export interface SoundHost {
  /** The bytes of a file by its path or its address (`file:`); absent where there are no files. */
  file?(path: string): Promise<Uint8Array>
  /** Opens a recording that is no WAVE file. */
  open: OpenOther
}

/** What differs between Node, browser and edge. */
export interface Host<Input> {
  /** How recordings are read here; loaded for a model of sounds alone. */
  sounds(): Promise<{ soundHost: SoundHost }>
  /** The module of onnxruntime. */
  importOrt(): Promise<Ort>
  /** Sets up the module, and gives options of the session. */
  prepare(ort: Ort, options: LoadOptions): object | Promise<object>
  /** The device of a session that asks for no other. */
  device: Device
  /** What a failed start of onnxruntime means, and what to do. */
  explain(error: unknown, options: LoadOptions): string | Promise<string>
  /** The pixels of an input, upright. */
  decode(
    input: Input,
    card: Card,
    options: { limitPixels: number; decode: LoadOptions['decode']; signal?: Signal | undefined },
  ): Promise<RawPixels>
}

/** A value of a row; null where it is missing. Dates may be texts too, such as `2024-07-01` or `2024-07-01T18:30:00Z`. */
export type TableValue = string | number | bigint | boolean | Date | null
/** A row of a table: a value for each column that the model takes. */
export type TableRow = Readonly<Record<string, TableValue>>

interface TableAnswer {
  /** The probabilities (for regression the values), in the order of the card's `classes`. */
  scores: Float32Array
  /** The columns whose word training did not have, or too seldom: the model knows nothing of it. */
  unknown: string[]
}
/** The class of a row. */
export interface TableClass extends TableAnswer {
  task: 'single'
  /** The decided class: the most probable one; of two classes the positive one from the card's `threshold` on. */
  label: string
  /** Its probability. */
  probability: number
  /** Of every class, by name. Names that look like whole numbers come first; `scores` has the order of `classes`. */
  probabilities: Record<string, number>
}
/** The target values of a row. */
export interface TableNumbers extends TableAnswer {
  task: 'regression'
  /** The value of each target, in its own unit. */
  values: Record<string, number>
}
/** The prediction for one row; `task` says which of the two kinds it is. */
export type TablePrediction = TableClass | TableNumbers

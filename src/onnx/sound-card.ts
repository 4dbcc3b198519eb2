import { fromBinary } from '@bufbuild/protobuf'
import { ModelError } from '../base/errors.ts'
import { type Card, type CardMetric, cardKey } from './card.ts'
import { ModelProtoSchema } from './onnx.generated.ts'

/** How a recording goes into the graph, which cuts it into windows and computes their spectra by itself. */
export interface SoundCardInput {
  /** The name of the graph's input, float32 [N, samples]: N recordings of one length, whatever it is; one channel (the mean of
   *  all), from -1 to 1. */
  name: string
  /** Samples in a second. A recording at another rate is resampled before: by a sinc of `crossings` zero crossings on each
   *  side, under a squared cosine, that passes the share `passes` of the lower Nyquist frequency (`sinc_interp_hann` of
   *  torchaudio). */
  rate: number
  resampling: { filter: 'sinc_interp_hann'; crossings: number; passes: number }
  /** The lengths of the windows of the nets, in samples, one for each net. A recording of up to 1.25 windows is heard in one,
   *  with it in the middle; a longer one in windows every `hop` samples, the last of which ends where it ends. The answer is the
   *  mean over the windows. */
  windows: readonly number[]
  /** Samples between two windows, one for each net. */
  hops: readonly number[]
}

/** The result of a check of an exported model of sounds in one runtime: from file to label, beside the trained net. */
export interface SoundCheck {
  /** `onnxruntime-node`, `onnxruntime-web (wasm)`, with the version. */
  runtime: string
  recordings: number
  /** The part of the run's data that the recordings are from; `train` for an average of folds, which leaves no other. */
  part: 'valid' | 'train'
  /** Share of recordings with the same label; for several labels the share of their decisions. 1 for regression. */
  same: number
  /** The largest difference of a probability; of a value in standard deviations of its target. */
  difference: number
  /** What is accepted. */
  tolerance: number
  /** The metric of the task by the trained net and by the exported file. */
  metric: string
  trained: number
  exported: number
  /** Milliseconds for one recording from its samples to the answer: the median. */
  milliseconds: number
}

/** The card of an exported model of sounds: JSON in the file's metadata, before the graph. */
export interface SoundFileCard {
  format: 'anneal-sound-model'
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
  /** Several labels: the probability from which each counts as given. */
  thresholds?: readonly number[]
  /** The temperatures by which logits are divided, one for each net; the graph does so. 1 for regression. */
  temperatures: readonly number[]
  /** What the nets are called, one for each member. */
  architectures: readonly string[]
  input: SoundCardInput
  /** Width of the output `features`; absent if the model has no such output, and none of single windows (`parts`). */
  features?: number
  /** Validation and test metrics. */
  metrics: { valid: Readonly<Record<string, CardMetric>>; test?: Readonly<Record<string, CardMetric>> }
  /** What the model predicted on the validation recordings, as in the card of a model of pictures. Of long recordings each window
   *  counts. */
  validation?: {
    recordings: number
    labels?: readonly number[]
    confidence?: number
    values?: { mean: readonly number[]; std: readonly number[] }
  }
  /** Licence of the pretrained weights, as an SPDX identifier, if it is known. */
  licence?: string
  /** sha256 of the trained weights and of the list of training recordings with their digests. */
  digests: { weights: readonly string[]; data?: string }
  /** How the weights are stored. */
  weights: Exclude<Card['weights'], 'quantized'>
  checks?: readonly SoundCheck[]
  /** The lengths of made sounds (`probeSound`), in samples, and the answers to them, which every device must give:
   *  [sounds × classes]. */
  probe?: { samples: readonly number[]; outputs: readonly number[] }
}

/** Reads the card of an exported model of sounds; undefined if the file is something else. `name` stands in errors. */
export function findSoundCard(bytes: Uint8Array, name: string): SoundFileCard | undefined {
  const card = cardIn(bytes)
  if (card?.format !== 'anneal-sound-model') return undefined
  if (card.version !== 1)
    throw new ModelError(
      `${name}: its card has version ${card.version}; this Anneal reads version 1. Update Anneal, or export the model with this one.`,
    )
  if (!card.input || !Array.isArray(card.classes) || typeof card.input.rate !== 'number')
    throw new ModelError(`${name}: its card does not describe a model. Export it again.`)
  return card as SoundFileCard
}

function cardIn(bytes: Uint8Array): Partial<SoundFileCard> | undefined {
  try {
    const text = fromBinary(ModelProtoSchema, bytes).metadataProps.find(({ key }) => key === cardKey)?.value
    return text === undefined ? undefined : (JSON.parse(text) ?? undefined)
  } catch {
    return undefined
  }
}

import type { CardValidation, NetCard, NetCheck } from './card.ts'
import { findCardOf } from './find-card.ts'

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
  /** Of the net alone: the shape of a spectrum, which its input has for each window: float32 [N, …shape]. */
  net?: readonly number[]
}

/** The result of a check of an exported model of sounds in one runtime: from file to label, beside the trained net. */
export interface SoundCheck extends NetCheck {
  recordings: number
}

/** The card of an exported model of sounds: JSON in the file's metadata, before the graph. A model without the output `features`
 *  has no output of single windows (`parts`), either. */
export interface SoundFileCard extends NetCard {
  format: 'anneal-sound-model'
  /** The temperatures by which logits are divided, one for each net; the graph does so. 1 for regression. */
  temperatures: readonly number[]
  input: SoundCardInput
  /** What the model predicted on the validation recordings. Of long recordings each window counts. */
  validation?: CardValidation & { recordings: number }
  checks?: readonly SoundCheck[]
  /** The lengths of made sounds (`probeSound`), in samples, and the answers to them, which every device must give:
   *  [sounds × classes]. */
  probe?: { samples: readonly number[]; outputs: readonly number[] }
}

/** Reads the card of an exported model of sounds; undefined if the file is something else. `name` stands in errors. */
export const findSoundCard = (bytes: Uint8Array, name: string): SoundFileCard | undefined =>
  findCardOf<SoundFileCard>('anneal-sound-model', bytes, name, card => typeof card.input?.rate === 'number')

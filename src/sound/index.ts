/** Recordings, a domain: decoding, features, nets, and predictions. */

export { indexSounds } from './dataset.ts'
export { readSound, type Sound } from './decode/decode.ts'
export { soundFiles } from './decode/formats.ts'
export { sounds } from './domain/sounds.ts'
export {
  loadSoundClassifier,
  type PredictSoundsOptions,
  predictSounds,
  type SoundClassifier,
  type SoundPrediction,
  type StreamOptions,
  type StreamPrediction,
} from './inference/predict.ts'
export type { SoundInput } from './inference/windows-of.ts'
export { type SoundOptions, soundOptions } from './options.ts'

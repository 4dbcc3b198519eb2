import { aten, cat, scope, type Tensor } from '../../torch/index.ts'
import { type MelOptions, melPower } from './mel.ts'

/** How a window of a recording becomes the net's input.
 *  - speech: Google's speech embedding: log-mel of 32 bands, [1, frames, 32]
 *  - spectrogram: a net for pictures: three spectra of one sound, [3, bands, frames] */
export interface Preprocessing {
  input: 'speech' | 'spectrogram'
  /** Samples in a second, one channel. */
  rate: number
  /** The length of a window, in samples. */
  samples: number
  /** Of a spectrogram: samples between two frames, of the Fourier transform, and of each channel's frame. */
  hop?: number
  fft?: number
  frames?: readonly number[]
  bands?: number
  /** The highest frequency, in Hz. */
  high?: number
}

/** The net's input of windows x: [N, samples], full scale from -1 to 1. */
export type ToInput = (x: Tensor) => Tensor

/** The rate, frames and bands that the speech embedding was trained with (openWakeWord's melspectrogram.onnx). */
export const speechMel: MelOptions = { rate: 16_000, fft: 512, window: 400, hop: 160, bands: 32, low: 60, high: 3800 }

/** Log-mel of the speech embedding: x [N, samples] at 16 kHz → float32 [N, 1, frames, 32]. The power of 16-bit values in
 *  decibels, at most 80 below the loudest of the window, divided by 10, plus 2. */
export function speechInput(): ToInput {
  const power = melPower(speechMel)
  return x =>
    scope(() => {
      const decibels = aten.log10(aten.clamp_min(power(x.to('float64').mul(32768)), 1e-10)).mul(10)
      const floor = aten.amax(decibels, { dim: [1, 2], keepdim: true }).sub(80)
      return aten.maximum(decibels, floor).div(10).add(2).to('float32').unsqueeze(1)
    })
}

/** The Fourier transform and the mel bands of each channel of a spectrogram. */
export function spectrogramOf({
  rate,
  hop = 320,
  fft = 2048,
  frames = [400, 800, 1600],
  bands = 128,
  high = rate / 2,
}: Preprocessing): { fft: number; mels: MelOptions[] } {
  return { fft, mels: frames.map(window => ({ rate, fft, window, hop, bands, low: 20, high })) }
}

/** Three spectra of x [N, samples] as a picture [N, 3, bands, frames] in float32, high notes on top: frames of three
 *  lengths (arXiv:2007.11154), so that one channel is sharp in time and one in pitch. ln(power + 1e-5), each channel
 *  with mean 0 and deviation 1 over the window. */
export function spectrogramInput(how: Preprocessing): ToInput {
  const { fft, mels } = spectrogramOf(how)
  const powers = mels.map(melPower)
  return x =>
    scope(() => {
      const padded = aten.constant_pad_nd(x, [fft / 2, fft / 2])
      const channels = powers.map(power => {
        const level = aten.log(power(padded).add(1e-5)).to('float32') // [N, frames, bands]
        const mean = aten.mean(level, [1, 2], { keepdim: true })
        const spread = aten.std(level, [1, 2], { keepdim: true }).add(1e-3)
        return aten.flip(level.sub(mean).div(spread).transpose(1, 2), [1]).unsqueeze(1)
      })
      return cat(channels, 1).contiguous('channels_last')
    })
}

const known = new Map<string, ToInput>()

/** The function that makes inputs, made once for each preprocessing. */
export function toInput(how: Preprocessing): ToInput {
  const key = JSON.stringify({ ...how, samples: 0 })
  const made = known.get(key) ?? (how.input === 'speech' ? speechInput() : spectrogramInput(how))
  known.set(key, made)
  return made
}

/** The shape of one input, without the batch. */
export function inputShape({
  input,
  samples,
  hop = 320,
  frames = [400, 800, 1600],
  bands = 128,
}: Preprocessing): number[] {
  if (input === 'spectrogram') return [frames.length, bands, 1 + Math.floor(samples / hop)]
  return [1, 1 + Math.floor((samples - speechMel.fft) / speechMel.hop), speechMel.bands]
}

/** Whether a card's preprocessing is one of sounds. */
export function isPreprocessing(value: unknown): value is Preprocessing {
  const { input, rate, samples } = (value ?? {}) as Partial<Preprocessing>
  return (input === 'speech' || input === 'spectrogram') && typeof rate === 'number' && typeof samples === 'number'
}

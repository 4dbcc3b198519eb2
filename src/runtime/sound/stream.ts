import { pcmResampler } from './mono.ts'
import { joined } from './resample.ts'

/** A window of a stream: its samples, and where it begins, in samples at the model's rate. */
export interface StreamWindow {
  from: number
  samples: Float32Array
}

/** Cuts a stream of samples into windows, piece by piece. */
export interface StreamCutter {
  /** The windows that are complete with these samples. */
  push(samples: Float32Array): StreamWindow[]
}

/** How a stream is cut. */
export interface StreamCut {
  /** Samples in a second of the stream, and of the model. */
  own: number
  rate: number
  /** The length of a window and the distance of two, in samples at the model's rate. */
  size: number
  step: number
}

/** Cuts a stream of samples of one channel into windows of `size`, one every `step` samples. What is kept is less than a window
 *  and a piece. */
export function streamCutter({ own, rate, size, step }: StreamCut): StreamCutter {
  const by = pcmResampler(own, rate)
  let kept = new Float32Array(0) // samples from `at` on
  let [at, next] = [0, 0]
  return {
    push(samples) {
      kept = Float32Array.from(joined([kept, by.push(samples)]))
      const windows: StreamWindow[] = []
      for (; next + size <= at + kept.length; next += step)
        windows.push({ from: next, samples: kept.slice(next - at, next - at + size) })
      const used = Math.min(kept.length, Math.max(0, next - at))
      kept = kept.slice(used)
      at += used
      return windows
    },
  }
}

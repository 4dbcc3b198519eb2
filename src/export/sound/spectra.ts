import { readFileSync } from 'node:fs'
import type { Place } from '../../data/types.ts'
import { openCompressed } from '../../runtime/sound/compressed.ts'
import { readSamples } from '../../runtime/sound/read.ts'
import { namedError } from '../../sound/decode/decode.ts'
import { inputShape, type Preprocessing } from '../../sound/features/inputs.ts'
import { windowsOf } from '../../sound/inference/windows-of.ts'
import { inputOf } from '../../sound/source.ts'
import { scope } from '../../torch/index.ts'
import type { Samples } from '../quantize/calibrate.ts'
import { spectraInput } from './model-graph.ts'

/** The most seconds of a recording that are read. */
const longest = 3 * 3600

/** The samples of a file as the runtime reads it for an exported model: one channel at its rate. */
export async function fileSamples({ file, raw }: Place, rate: number): Promise<Float32Array> {
  try {
    const bytes = readFileSync(raw ? Buffer.from(raw) : file)
    return await readSamples(bytes, { rate, seconds: longest, open: openCompressed })
  } catch (error) {
    throw namedError(error, file)
  }
}

/** Spectra as inputs of the net alone, and how many windows each recording has. */
export type Spectra = Samples & { rows(recording: number): number }

/** The spectra of the windows of recordings, as training makes them, when they are asked for. most: windows of a recording; of more,
 *  those at even distances are heard. */
export async function spectraOf(
  places: readonly Place[],
  how: Preprocessing,
  { most = Number.POSITIVE_INFINITY, signal }: { most?: number; signal?: AbortSignal | undefined } = {},
): Promise<Spectra> {
  const heard: Float32Array[][] = []
  for (const place of places) {
    signal?.throwIfAborted()
    const samples = await fileSamples(place, how.rate)
    const windows: Float32Array[] = []
    for await (const window of windowsOf({ samples, rate: how.rate }, how, place.file)) windows.push(window.samples)
    const step = Math.max(1, windows.length / most)
    const count = Math.min(windows.length, most)
    heard.push(Array.from({ length: count }, (_, i) => windows[Math.floor(i * step)]!))
  }
  return {
    count: heard.length,
    rows: recording => heard[recording]!.length,
    batch(from, to) {
      const some = heard.slice(from, to).flat()
      const all = new Float32Array(some.length * how.samples)
      for (const [i, window] of some.entries()) all.set(window, i * how.samples)
      const data = scope(() => inputOf(all, some.length, how).contiguous().data().slice()) as Float32Array
      return { [spectraInput]: { data, dims: [some.length, ...inputShape(how)] } }
    },
  }
}

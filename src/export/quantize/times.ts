import type { CardQuantization } from '../../onnx/index.ts'
import { type Loaded, load, type RuntimeName, type Value } from '../runtimes.ts'

const rounds = { 'onnxruntime-node': 15, 'onnxruntime-web': 7 }

/** Milliseconds of the float32 and of the quantised net for one picture, in each runtime: the medians of runs in turn. */
export async function timesOf(
  { float32, quantized }: { float32: Uint8Array; quantized: Uint8Array },
  inputs: Readonly<Record<string, Value>>,
  runtimes: readonly RuntimeName[],
): Promise<CardQuantization['milliseconds']> {
  const times: { runtime: string; float32: number; quantized: number }[] = []
  for (const runtime of runtimes) {
    const nets: Loaded[] = []
    try {
      for (const file of [float32, quantized]) nets.push(await load(runtime, file))
      const taken: [number[], number[]] = [[], []]
      for (let round = -2; round < rounds[runtime]; round++)
        for (const [i, net] of nets.entries()) {
          const start = performance.now()
          await net.run(inputs)
          if (round >= 0) taken[i]!.push(performance.now() - start)
        }
      const [before, after] = taken.map(median) as [number, number]
      times.push({ runtime: nets[0]!.name, float32: before, quantized: after })
    } finally {
      for (const net of nets) await net.release()
    }
  }
  return times
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

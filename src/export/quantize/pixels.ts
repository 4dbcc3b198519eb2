import type { Place } from '../../data/types.ts'
import { scope } from '../../torch/index.ts'
import { pictureBatch } from '../../vision/batch.ts'
import { loadPicture } from '../../vision/decode/load-picture.ts'
import type { Preprocessing } from '../../vision/inference/saved.ts'
import type { Picture } from '../../vision/types.ts'
import type { Value } from '../runtimes.ts'
import type { Samples } from './calibrate.ts'

/** Decodes pictures as training does, and makes the net's inputs of them when they are asked for: the memory holds them with
 *  8 bits. names: the inputs of the net, one for each kind of preprocessing. */
export async function pixelsOf(
  places: readonly Place[],
  kinds: readonly Preprocessing[],
  names: readonly string[],
  { progress, signal }: { progress?: (done: number) => void; signal?: AbortSignal | undefined } = {},
): Promise<Samples> {
  const pictures: Picture[][] = []
  for (const place of places) {
    signal?.throwIfAborted()
    const each: Picture[] = []
    for (const p of kinds) each.push(await loadPicture(place, p))
    pictures.push(each)
    progress?.(pictures.length)
  }
  return {
    count: pictures.length,
    batch: (from, to) =>
      Object.fromEntries(
        kinds.map((p, k): [string, Value] => {
          const some = pictures.slice(from, to).map(each => each[k]!)
          const data = scope(() =>
            pictureBatch(some, undefined, { ...p, normalization: p })
              .contiguous()
              .data(),
          )
          return [names[k]!, { data: data as Float32Array, dims: [some.length, p.channels, p.size, p.size] }]
        }),
      ),
  }
}

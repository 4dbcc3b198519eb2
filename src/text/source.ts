import { targetsOf, targetTensor } from '../data/targets.ts'
import type { Item, Task } from '../data/types.ts'
import { fromArray, type Tensor } from '../torch/index.ts'
import type { LabelledSource } from '../train/source.ts'

/** Rows of token numbers as an input of the net: int32 [texts, longest], -1 where a text has ended. */
export function tokenBatch(texts: readonly Int32Array[]): Tensor {
  const width = texts.reduce((most, ids) => Math.max(most, ids.length), 1)
  const x = new Int32Array(texts.length * width).fill(-1)
  for (const [i, ids] of texts.entries()) x.set(ids, i * width)
  return fromArray(x, [texts.length, width])
}

/** At most `most` tokens of a text: its beginning, and a quarter of them from its end, where texts often conclude (Sun et
 *  al. 2019, arXiv:1905.05583). */
export function cutTo(ids: Int32Array, most: number): Int32Array {
  if (ids.length <= most) return ids
  const tail = Math.floor(most / 4)
  const out = new Int32Array(most)
  out.set(ids.subarray(0, most - tail))
  out.set(ids.subarray(ids.length - tail), most - tail)
  return out
}

/** Labelled texts as batches, in the order of `items`; `tokens` has those of each. */
export function textSource<I extends Item>(
  items: readonly I[],
  {
    tokens,
    task,
    classes,
    device,
  }: { tokens: readonly Int32Array[]; task: Task; classes: number; device?: string | undefined },
): LabelledSource & { items: readonly I[] } {
  const targets = targetsOf(items, task, classes)
  const count = items.length
  const to = device === undefined || device === 'cpu' ? undefined : device
  return {
    count,
    targets,
    items,
    batch: samples => ({
      x: tokenBatch(Array.from(samples, n => tokens[n]!)),
      y: targetTensor(samples, { targets, count }, to),
    }),
  }
}

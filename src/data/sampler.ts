import { purpose, rng, shuffle } from '../base/random.ts'

/** The order of `count` samples in an epoch. It depends only on seed and epoch. */
export function epochOrder(count: number, seed: number, epoch: number): Uint32Array {
  return shuffle(
    Uint32Array.from({ length: count }, (_, i) => i),
    rng(seed, epoch, 0, purpose.order),
  )
}

/** Cuts an order into training batches that together contain every sample. BatchNorm can't train on one sample, so a
 *  last batch of one sample joins the batch before it. */
export function trainingBatches(order: Uint32Array, batchSize: number): Uint32Array[] {
  const batches: Uint32Array[] = []
  for (let start = 0; start < order.length; start += batchSize) {
    const rest = order.length - start
    const end = rest === batchSize + 1 ? order.length : Math.min(order.length, start + batchSize)
    batches.push(order.subarray(start, end))
    if (end === order.length) break
  }
  return batches
}

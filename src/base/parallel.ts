import { availableParallelism } from 'node:os'

/** Calls `work(0)` to `work(count - 1)`, at most `width` (default: the cores) at a time, begun in order. The first
 *  failure, or the signal, stops it; what is in flight is waited for. */
export async function inParallel(
  count: number,
  work: (index: number) => Promise<void>,
  { width = availableParallelism(), signal }: { width?: number; signal?: AbortSignal | undefined } = {},
): Promise<void> {
  let next = 0
  const lane = async () => {
    while (next < count) {
      const index = next++
      try {
        signal?.throwIfAborted()
        await work(index)
      } catch (error) {
        next = count
        throw error
      }
    }
  }
  const ended = await Promise.allSettled(Array.from({ length: Math.min(width, count) }, lane))
  for (const lane of ended) if (lane.status === 'rejected') throw lane.reason
}

/** The parts of 0 to `count` - 1 that `inParallel` does one at a time where each has a cost of its own: of up to `most`,
 *  and enough of them that no core waits long at the end. */
export function parts(count: number, most: number, width: number): [from: number, to: number][] {
  const size = Math.max(1, Math.min(most, Math.floor(count / (4 * width))))
  return Array.from({ length: Math.ceil(count / size) }, (_, i) => [i * size, Math.min(count, (i + 1) * size)])
}

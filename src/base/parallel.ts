import { availableParallelism } from 'node:os'

/** Calls `work(0)` to `work(count - 1)` in order, at most `width` at a time (default: the number of cores). After the
 *  first failure or an abort, no new call starts; calls that already run are waited for. */
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

/** Divides work of the addon into jobs: `width` jobs at a time, each with up to `most` items for each of its `threads`.
 *  All threads together use all cores. A job has few items, so that no core waits long at the end. */
export function dealt(
  count: number,
  most: number,
  { cores = availableParallelism(), nodes = Number(process.env.UV_THREADPOOL_SIZE) || 4 } = {},
): { jobs: [from: number, to: number][]; threads: number; width: number } {
  const threads = Math.ceil(cores / nodes)
  const width = Math.min(cores, nodes) + spare
  const size = Math.max(1, Math.min(most * threads, Math.floor(count / (4 * width))))
  const jobs = Array.from({ length: Math.ceil(count / size) }, (_, i): [number, number] => [
    i * size,
    Math.min(count, (i + 1) * size),
  ])
  return { jobs, threads, width }
}

/** How many more jobs than threads are in flight: they start and end while others run. */
const spare = 2

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dealt } from '../../src/base/parallel.ts'

test('work is dealt out whole, to as many threads as there are cores, in jobs small enough to end together', () => {
  for (const [cores, nodes, threads, width] of [
    [1, 4, 1, 3],
    [2, 4, 1, 4],
    [16, 4, 4, 6],
    [16, 16, 1, 18],
  ] as const)
    for (const count of [0, 1, 7, 800, 100_001]) {
      const deal = dealt(count, 8, { cores, nodes })
      assert.deepEqual([deal.threads, deal.width], [threads, width])
      assert.deepEqual(
        deal.jobs.flatMap(([from, to]) => Array.from({ length: to - from }, (_, i) => from + i)),
        Array.from({ length: count }, (_, i) => i),
      )
      for (const [from, to] of deal.jobs)
        assert.ok(
          to - from <= Math.max(1, Math.min(8 * threads, count / (4 * width))),
          'to - from <= Math.max(1, Math.min(8 * threads, count / (4 * width)))',
        )
    }
})

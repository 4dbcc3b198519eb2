/** Data and net of the examples about a user's own parts: points on a plane in three rings, and a small net that tells the
 *  ring. Both are made here, so that those examples need no files. */

import type { Source } from '../../src/index.ts'
import { fromArray, manualSeed, nn } from '../../src/torch/index.ts'

export const classes = ['inner', 'middle', 'outer']

/** `count` points, the same for the same `first`: x float32 [N, 2], y int64 [N]. */
export function rings(count: number, first = 0): Source {
  const ring = (i: number) => i % 3
  const point = (i: number) => {
    const [angle, radius] = [2.399963 * i, ring(i) + 0.7 + 0.6 * ((i * 0.618034) % 1)]
    return [radius * Math.cos(angle), radius * Math.sin(angle)]
  }
  return {
    count,
    batch: samples => ({
      x: fromArray(Float32Array.from([...samples].flatMap(s => point(first + s))), [samples.length, 2]),
      y: fromArray(
        BigInt64Array.from(samples, s => BigInt(ring(first + s))),
        [samples.length],
      ),
    }),
  }
}

/** Two layer groups: the first layers, and the head. */
export function ringNet() {
  manualSeed(1)
  const m = {
    body: nn.sequential(
      nn.linear(2, 32),
      nn.layer(x => x.relu()),
      nn.linear(32, 32),
      nn.layer(x => x.relu()),
    ),
    head: nn.linear(32, classes.length),
  }
  return {
    net: nn.module(m, x => m.head(m.body(x))),
    groups: [
      { name: 'body', modules: [m.body] },
      { name: 'head', modules: [m.head] },
    ],
  }
}

/** What every example here trains on. */
export const data = { train: rings(600), valid: rings(150, 600), classes, batchSize: 32 }

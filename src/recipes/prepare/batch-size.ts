import { createHash } from 'node:crypto'
import { cacheFolder } from '../../base/files.ts'
import { bytes } from '../../base/format.ts'
import { freeMemory } from '../../base/memory.ts'
import { remembered } from '../../base/remember.ts'
import { version } from '../../base/version.ts'
import { type nn, noGrad, scope, type Tensor, zeros } from '../../torch/index.ts'
import type { Network } from '../../train/network.ts'

/** The share of the free memory that a step may take, and how many times a layer's output is held in training: the
 *  output, its gradient, and what backward keeps. */
const [share, held] = [0.6, 3]

/** The largest batch of at most `wanted` samples whose training step fits into free memory, and the reason where it is
 *  smaller than `wanted`; at least 2. `shape`: the shape of one input. On a GPU libtorch does not report free memory,
 *  so the batch stays as it is. */
export function batchThatFits(
  network: Network,
  {
    wanted,
    shape,
    noise,
    what,
    look,
  }: { wanted: number; shape: readonly number[]; noise?: (() => Tensor) | undefined; what?: string; look?: Look },
  free = freeMemory(),
): { batchSize: number; reason?: string } {
  if (network.device !== undefined && network.device !== 'cpu') return { batchSize: wanted }
  const bytesOf = () => outputBytes(network, shape, noise)
  const each = held * (look ? look(`bytes at ${shape.join('x')}`, bytesOf) : bytesOf())
  const fitting = Math.max(2, Math.floor((share * free) / each))
  if (fitting >= wanted) return { batchSize: wanted }
  const reason = `${what ?? `an input of ${shape.join(' × ')}`} takes about ${bytes(Math.round(each))} in a step, and ${bytes(free)} are free`
  return { batchSize: fitting, reason }
}

/** Returns the remembered result for this body, else runs `see` and remembers its result. */
export type Look = <T>(what: string, see: () => T) => T

/** Remembers facts that a forward pass of zeros finds about a body. They are cached under the names and shapes of its
 *  weights. */
export function looker(name: string, body: nn.Module): Look {
  const weights = Array.from(body.stateDict(), ([key, t]) => `${key} ${t.shape}`)
  const key = createHash('sha256')
    .update(JSON.stringify([version(), weights]))
    .digest('hex')
    .slice(0, 32)
  return (what, see) => remembered(cacheFolder('shapes', `${name}.json`), `${key} ${what}`, see)
}

/** Bytes of all layers' outputs for one input. */
function outputBytes({ body }: Network, shape: readonly number[], noise?: () => Tensor): number {
  let sum = 0
  const leaves = [...body.modules()].map(([, m]) => m).filter(m => Object.keys(m.children).length === 0)
  const off = leaves.map(m =>
    m.onForward((_, __, y) => {
      sum += y.byteLength
      return undefined
    }),
  )
  const training = body.training
  try {
    body.eval()
    noGrad(() => scope(() => body.features(noise?.() ?? zeros([1, ...shape], { device: 'cpu' })).dispose()))
  } finally {
    body.train(training)
    for (const remove of off) remove()
  }
  return sum
}

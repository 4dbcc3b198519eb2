import { call } from '../call.ts'
import { noGrad } from '../grad.ts'
import type { Tensor } from '../tensor.ts'
import type { Module } from './module.ts'

/** The processes from whose batches BatchNorm takes its statistics. */
export interface SyncedOver {
  /** The name of their group. */
  group: string
  /** How many of them have the same batch: 1, unless all have. */
  copies: number
}

let over: SyncedOver | undefined
/** The processes over which BatchNorm in training mode now takes its statistics; undefined: this one alone. */
export const syncedOver = (): SyncedOver | undefined => over

/** Runs `fn` with the statistics of BatchNorm over the batches of several processes. */
export function withSyncedNorm<T>(among: SyncedOver | undefined, fn: () => T): T {
  const before = over
  over = among
  try {
    return fn()
  } finally {
    over = before
  }
}

/** BatchNorm with the mean and the variance over the batches of all processes, and their gradients. x [N, c, …]. */
export function syncedNorm(
  bn: Module,
  x: Tensor,
  { group, copies }: SyncedOver,
  { eps, momentum }: { eps: number; momentum: number },
): Tensor {
  const { weight, bias } = bn.own.parameters
  const { running_mean, running_var } = bn.own.buffers
  const [, c = 0] = x.shape
  const axes = x.shape.map((_, d) => d).filter(d => d !== 1)
  const alike = (t: Tensor) => t.reshape(1, c, ...axes.slice(1).map(() => 1))
  const sum = (t: Tensor): Tensor => call('anneal::sum_over_ranks', t, group)
  const wide = x.to('float32')
  const counted = noGrad(() =>
    sum(
      wide
        .detach()
        .sum(axes)
        .mul(0)
        .add(x.numel / c),
    ),
  )
  const count = counted.data()[0] as number
  const mean = sum(wide.sum(axes)).div(count)
  const centred = wide.sub(alike(mean))
  const variance = sum(centred.mul(centred).sum(axes)).div(count)
  noGrad(() => {
    const own = count / copies
    running_mean!.mul_(1 - momentum).add_(mean.detach(), { alpha: momentum })
    running_var!.mul_(1 - momentum).add_(variance.detach(), { alpha: (momentum * own) / (own - 1) })
  })
  const scale = variance.add(eps).rsqrt().mul(weight!)
  return centred.mul(alike(scale)).add(alike(bias!)).to(x.dtype)
}

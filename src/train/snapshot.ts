import { keep, type nn, noGrad, scope, type Tensor } from '../torch/index.ts'

/** Weights, statistics and random state, and the epoch and step at which they were copied. */
export interface Snapshot {
  state: Map<string, Tensor>
  random: Tensor
  epoch: number
  step: number
}

/** A copy of a net's weights and statistics, with the given random state. */
export function snapshotOf(net: nn.Module, now: Omit<Snapshot, 'state'>): Snapshot {
  return noGrad(() =>
    scope(() => {
      const state = new Map<string, Tensor>()
      for (const [name, t] of net.stateDict()) state.set(name, t.detach().clone())
      return keep({ state, ...now })
    }),
  )
}

/** Frees the tensors of a snapshot. */
export function dropSnapshot({ state, random }: Snapshot): void {
  for (const t of state.values()) t.dispose()
  random.dispose()
}

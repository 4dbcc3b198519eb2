import type { nn } from '../torch/index.ts'
import type { Trainable } from './network.ts'

/** The modes of a net's modules in training. */
export interface TrainMode {
  frozen: readonly boolean[]
  bnFreeze: boolean | 'body'
  dropout: boolean
  trainFrozenBn: boolean
}

/** A module of the net, and the number of its group; -1 if it is in no group. */
interface GroupedModule {
  module: nn.Module
  kind: string
  group: number
}

/** Puts a net into train mode; the BatchNorm of frozen groups (with `bnFreeze` of all groups) is in eval mode. The
 *  modules are looked up once. */
export function trainModeOf(network: Trainable): (mode: TrainMode) => void {
  let modules: GroupedModule[] | undefined
  return ({ frozen, bnFreeze, dropout, trainFrozenBn }) => {
    const last = frozen.length - 1
    modules ??= groupedModules(network)
    for (const { module, kind, group } of modules) {
      const kept = bnFreeze === true || (bnFreeze === 'body' && group < last)
      const still = kept || (frozen[group] && !trainFrozenBn)
      module.training = kind === 'Dropout' ? dropout : kind === 'BatchNorm' && group >= 0 ? !still : true
    }
  }
}

function groupedModules({ net, groups }: Trainable): GroupedModule[] {
  const of = new Map(
    groups.flatMap(({ modules }, i) => modules.flatMap(m => Array.from(m.modules(), ([, m]) => [m, i]))),
  )
  return Array.from(net.modules(), ([, module]) => ({
    module,
    kind: module.kind.startsWith('BatchNorm') ? 'BatchNorm' : module.kind,
    group: of.get(module) ?? -1,
  }))
}

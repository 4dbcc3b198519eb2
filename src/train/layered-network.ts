import { AnnealError } from '../base/errors.ts'
import type { Trainable } from './network.ts'
import { groupRates } from './rates/group-rates.ts'
import { type TrainMode, trainModeOf } from './train-mode.ts'

/** A network by its layer groups: which of them train, at which rates, and how its modules are in training. */
export class LayeredNetwork {
  readonly network: Trainable
  /** Every BatchNorm keeps its statistics, also where its weights train; with `'body'` all but the last group's. */
  bnFreeze: boolean | 'body' = false
  /** Whether dropout drops. */
  dropout = true
  /** BatchNorm of frozen groups follows the batch all the same (fastai's `train_bn`). */
  trainFrozenBn = false
  #frozen: boolean[]
  readonly #setTrainMode: (mode: TrainMode) => void

  constructor(network: Trainable) {
    this.network = network
    this.#frozen = network.groups.map(() => false)
    this.#setTrainMode = trainModeOf(network)
  }

  get groups(): readonly string[] {
    return this.network.groups.map(g => g.name)
  }
  get device(): string {
    return this.network.device ?? 'cpu'
  }
  /** Which groups do not train, earliest first. */
  get frozen(): readonly boolean[] {
    return this.#frozen
  }

  /** Only group `n` and those behind it train; negative counts from the end. */
  freezeTo(n: number): void {
    const first = n < 0 ? this.groups.length + n : n
    if (!Number.isInteger(first) || first < 0 || first >= this.groups.length)
      throw new AnnealError(
        `freezeTo: there is no group ${n}; the groups are ${this.groups.map((g, i) => `${i} (${g})`).join(', ')}`,
      )
    this.#frozen = this.groups.map((_, i) => i < first)
    for (const [i, group] of this.network.groups.entries())
      for (const m of group.modules) m.requiresGrad(!this.#frozen[i])
  }
  /** Only the head trains. */
  freeze(): void {
    this.freezeTo(-1)
  }
  /** Everything trains. */
  unfreeze(): void {
    this.freezeTo(0)
  }

  /** One rate per group: given as such, or one for the head and `factor` less for each group before it. */
  rates(lr: number | readonly number[], factor = 1): number[] {
    return groupRates(this.groups, lr, factor)
  }

  /** Train mode, with the BatchNorm of frozen groups (with `bnFreeze` of all) in eval. */
  trainMode(): void {
    this.#setTrainMode(this)
  }
}

import { TrainingError } from '../base/errors.ts'
import type { Trainable } from './network.ts'
import { groupRates } from './rates/group-rates.ts'
import { type TrainMode, trainModeOf } from './train-mode.ts'

/** A network with its layer groups: which of them train, at which rates, and the modes of its modules in training. */
export class LayeredNetwork {
  readonly network: Trainable
  /** Every BatchNorm keeps its statistics, also if its weights train; with `'body'` all but those of the last group. */
  bnFreeze: boolean | 'body' = false
  /** Whether dropout is on. */
  dropout = true
  /** BatchNorm of frozen groups uses and updates batch statistics all the same (fastai's `train_bn`). */
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

  /** Only group `n` and later groups train; a negative `n` counts from the end. */
  freezeTo(n: number): void {
    const first = n < 0 ? this.groups.length + n : n
    if (!Number.isInteger(first) || first < 0 || first >= this.groups.length)
      throw new TrainingError(
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

  /** One rate per group: as given, or from one rate for the head, divided by `factor` for each earlier group. */
  rates(lr: number | readonly number[], factor = 1): number[] {
    return groupRates(this.groups, lr, factor)
  }

  /** Sets train mode; the BatchNorm of frozen groups (with `bnFreeze` of all groups) is in eval mode. */
  trainMode(): void {
    this.#setTrainMode(this)
  }
}

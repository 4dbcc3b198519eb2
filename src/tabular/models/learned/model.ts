import { join } from 'node:path'
import { writeAtomic } from '../../../base/files.ts'
import { aten, fromArray, nn, noGrad, scope, type Tensor } from '../../../torch/index.ts'
import { storedTensors } from '../../../train/saved-model.ts'
import { turn } from '../../../train/stop.ts'
import { readWeights, writeSafetensors } from '../../../weights/index.ts'
import type { Encoded, LabelledRows, TableModel, TargetInfo } from '../../types.ts'
import { readCardFile, writeModelFile } from '../files.ts'
import { inUnits, type TrainedScale } from '../targets.ts'
import type { RowLayout } from './source.ts'

/** The names of the nets that the learner trains. */
export type LearnedName = 'mlp' | 'tabm'

/** What is saved beside the weights. */
export interface LearnedCard<Shape = object, Inputs = object> {
  format: `anneal-${LearnedName}`
  version: 1
  shape: Shape
  inputs: Inputs
  /** Regression: of each target in the values that the net was trained on. */
  scale?: TrainedScale | undefined
}

/** A kind of net that the learner trains: its inputs, its layers, and how its rows lie in memory. */
export interface LearnedKind<C extends LearnedCard> {
  readonly name: LearnedName
  /** Fits the inputs to training rows, and says the shape of the net. */
  cardOf(train: LabelledRows, seed: number): C
  /** The net: float32 [N, width] → [N, outputs], or [N, members, outputs]. Draws from the default generator. */
  netOf(card: C): nn.Module
  layoutOf(card: C): RowLayout
  /** Rows as the net takes them, float32 [N × width]. Throws if their columns are not those of the training rows. */
  rowsOf(card: C, x: Encoded): Float32Array
  /** Rows that go through the net at once without gradients. */
  readonly rowsAtOnce: number
}

/** A trained net of the learner. The predictions of members are averaged. */
export class LearnedModel<C extends LearnedCard> implements TableModel {
  readonly name: LearnedName
  readonly card: C
  readonly #kind: LearnedKind<C>
  readonly #net: nn.Module
  readonly #target: TargetInfo

  /** `net` is in eval mode. */
  constructor(kind: LearnedKind<C>, net: nn.Module, card: C, target: TargetInfo) {
    this.name = kind.name
    this.#kind = kind
    this.#net = net
    this.card = card
    this.#target = target
  }

  /** The weights and running statistics, by name. */
  get parameters(): ReadonlyMap<string, Tensor> {
    return new Map(this.#net.stateDict())
  }

  async predict(x: Encoded, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<Float64Array> {
    const data = this.#kind.rowsOf(this.card, x)
    const { width } = this.#kind.layoutOf(this.card)
    const outputs = this.#target.classes.length
    const out = new Float64Array(x.rows * outputs)
    for (let start = 0; start < x.rows; start += this.#kind.rowsAtOnce) {
      const end = Math.min(x.rows, start + this.#kind.rowsAtOnce)
      noGrad(() =>
        scope(() => {
          const batch = fromArray(data.subarray(start * width, end * width), [end - start, width], { copy: false })
          out.set(this.#answers(this.#net(batch).to('float64')).data() as Float64Array, start * outputs)
        }),
      )
      await turn(signal)
    }
    return inUnits(out, this.#target)
  }
  /** Outputs → probabilities, or values within the range of the training rows: [N, outputs]. */
  #answers(raw: Tensor): Tensor {
    const { scale } = this.card
    const row = (values: readonly number[]) => fromArray(Float64Array.from(values), [1, values.length])
    const each = scale
      ? aten.clamp(raw.mul(row(scale.std)).add(row(scale.mean)), { min: row(scale.min), max: row(scale.max) })
      : raw.softmax(-1)
    return each.shape.length === 3 ? each.mean(1) : each
  }

  async save(dir: string): Promise<void> {
    writeSafetensors(join(dir, `${this.name}.safetensors`), storedTensors(this.#net.stateDict()), { format: 'pt' })
    writeAtomic(join(dir, `${this.name}.json`), `${JSON.stringify(this.card, null, 1)}\n`)
    writeModelFile(dir, { model: this.name })
  }
}

/** Reads what `save` wrote: the card, and the net in eval mode. */
export function readLearned<C extends LearnedCard>(kind: LearnedKind<C>, dir: string): { card: C; net: nn.Module } {
  const card = readCardFile<C>(join(dir, `${kind.name}.json`), `anneal-${kind.name}`)
  const net = nn.init.undrawn(() => kind.netOf(card))
  net.loadStateDict(readWeights(join(dir, `${kind.name}.safetensors`)))
  return { card, net: net.eval() }
}

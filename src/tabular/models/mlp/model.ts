import { join } from 'node:path'
import { writeAtomic } from '../../../base/files.ts'
import { aten, fromArray, nn, noGrad, scope, type Tensor } from '../../../torch/index.ts'
import { storedTensors } from '../../../train/saved-model.ts'
import { turn } from '../../../train/stop.ts'
import { readWeights, writeSafetensors } from '../../../weights/index.ts'
import type { Encoded, TableModel, TargetInfo } from '../../types.ts'
import { readCardFile, writeModelFile } from '../files.ts'
import { inUnits, type TrainedScale } from '../targets.ts'
import { type MlpInputs, mlpRows } from './inputs.ts'
import { type MlpShape, mlpNet } from './net.ts'

/** What is saved beside the weights. */
export interface MlpCard {
  format: 'anneal-mlp'
  version: 1
  shape: MlpShape
  inputs: MlpInputs
  scale?: TrainedScale | undefined
}

const rowsAtOnce = 4096

/** A trained TabularModel. */
export class Mlp implements TableModel {
  readonly name = 'mlp'
  readonly card: MlpCard
  readonly #net: nn.Module
  readonly #target: TargetInfo

  /** `net` is in eval mode. */
  constructor(net: nn.Module, card: MlpCard, target: TargetInfo) {
    this.#net = net
    this.card = card
    this.#target = target
  }

  /** The weights and running statistics, by name (`mlpNet`). */
  get parameters(): ReadonlyMap<string, Tensor> {
    return new Map(this.#net.stateDict())
  }

  async predict(x: Encoded, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<Float64Array> {
    const { inputs, scale, shape } = this.card
    const data = mlpRows(inputs, x)
    const width = shape.numbers + shape.codes.length
    const out = new Float64Array(x.rows * shape.outputs)
    for (let start = 0; start < x.rows; start += rowsAtOnce) {
      const end = Math.min(x.rows, start + rowsAtOnce)
      noGrad(() =>
        scope(() => {
          const batch = fromArray(data.subarray(start * width, end * width), [end - start, width], { copy: false })
          const raw = this.#net(batch).to('float64')
          const row = (values: readonly number[]) => fromArray(Float64Array.from(values), [1, values.length])
          const predicted = scale
            ? aten.clamp(raw.mul(row(scale.std)).add(row(scale.mean)), { min: row(scale.min), max: row(scale.max) })
            : raw.softmax(1)
          out.set(predicted.data() as Float64Array, start * shape.outputs)
        }),
      )
      await turn(signal)
    }
    return inUnits(out, this.#target)
  }

  async save(dir: string): Promise<void> {
    writeSafetensors(join(dir, 'mlp.safetensors'), storedTensors(this.#net.stateDict()), { format: 'pt' })
    writeAtomic(join(dir, 'mlp.json'), `${JSON.stringify(this.card, null, 1)}\n`)
    writeModelFile(dir, { model: 'mlp' })
  }

  /** Reads what `save` wrote. */
  static load(dir: string, target: TargetInfo): Mlp {
    const card = readCardFile<MlpCard>(join(dir, 'mlp.json'), 'anneal-mlp')
    const net = nn.init.undrawn(() => mlpNet(card.shape))
    net.loadStateDict(readWeights(join(dir, 'mlp.safetensors')))
    return new Mlp(net.eval(), card, target)
  }
}

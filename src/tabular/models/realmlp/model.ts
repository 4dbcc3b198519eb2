import { join } from 'node:path'
import { writeAtomic } from '../../../base/files.ts'
import { aten, fromArray, keep, noGrad, scope, type Tensor } from '../../../torch/index.ts'
import { storedTensors } from '../../../train/saved-model.ts'
import { turn } from '../../../train/stop.ts'
import { readWeights, writeSafetensors } from '../../../weights/index.ts'
import type { Encoded, TableModel, TargetInfo } from '../../types.ts'
import { readCardFile, writeModelFile } from '../files.ts'
import { inUnits, type TrainedScale } from '../targets.ts'
import { type InputRows, inputRows, type RealmlpInputs } from './inputs.ts'
import { inputTensors, RealmlpNet, type RealmlpShape } from './net.ts'

/** What is saved beside the weights. */
export interface RealmlpCard {
  format: 'anneal-realmlp'
  version: 1
  shape: RealmlpShape
  inputs: RealmlpInputs
  /** Regression: of each target in the values that the net was trained on. */
  scale?: TrainedScale | undefined
}

const rowsAtOnce = 4096

/** A trained RealMLP: `members` nets whose predictions are averaged. */
export class Realmlp implements TableModel {
  readonly name = 'realmlp'
  readonly card: RealmlpCard
  readonly #net: RealmlpNet
  readonly #target: TargetInfo

  constructor(net: RealmlpNet, card: RealmlpCard, target: TargetInfo) {
    this.#net = net
    this.card = card
    this.#target = target
  }

  /** The weights of all members, by name (`RealmlpNet`). */
  get parameters(): ReadonlyMap<string, Tensor> {
    return this.#net.parameters
  }

  async predict(x: Encoded, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<Float64Array> {
    const rows = inputRows(this.card.inputs, x)
    return inUnits(await outputsOf(this.#net, rows, this.card.scale, signal), this.#target)
  }

  async save(dir: string): Promise<void> {
    writeSafetensors(join(dir, 'realmlp.safetensors'), storedTensors(this.#net.parameters), { format: 'pt' })
    writeAtomic(join(dir, 'realmlp.json'), `${JSON.stringify(this.card, null, 1)}\n`)
    writeModelFile(dir, { model: 'realmlp' })
  }

  /** Reads what `save` wrote. */
  static load(dir: string, target: TargetInfo): Realmlp {
    const card = readCardFile<RealmlpCard>(join(dir, 'realmlp.json'), 'anneal-realmlp')
    const stored = readWeights(join(dir, 'realmlp.safetensors'))
    const parameters = new Map(Array.from(stored, ([name, { data, shape }]) => [name, keep(floats(data, shape))]))
    return new Realmlp(new RealmlpNet(card.shape, parameters), card, target)
  }
}

const floats = (data: Uint8Array, shape: readonly number[]): Tensor => fromArray(data, shape, { dtype: 'float32' })

/** Mean predictions of all members, [rows × outputs]: probabilities, or values as the net was trained on, within the range of
 *  the training rows. */
export async function outputsOf(
  net: RealmlpNet,
  rows: InputRows,
  scale: TrainedScale | undefined,
  signal?: AbortSignal,
): Promise<Float64Array> {
  const { outputs } = net.shape
  const out = new Float64Array(rows.rows * outputs)
  for (let start = 0; start < rows.rows; start += rowsAtOnce) {
    const end = Math.min(rows.rows, start + rowsAtOnce)
    noGrad(() =>
      scope(() => {
        const raw = net.forward(inputTensors(rows, net.shape, start, end)).to('float64')
        out.set((scale ? within(raw, scale) : raw.softmax(2)).mean(0).data() as Float64Array, start * outputs)
      }),
    )
    await turn(signal)
  }
  return out
}

/** Standardised outputs → values within the range of the training rows. */
function within(x: Tensor, { mean, std, min, max }: TrainedScale): Tensor {
  const row = (values: readonly number[]) => fromArray(Float64Array.from(values), [1, 1, values.length])
  return aten.clamp(x.mul(row(std)).add(row(mean)), { min: row(min), max: row(max) })
}

import type { Encoded, FitTableOptions, TableModel, TableModelName } from '../types.ts'
import { writeModelFile } from './files.ts'
import { fitRealmlp } from './realmlp/fit.ts'
import { tableLoss, trainedScale, trainedValues } from './targets.ts'
import { fitTrees } from './trees.ts'

/** A model and the weight of its predictions. */
export interface WeightedModel {
  model: TableModel
  weight: number
}

/** The weighted mean of the predictions of several models. The weights add to 1. */
export class Both implements TableModel {
  readonly name = 'both'
  /** In the order in which they were trained; a weight may be 0. */
  readonly parts: readonly WeightedModel[]

  constructor(parts: readonly WeightedModel[]) {
    this.parts = parts
  }

  async predict(x: Encoded, options: { signal?: AbortSignal | undefined } = {}): Promise<Float64Array> {
    const predicted: Float64Array[] = []
    const used = this.parts.filter(({ weight }) => weight > 0)
    for (const { model } of used) predicted.push(await model.predict(x, options))
    return weighted(
      predicted,
      used.map(({ weight }) => weight),
    )
  }

  async save(dir: string): Promise<void> {
    for (const { model } of this.parts) await model.save(dir)
    const weights = Object.fromEntries(this.parts.map(({ model, weight }) => [model.name, weight]))
    writeModelFile(dir, { model: 'both', weights })
  }
}

/** Trains trees and a net, and finds their weights on the validation rows: the multiple of 0.05 with the lowest loss. A weight
 *  of 0 leaves a model out. */
export async function fitBoth(options: FitTableOptions): Promise<Both> {
  const { valid, train, onChoice, minutes, signal } = options
  const began = performance.now()
  const trees = await fitTrees({ ...options, epochs: undefined, lr: undefined }) // those of the net
  const left = minutes && Math.max(minutes / 10, minutes - (performance.now() - began) / 60_000)
  const net = await fitRealmlp({ ...options, ...(left === undefined ? {} : { minutes: left }) })
  const predicted = [await trees.predict(valid.x, { signal }), await net.predict(valid.x, { signal })]
  const { std } = trainedScale(trainedValues(train.y), train.y.task === 'single' ? 1 : train.y.classes.length)
  const lossAt = (share: number) => tableLoss(weighted(predicted, [1 - share, share]), valid.y, std)
  const { share, loss, losses } = bestShare(lossAt)
  const words = share === 0 ? 'trees alone' : share === 1 ? 'the net alone' : `${share} net + ${round(1 - share)} trees`
  onChoice?.(
    'both',
    words,
    `validation loss ${digits(loss)}; trees alone ${digits(losses[0]!)}, the net alone ${digits(losses.at(-1)!)}`,
  )
  return new Both([
    { model: trees, weight: round(1 - share) },
    { model: net, weight: share },
  ])
}

const steps = 20
const round = (value: number): number => Math.round(value * steps) / steps
const digits = (loss: number): string => String(Number(loss.toPrecision(4)))

/** The share in steps of 0.05 with the lowest loss. */
export function bestShare(lossAt: (share: number) => number): { share: number; loss: number; losses: number[] } {
  const losses = Array.from({ length: steps + 1 }, (_, i) => lossAt(i / steps))
  const loss = Math.min(...losses)
  return { share: losses.indexOf(loss) / steps, loss, losses }
}

/** Weighted sums of predictions of the same shape. */
function weighted(predicted: readonly Float64Array[], weights: readonly number[]): Float64Array {
  return predicted[0]!.map((_, i) => predicted.reduce((sum, values, m) => sum + weights[m]! * values[i]!, 0))
}

/** The models that `both` may hold, for its file. */
export type PartName = Exclude<TableModelName, 'both'>

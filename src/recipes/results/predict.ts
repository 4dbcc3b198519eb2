import { RunError } from '../../base/errors.ts'
import type { Domain } from '../../domain/index.ts'
import { domainOf } from '../../runs/index.ts'
import { fromArray, noGrad, scope } from '../../torch/index.ts'
import type { Body, Precision } from '../../train/network.ts'
import type { Outputs } from '../../train/objective.ts'
import { joinMembers, memberOutputs, type Prediction, predictionOf } from '../../train/prediction.ts'
import { type LoadedModel, loadModel, precisionOf } from '../../train/saved-model.ts'

/** How inputs go through a saved model. */
export interface PredictSamplesOptions {
  /** Inputs per batch. Default: 32. */
  batchSize?: number
  /** The number type of products. Default: the one the net was validated in, where this machine has instructions for
   *  it. */
  precision?: Precision
  device?: string
  signal?: AbortSignal | undefined
}

/** Predicts inputs of any domain with a saved model, in their order; at most one batch is read ahead. `run`: a run
 *  folder, or the path of a model's weights or card. */
export async function* predictSamples<O extends object, B extends Body, P, In, E extends object>(
  domain: Domain<O, B, P, In, E>,
  run: string,
  inputs: Iterable<In> | AsyncIterable<In>,
  { batchSize = 32, precision, device, signal }: PredictSamplesOptions = {},
): AsyncGenerator<Prediction> {
  const model = loadModel<P, B>(run, { ...domain, ...(device === undefined ? {} : { device }) })
  const { card, members } = model
  if (domainOf(card) !== domain.name)
    throw new RunError(`${run}: this model is for ${domainOf(card)} and can't predict ${domain.name}.`)
  const how = { precision: precision ?? precisionOf(card, device) }
  const classes = card.classes.length
  let index = 0
  if (domain.rows) {
    for await (const input of inputs) {
      signal?.throwIfAborted()
      const scores = await meanOfRows(domain, input, { model, how, device, signal })
      yield predictionOf({ file: `${domain.words.one} ${index + 1}`, index, scores }, card)
      index++
    }
    return
  }
  for await (const batch of batches(inputs, batchSize)) {
    signal?.throwIfAborted()
    const xs = await Promise.all(members.map(({ card: own }) => domain.batch(batch, own.preprocessing, { device })))
    const rows = noGrad(() =>
      scope(() =>
        joinMembers(
          model,
          members.map((member, i) => memberOutputs(member, xs[i]!, how)),
        ),
      ),
    )
    for (const x of xs) x.dispose()
    for (const [i] of batch.entries()) {
      const scores = rows.slice(i * classes, (i + 1) * classes)
      yield predictionOf({ file: `${domain.words.one} ${index + 1}`, index, scores }, card)
      index++
    }
  }
}

/** The prediction of one input whose rows are predicted one by one: the mean of each net over its rows, joined. */
async function meanOfRows<O extends object, B extends Body, P, In, E extends object>(
  domain: Domain<O, B, P, In, E>,
  input: In,
  {
    model,
    how,
    device,
    signal,
  }: {
    model: LoadedModel<P, B>
    how: { precision: Precision }
    device: string | undefined
    signal: AbortSignal | undefined
  },
): Promise<Outputs> {
  const classes = model.card.classes.length
  const means: Float64Array[] = []
  for (const member of model.members) {
    const sum = new Float64Array(classes)
    let rows = 0
    for await (const x of domain.rows!(input, member.card.preprocessing, { device })) {
      signal?.throwIfAborted()
      const told = noGrad(() => scope(() => memberOutputs(member, x, how).data() as Outputs))
      x.dispose()
      for (const [i, value] of told.entries()) sum[i % classes]! += value
      rows += told.length / classes
    }
    means.push(sum.map(v => v / rows))
  }
  return noGrad(() =>
    scope(() =>
      joinMembers(
        model,
        means.map(mean => {
          const row = fromArray(mean, [1, classes])
          return model.card.task === 'regression' ? row : row.to('float32')
        }),
      ),
    ),
  )
}

async function* batches<In>(inputs: Iterable<In> | AsyncIterable<In>, size: number): AsyncGenerator<In[]> {
  let batch: In[] = []
  for await (const input of inputs) {
    batch.push(input)
    if (batch.length < size) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

import { readerOf } from '../../text/domain/card.ts'
import { take } from '../../train/metrics/bootstrap.ts'
import type { Samples } from '../quantize/calibrate.ts'
import { heldOf } from '../quantize/held.ts'
import { calibrationSamples, type Quantized, type QuantizeOptions, quantizeNet } from '../quantize/index.ts'
import type { CheckTexts, RunTexts } from './check-texts.ts'
import { type TextModel, textGraph, textInputs } from './model-graph.ts'

/** Finds integers for a model of texts, by texts of its run. The words' embeddings get 8 bits, too. */
export async function quantizeText(
  model: TextModel,
  texts: RunTexts,
  options: QuantizeOptions = {},
): Promise<Quantized> {
  const { graph } = textGraph(model, { lookup: 'int8' })
  const float32 = textGraph(model).graph
  const train = await samplesOf(model, texts.of('train', calibrationSamples))
  const held = { ...(await samplesOf(model, heldOf(texts))), part: texts.held }
  return quantizeNet({ graph, float32, card: model.card, nouns: 'texts', train: train.samples, held }, options)
}

/** Texts as inputs of the graph, the shortest first, so that those of a batch are of like length. */
async function samplesOf(
  { members: [first] }: TextModel,
  { texts, targets }: CheckTexts,
): Promise<{ samples: Samples; targets: CheckTexts['targets'] }> {
  const { preprocessing } = first!.card
  const { begin, end } = preprocessing.config
  const read = await readerOf({ ...preprocessing, maxTokens: Number.MAX_SAFE_INTEGER }) // the graph cuts
  const tokens = texts.map(read)
  const order = Array.from(tokens.keys()).sort((a, b) => tokens[a]!.length - tokens[b]!.length || a - b)
  const width = targets.length / texts.length
  return {
    targets: take(targets, order, width),
    samples: {
      count: texts.length,
      batch(from, to) {
        const some = order.slice(from, to).map(i => tokens[i]!)
        const longest = Math.max(...some.map(own => own.length)) + 2
        const dims = [some.length, longest]
        const [ids, mask] = [0, 1].map(() => new BigInt64Array(some.length * longest)) as [BigInt64Array, BigInt64Array]
        for (const [row, own] of some.entries()) {
          const at = row * longest
          ids.set(Array.from([begin, ...own, end], BigInt), at)
          mask.fill(1n, at, at + own.length + 2)
        }
        return { [textInputs.ids]: { data: ids, dims }, [textInputs.mask]: { data: mask, dims } }
      },
    },
  }
}

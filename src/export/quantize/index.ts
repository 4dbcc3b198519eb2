import { ModelError } from '../../base/errors.ts'
import { option, setting } from '../../base/options.ts'
import type { TargetTable } from '../../data/targets.ts'
import type { CardQuantization, Graph } from '../../onnx/index.ts'
import type { ModelCard } from '../../train/saved-model.ts'
import { type RuntimeName, runtimeNames } from '../runtimes.ts'
import { answers, calibrate, fileOf, type Samples } from './calibrate.ts'
import { chosenLayers } from './choose.ts'
import { type RangeMethod, rangeMethods } from './histogram.ts'
import { type Layer, structureOf } from './layers.ts'
import { scaleOf } from './numbers.ts'
import { placementOf } from './placement.ts'
import { quantizedGraph, type Scales } from './rewrite.ts'
import { sameNet } from './same-net.ts'
import { timesOf } from './times.ts'
import { distance, type Verdict, verdictOf } from './verdict.ts'

/** A net that is to be quantised, and what its answers are measured on. */
export interface NetToQuantize {
  /** Its graph, whose layers are quantised. */
  graph: Graph
  /** The graph in float32, if other parts of `graph` are rounded already. Default: `graph`. */
  float32?: Graph
  card: ModelCard
  /** What its samples are in words: `pictures`. */
  nouns: string
  /** Training samples, which the ranges are measured on. */
  train: Samples
  /** Samples which the loss is measured on: of training if folds leave no others. */
  held: { samples: Samples; targets: TargetTable; part: 'valid' | 'train' }
}

/** How a net is quantised. */
export interface QuantizeOptions {
  /** The runtimes that it is timed in. */
  runtimes?: readonly RuntimeName[]
  progress?: ((label: string, done: number, total: number) => void) | undefined
  signal?: AbortSignal | undefined
}

/** A quantised net. */
export interface Quantized {
  /** Quantises another graph with the same net: with or without what stands before it. */
  apply(graph: Graph): Graph
  facts: CardQuantization
}

/** The most training samples that ranges are measured on, and the most that the loss is measured on. */
export const [calibrationSamples, heldSamples] = [128, 400]

/** Training samples that a layer's share of the error is measured on. */
const triedSamples = 32

/** Finds integers for a net: convolutions and matrix products with uint8 values and int8 weights. Ranges are measured on
 *  training samples, in three ways; the way that changes the answers least is kept. If that costs more than validation
 *  leaves open (`verdictOf`), the layers that change most stay float32. Throws where no choice of at most half of the layers
 *  is good enough; the error shows the best. */
export async function quantizeNet(net: NetToQuantize, options: QuantizeOptions = {}): Promise<Quantized> {
  const { graph, float32: reference = graph, card, nouns, train, held } = net
  const { runtimes = runtimeNames, progress = () => {}, signal } = options
  const structure = structureOf(graph)
  const all = structure.layers
  if (all.length === 0)
    throw new ModelError(
      `the model has no convolution or matrix product with constant weights, so there is nothing to quantise. Leave ${option('quantize')} out.`,
    )
  const whole = placementOf(structure, new Set(all))
  const { histograms, means } = await calibrate(graph, [...whole.places.keys()], train, {
    progress: done => progress(`calibration ${nouns}`, done, train.count),
    signal,
  })

  const scalesBy = (method: RangeMethod): Scales => {
    const known = new Map<string, ReturnType<typeof scaleOf>>()
    const scales: Scales = {
      scaleOf(name) {
        const { like, unit } = whole.places.get(name)!
        if (like !== undefined) return scales.scaleOf(like)
        const range = () => histograms.get(name)!.range(method, { positive: structure.positive(name) })
        const scale = known.get(name) ?? (unit ? scaleOf({ low: 0, high: 1 }) : scaleOf(range()))
        known.set(name, scale)
        return scale
      },
      means: name => means.get(name),
    }
    return scales
  }
  const made = (layers: readonly Layer[], scales: Scales) =>
    quantizedGraph(graph, placementOf(structure, new Set(layers)), scales)

  const floats = fileOf(reference)
  const before = await answers(floats, train, { signal })
  const known = await answers(floats, held.samples, { signal })
  const tries: { method: RangeMethod; scales: Scales; distance: number }[] = []
  for (const method of rangeMethods) {
    const scales = scalesBy(method)
    const after = await answers(fileOf(made(all, scales)), train, { signal })
    tries.push({ method, scales, distance: distance(before, after, card) })
    progress('ways to choose ranges', tries.length, rangeMethods.length)
  }
  const { method, scales } = tries.reduce((a, b) => (b.distance < a.distance ? b : a))

  const some = { ...train, count: Math.min(train.count, triedSamples) }
  const someBefore = before.subarray(0, some.count * card.classes.length)
  const { float, verdict } = await chosenLayers(all, {
    distance: async layers => distance(someBefore, await answers(fileOf(made(layers, scales)), some, { signal }), card),
    verdict: async layers =>
      verdictOf(known, await answers(fileOf(made(layers, scales)), held.samples, { signal }), held.targets, card),
    progress,
  })
  const integer = all.filter(layer => !float.includes(layer))
  const names = float.map(({ node }) => node.name)
  if (!verdict.holds) throw refusal(verdict, { names, layers: all.length, nouns })
  const files = { float32: floats, quantized: fileOf(made(integer, scales)) }
  return {
    facts: {
      method,
      calibration: train.count,
      layers: all.length,
      float32: names,
      part: held.part,
      samples: verdict.samples,
      loss: verdict.loss,
      metric: verdict.metric,
      same: verdict.same,
      bytes: { float32: files.float32.length, quantized: files.quantized.length },
      milliseconds: await timesOf(files, train.batch(train.count >> 1, (train.count >> 1) + 1), runtimes),
    },
    apply(other) {
      const { from, to } = sameNet(graph, other, [...whole.places.keys()])
      const there = structureOf(other)
      const nodes = new Set(integer.map(({ node }) => to(node.outputs[0]!)))
      const placement = placementOf(there, new Set(there.layers.filter(({ node }) => nodes.has(node.outputs[0]!))))
      return quantizedGraph(other, placement, {
        scaleOf: name => scales.scaleOf(from(name)),
        means: name => scales.means!(from(name)),
      })
    },
  }
}

function refusal(
  { loss, metric, same, samples }: Verdict,
  { names, layers, nouns }: { names: readonly string[]; layers: number; nouns: string },
): ModelError {
  const of = ({ before, after, cost, allowed }: Verdict['loss']) =>
    `${before.toPrecision(4)} → ${after.toPrecision(4)} (costs up to ${cost[1].toPrecision(2)}, at most ${allowed.toPrecision(2)} is accepted)`
  const left = names.length > 0 ? ` with ${names.length} of ${layers} layers in float32` : ''
  return new ModelError(
    `nothing is written: quantised, the model answers too differently. The best that was found${left}: loss ${of(loss)}, ${metric.name} ${of(metric)}, ${(100 * same).toFixed(1)} % same labels of ${samples} ${nouns}. Export it without ${option('quantize')}; ${setting('weights', 'int8')} or float16 makes a smaller file that computes in float32.`,
  )
}

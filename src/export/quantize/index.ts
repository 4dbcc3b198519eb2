import { ModelError } from '../../base/errors.ts'
import { option, setting } from '../../base/options.ts'
import type { CardQuantization, Graph } from '../../onnx/index.ts'
import type { LoadedModel } from '../../vision/inference/saved.ts'
import type { RunPictures } from '../check-files.ts'
import { modelGraph, preprocessings } from '../model-graph.ts'
import { type RuntimeName, runtimeNames } from '../runtimes.ts'
import { answers, calibrate, fileOf } from './calibrate.ts'
import { chosenLayers } from './choose.ts'
import { type RangeMethod, rangeMethods } from './histogram.ts'
import { type Layer, structureOf } from './layers.ts'
import { scaleOf } from './numbers.ts'
import { pixelsOf } from './pixels.ts'
import { placementOf } from './placement.ts'
import { quantizedGraph, type Scales } from './rewrite.ts'
import { sameNet } from './same-net.ts'
import { timesOf } from './times.ts'
import { distance, type Verdict, verdictOf } from './verdict.ts'

/** How a net is quantised. */
export interface QuantizeOptions {
  /** The most training pictures that ranges are measured on. Default: 128. */
  calibration?: number
  /** The most pictures that the loss is measured on. Default: 400. */
  pictures?: number
  /** With the output `heat`. */
  heat?: boolean
  /** The runtimes that it is timed in. */
  runtimes?: readonly RuntimeName[]
  progress?: ((label: string, done: number, total: number) => void) | undefined
  signal?: AbortSignal | undefined
}

/** A quantised net. */
export interface Quantized {
  /** Quantises the graph of the same model, with or without its preprocessing. */
  apply(graph: Graph): Graph
  facts: CardQuantization
}

/** Training pictures that a layer's share of the error is measured on. */
const triedPictures = 32

/** Finds integers for a net: convolutions and matrix products with uint8 values and int8 weights. Ranges are measured on
 *  training pictures, in three ways; the way that changes the answers least is kept. If that costs more than validation
 *  leaves open (`verdictOf`), the layers that change most stay float32. Throws where no choice of at most half of the layers
 *  is good enough; the error shows the best. */
export async function quantize(
  model: LoadedModel,
  pictures: RunPictures,
  options: QuantizeOptions = {},
): Promise<Quantized> {
  const { calibration = 128, pictures: most = 400, heat = false, runtimes = runtimeNames } = options
  const { progress = () => {}, signal } = options
  const { card } = model
  const { graph, inputs } = modelGraph(model, { net: true, heat })
  const structure = structureOf(graph)
  const all = structure.layers
  if (all.length === 0)
    throw new ModelError(
      `the model has no convolution or matrix product with constant weights, so there is nothing to quantise. Leave ${option('quantize')} out.`,
    )
  const kinds = preprocessings(model)
  const { held } = pictures
  const trainFiles = pictures.of('train', calibration)
  // Folds leave no validation pictures: then others of training, where there are enough.
  const heldFiles = heldPictures(pictures, { calibration, most })
  const train = await pixelsOf(trainFiles.places, kinds, inputs, { signal })
  const valid = await pixelsOf(heldFiles.places, kinds, inputs, { signal })
  const whole = placementOf(structure, new Set(all))
  const { histograms, means } = await calibrate(graph, [...whole.places.keys()], train, {
    progress: done => progress('calibration pictures', done, train.count),
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

  const before = await answers(fileOf(graph), train, { signal })
  const known = await answers(fileOf(graph), valid, { signal })
  const tries: { method: RangeMethod; scales: Scales; distance: number }[] = []
  for (const method of rangeMethods) {
    const scales = scalesBy(method)
    const after = await answers(fileOf(made(all, scales)), train, { signal })
    tries.push({ method, scales, distance: distance(before, after, card) })
    progress('ways to choose ranges', tries.length, rangeMethods.length)
  }
  const { method, scales } = tries.reduce((a, b) => (b.distance < a.distance ? b : a))

  const some = { ...train, count: Math.min(train.count, triedPictures) }
  const someBefore = before.subarray(0, some.count * card.classes.length)
  const { float, verdict } = await chosenLayers(all, {
    distance: async layers => distance(someBefore, await answers(fileOf(made(layers, scales)), some, { signal }), card),
    verdict: async layers =>
      verdictOf(known, await answers(fileOf(made(layers, scales)), valid, { signal }), heldFiles.targets, card),
    progress,
  })
  const integer = all.filter(layer => !float.includes(layer))
  const names = float.map(({ node }) => node.name)
  if (!verdict.holds) throw refusal(verdict, { names, layers: all.length })
  const files = { float32: fileOf(graph), quantized: fileOf(made(integer, scales)) }
  return {
    facts: {
      method,
      calibration: train.count,
      layers: all.length,
      float32: names,
      part: held,
      pictures: verdict.pictures,
      loss: verdict.loss,
      metric: verdict.metric,
      same: verdict.same,
      bytes: { float32: files.float32.length, quantized: files.quantized.length },
      milliseconds: await timesOf(files, train.batch(0, 1), runtimes),
    },
    apply(other) {
      const { from, to } = sameNet(graph, other)
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

function heldPictures(pictures: RunPictures, { calibration, most }: { calibration: number; most: number }) {
  if (pictures.held === 'valid') return pictures.of('valid', most)
  try {
    return pictures.of('train', most, calibration)
  } catch {
    return pictures.of('train', most)
  }
}

function refusal(
  { loss, metric, same, pictures }: Verdict,
  { names, layers }: { names: readonly string[]; layers: number },
): ModelError {
  const of = ({ before, after, cost, allowed }: Verdict['loss']) =>
    `${before.toPrecision(4)} → ${after.toPrecision(4)} (costs up to ${cost[1].toPrecision(2)}, at most ${allowed.toPrecision(2)} is accepted)`
  const left = names.length > 0 ? ` with ${names.length} of ${layers} layers in float32` : ''
  return new ModelError(
    `nothing is written: quantised, the model answers too differently. The best that was found${left}: loss ${of(loss)}, ${metric.name} ${of(metric)}, ${(100 * same).toFixed(1)} % same labels of ${pictures} pictures. Export it without ${option('quantize')}; ${setting('weights', 'int8')} or float16 makes a smaller file that computes in float32.`,
  )
}

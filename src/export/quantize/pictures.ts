import type { LoadedModel } from '../../vision/inference/saved.ts'
import type { CheckFiles, RunPictures } from '../check-files.ts'
import { modelGraph, preprocessings } from '../model-graph.ts'
import { heldOf } from './held.ts'
import { calibrationSamples, type Quantized, type QuantizeOptions, quantizeNet } from './index.ts'
import { pixelsOf } from './pixels.ts'

/** Finds integers for a model of pictures, by pictures of its run. heat: with the output `heat`. */
export async function quantizePictures(
  model: LoadedModel,
  pictures: RunPictures,
  { heat = false, ...options }: QuantizeOptions & { heat?: boolean } = {},
): Promise<Quantized> {
  const { graph, inputs } = modelGraph(model, { net: true, heat })
  const pixels = ({ places }: CheckFiles) => pixelsOf(places, preprocessings(model), inputs, { signal: options.signal })
  const train = await pixels(pictures.of('train', calibrationSamples))
  const files = heldOf(pictures)
  const held = { samples: await pixels(files), targets: files.targets, part: pictures.held }
  return quantizeNet({ graph, card: model.card, nouns: 'pictures', train, held }, options)
}

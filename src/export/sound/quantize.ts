import { option } from '../../base/options.ts'
import { heldOf } from '../quantize/held.ts'
import { calibrationSamples, type Quantized, type QuantizeOptions, quantizeNet } from '../quantize/index.ts'
import type { RunSounds } from './check-sounds.ts'
import { heardAlike, type SoundModel, soundNetGraph } from './model-graph.ts'
import { spectraOf } from './spectra.ts'

/** The most windows of a recording that are heard; of more, those at even distances. */
const mostWindows = 16

/** Finds integers for the nets of a model of sounds, by recordings of its run: of each the mean of its windows counts. */
export async function quantizeSound(
  model: SoundModel,
  sounds: RunSounds,
  options: QuantizeOptions = {},
): Promise<Quantized> {
  const how = heardAlike(model, option('quantize'))
  const { graph } = soundNetGraph(model)
  const found = heldOf(sounds)
  const { signal } = options
  const train = await spectraOf(sounds.of('train', calibrationSamples).places, how, { most: mostWindows, signal })
  const samples = await spectraOf(found.places, how, { most: mostWindows, signal })
  const held = { samples, targets: found.targets, part: sounds.held }
  return quantizeNet({ graph, card: model.card, nouns: 'recordings', train, held }, options)
}

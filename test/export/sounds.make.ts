// Little saved models of sounds, for tests of their export, of the runtime, of the server and of the page.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { recipeFor } from '../../src/api/recipe.ts'
import { probeSound } from '../../src/onnx/index.ts'
import type { Preprocessing } from '../../src/sound/features/inputs.ts'
import { sounds } from '../../src/sound/index.ts'
import { networkOf } from '../../src/sound/inference/saved.ts'
import { speechEmbedding } from '../../src/sound/models/speech-embedding.ts'
import { inputOf } from '../../src/sound/source.ts'
import { aten, manualSeed, nn, noGrad } from '../../src/torch/index.ts'
import { type ModelCard, saveModel, storedTensors } from '../../src/train/saved-model.ts'
import { writeSafetensors } from '../../src/weights/index.ts'
import { makers, wav } from '../sound/sound.make.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-export-sound-'))
process.on('exit', () => rmSync(folder, { recursive: true }))

/** How the speech embedding, and a net for pictures, hear windows of 1.3 and of 0.9 s. */
export const speech: Preprocessing = { input: 'speech', rate: 16_000, samples: 20_800 }
export const spectrogram: Preprocessing = {
  input: 'spectrogram',
  rate: 16_000,
  samples: 14_401, // odd, so that halves are rounded
  hop: 160,
  fft: 2048,
  frames: [400, 800, 1600],
  bands: 64,
  high: 4000,
}

/** What is saved. */
export interface SavedSound {
  preprocessing?: Preprocessing
  card?: Partial<ModelCard>
  seed?: number
  at?: string
}

/** Saves a net of random weights with its card, as a run does; returns the path without ending. */
export function savedSound({
  preprocessing = speech,
  card = {},
  seed = 1,
  at = join(mkdtempSync(join(folder, 'model-')), 'best'),
}: SavedSound = {}): string {
  const whole: ModelCard<Preprocessing> = {
    format: 'anneal-classifier',
    version: 1,
    domain: 'sounds',
    architecture: preprocessing.input === 'speech' ? 'speech-embedding' : 'squeezenet1_1',
    head: { hidden: [], dropout: 0.5 },
    classes: ['chirp', 'noise', 'Ton'],
    metrics: { accuracy: 0.5 },
    anneal: '0',
    ...card,
    preprocessing,
  }
  manualSeed(seed)
  const { net, head, body, features } = networkOf(whole, 'cpu')
  net.eval()
  noGrad(() => {
    // The head knows the means of features of some sounds, so that sounds get different answers.
    const { rate, samples } = preprocessing
    const some = Float32Array.from({ length: 8 * samples }, () => 0)
    for (let i = 0; i < 8; i++) some.set(probeSound(samples * (i + 1), rate).subarray(-samples), i * samples)
    const found = features(inputOf(some, 8, preprocessing))
    const width = body.pooledFeatures
    for (const [name, t] of head.stateDict())
      if (/running_mean/.test(name) && t.shape[0] === width) t.copy_(aten.mean(found, [0]))
      else if (/running_var/.test(name) && t.shape[0] === width) t.copy_(aten.var(found, [0]).add(1e-6))
      else if (/bias/.test(name)) nn.init.normal_(t, { std: 0.3 })
  })
  saveModel(at, net.stateDict(), whole)
  return at
}

/** Saves an average of several such nets. */
export function savedSounds(parts: readonly SavedSound[], card: Partial<ModelCard> = {}): string {
  const home = mkdtempSync(join(folder, 'average-'))
  const members = parts.map((part, i) => basename(savedSound({ ...part, seed: i + 1, at: join(home, `fold${i}`) })))
  return savedSound({ ...parts[0], card: { ...parts[0]?.card, ...card, members }, at: join(home, 'best') })
}

/** Makes recordings of each class, short ones and long ones, of different rates, with one or two channels, and trains a head on a speech
 *  embedding of random weights. `each`: recordings of a class; `weights`: where that embedding is written. */
export async function soundRun({
  data,
  run,
  weights,
  each,
}: {
  data: string
  run: string
  weights: string
  each: number
}): Promise<void> {
  const rates = [8000, 16_000, 22_050, 44_100]
  for (const [name, make] of Object.entries(makers)) {
    mkdirSync(join(data, name), { recursive: true })
    for (let n = 0; n < each; n++) {
      const rate = rates[n % 4]!
      const sound = make(n, n % 8 === 7 ? 4 : 0.5 + n / 20, rate)
      writeFileSync(join(data, name, `${n}.wav`), wav(n % 3 === 0 ? [sound, sound] : [sound], { rate }))
    }
  }
  manualSeed(7)
  writeSafetensors(weights, storedTensors(speechEmbedding().stateDict()))
  await recipeFor(sounds).train(data, { weights, model: 'speech-embedding', epochs: 0, out: run })
}

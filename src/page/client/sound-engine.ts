import type { SoundFileCard } from '../../onnx/sound-card.ts'
import type { SoundPrediction } from '../../runtime/browser.ts'
import { soundHost } from '../../runtime/sound/browser.ts'
import { openSoundModel } from '../../runtime/sound/sound-model.ts'
import { type Kind, opening } from './engine.ts'

/** The samples of a recording, or of several of one length, as the model takes them. */
export interface SoundQuestion {
  sounds: readonly Float32Array[]
}

/** Models of sounds. */
export const sounds: Kind<SoundQuestion, readonly SoundPrediction[]> = {
  async create(ort, model, wasm) {
    const { card, bytes, name, host, options } = opening<SoundFileCard>(ort, model, wasm)
    const sounds = async () => ({ soundHost })
    const loaded = await openSoundModel(card, bytes, name, { ...host, sounds }, options)
    return { answer: ({ sounds }) => loaded.predictSamples(sounds) }
  },
  given: () => [],
  taken: () => [],
}

import { load, type SoundPrediction } from '../../runtime/browser.ts'
import type { Kind } from './engine.ts'

/** The samples of a recording, or of several of one length, as the model takes them. */
export interface SoundQuestion {
  sounds: readonly Float32Array[]
}

/** Models of sounds. */
export const sounds: Kind<SoundQuestion, readonly SoundPrediction[]> = {
  async create(ort, model, wasm) {
    const loaded = await load(model, { kind: 'sound', ort, wasm, device: 'wasm', threads: 1 })
    return { answer: ({ sounds }) => loaded.predictSamples(sounds) }
  },
  given: () => [],
  taken: () => [],
}

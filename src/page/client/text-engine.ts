import type { TextFileCard } from '../../onnx/text-card.ts'
import { openText } from '../../runtime/text/text-model.ts'
import type { TextPrediction } from '../../runtime/types.ts'
import { type Engine, type Kind, opening } from './engine.ts'

/** Texts, none of them empty. */
export interface TextQuestion {
  texts: readonly string[]
}

/** The engine of a page of texts. */
export type TextEngine = Engine<TextQuestion, readonly TextPrediction[]>

/** Models of texts. */
export const texts: Kind<TextQuestion, readonly TextPrediction[]> = {
  async create(ort, model, wasm) {
    const { card, bytes, name, host, options } = opening<TextFileCard>(ort, model, wasm)
    const loaded = await openText(card, bytes, name, host, options)
    return { answer: question => loaded.predict(question.texts) }
  },
  given: () => [],
  taken: () => [],
}

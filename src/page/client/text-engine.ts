import type { TextFileCard } from '../../onnx/text-card.ts'
import { readCard } from '../../runtime/card.ts'
import { openText } from '../../runtime/text/text-model.ts'
import type { Host, TextPrediction } from '../../runtime/types.ts'
import { webHost } from '../../runtime/web.ts'
import type { Engine, Kind } from './engine.ts'

/** Texts, none of them empty. */
export interface TextQuestion {
  texts: readonly string[]
}

/** The engine of a page of texts. */
export type TextEngine = Engine<TextQuestion, readonly TextPrediction[]>

/** Models of texts. They are opened without the runtime's `load`, which would bring the readers of all kinds into the page. */
export const texts: Kind<TextQuestion, readonly TextPrediction[]> = {
  async create(ort, model, wasm) {
    const bytes = new Uint8Array(model)
    const card = readCard(bytes) as TextFileCard
    const loaded = await openText(card, bytes, 'the model', webHost as Host<never>, {
      ort,
      wasm,
      device: 'wasm',
      threads: 1,
    })
    return { answer: question => loaded.predict(question.texts) }
  },
  given: () => [],
  taken: () => [],
}

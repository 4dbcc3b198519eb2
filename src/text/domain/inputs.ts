import type { Split } from '../../data/types.ts'
import type { Inputs, Ready } from '../../domain/index.ts'
import type { TextDataset } from '../dataset.ts'
import type { TextBody } from '../net/bert.ts'
import type { Tokens } from '../net/tokens.ts'
import { textSource } from '../source.ts'
import type { TextPreprocessing } from '../types.ts'

/** Texts as inputs of the net. */
export function inputsOf(
  data: TextDataset,
  {
    tokens,
    preprocessing,
    ready: { device },
  }: {
    /** Of each text, by its hash. */
    tokens: ReadonlyMap<string, Int32Array>
    reader: Tokens
    preprocessing: TextPreprocessing
    ready: Ready<TextBody>
  },
): Inputs<TextPreprocessing> {
  const { task, classes } = data
  return {
    preprocessing,
    source(split: Split) {
      const items = data.of(split)
      return textSource(items, {
        tokens: items.map(({ hash }) => tokens.get(hash)!),
        task,
        classes: classes.length,
        device,
      })
    },
    show: async () => '',
  }
}

import type { Split } from '../../data/types.ts'
import type { Inputs, Ready } from '../../domain/index.ts'
import type { TextDataset } from '../dataset.ts'
import type { TextBody } from '../net/bert.ts'
import type { Tokens } from '../net/tokens.ts'
import { textSource } from '../source.ts'
import type { TextItem, TextPreprocessing } from '../types.ts'

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
    both() {
      const order = (a: TextItem, b: TextItem) =>
        tokens.get(a.hash)!.length - tokens.get(b.hash)!.length || (a.hash < b.hash ? -1 : 1)
      const items = [...data.of('train'), ...data.of('valid')].sort(order)
      return textSource(
        items.map(item => ({ ...item, labels: [0] })),
        { tokens: items.map(({ hash }) => tokens.get(hash)!), task: 'single', classes: 1, device },
      )
    },
    show: async () => '',
  }
}

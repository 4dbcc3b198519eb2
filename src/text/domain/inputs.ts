import { targetsOf } from '../../data/targets.ts'
import type { Split } from '../../data/types.ts'
import type { DomainContext, Inputs, Ready } from '../../domain/index.ts'
import { metricsText, textThumbnail } from '../../runs/index.ts'
import type { TextDataset } from '../dataset.ts'
import type { TextBody } from '../net/bert.ts'
import type { Tokens } from '../net/tokens.ts'
import { baselineOf } from '../run/baseline.ts'
import { nearCopies } from '../run/near-copies.ts'
import { readTexts } from '../run/worst-texts.ts'
import { cutTo, textSource } from '../source.ts'
import type { TextItem, TextPreprocessing } from '../types.ts'

/** Texts as inputs of the net. */
export function inputsOf(
  data: TextDataset,
  {
    tokens,
    preprocessing,
    reader,
    ready: { device, seed },
    context: { narrator, signal },
  }: {
    /** Of each text, by its hash. */
    tokens: ReadonlyMap<string, Int32Array>
    reader: Tokens
    preprocessing: TextPreprocessing
    ready: Ready<TextBody>
    context: Pick<DomainContext<object>, 'narrator' | 'signal'>
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
    show: async item => textThumbnail(shortened((item as TextItem).text)),
    async nearlySame(features, items, { signal }) {
      const all = items.map(item => (item as TextItem).text)
      return nearCopies(features, all, { signal })
    },
    async interpret(trained, evaluation, found) {
      const [train, valid] = [data.of('train'), data.of('valid')]
      const answers = (items: readonly TextItem[]) => targetsOf(items, task, classes.length)
      const textsOf = (items: readonly TextItem[]) => items.map(({ text }) => text)
      const { metrics, terms } = await baselineOf(
        { texts: textsOf(train), targets: answers(train) },
        { texts: textsOf(valid), targets: answers(valid) },
        { task, names: classes, seed, signal },
      )
      const name = `words and pairs of words (${terms.toLocaleString('en-US')}) with ${task === 'regression' ? 'ridge' : 'logistic'} regression`
      narrator.emit({ type: 'line', text: `a simple model beside it, ${name}: ${metricsText(metrics)}` })
      return {
        baseline: { name, metrics },
        texts: await readTexts(trained, evaluation, found, {
          dir: data.dir,
          valid,
          tokens: text => cutTo(reader.of(text), preprocessing.maxTokens),
          signal,
        }),
      }
    },
  }
}

/** The most characters of a text that the report holds. */
const mostShown = 1200

const shortened = (text: string): string => (text.length > mostShown ? `${text.slice(0, mostShown)} …` : text)

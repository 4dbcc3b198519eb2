import { plural } from '../base/format.ts'
import type { TextFileCard } from '../onnx/index.ts'
import { type Html, html } from '../report/page/html.ts'
import { about, aboutModel, checkedRow, labelList, lastRows, metricRows, type Parts, pageShell } from './document.ts'
import { formBody, loading, textForm } from './form.ts'
import { formStyle } from './style.ts'

/** An example text, and what it is labelled with. */
export interface TextExample {
  text: string
  label: string
}

/** The page of a model of texts: a text is written, or taken from the examples. `parts` that have no address follow in the body
 *  (`embedded`). */
export function textPageOf(
  card: TextFileCard,
  parts: Parts,
  examples: readonly TextExample[],
  embedded: Html = html``,
): string {
  const { name, task, classes, thresholds } = card
  const setup = { name, task, classes, ...(thresholds && { thresholds }), examples }
  const main = html`<main>
<h1>${name}</h1>
<p class="soft">${about(card, 'text')}</p>
${formBody(textForm(card), {
  ...loading,
  ...(examples.length > 0 && { examples: exampleList(examples) }),
})}
<p class="soft">Your texts stay on this device: the model computes in this page, and the page sends nothing.</p>
${aboutModel(facts(card), 'text')}
</main>`
  return pageShell({ title: name, style: formStyle, setup, main }, parts, embedded)
}

/** How many letters of an example stand on its button. */
const shown = 120

const exampleList = (examples: readonly TextExample[]) => html`<section aria-labelledby="examples-h">
<h2 id="examples-h">Or try an example</h2>
<ul id="examples">${examples.map(
  ({ text, label }, i) =>
    html`<li><button type="button" class="example" data-example="${i}"><b><bdi>${label}</bdi></b><bdi>${beginning(text)}</bdi></button></li>`,
)}</ul>
</section>`

function beginning(text: string): string {
  const letters = [...text.trim()]
  return letters.length > shown ? `${letters.slice(0, shown).join('')}…` : letters.join('')
}

/** The model's card, for a person. */
function facts(card: TextFileCard): [string, string][] {
  const { task, classes, thresholds, metrics, checks, architectures, input, weights } = card
  const check = checks?.find(({ runtime }) => runtime.startsWith('onnxruntime-web'))
  return [
    ...metricRows(task, metrics.valid, 'validation texts'),
    ...metricRows(task, metrics.test ?? {}, 'test texts'),
    [task === 'regression' ? 'Numbers' : task === 'multi' ? 'Labels' : 'Classes', labelList(classes, thresholds)],
    ['Network', `${[...new Set(architectures)].join(', ')}; its weights are stored as ${weights}`],
    [
      'Reads',
      `up to ${input.maxTokens.toLocaleString('en-US')} tokens of a text, in windows of ${input.window.toLocaleString('en-US')}`,
    ],
    ...checkedRow(check && { ...check, samples: plural(check.texts, 'text') }, task),
    ...lastRows(card, 'text'),
  ]
}

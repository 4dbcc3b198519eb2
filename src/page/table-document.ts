import { plural } from '../base/format.ts'
import type { TableCardTexts, TableFileCard } from '../onnx/index.ts'
import { type Html, html } from '../report/page/html.ts'
import { aboutModel, checkedRow, lastRows, metricRows, type Parts, pageShell } from './document.ts'
import { formBody, loading, rowForm } from './form.ts'
import { aboutRows, rowSetup } from './row-setup.ts'
import { formStyle } from './style.ts'

/** The page of a model of a table: a field for each column, and a field to paste a row into. `parts` that have no address follow in
 *  the body (`embedded`). */
export function tablePageOf(card: TableFileCard, parts: Parts, embedded: Html = html``): string {
  const { name } = card
  const main = html`<main>
<h1>${name}</h1>
<p class="soft">${aboutRows(card)}</p>
${formBody(rowForm(card), loading)}
<p class="soft">Your rows stay on this device: the model computes in this page, and the page sends nothing.</p>
${aboutModel(facts(card), 'row')}
</main>`
  return pageShell({ title: name, style: formStyle, setup: { name, ...rowSetup(card) }, main }, parts, embedded)
}

/** The model's card, for a person. */
function facts(card: TableFileCard): [string, string][] {
  const { task, classes, metrics, checks, model, members = 1, inputs, texts, licences, digests, created, anneal } = card
  const check = checks?.find(({ runtime }) => runtime.startsWith('onnxruntime-web'))
  const rows = check && plural(check.valid + check.made, 'row')
  return [
    ...metricRows(task, metrics.valid, 'validation rows'),
    ...metricRows(task, metrics.test ?? {}, 'test rows'),
    [task === 'regression' ? 'Numbers' : 'Classes', classes.join(', ')],
    ['Model', `${model}${members > 1 ? `, the mean of ${members}` : ''}; its weights are stored as float32`],
    ['Columns', inputs.map(({ name, kind }) => `${name} (${kind})`).join(', ')],
    ...(texts ? ([['Net for texts', netOf(texts, licences)]] as [string, string][]) : []),
    ...checkedRow(check && { ...check, samples: rows! }, task, 'model'),
    ...lastRows({ created, anneal, digests: { weights: Object.values(digests) } }, 'row'),
  ]
}

/** The net that reads columns of texts, with its licence. */
const netOf = ({ net, weights, maxTokens, window }: TableCardTexts, licences: readonly string[]): string =>
  `${licences.find(licence => licence.startsWith(`${net}: `)) ?? net}; its weights are stored as ${weights}; it reads up to ${maxTokens.toLocaleString('en-US')} tokens of a text, in windows of ${window.toLocaleString('en-US')}`

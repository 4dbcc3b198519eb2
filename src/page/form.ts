// The forms to fill in, of the pages that hold their model and of those of `anneal serve`.
import type { TableCardInput, TableFileCard } from '../onnx/table-card.ts'
import type { TextFileCard } from '../onnx/text-card.ts'
import { type Html, html } from '../report/page/html.ts'
import { dateText, hasTime } from './date-text.ts'

/** A form: its fields, its buttons beside Predict and Clear, and what comes before its buttons. */
export interface Form {
  id: 'text' | 'row'
  fields: Html
  buttons?: Html
}

/** The form and the place of its answer. more: fields of the page's own; said: what the line says at first; state: what stands
 *  beside it; noScript: what a reader without JavaScript reads; examples: what follows the form. */
export const formBody = (
  { id, fields, buttons = html`` }: Form,
  {
    more = html``,
    said = '',
    state = html``,
    noScript,
    examples = html``,
  }: {
    more?: Html
    said?: string
    state?: Html
    noScript: string
    examples?: Html
  },
): Html => html`<form id="${id}" novalidate>
${fields}${more}
<div class="row"><button type="submit" class="main">Predict</button>${buttons}<button type="button" id="clear">Clear</button></div>
</form>
<div id="state"><p id="said" role="status">${said}</p>${state}</div>
<noscript><p class="bad">${noScript}</p></noscript>
<section id="answer" aria-label="Answer"></section>
${examples}`

/** The line below the form of a page that holds its model, while the model is loaded, and what it says without JavaScript. */
export const loading = {
  said: 'Loading the model …',
  state: html`<progress id="progress" aria-label="Loading the model"></progress>`,
  noScript: 'This page needs JavaScript: the model computes in the browser.',
}

/** The form of a model of texts: one field. */
export const textForm = ({ input }: Pick<TextFileCard, 'input'>): Form => ({
  id: 'text',
  fields: html`<label class="field"><span>Text (of a long one ${input.maxTokens.toLocaleString('en-US')} tokens are read, from its beginning and its end)</span><textarea name="text" rows="6" autofocus></textarea></label>`,
})

/** Categories of more words are typed, with the words as proposals. */
const mostChoices = 40
const mostProposals = 1000

/** The form of a model of a table: a field for each column, and a field to paste a row into. */
export const rowForm = ({ inputs }: Pick<TableFileCard, 'inputs'>): Form => ({
  id: 'row',
  fields: html`<div class="fields">
${inputs.map((input, i) => field(input, i))}</div>
<p class="soft" id="empty">An empty field is a missing value; grey values are usual ones, and are not sent.${inputs.some(({ range }) => range) ? ' In brackets: from the least to the largest value of training.' : ''}</p>
<details><summary>Paste a row</summary>
<label class="field"><span>A row as JSON, or as CSV with the names of the columns in its first line</span><textarea id="pasted" rows="4" spellcheck="false"></textarea></label>
<div class="row"><button type="button" id="fill">Fill in and predict</button></div>
</details>`,
  buttons: html`<button type="button" id="usual">Fill in usual values</button>`,
})

function field(input: TableCardInput, i: number): Html {
  const { name, usual = null } = input
  const shared = html`name="${name}" data-column="${i}" data-usual="${usualText(input)}" aria-describedby="empty"`
  const control = () => {
    const { kind, vocabulary = [] } = input
    if (kind === 'number')
      return html`<input ${shared} inputmode="decimal" autocomplete="off" placeholder="${shown(usual)}">`
    if (kind === 'date')
      return hasTime(input)
        ? html`<input ${shared} type="datetime-local" step="1">`
        : html`<input ${shared} type="date">`
    if (kind === 'text') return html`<textarea ${shared} rows="3" placeholder="${shown(usual)}"></textarea>`
    if (vocabulary.length > 0 && vocabulary.length <= mostChoices)
      return html`<select ${shared}><option value="">(missing)</option>${vocabulary.map(word => html`<option>${word}</option>`)}</select>`
    const proposals = vocabulary.slice(0, mostProposals).map(word => html`<option>${word}</option>`)
    return html`<input ${shared} list="words-${i}" autocomplete="off" placeholder="${shown(usual)}"><datalist id="words-${i}">${proposals}</datalist>`
  }
  return html`<label class="field"><span>${name}${bracketOf(input)}</span>${control()}</label>
`
}

/** What follows the name of a column of numbers or dates: its range in training, and its unit. */
function bracketOf(input: TableCardInput): string {
  const { kind, range, reading } = input
  const text = (value: number) => (kind === 'date' ? dateText(value, input).replace('T', ' ') : shown(value))
  const parts = [...(range ? [`${text(range[0])} to ${text(range[1])}`] : []), ...(reading?.unit ? [reading.unit] : [])]
  return parts.length > 0 ? ` (${parts.join(' ')})` : ''
}

const shown = (value: TableCardInput['usual']): string =>
  typeof value === 'number' ? String(Number(value.toPrecision(6))) : (value ?? '')

/** A usual value as its field takes it: a date without its zone. */
const usualText = (input: TableCardInput): string =>
  input.kind === 'date' && typeof input.usual === 'number' ? dateText(input.usual, input) : shown(input.usual ?? null)

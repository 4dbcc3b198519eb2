import { quoted } from '../../base/format.ts'
import { dateWord } from '../../cells/dates.ts'
import type { TableCardInput } from '../../onnx/table-card.ts'
import { type Html, html } from '../../report/page/html.ts'
import { usualRow } from '../../runtime/table/rows.ts'
import { formPage } from '../form-page.ts'
import type { ServedTable, Version } from '../model.ts'
import { listed, ownPolicy } from '../page-parts.ts'
import { script, style } from './page-script.ts'

/** The content security policy of the page. */
export const policy = ownPolicy({ style, script })

/** Categories of more words are typed, with the words as proposals. */
const mostChoices = 40
const mostProposals = 1000

/** The page to try a model of a table by hand: a field for each column. `token`: whether the server needs one. */
export function page(version: Version, token: boolean): string {
  const { card } = version.model as ServedTable
  const { task, target, classes, inputs, positive, threshold } = card
  const what = task === 'regression' ? classes.join(', ') : `${target.join(', ')}: ${listed(classes)}`
  const decided =
    positive === undefined || threshold === undefined || threshold === 0.5
      ? ''
      : ` “${positive}” is decided from a probability of ${Number(threshold.toPrecision(3))} on.`
  return formPage(version, token, {
    about: `Predicts ${what}.${decided}`,
    form: {
      id: 'row',
      fields: html`<div class="fields">
${inputs.map((input, i) => field(input, i))}</div>
<p class="soft" id="empty">An empty field is a missing value; grey values are usual ones, and are not sent.</p>`,
      buttons: html`<button type="button" id="usual">Fill in usual values</button>`,
    },
    command: `curl -d ${quoted(JSON.stringify(usualRow(card)))}`,
    samples: 'Rows',
    style,
    script,
  })
}

function field(input: TableCardInput, i: number): Html {
  const { name, usual = null } = input
  const shared = html`name="${name}" data-kind="${input.kind}" data-usual="${usualText(input)}" aria-describedby="empty"`
  const control = () => {
    const { kind, vocabulary = [], parts = [] } = input
    if (kind === 'number')
      return html`<input ${shared} inputmode="decimal" autocomplete="off" placeholder="${shown(usual)}">`
    if (kind === 'date')
      return parts.some(part => part.startsWith('hour'))
        ? html`<input ${shared} type="datetime-local" step="1">`
        : html`<input ${shared} type="date">`
    if (vocabulary.length > 0 && vocabulary.length <= mostChoices)
      return html`<select ${shared}><option value="">(missing)</option>${vocabulary.map(word => html`<option>${word}</option>`)}</select>`
    const proposals = vocabulary.slice(0, mostProposals).map(word => html`<option>${word}</option>`)
    return html`<input ${shared} list="words-${i}" autocomplete="off" placeholder="${shown(usual)}"><datalist id="words-${i}">${proposals}</datalist>`
  }
  return html`<label class="field"><span>${name}</span>${control()}</label>
`
}

const shown = (value: TableCardInput['usual']): string =>
  typeof value === 'number' ? String(Number(value.toPrecision(6))) : (value ?? '')

/** A usual value as its field takes it: a date without its zone. */
function usualText({ kind, usual, parts = [] }: TableCardInput): string {
  if (kind !== 'date' || typeof usual !== 'number') return shown(usual)
  const word = dateWord(usual)
  if (!parts.some(part => part.startsWith('hour'))) return word.slice(0, 10)
  return new Date(usual * 1000).toISOString().slice(0, 19)
}

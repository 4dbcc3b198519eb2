import type { TableRow } from '../../runtime/types.ts'
import type { AnswerPlace, FormAnswer, Showing } from './form.ts'
import { fieldText, pastedRow } from './pasted.ts'
import { at, make, type RowAnswers } from './setup.ts'
import { say } from './start.ts'

type Field = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement

/** Makes the form of rows ask: by its button, by Enter (in a text by Ctrl or ⌘ and Enter), and by a row that is pasted. An empty field is
 *  a missing value. */
export function watchRow(place: AnswerPlace<TableRow>, setup: RowAnswers): void {
  const form = at<HTMLFormElement>('row')
  const fields = [...form.querySelectorAll<Field>('[data-column]')]
  const nameOf = (field: Field) => setup.inputs[Number(field.dataset.column)]!.name
  const mark = (message: string) => {
    const begins = (field: Field) => `the row, "${nameOf(field)}": `
    const wrong = fields.find(field => message.startsWith(begins(field)))
    if (!wrong) return
    wrong.setAttribute('aria-invalid', 'true')
    // Beside the field, since the line below the form may be far away.
    wrong.parentElement!.append(make('small', message.slice(begins(wrong).length), { className: 'bad' }))
    wrong.focus()
  }
  const unmark = () => {
    for (const field of fields) field.removeAttribute('aria-invalid')
    for (const reason of form.querySelectorAll('small.bad')) reason.remove()
  }
  const ask = (more: Showing = {}) => {
    unmark()
    const row = Object.fromEntries(fields.map(field => [nameOf(field), field.value.trim() === '' ? null : field.value]))
    void place.ask(row, { after: unknownWords, failed: ({ message }) => mark(message), ...more })
  }
  const fill = (value: (field: Field) => string) => {
    unmark()
    for (const field of fields) field.value = value(field)
    fields[0]!.focus()
  }
  form.addEventListener('submit', event => {
    event.preventDefault()
    ask()
  })
  for (const field of fields)
    field.addEventListener('keydown', event => {
      const { key, ctrlKey, metaKey } = event as KeyboardEvent
      if (field instanceof HTMLTextAreaElement && key === 'Enter' && (ctrlKey || metaKey)) form.requestSubmit()
    })
  at('usual').addEventListener('click', () => fill(field => field.dataset.usual!))
  at('clear').addEventListener('click', () => {
    at<HTMLTextAreaElement>('pasted').value = ''
    fill(() => '')
    place.clear()
  })
  at('fill').addEventListener('click', () => {
    const pasted = at<HTMLTextAreaElement>('pasted')
    pasted.removeAttribute('aria-invalid')
    place.clear()
    try {
      const { values, notes } = pastedRow(pasted.value, setup)
      // All are read before one is written, so that a row that is refused leaves the form as it is.
      const texts = fields.map(field => fieldText(field, setup, values))
      for (const [i, field] of fields.entries()) write(field, texts[i]!)
      ask({ before: notes.map(note => make('p', note, { className: 'soft' })) })
    } catch (error) {
      pasted.setAttribute('aria-invalid', 'true')
      pasted.focus()
      say((error as Error).message, true)
    }
  })
}

/** Writes a text into a field; a word that a list does not have is added to it. */
function write(field: Field, text: string): void {
  if (field instanceof HTMLSelectElement && ![...field.options].some(({ value }) => value === text))
    field.append(new Option(text, text))
  field.value = text
}

const unknownWords = ({ unknown = [] }: FormAnswer): Node[] =>
  unknown.length === 0
    ? []
    : [
        make('p', `Training did not have this word, so the model knows nothing of it: ${unknown.join(', ')}`, {
          className: 'bad',
        }),
      ]

import { formScript, formStyle } from '../form-page.ts'

/** The script of the page: sends the values of the fields to its own server and shows the answer. */
export const script = formScript(`const fields = [...form.querySelectorAll('[data-kind]')]
form.addEventListener('submit', event => {
  event.preventDefault()
  for (const field of fields) field.removeAttribute('aria-invalid')
  const row = Object.fromEntries(fields.map(field => [field.name, field.value.trim() === '' ? null : field.value]))
  ask(row, { more: unknownWords, failed: markField })
})
const unknownWords = ({ unknown }) => unknown
  ? [element('p', 'Training did not have this word, so the model knows nothing of it: ' + unknown.join(', '), { className: 'bad' })]
  : []
const markField = error => {
  const wrong = fields.find(field => error.message.startsWith('the row, "' + field.name + '"'))
  if (!wrong) return
  wrong.setAttribute('aria-invalid', 'true')
  wrong.focus()
}
const fill = value => {
  for (const field of fields) field.value = value(field)
  fields[0].focus()
}
document.querySelector('#usual').addEventListener('click', () => fill(field => field.dataset.usual))
document.querySelector('#clear').addEventListener('click', () => { fill(() => ''); clear() })`)

/** The style of the page. */
export const style =
  formStyle(`.fields { display: grid; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); gap: 12px 16px; margin: 0 0 14px; }
.field input::placeholder { color: var(--soft); opacity: 0.75; }
[aria-invalid=true] { border-color: var(--bad) !important; }
@media (max-width: 480px) { .fields { grid-template-columns: minmax(0, 1fr); } }`)

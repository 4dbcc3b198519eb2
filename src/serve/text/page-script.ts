import { formScript, formStyle } from '../form-page.ts'

/** The script of the page: sends the text to its own server and shows the answer. */
export const script = formScript(`const field = form.querySelector('textarea')
form.addEventListener('submit', event => {
  event.preventDefault()
  ask({ text: field.value }, { failed: () => field.focus() })
})
field.addEventListener('keydown', event => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit()
})
document.querySelector('#clear').addEventListener('click', () => { field.value = ''; clear(); field.focus() })`)

/** The style of the page. */
export const style = formStyle('.field { margin: 0 0 14px; }')

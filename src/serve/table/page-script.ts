import { base } from '../../page/shell.ts'
import { scoreScript, scoreStyle } from '../page-parts.ts'

/** The script of the page: sends the values of the fields to its own server and shows the answer. */
export const script = `
'use strict'
const form = document.querySelector('form')
const fields = [...form.querySelectorAll('[data-kind]')]
const place = document.querySelector('#answer')
const token = document.querySelector('#token')
const command = document.querySelector('pre')
command.textContent = command.textContent.replace('ADDRESS', location.origin)

${scoreScript}
let asked = 0

const show = (...parts) => place.replaceChildren(...parts)

form.addEventListener('submit', async event => {
  event.preventDefault()
  const own = ++asked
  for (const field of fields) field.removeAttribute('aria-invalid')
  const row = Object.fromEntries(fields.map(field => [field.name, field.value.trim() === '' ? null : field.value]))
  show(element('p', 'Asking …', { className: 'soft' }))
  const began = performance.now()
  try {
    const headers = { 'content-type': 'application/json' }
    if (token && token.value) headers.authorization = 'Bearer ' + token.value
    const response = await fetch('predict', { method: 'POST', headers, body: JSON.stringify(row) })
    const text = await response.text()
    if (own !== asked) return
    const answer = JSON.parse(text)
    if (!response.ok) throw new Error(answer.error)
    const body = element('div', '', { className: 'card' })
    if (answer.label !== undefined) body.append(element('h2', answer.label))
    body.append(answer.values ? numbers(entriesOf(text)) : bars(entriesOf(text)))
    if (answer.unknown)
      body.append(element('p', 'Training did not have this word, so the model knows nothing of it: ' + answer.unknown.join(', '), { className: 'bad' }))
    body.append(element('p', Math.round(performance.now() - began) + ' ms', { className: 'soft' }))
    show(body)
  } catch (error) {
    if (own !== asked) return
    show(element('p', error instanceof TypeError ? 'The server does not answer.' : error.message, { className: 'bad' }))
    const wrong = fields.find(field => error.message.startsWith('the row, "' + field.name + '"'))
    if (wrong) {
      wrong.setAttribute('aria-invalid', 'true')
      wrong.focus()
    }
  }
})

const fill = value => {
  for (const field of fields) field.value = value(field)
  fields[0].focus()
}
document.querySelector('#usual').addEventListener('click', () => fill(field => field.dataset.usual))
document.querySelector('#clear').addEventListener('click', () => { fill(() => ''); asked++; show() })
`

/** The style of the page: light and dark, small screens, keyboard focus. */
export const style = `${base}
h2 { font-size: 20px; line-height: 1.3; margin: 0 0 8px; overflow-wrap: anywhere; }
form { margin: 20px 0 0; }
.fields { display: grid; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); gap: 12px 16px; margin: 0 0 14px; }
.field { display: block; font-size: 14px; min-width: 0; }
.field span { display: block; margin: 0 0 3px; color: var(--soft); overflow-wrap: anywhere; }
.field input, .field select { font: inherit; font-size: 16px; width: 100%; min-height: 44px; padding: 8px 10px; border: 1px solid var(--line); border-radius: 7px; background: var(--paper); color: var(--text); }
.field input::placeholder { color: var(--soft); opacity: 0.75; }
[aria-invalid=true] { border-color: var(--bad) !important; }
.token { margin: 0 0 14px; max-width: 340px; }
.buttons { display: flex; flex-wrap: wrap; gap: 10px; }
button { font: inherit; color: var(--text); background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 8px 16px; min-height: 44px; cursor: pointer; }
button:hover { border-color: var(--hue); }
button.main { background: var(--hue); border-color: var(--hue); color: var(--ground); font-weight: 600; }
#answer { margin: 20px 0; }
#answer:empty { margin: 8px 0; }
.card { grid-template-columns: minmax(0, 1fr); gap: 8px; }
.card p { margin: 0; }
${scoreStyle}
@media (max-width: 480px) { main { padding: 22px 16px 48px; } .fields { grid-template-columns: minmax(0, 1fr); } .buttons button { flex: 1 1 auto; } meter { width: 64px; } }
`

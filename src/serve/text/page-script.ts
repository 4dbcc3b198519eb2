import { base } from '../../page/shell.ts'
import { scoreScript, scoreStyle } from '../page-parts.ts'

/** The script of the page: sends the text to its own server and shows the answer. */
export const script = `
'use strict'
const form = document.querySelector('form')
const field = form.querySelector('textarea')
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
  show(element('p', 'Asking …', { className: 'soft' }))
  const began = performance.now()
  try {
    const headers = { 'content-type': 'application/json' }
    if (token && token.value) headers.authorization = 'Bearer ' + token.value
    const response = await fetch('predict', { method: 'POST', headers, body: JSON.stringify({ text: field.value }) })
    const text = await response.text()
    if (own !== asked) return
    const answer = JSON.parse(text)
    if (!response.ok) throw new Error(answer.error)
    const body = element('div', '', { className: 'card' })
    const title = answer.label ?? (answer.labels && (answer.labels.join(', ') || 'no label'))
    if (title !== undefined) body.append(element('h2', title))
    body.append(answer.values ? numbers(entriesOf(text)) : bars(entriesOf(text)))
    body.append(element('p', Math.round(performance.now() - began) + ' ms', { className: 'soft' }))
    show(body)
  } catch (error) {
    if (own !== asked) return
    show(element('p', error instanceof TypeError ? 'The server does not answer.' : error.message, { className: 'bad' }))
    field.focus()
  }
})

field.addEventListener('keydown', event => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit()
})
document.querySelector('#clear').addEventListener('click', () => { field.value = ''; asked++; show(); field.focus() })
`

/** The style of the page: light and dark, small screens, keyboard focus. */
export const style = `${base}
h2 { font-size: 20px; line-height: 1.3; margin: 0 0 8px; overflow-wrap: anywhere; }
form { margin: 20px 0 0; }
.field { display: block; font-size: 14px; min-width: 0; margin: 0 0 14px; }
.field span { display: block; margin: 0 0 3px; color: var(--soft); overflow-wrap: anywhere; }
.field input, .field textarea { font: inherit; font-size: 16px; box-sizing: border-box; width: 100%; min-height: 44px; padding: 8px 10px; border: 1px solid var(--line); border-radius: 7px; background: var(--paper); color: var(--text); }
.token { max-width: 340px; }
.buttons { display: flex; flex-wrap: wrap; gap: 10px; }
button { font: inherit; color: var(--text); background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 8px 16px; min-height: 44px; cursor: pointer; }
button:hover { border-color: var(--hue); }
button.main { background: var(--hue); border-color: var(--hue); color: var(--ground); font-weight: 600; }
#answer { margin: 20px 0; }
#answer:empty { margin: 8px 0; }
.card { grid-template-columns: minmax(0, 1fr); gap: 8px; }
.card p { margin: 0; }
${scoreStyle}
@media (max-width: 480px) { main { padding: 22px 16px 48px; } .buttons button { flex: 1 1 auto; } meter { width: 64px; } }
`

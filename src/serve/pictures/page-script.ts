import { base } from '../../page/shell.ts'
import { scoreScript, scoreStyle } from '../page-parts.ts'

/** The script of the page: sends the chosen pictures to its own server and shows the answers. */
export const script = `
'use strict'
const form = document.querySelector('form')
const input = document.querySelector('input[type=file]')
const drop = document.querySelector('#drop')
const list = document.querySelector('#answers')
const said = document.querySelector('#said')
const token = document.querySelector('#token')

${scoreScript}
const ask = async file => {
  const item = document.createElement('li')
  item.className = 'card'
  const image = document.createElement('img')
  image.alt = ''
  image.src = URL.createObjectURL(file)
  image.onload = image.onerror = () => URL.revokeObjectURL(image.src)
  const body = document.createElement('div')
  body.append(element('p', file.name, { className: 'file' }), element('p', 'Asking …', { className: 'soft' }))
  item.append(image, body)
  list.prepend(item)
  const began = performance.now()
  try {
    const headers = { 'content-type': 'application/octet-stream' }
    if (token && token.value) headers.authorization = 'Bearer ' + token.value
    const response = await fetch('predict', { method: 'POST', headers, body: file })
    const text = await response.text()
    const answer = JSON.parse(text)
    body.lastChild.remove()
    if (!response.ok) throw new Error(answer.error)
    const words = answer.label ?? (answer.labels ? answer.labels.join(', ') || 'no label' : '')
    if (words) body.append(element('h2', words))
    body.append(answer.values ? numbers(entriesOf(text)) : bars(entriesOf(text)))
    body.append(element('p', Math.round(performance.now() - began) + ' ms', { className: 'soft' }))
    said.textContent = file.name + ': ' + (words || entriesOf(text).map(e => e.join(' ')).join(', '))
  } catch (error) {
    body.append(element('p', error instanceof TypeError ? 'The server does not answer.' : error.message, { className: 'bad' }))
    said.textContent = file.name + ': ' + error.message
  }
}

const command = document.querySelector('pre')
command.textContent = command.textContent.replace('ADDRESS', location.origin)

let turn = Promise.resolve()
const take = files => { for (const file of files) turn = turn.then(() => ask(file)) }

input.addEventListener('change', () => { take([...input.files]); input.value = '' })
form.addEventListener('submit', event => event.preventDefault())
document.addEventListener('paste', event => take([...event.clipboardData.files]))
document.addEventListener('dragover', event => { event.preventDefault(); drop.classList.add('over') })
document.addEventListener('dragleave', () => drop.classList.remove('over'))
document.addEventListener('drop', event => {
  event.preventDefault()
  drop.classList.remove('over')
  take([...event.dataTransfer.files])
})
`

/** The style of the page: light and dark, small screens, keyboard focus. */
export const style = `${base}
h2 { font-size: 20px; line-height: 1.3; margin: 0 0 8px; overflow-wrap: anywhere; }
.token { display: block; margin: 16px 0 0; font-size: 14px; }
.token input { font: inherit; width: 100%; padding: 8px; border: 1px solid var(--line); border-radius: 7px; background: var(--paper); color: var(--text); }
.card img { width: 100%; aspect-ratio: 1; object-fit: cover; border-radius: 7px; background: var(--ground); }
${scoreStyle}
@media (max-width: 480px) { .card { grid-template-columns: 84px minmax(0, 1fr); } meter { width: 64px; } }
`

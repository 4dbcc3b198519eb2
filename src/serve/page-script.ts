import { base } from '../page/shell.ts'

/** The script of the page: sends the chosen pictures to its own server and shows the answers. */
export const script = `
'use strict'
const form = document.querySelector('form')
const input = document.querySelector('input[type=file]')
const drop = document.querySelector('#drop')
const list = document.querySelector('#answers')
const said = document.querySelector('#said')
const token = document.querySelector('#token')

const element = (name, text, more = {}) => Object.assign(document.createElement(name), { textContent: text, ...more })

const bars = scores => {
  const table = document.createElement('table')
  const body = table.appendChild(document.createElement('tbody'))
  for (const [name, value] of scores) {
    const row = body.appendChild(document.createElement('tr'))
    row.append(element('th', name, { scope: 'row' }), element('td', (100 * value).toFixed(1) + ' %'))
    const bar = row.appendChild(document.createElement('td'))
    const meter = bar.appendChild(Object.assign(document.createElement('meter'), { max: 1, value }))
    meter.setAttribute('aria-hidden', 'true')
  }
  return table
}

const numbers = values => {
  const table = document.createElement('table')
  const body = table.appendChild(document.createElement('tbody'))
  for (const [name, value] of values) {
    const row = body.appendChild(document.createElement('tr'))
    row.append(element('th', name, { scope: 'row' }), element('td', String(value)))
  }
  return table
}

const entriesOf = text => {
  // JSON.parse would put class names such as 10 before 2; the order of the answer is kept.
  const inner = /"(?:probabilities|values)":(\\{(?:[^"{}]|"(?:[^"\\\\]|\\\\.)*")*\\})/.exec(text)
  if (!inner) return []
  return [...inner[1].matchAll(/("(?:[^"\\\\]|\\\\.)*"):([^,}]+)/g)].map(([, name, value]) => [JSON.parse(name), Number(value)])
}

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
table { width: 100%; border-collapse: collapse; font-size: 14.5px; font-variant-numeric: tabular-nums; margin: 0 0 8px; }
th { text-align: left; font-weight: 400; overflow-wrap: anywhere; } td { white-space: nowrap; text-align: right; padding-left: 10px; width: 1%; }
meter { width: 110px; height: 10px; vertical-align: middle; }
pre { background: var(--paper); border: 1px solid var(--line); border-radius: 7px; padding: 10px 14px; overflow-x: auto; font: 13.5px/1.5 ui-monospace, Menlo, Consolas, monospace; }
@media (max-width: 480px) { .card { grid-template-columns: 84px minmax(0, 1fr); } meter { width: 64px; } }
`

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
export const style = `
:root { color-scheme: light dark; --ground: #f6f7f9; --paper: #fff; --text: #1c2128; --soft: #5b6675; --line: #c9d0d8; --hue: #2563eb; --bad: #b93a0a; }
@media (prefers-color-scheme: dark) { :root { --ground: #0e1116; --paper: #171b21; --text: #e4e8ee; --soft: #98a3b3; --line: #3a434f; --hue: #6ea8ff; --bad: #ff8a5c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text); font: 16px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; }
main { max-width: 760px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 20px; line-height: 1.3; margin: 0 0 8px; overflow-wrap: anywhere; }
p { margin: 0 0 12px; }
.soft, .file { color: var(--soft); font-size: 14px; overflow-wrap: anywhere; }
.bad { color: var(--bad); }
#drop { display: block; border: 2px dashed var(--line); border-radius: 10px; background: var(--paper); padding: 32px 20px; text-align: center; cursor: pointer; }
#drop.over, #drop:hover { border-color: var(--hue); }
#drop:focus-within { outline: 3px solid var(--hue); outline-offset: 2px; }
#drop input { position: absolute; opacity: 0; width: 1px; height: 1px; }
.token { display: block; margin: 16px 0 0; font-size: 14px; }
.token input { font: inherit; width: 100%; padding: 8px; border: 1px solid var(--line); border-radius: 7px; background: var(--paper); color: var(--text); }
#answers { list-style: none; margin: 20px 0; padding: 0; display: grid; gap: 14px; }
.card { display: grid; grid-template-columns: 140px minmax(0, 1fr); gap: 16px; background: var(--paper); border: 1px solid var(--line); border-radius: 10px; padding: 14px; }
.card img { width: 100%; aspect-ratio: 1; object-fit: cover; border-radius: 7px; background: var(--ground); }
table { width: 100%; border-collapse: collapse; font-size: 14.5px; font-variant-numeric: tabular-nums; margin: 0 0 8px; }
th { text-align: left; font-weight: 400; overflow-wrap: anywhere; } td { white-space: nowrap; text-align: right; padding-left: 10px; width: 1%; }
meter { width: 110px; height: 10px; vertical-align: middle; }
pre { background: var(--paper); border: 1px solid var(--line); border-radius: 7px; padding: 10px 14px; overflow-x: auto; font: 13.5px/1.5 ui-monospace, Menlo, Consolas, monospace; }
a { color: var(--hue); } :focus-visible { outline: 3px solid var(--hue); outline-offset: 2px; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
@media (max-width: 480px) { .card { grid-template-columns: 84px minmax(0, 1fr); } meter { width: 64px; } }
`

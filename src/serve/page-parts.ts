// What the pages of all kinds share: how they ask their server, and how scores are shown.
import { digest, policy } from '../page/shell.ts'
import { type Html, html } from '../report/page/html.ts'

/** The content security policy of a page: its own style and script, its own server, and no page around it. more: what else it
 *  allows. */
export const ownPolicy = (
  { style, script }: { style: string; script: string },
  more: Readonly<Record<string, string>> = {},
): string =>
  policy({
    'connect-src': "'self'",
    'style-src': digest(style),
    'script-src': digest(script),
    'frame-ancestors': "'none'",
    ...more,
  })

/** The first names of a list. */
export const listed = (names: readonly string[]): string =>
  `${names.slice(0, 12).join(', ')}${names.length > 12 ? ', …' : ''}`

/** What a page says without JavaScript. */
export const needsScript = 'This page needs JavaScript; without it use the command below.'

/** The same as markup. */
export const noScript: Html = html`<noscript><p class="bad">${needsScript}</p></noscript>`

/** The end of a page: how programs ask, and what becomes of the samples. command: a request without its address. */
export const foot = (command: string, token: boolean, samples: string): Html => html`<p>From a program:</p>
<pre tabindex="0">${command}${token && ' -H "authorization: Bearer $ANNEAL_TOKEN"'} ADDRESS/predict</pre>
<p class="soft"><a href="openapi.json">openapi.json</a> describes all of it. ${samples} stay between this page and its server.</p>`

/** The start of a page's script, with its functions: `predict` asks the server, `shown` makes elements of what it answered,
 *  `refusal` of an error; `element`, `bars` and `numbers` (tables of scores), `entriesOf` (the scores of an answer in their
 *  order). */
export const askScript = `'use strict'
const token = document.querySelector('#token')
const command = document.querySelector('pre')
command.textContent = command.textContent.replace('ADDRESS', location.origin)

const predict = async (type, body) => {
  const headers = { 'content-type': type }
  if (token && token.value) headers.authorization = 'Bearer ' + token.value
  const response = await fetch('predict', { method: 'POST', headers, body })
  const text = await response.text()
  const answer = JSON.parse(text)
  if (!response.ok) throw new Error(answer.error)
  return { text, answer, words: answer.label ?? (answer.labels ? answer.labels.join(', ') || 'no label' : '') }
}

const shown = ({ text, answer, words }, began, ...more) => [
  ...(words ? [element('h2', words)] : []),
  answer.values ? numbers(entriesOf(text)) : bars(entriesOf(text)),
  ...more,
  element('p', Math.round(performance.now() - began) + ' ms', { className: 'soft' }),
]

const refusal = error =>
  element('p', error instanceof TypeError ? 'The server does not answer.' : error.message, { className: 'bad' })

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
`

/** The style of the command below. */
export const commandStyle = `
pre { background: var(--paper); border: 1px solid var(--line); border-radius: 7px; padding: 10px 14px; overflow-x: auto; font: 13.5px/1.5 ui-monospace, Menlo, Consolas, monospace; }`

/** The style of answers and of the command below. */
export const answerStyle = `h2 { font-size: 20px; line-height: 1.3; margin: 0 0 8px; overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; font-size: 14.5px; font-variant-numeric: tabular-nums; margin: 0 0 8px; }
th { text-align: left; font-weight: 400; overflow-wrap: anywhere; } td { white-space: nowrap; text-align: right; padding-left: 10px; width: 1%; }
meter { width: 110px; height: 10px; vertical-align: middle; }${commandStyle}`

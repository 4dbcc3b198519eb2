// What the pages have in common that have a form to fill in: rows of a table and texts.
import { base, document } from '../page/shell.ts'
import { type Html, html } from '../report/page/html.ts'
import type { Version } from './model.ts'
import { answerStyle, askScript, foot, noScript } from './page-parts.ts'

/** The page to try a model by hand. about: a sentence on what it predicts; form: its id and fields, and buttons of its own;
 *  command: a request without its address; samples: what is sent; `token`: whether the server needs one. */
export function formPage(
  { name, version }: Version,
  token: boolean,
  {
    about,
    form,
    command,
    samples,
    style,
    script,
  }: {
    about: string
    form: { id: string; fields: Html; buttons?: Html }
    command: string
    samples: string
    style: string
    script: string
  },
): string {
  const body = html`<main>
<h1>${name}</h1>
<p class="soft">${about} Version ${version}.</p>
<form id="${form.id}" novalidate>
${form.fields}
${token && html`<label class="field token"><span>Token</span><input id="token" type="password" autocomplete="off"></label>`}
<div class="buttons"><button type="submit" class="main">Predict</button>${form.buttons ?? ''}<button type="button" id="clear">Clear</button></div>
</form>
${noScript}
<section id="answer" role="status" aria-live="polite" aria-label="Answer"></section>
${foot(command, token, samples)}
</main>`
  return document({ title: `${name} · Anneal`, style, script }, body)
}

/** The script of such a page: `ask` sends what the form holds to its own server, and shows the answer to the last request. own:
 *  what calls it, and `clear` to forget the answer. */
export const formScript = (own: string): string => `
${askScript}
const form = document.querySelector('form')
const place = document.querySelector('#answer')
let asked = 0

const show = (...parts) => place.replaceChildren(...parts)
const clear = () => { asked++; show() }

const ask = async (sample, { more = () => [], failed }) => {
  const own = ++asked
  show(element('p', 'Asking …', { className: 'soft' }))
  const began = performance.now()
  try {
    const found = await predict('application/json', JSON.stringify(sample))
    if (own !== asked) return
    const body = element('div', '', { className: 'card' })
    body.append(...shown(found, began, ...more(found.answer)))
    show(body)
  } catch (error) {
    if (own !== asked) return
    show(refusal(error))
    failed(error)
  }
}

${own}
`

/** The style of such a page: light and dark, small screens, keyboard focus. own: what else it has. */
export const formStyle = (own: string): string => `${base}
form { margin: 20px 0 0; }
.field { display: block; font-size: 14px; min-width: 0; }
.field span { display: block; margin: 0 0 3px; color: var(--soft); overflow-wrap: anywhere; }
.field input, .field select, .field textarea { font: inherit; font-size: 16px; width: 100%; min-height: 44px; padding: 8px 10px; border: 1px solid var(--line); border-radius: 7px; background: var(--paper); color: var(--text); }
.token { margin: 0 0 14px; max-width: 340px; }
.buttons { display: flex; flex-wrap: wrap; gap: 10px; }
button { font: inherit; color: var(--text); background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 8px 16px; min-height: 44px; cursor: pointer; }
button:hover { border-color: var(--hue); }
button.main { background: var(--hue); border-color: var(--hue); color: var(--ground); font-weight: 600; }
#answer { margin: 20px 0; }
#answer:empty { margin: 8px 0; }
.card { grid-template-columns: minmax(0, 1fr); gap: 8px; }
.card p { margin: 0; }
${answerStyle}
@media (max-width: 480px) { main { padding: 22px 16px 48px; } .buttons button { flex: 1 1 auto; } meter { width: 64px; } }
${own}
`

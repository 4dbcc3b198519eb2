// What the pages have in common to which files are given: pictures and recordings.
import { plural } from '../base/format.ts'
import { base, document } from '../page/shell.ts'
import { type Html, html } from '../report/page/html.ts'
import type { Version } from './model.ts'
import { answerStyle, askScript, foot, listed, noScript } from './page-parts.ts'

/** The page to try a model by hand. form: the field for files, with the id `drop`, and other ways to give them; command: a
 *  request without its address; samples: what is sent; `token`: whether the server needs one. */
export function filesPage(
  { model, name, version }: Version,
  token: boolean,
  {
    form,
    command,
    samples,
    style,
    script,
  }: { form: Html; command: string; samples: string; style: string; script: string },
): string {
  const { task, classes } = model.card
  const noun = task === 'regression' ? plural(classes.length, 'number') : plural(classes.length, 'class', 'classes')
  const body = html`<main>
<h1>${name}</h1>
<p class="soft">${noun}: ${listed(classes)}. Version ${version}.</p>
<form>
${form}
${token && html`<label class="token">Token <input id="token" type="password" autocomplete="off"></label>`}
</form>
${noScript}
<p id="said" class="hidden" role="status" aria-live="polite"></p>
<ol id="answers" aria-label="Answers"></ol>
${foot(command, token, samples)}
</main>`
  return document({ title: `${name} · Anneal`, style, script }, body)
}

/** The script of such a page: sends the files that are chosen or dropped to its own server one by one, and shows the answers.
 *  itemOf: a function that makes the item of a file, and the element in it that its answer goes into; more: what comes after,
 *  with `take`, which takes files. */
export const filesScript = (itemOf: string, more: string): string => `
${askScript}
const input = document.querySelector('input[type=file]')
const drop = document.querySelector('#drop')
const list = document.querySelector('#answers')
const said = document.querySelector('#said')

${itemOf}

const ask = async file => {
  const { item, body } = itemOf(file)
  const waiting = element('p', 'Asking …', { className: 'soft' })
  body.append(waiting)
  list.prepend(item)
  const began = performance.now()
  try {
    const found = await predict('application/octet-stream', file)
    body.append(...shown(found, began))
    said.textContent = file.name + ': ' + (found.words || entriesOf(found.text).map(e => e.join(' ')).join(', '))
  } catch (error) {
    body.append(refusal(error))
    said.textContent = file.name + ': ' + error.message
  }
  waiting.remove()
}

let turn = Promise.resolve()
const take = files => { for (const file of files) turn = turn.then(() => ask(file)) }

input.addEventListener('change', () => { take([...input.files]); input.value = '' })
document.querySelector('form').addEventListener('submit', event => event.preventDefault())
document.addEventListener('dragover', event => { event.preventDefault(); drop.classList.add('over') })
document.addEventListener('dragleave', () => drop.classList.remove('over'))
document.addEventListener('drop', event => {
  event.preventDefault()
  drop.classList.remove('over')
  take([...event.dataTransfer.files])
})
${more}
`

/** The style of such a page: light and dark, small screens, keyboard focus. own: what else it has. */
export const filesStyle = (own: string): string => `${base}
.token { display: block; margin: 16px 0 0; font-size: 14px; }
.token input { font: inherit; width: 100%; padding: 8px; border: 1px solid var(--line); border-radius: 7px; background: var(--paper); color: var(--text); }
${answerStyle}
@media (max-width: 480px) { meter { width: 64px; } }
${own}
`

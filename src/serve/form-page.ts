// What the pages have in common that have a form to fill in: rows of a table and texts.
import { servedScript } from '../page/assets.ts'
import { type Form, formBody } from '../page/form.ts'
import { document } from '../page/shell.ts'
import { formStyle } from '../page/style.ts'
import { html, raw } from '../report/page/html.ts'
import type { Version } from './model.ts'
import { commandStyle, foot, needsScript, ownPolicy } from './page-parts.ts'

/** The page to try a model by hand, and its content security policy. kind: whose script it has; about: a sentence on what it
 *  predicts; setup: what the script knows of the model; command: a request without its address; samples: what is sent; `token`:
 *  whether the server needs one. */
export function formPage(
  { name, version }: Version,
  token: boolean,
  {
    kind,
    about,
    form,
    setup,
    command,
    samples,
  }: { kind: 'text' | 'table'; about: string; form: Form; setup: object; command: string; samples: string },
): { html: string; policy: string } {
  const more = token
    ? html`<label class="field token"><span>Token</span><input id="token" type="password" autocomplete="off"></label>`
    : html``
  const body = html`<main>
<h1>${name}</h1>
<p class="soft">${about} Version ${version}.</p>
${formBody(form, { more, noScript: needsScript })}
${foot(command, token, samples)}
</main>
<script type="application/json" id="setup">${raw(JSON.stringify(setup).replaceAll('<', '\\u003c'))}</script>`
  const style = `${formStyle}${commandStyle}`
  const script = servedScript(kind)
  return { html: document({ title: `${name} · Anneal`, style, script }, body), policy: ownPolicy({ style, script }) }
}

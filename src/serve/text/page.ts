import { quoted } from '../../base/format.ts'
import { digest, document, policy as policyOf } from '../../page/shell.ts'
import { html } from '../../report/page/html.ts'
import type { ServedTexts, Version } from '../model.ts'
import { script, style } from './page-script.ts'

/** The content security policy of the page: its own style and script, and its own server. */
export const policy = policyOf({
  'connect-src': "'self'",
  'style-src': digest(style),
  'script-src': digest(script),
  'frame-ancestors': "'none'",
})

/** The page to try a model of texts by hand. `token`: whether the server needs one. */
export function page({ model, name, version }: Version, token: boolean): string {
  const { classes, input } = (model as ServedTexts).card
  const listed = `${classes.slice(0, 12).join(', ')}${classes.length > 12 ? ', …' : ''}`
  const command = `curl -d ${quoted(JSON.stringify({ text: 'This is an example sentence.' }))}`
  const body = html`<main>
<h1>${name}</h1>
<p class="soft">Predicts ${listed}. Version ${version}.</p>
<form id="text" novalidate>
<label class="field"><span>Text (of a long one ${input.maxTokens.toLocaleString('en-US')} tokens are read, from its beginning and its end)</span><textarea name="text" rows="6" autofocus></textarea></label>
${token && html`<label class="field token"><span>Token</span><input id="token" type="password" autocomplete="off"></label>`}
<div class="buttons"><button type="submit" class="main">Predict</button><button type="button" id="clear">Clear</button></div>
</form>
<noscript><p class="bad">This page needs JavaScript; without it use the command below.</p></noscript>
<section id="answer" role="status" aria-live="polite" aria-label="Answer"></section>
<p>From a program:</p>
<pre tabindex="0">${command}${token && ' -H "authorization: Bearer $ANNEAL_TOKEN"'} ADDRESS/predict</pre>
<p class="soft"><a href="openapi.json">openapi.json</a> describes all of it. Texts stay between this page and its server.</p>
</main>`
  return document({ title: `${name} · Anneal`, style, script }, body)
}

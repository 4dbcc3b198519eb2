import { plural } from '../../base/format.ts'
import { digest, document, policy as policyOf } from '../../page/shell.ts'
import { html } from '../../report/page/html.ts'
import type { Version } from '../model.ts'
import { script, style } from './page-script.ts'

/** The content security policy of the page: its own style and script, its own server, recordings that the reader chose, and the
 *  script that hears the microphone, which browsers take from an address alone (`blob:`). */
export const policy = policyOf({
  'media-src': 'blob:',
  'connect-src': "'self'",
  'style-src': digest(style),
  'script-src': `${digest(script)} blob:`,
  'frame-ancestors': "'none'",
})

/** The page to try a model of sounds by hand. `token`: whether the server needs one. */
export function page({ model, name, version }: Version, token: boolean): string {
  const { task, classes } = model.card
  const noun = task === 'regression' ? plural(classes.length, 'number') : plural(classes.length, 'class', 'classes')
  const body = html`<main>
<h1>${name}</h1>
<p class="soft">${noun}: ${classes.slice(0, 12).join(', ')}${classes.length > 12 && ', …'}. Version ${version}.</p>
<form>
<label id="drop"><strong>Choose recordings</strong> or drop them here<input type="file" accept="audio/*,video/*" multiple></label>
<div class="buttons"><button type="button" id="record" aria-pressed="false">Record</button><span id="level" class="soft" role="status"></span></div>
${token && html`<label class="token">Token <input id="token" type="password" autocomplete="off"></label>`}
</form>
<noscript><p class="bad">This page needs JavaScript; without it use the command below.</p></noscript>
<p id="said" class="hidden" role="status" aria-live="polite"></p>
<ol id="answers" aria-label="Answers"></ol>
<p>From a program:</p>
<pre tabindex="0">curl --data-binary @a.wav${token && ' -H "authorization: Bearer $ANNEAL_TOKEN"'} ADDRESS/predict</pre>
<p class="soft"><a href="openapi.json">openapi.json</a> describes all of it. Recordings stay between this page and its server.</p>
</main>`
  return document({ title: `${name} · Anneal`, style, script }, body)
}

import { createHash } from 'node:crypto'
import { plural } from '../base/format.ts'
import { html, raw } from '../report/page/html.ts'
import type { Version } from './models.ts'
import { script, style } from './page-script.ts'

const digest = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

/** The content security policy of the page: its own style and script, its own server, and pictures that the reader chose. */
export const contentSecurity = [
  "default-src 'none'",
  'img-src blob: data:',
  "connect-src 'self'",
  `style-src ${digest(style)}`,
  `script-src ${digest(script)}`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** The page to try a model by hand. `token`: whether the server needs one. */
export function page({ model, name, version }: Version, token: boolean): string {
  const { task, classes } = model.card
  const noun = task === 'regression' ? plural(classes.length, 'number') : plural(classes.length, 'class', 'classes')
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>${name} · Anneal</title>
<style>${raw(style)}</style>
</head>
<body>
<main>
<h1>${name}</h1>
<p class="soft">${noun}: ${classes.slice(0, 12).join(', ')}${classes.length > 12 && ', …'}. Version ${version}.</p>
<form>
<label id="drop"><strong>Choose pictures</strong>, drop them here, or paste one<input type="file" accept="image/*" multiple></label>
${token && html`<label class="token">Token <input id="token" type="password" autocomplete="off"></label>`}
</form>
<noscript><p class="bad">This page needs JavaScript; without it use the command below.</p></noscript>
<p id="said" class="hidden" role="status" aria-live="polite"></p>
<ol id="answers" aria-label="Answers"></ol>
<p>From a program:</p>
<pre tabindex="0">curl --data-binary @cat.jpg${token && ' -H "authorization: Bearer $ANNEAL_TOKEN"'} ADDRESS/predict</pre>
<p class="soft"><a href="openapi.json">openapi.json</a> describes all of it. Pictures stay between this page and its server.</p>
</main>
<script>${raw(script)}</script>
</body>
</html>
`.markup
}

import { createHash } from 'node:crypto'
import { type Html, html, type Piece, raw } from '../report/page/html.ts'

/** A style or a script as a content security policy names it. */
export const digest = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

/** A content security policy: its rules, and nothing else. */
export const policy = (rules: Readonly<Record<string, string>>): string =>
  Object.entries({
    'default-src': "'none'",
    'base-uri': "'none'",
    'form-action': "'none'",
    'img-src': 'data:',
    ...rules,
  })
    .map(([rule, value]) => `${rule} ${value}`)
    .join('; ')

/** A whole page: everything that it needs is in it. head: more for the head; script: at the end of the body. */
export function document(
  { title, style, head, script }: { title: string; style: string; head?: Piece; script?: string },
  body: Html,
): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${head}<link rel="icon" href="data:,">
<title>${title}</title>
<style>${raw(style)}</style>
</head>
<body>
${body}
${
  script !== undefined &&
  html`<script>${raw(script)}</script>
`
}</body>
</html>
`.markup
}

/** The colours and the letters of pages that try a model: light and dark, keyboard focus, what only a screen reader reads. */
export const base = `
:root { color-scheme: light dark; --ground: #f6f7f9; --paper: #fff; --text: #1c2128; --soft: #5b6675; --line: #c9d0d8; --hue: #2563eb; --bad: #b93a0a; }
@media (prefers-color-scheme: dark) { :root { --ground: #0e1116; --paper: #171b21; --text: #e4e8ee; --soft: #98a3b3; --line: #3a434f; --hue: #6ea8ff; --bad: #ff8a5c; } }
* { box-sizing: border-box; }
body { margin: 0; padding-bottom: 64px; background: var(--ground); color: var(--text); font: 16px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; }
main, footer { max-width: 760px; margin: 0 auto; padding: 32px 20px 0; }
footer { padding-top: 14px; }
footer pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 12px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 4px; overflow-wrap: anywhere; }
p { margin: 0 0 12px; }
.soft, .file { color: var(--soft); font-size: 14px; overflow-wrap: anywhere; }
.bad { color: var(--bad); }
#drop { display: block; border: 2px dashed var(--line); border-radius: 10px; background: var(--paper); padding: 32px 20px; text-align: center; cursor: pointer; }
#drop.over, #drop:hover { border-color: var(--hue); }
#drop:focus-within { outline: 3px solid var(--hue); outline-offset: 2px; }
#drop input { position: absolute; opacity: 0; width: 1px; height: 1px; }
#answers { list-style: none; margin: 20px 0; padding: 0; display: grid; gap: 14px; }
.card { display: grid; grid-template-columns: 140px minmax(0, 1fr); gap: 16px; background: var(--paper); border: 1px solid var(--line); border-radius: 10px; padding: 14px; }
a { color: var(--hue); } :focus-visible { outline: 3px solid var(--hue); outline-offset: 2px; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
`

import { percent, plural } from '../base/format.ts'
import type { Card, CardMetric } from '../onnx/index.ts'
import { type Html, html, raw } from '../report/page/html.ts'
import { metricInfo } from '../runs/index.ts'
import { digest, document, policy } from './shell.ts'
import { style as filesStyle } from './style.ts'

/** An example picture: a JPEG in base64, and what it is labelled with. */
export interface Example {
  jpeg: string
  label: string
}

/** Where the parts of a page are: beside it, or in it. */
export interface Parts {
  model: { bytes: number; url?: string }
  wasm: { bytes: number; url?: string }
  /** The address of the script, or its text. */
  script: { url: string } | { text: string }
  /** The licences of the software, in the same way. */
  licences: { url: string } | { text: string }
}

/** Tells a reader who opens a page of several files from the disk why it can not work there. */
const fromDisk = `if (location.protocol === 'file:') document.getElementById('said').textContent = 'This page has to come from a web server: opened from the disk, the browser does not let it read its model. In its folder run: npx serve — or ask for the page as a single file (anneal export RUN --single-file page.html).'`

/** What marks a page that Anneal wrote, so that another export may write over it. */
export const generator = 'anneal export'

/** What differs by the kind of a page. */
export interface PageContent {
  title: string
  /** The style of the page. Default: that of pages to which files are given. */
  style?: string
  /** What the page's script knows beside where its files are. */
  setup: object
  /** More rules of its content security policy, and sources of scripts and workers. */
  rules?: Readonly<Record<string, string>>
  sources?: string
  main: Html
}

/** The document of a page. `parts` that have no address follow in the body (`embedded`). */
export function pageShell(
  { title, style = filesStyle, setup: own, rules: more = {}, sources = '', main }: PageContent,
  { model, wasm, script, licences }: Parts,
  embedded: Html,
): string {
  const single = 'text' in script
  const setup = { files: { model, wasm }, ...(!single && { script: script.url }), ...own }
  const rules = policy({
    'img-src': 'data: blob:',
    'connect-src': single ? "'none'" : "'self'",
    ...more,
    'worker-src': `${single ? 'blob:' : "'self'"}${single ? '' : sources}`,
    'style-src': digest(style),
    'script-src': `'wasm-unsafe-eval' ${single ? digest(script.text) : `'self' ${digest(fromDisk)}`}${sources}`,
  })
  const head = html`<meta http-equiv="Content-Security-Policy" content="${rules}">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="${generator}">
`
  const body = html`${main}
<footer class="soft">${
    'text' in licences
      ? html`<details><summary>Licences of the software</summary><pre>${licences.text}</pre></details>`
      : html`<a href="${licences.url}">Licences of the software</a>`
  }</footer>
<script type="application/json" id="setup">${raw(JSON.stringify(setup).replaceAll('<', '\\u003c'))}</script>
${embedded}${
  single
    ? html`<script type="module" id="program">${raw(script.text)}</script>`
    : html`<script>${raw(fromDisk)}</script>
<script type="module" src="${script.url}"></script>`
}`
  return document({ title, style, head }, body)
}

/** The page of a model of pictures: all text, style and examples. `parts` that have no address follow in the body
 *  (`embedded`). */
export function pageOf(card: Card, parts: Parts, examples: readonly Example[], embedded: Html = html``): string {
  const { name, task, classes, thresholds, heat, input } = card
  const setup = {
    name,
    task,
    classes,
    ...(thresholds && { thresholds }),
    ...(heat && { heat }),
    seen: input.size / input.short,
  }
  const main = html`<main>
<h1>${name}</h1>
<p class="soft">${about(card)}</p>
<form id="form">
<label id="drop"><strong>Choose pictures</strong>, drop them here, or paste one<input id="file" type="file" accept="image/*" multiple></label>
<div class="row"><button type="button" id="camera" hidden>Use the camera</button></div>
</form>
<div id="state"><p id="said" role="status">Loading the model …</p><progress id="progress" aria-label="Loading the model"></progress><button type="button" id="stop-all" hidden>Stop</button></div>
<noscript><p class="bad">This page needs JavaScript: the model computes in the browser.</p></noscript>
<section id="live" aria-labelledby="live-h" hidden>
<h2 id="live-h" class="hidden">Camera</h2>
<div><video id="video" muted playsinline aria-label="Camera"></video><div class="row"><button type="button" id="keep">Keep this picture</button><button type="button" id="turn">Switch camera</button><button type="button" id="stop">Stop the camera</button></div></div>
<div id="live-answer"></div>
</section>
${examples.length > 0 && exampleList(examples)}
<section id="many" aria-labelledby="many-h" hidden>
<h2 id="many-h">All pictures</h2>
<div class="scroll" tabindex="0" role="region" aria-label="Table of all pictures"><table id="all"><thead></thead><tbody></tbody></table></div>
<div class="row"><button type="button" id="csv">Save as CSV</button><button type="button" id="clear">Clear</button></div>
</section>
<section aria-labelledby="answers-h">
<h2 id="answers-h" class="hidden">Answers</h2>
<ol id="answers"></ol>
</section>
<p class="soft">Your pictures stay on this device: the model computes in this page, and the page sends nothing.</p>
${details(card)}
</main>`
  return pageShell({ title: name, setup, rules: { 'media-src': 'blob: mediastream:' }, main }, parts, embedded)
}

/** What a model does, in a sentence. `of`: what it takes. */
export function about({ task, classes }: Pick<Card, 'task' | 'classes'>, of = 'picture'): string {
  const list = `${classes.slice(0, 12).join(', ')}${classes.length > 12 ? ', …' : ''}`
  if (task === 'regression') return `Estimates ${list} from a ${of}.`
  if (task === 'multi') return `Finds which of ${plural(classes.length, 'label')} a ${of} has: ${list}.`
  return `Tells which of ${plural(classes.length, 'class', 'classes')} a ${of} belongs to: ${list}.`
}

const exampleList = (examples: readonly Example[]) => html`<section aria-labelledby="examples-h">
<h2 id="examples-h">Or try an example</h2>
<ul id="examples">${examples.map(
  ({ jpeg, label }, i) =>
    html`<li><button type="button" class="example" data-name="example ${i + 1}" data-labelled="${label}"><img src="data:image/jpeg;base64,${jpeg}" alt="Example ${i + 1}"><bdi>${label}</bdi></button></li>`,
)}</ul>
</section>`

/** The model's card, for a person. */
function details(card: Card): Html {
  const { task, classes, thresholds, metrics, checks, architectures, input } = card
  const check = checks?.find(({ runtime }) => runtime.startsWith('onnxruntime-web'))
  const rows: [string, string][] = [
    ...metricRows(task, metrics.valid, 'validation pictures'),
    ...metricRows(task, metrics.test ?? {}, 'test pictures'),
    [task === 'regression' ? 'Numbers' : task === 'multi' ? 'Labels' : 'Classes', labelList(classes, thresholds)],
    ['Network', [...new Set(architectures)].join(', ')],
    [
      'Sees',
      `the square of ${input.size} × ${input.size} pixels in the middle, after the short side became ${input.short}`,
    ],
    ...checkedRow(check && { ...check, samples: plural(check.files, 'picture') }, task),
    ...lastRows(card, 'picture'),
  ]
  return aboutModel(rows, 'picture')
}

/** The row on the check of the file, where it was checked. samples: how many of which. */
export const checkedRow = (
  check: { samples: string; runtime: string; same: number } | undefined,
  task: Card['task'],
  trained = 'net',
): [string, string][] =>
  check === undefined
    ? []
    : [
        [
          'Checked',
          `${check.samples} through ${check.runtime}${task === 'regression' ? '' : `: ${percent(check.same)} same labels as the trained ${trained}`}`,
        ],
      ]

/** The last rows of the card of any model that shares them. `of`: what it takes. */
export function lastRows(
  {
    licence,
    digests,
    created,
    anneal,
  }: Pick<Card, 'licence' | 'created' | 'anneal'> & { digests: Partial<Card['digests']> },
  of: string,
): [string, string][] {
  const row = (what: string, value: string | undefined): [string, string][] =>
    value === undefined ? [] : [[what, value]]
  return [
    ...row('Licence of the pretrained weights', licence),
    ...row(`Digest of the training ${of}s`, digests.data),
    ...row('Digest of the weights', digests.weights?.join(', ')),
    ['Made', `${created.slice(0, 10)} by Anneal ${anneal}`],
  ]
}

/** What is known of a model, to unfold. `of`: what it takes. */
export const aboutModel = (rows: readonly (readonly [string, string])[], of: string): Html =>
  html`<details><summary>About this model</summary>
<dl>${rows.map(([what, value]) => html`<dt>${what}</dt><dd>${value}</dd>`)}</dl>
<p class="soft">A model answers every ${of}, also one of something that it never learned. The numbers hold for ${of}s like those that it was validated on.</p>
</details>`

/** Metrics as rows of the card. `where`: what they were measured on. */
export const metricRows = (
  task: Card['task'],
  part: Readonly<Record<string, CardMetric>>,
  where: string,
): [string, string][] =>
  Object.entries(part).map(([key, { value, interval }]): [string, string] => {
    const { title, say } = metricInfo(key, task)
    return [
      `${title} (${where})`,
      `${say(value)}${interval ? `, 95 % interval ${say(interval[0])} to ${say(interval[1])}` : ''}`,
    ]
  })

/** The names of labels, with their thresholds. */
export const labelList = (classes: readonly string[], thresholds?: readonly number[]): string =>
  classes.map((name, c) => (thresholds ? `${name} (from ${percent(thresholds[c]!)})` : name)).join(', ')
